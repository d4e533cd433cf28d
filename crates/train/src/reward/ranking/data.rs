//! What a ranking reward learns from: groups of a picture and a text each, some of which are better than others.

use std::collections::BTreeSet;
use std::path::PathBuf;

use byteedit_data::mask::InstanceMasks;
use byteedit_data::{ColorWord, MaskStrategy, SampleSpec, Split, Task, World};
use rayon::prelude::*;

use super::RankingRunConfig;
use super::records::{Captioned, Judged, Records};
use crate::random::{Use, stream};
use crate::reward::is_held_out as by_hash;
use crate::reward::seen::Seen;
use crate::{Result, TrainError};

/// A prompt with its candidates, or a picture with its captions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) pictures: Vec<Seen>,
    pub(super) items: Vec<Item>,
    /// Numbers of two items, the better first.
    pub(super) pairs: Vec<[usize; 2]>,
    /// What the first item says of the first picture, where that is known.
    pub(super) said: Option<Said>,
}

/// What a caption of the world says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    concept: Option<usize>,
    /// None if it names no colour.
    color: Option<ColorWord>,
}

/// What gets a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Number of the picture in its group.
    pub(super) picture: usize,
    pub(super) text: String,
}

/// Everything that there is to compare.
#[derive(Debug)]
pub(super) struct Comparisons<'a> {
    config: &'a RankingRunConfig,
    world: &'a World,
    learned: Vec<Judged>,
    held_out: Vec<Judged>,
    captions: Vec<Captioned>,
    held_out_captions: Vec<Captioned>,
}

impl<'a> Comparisons<'a> {
    /// Sorts the records into those to learn from and those held out; pictures are read when they are compared.
    ///
    /// # Errors
    /// [`TrainError::Config`] for shares of groups that have no source.
    pub(super) fn new(config: &'a RankingRunConfig, records: Records, world: &'a World) -> Result<Self> {
        let Records { judged, captioned, .. } = records;
        let is_held_out = |judged: &Judged| by_hash(&judged.record.prompt, config.held_out_percent);
        let (held_out, learned): (Vec<_>, Vec<_>) = judged.into_iter().partition(is_held_out);
        // A picture is on the side of its preferences; one that has none is held out by its name.
        let paths_of = |judged: &Judged| {
            let paths = judged.record.candidates.iter().map(|candidate| judged.folder.join(&candidate.path));
            paths.collect::<Vec<_>>()
        };
        let validated: BTreeSet<PathBuf> = held_out.iter().flat_map(paths_of).collect();
        let taught: BTreeSet<PathBuf> = learned.iter().flat_map(paths_of).collect();
        let (held_out_captions, captions): (Vec<_>, Vec<_>) =
            captioned.into_iter().partition(|Captioned { folder, record, .. }: &Captioned| {
                let path = folder.join(&record.image);
                let by_name = || by_hash(&record.image, config.held_out_percent);
                validated.contains(&path) || (!taught.contains(&path) && by_name())
            });
        let p_preferences = 1.0 - config.p_world - config.p_captions;
        if p_preferences > 1e-6 && (learned.is_empty() || held_out.is_empty()) {
            let limit = "1 or more on both sides: name more preferences with --data, or set p_world and p_captions \
                         to 1 in sum";
            let value = format!("{} to learn from, {} held out", learned.len(), held_out.len());
            return Err(TrainError::config("records with a preference", value, limit));
        }
        if config.p_captions > 0.0 && (captions.is_empty() || held_out_captions.is_empty()) {
            let limit = "0 without --captions of a few dozen pictures, which `data align` makes";
            return Err(TrainError::config("p_captions", config.p_captions, limit));
        }
        if config.p_captions <= 0.0 && !(captions.is_empty() && held_out_captions.is_empty()) {
            let limit = "above 0 with --captions: the share of the training that they have";
            return Err(TrainError::config("p_captions", config.p_captions, limit));
        }
        Ok(Self { config, world, learned, held_out, captions, held_out_captions })
    }

    /// Who judged.
    pub(super) fn annotators(&self) -> Vec<String> {
        let judged = self.learned.iter().filter_map(|judged| judged.record.annotator.clone());
        let captions = self.captions.iter().filter_map(|captioned| captioned.record.annotator.clone());
        let all: BTreeSet<String> = judged.chain(captions).collect();
        all.into_iter().collect()
    }

    /// The groups `indices` of a training.
    pub(super) fn groups(&self, indices: std::ops::Range<u64>) -> Result<Vec<Group>> {
        let RankingRunConfig { training, p_world, p_captions, p_mirror, .. } = self.config;
        let shares = [*p_world, *p_captions, (1.0 - p_world - p_captions).max(0.0)];
        let drawn: Vec<Drawn> = indices
            .into_par_iter()
            .map(|index| {
                let mut stream = stream(training.seed, Use::Comparisons, index);
                let kind = stream.weighted(&shares);
                let is_mirrored = stream.chance(*p_mirror);
                let drawn = match kind {
                    0 => Drawn::World(self.told(Split::Train, training.seed, index)?),
                    1 => Drawn::Group(of_captions(&self.captions[stream.below(self.captions.len())])?),
                    _ => Drawn::Group(self.learned[stream.below(self.learned.len())].group()?),
                };
                Ok(if is_mirrored { drawn.mirrored() } else { drawn })
            })
            .collect::<Result<_>>()?;
        Ok(compared(drawn, self.config.n_wrong))
    }

    /// The first held-out preferences.
    pub(super) fn held_out(&self) -> Result<Vec<Group>> {
        let some = &self.held_out[..self.held_out.len().min(self.config.n_validation)];
        some.par_iter().map(Judged::group).collect()
    }

    /// Held-out pictures with captions, of the world and of the file, of each kind that the training has.
    pub(super) fn held_out_captions(&self) -> Result<Vec<Group>> {
        let RankingRunConfig { p_world, n_validation, n_wrong, .. } = self.config;
        let n_told = if *p_world > 0.0 { *n_validation as u64 } else { 0 };
        let told = (0..n_told)
            .into_par_iter()
            .map(|index| Ok(Drawn::World(self.told(Split::Validation, 0, index)?)));
        let mut groups = compared(told.collect::<Result<_>>()?, *n_wrong);
        let some = &self.held_out_captions[..self.held_out_captions.len().min(*n_validation)];
        groups.extend(some.par_iter().map(of_captions).collect::<Result<Vec<_>>>()?);
        Ok(groups)
    }

    /// A composite of the world in a box as an evaluation cuts it, with what is true of it.
    fn told(&self, split: Split, seed: u64, index: u64) -> Result<Told> {
        let masks = MaskStrategy { instance: InstanceMasks::other_boxes(), ..MaskStrategy::default() };
        let sample = self.world.sample_with(&SampleSpec::new(Task::Edit, split, seed), &masks, index)?;
        Ok(Told {
            said: Said {
                concept: sample.object.map(|object| object.concept),
                color: sample.caption.split(' ').find_map(ColorWord::from_name),
            },
            caption: sample.caption,
            seen: Seen { picture: sample.truth, edit_mask: sample.edit_mask },
        })
    }
}

/// A composite and its caption.
#[derive(Clone, Debug)]
struct Told {
    said: Said,
    caption: String,
    seen: Seen,
}

impl Said {
    /// How much another picture's caption has in common with this one's; `None` if it may be true of both.
    fn nearness_of(self, other: Self) -> Option<usize> {
        let is_other_concept = self.concept != other.concept;
        let has_same_color = self.color.is_some() && self.color == other.color;
        self.is_wrong_of(other).then_some(usize::from(!is_other_concept) + usize::from(has_same_color))
    }

    /// Whether it is known to be wrong of the picture of another.
    pub(super) fn is_wrong_of(self, other: Self) -> bool {
        let is_other_color = self.color.zip(other.color).is_some_and(|(own, other)| own != other);
        self.concept != other.concept || is_other_color
    }
}

enum Drawn {
    World(Told),
    Group(Group),
}

impl Drawn {
    fn mirrored(self) -> Self {
        match self {
            Self::World(told) => Self::World(Told { seen: told.seen.mirrored(), ..told }),
            Self::Group(group) => {
                let pictures = group.pictures.iter().map(Seen::mirrored).collect();
                Self::Group(Group { pictures, ..group })
            }
        }
    }
}

/// Gives every picture of the world up to `n_wrong` captions of others, those first that have most in common with its own.
/// Two pictures always exchange their captions: each caption is as often wrong as it is true, so that none is wrong by
/// itself.
fn compared(drawn: Vec<Drawn>, n_wrong: usize) -> Vec<Group> {
    let told = |at: usize| match &drawn[at] {
        Drawn::World(told) => Some(told),
        Drawn::Group(_) => None,
    };
    let n = drawn.len();
    // Neighbours in the batch come last, so that equally near ones are drawn evenly.
    let pairs = (1..n).flat_map(|step| (0..n - step).map(move |at| (at, at + step)));
    let mut near: Vec<(usize, (usize, usize))> =
        pairs.filter_map(|(a, b)| Some((told(a)?.said.nearness_of(told(b)?.said)?, (a, b)))).collect();
    near.sort_by_key(|(nearness, _)| std::cmp::Reverse(*nearness));
    let mut wrong: Vec<Vec<String>> = vec![Vec::new(); n];
    for (_, (a, b)) in near {
        if let (Some(of_a), Some(of_b)) = (told(a), told(b))
            && wrong[a].len().max(wrong[b].len()) < n_wrong
        {
            wrong[a].push(of_b.caption.clone());
            wrong[b].push(of_a.caption.clone());
        }
    }
    let group = |(drawn, wrong): (Drawn, Vec<String>)| match drawn {
        Drawn::Group(group) => group,
        Drawn::World(Told { said, caption, seen }) => {
            Group { said: Some(said), ..captioned(seen, std::iter::once(caption).chain(wrong)) }
        }
    };
    drawn.into_iter().zip(wrong).map(group).collect()
}

/// A picture with texts, of which the first is the best.
fn captioned(seen: Seen, texts: impl Iterator<Item = String>) -> Group {
    let items: Vec<Item> = texts.map(|text| Item { picture: 0, text }).collect();
    let pairs = (1..items.len()).map(|wrong| [0, wrong]).collect();
    Group { pictures: vec![seen], items, pairs, said: None }
}

impl Judged {
    fn group(&self) -> Result<Group> {
        let Self { folder, record, pairs, .. } = self;
        let pictures = record.candidates.iter().map(|candidate| Seen::read(folder, record, candidate));
        let items = (0..record.candidates.len()).map(|picture| Item { picture, text: record.prompt.clone() });
        let (pictures, items) = (pictures.collect::<Result<_>>()?, items.collect());
        Ok(Group { pictures, items, pairs: pairs.clone(), said: None })
    }
}

fn of_captions(Captioned { folder, record, .. }: &Captioned) -> Result<Group> {
    let seen = Seen::open(folder, &record.image, record.mask.as_deref())?;
    let texts = std::iter::once(&record.better).chain(&record.worse).cloned();
    Ok(captioned(seen, texts))
}

#[cfg(test)]
mod tests {
    use byteedit_data::{Mask, Rgb8};

    use super::*;

    fn told(concept: usize, color: Option<ColorWord>, caption: &str) -> Told {
        let seen = Seen { picture: Rgb8::filled(2, 2, [0; 3]), edit_mask: Mask::full(2, 2) };
        Told { said: Said { concept: Some(concept), color }, caption: caption.to_owned(), seen }
    }

    #[test]
    fn wrong_captions_are_exchanged_and_the_nearest_come_first() {
        let red = Some(ColorWord::Red);
        let drawn = [
            told(0, red, "red apple"),
            told(0, None, "apple"),
            told(1, Some(ColorWord::Blue), "blue hat"),
            told(1, red, "red hat"),
            told(0, Some(ColorWord::Green), "green apple"),
        ];
        let texts = |groups: &[Group]| -> Vec<Vec<String>> {
            groups.iter().map(|group| group.items.iter().map(|item| item.text.clone()).collect()).collect()
        };
        let all = compared(drawn.clone().map(Drawn::World).into(), 4);
        // "apple" is true of it too, and the hat of its colour and the apple of another are nearest.
        assert_eq!(texts(&all)[0], ["red apple", "red hat", "green apple", "blue hat"]);
        assert_eq!(all[0].pairs, [[0, 1], [0, 2], [0, 3]]);
        // Of an apple whose colour is not said, other apples may be true.
        assert_eq!(texts(&all)[1], ["apple", "blue hat", "red hat"]);
        for n_wrong in 1..4 {
            let groups = texts(&compared(drawn.clone().map(Drawn::World).into(), n_wrong));
            for Told { caption, .. } in &drawn {
                let true_of = groups.iter().filter(|texts| texts[0] == *caption).map(|texts| texts.len() - 1);
                let wrong_of = groups.iter().filter(|texts| texts[1..].contains(caption)).count();
                assert_eq!(true_of.sum::<usize>(), wrong_of, "{caption} among {n_wrong}");
            }
        }
    }
}
