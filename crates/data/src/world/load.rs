//! The world in memory: every rendering and photograph decoded once.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Split;
use super::pack::{Index, Pack};
use super::photos::{family, subject_of};
use crate::picture_io::{read, rgb_from_bytes, rgba_from_bytes};
use crate::recolor::dominant_hue;
use crate::{DataError, Result, Rgb8, Rgba8, Stream};

/// The mini world, ready to draw samples from. It can be shared between threads.
#[derive(Debug)]
pub struct World {
    pub(super) concepts: Vec<Concept>,
    pub(super) renderings: Vec<Rendering>,
    pub(super) photos: Vec<Photo>,
    /// Indices into `photos`, for train, validation and test.
    photos_of_split: [Vec<usize>; 3],
}

/// A word the world has pictures for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concept {
    /// The word, as captions use it, such as "apple" or "hot dog".
    pub name: String,
    /// The group it belongs to, such as "food".
    pub group: String,
    /// Renderings shown in training and validation.
    pub(super) seen: Vec<usize>,
    /// Renderings shown in test: the held-out one, or the only one.
    pub(super) unseen: Vec<usize>,
}

/// Which renderings of a concept may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renderings {
    /// Those of training and validation.
    Seen,
    /// The one of the test split: held out, or the only one that there is.
    HeldOut,
    /// All, each as often as any other of its concept.
    Every,
}

impl Renderings {
    /// One of `concept`, counted over all concepts.
    pub(super) fn draw(self, concept: &Concept, stream: &mut Stream) -> usize {
        let Concept { seen, unseen, .. } = concept;
        let n_seen = if self == Self::HeldOut { 0 } else { seen.len() };
        // Where a concept has one rendering only, it is in both lists and counts once.
        let n_unseen = if self == Self::Seen || (n_seen > 0 && seen == unseen) { 0 } else { unseen.len() };
        let index = stream.below(n_seen + n_unseen);
        if index < n_seen { seen[index] } else { unseen[index - n_seen] }
    }
}

impl From<Split> for Renderings {
    fn from(split: Split) -> Self {
        match split {
            Split::Train | Split::Validation => Self::Seen,
            Split::Test => Self::HeldOut,
        }
    }
}

/// One picture of an object.
#[derive(Debug)]
pub(super) struct Rendering {
    pub(super) picture: Rgba8,
    /// The hue in degrees that can be turned, if one dominates.
    pub(super) hue: Option<f32>,
}

/// One photograph.
#[derive(Debug)]
pub(super) struct Photo {
    pub(super) name: String,
    pub(super) picture: Rgb8,
}

impl World {
    /// Reads a pack from a file; about 8 MB, and about 60 MB once decoded.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be read, otherwise as [`World::from_bytes`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::from_bytes(&read(path)?)
    }

    /// Reads a pack from memory.
    ///
    /// # Errors
    /// [`DataError::Pack`] if it is damaged, of another version, or leaves a split without
    /// photographs or a concept without a rendering for training; [`DataError::Picture`] if one of its
    /// pictures is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let pack = Pack::from_bytes(bytes)?;
        let files: Vec<_> = pack.index.concepts.iter().flat_map(|concept| &concept.renderings).collect();
        let renderings = files
            .par_iter()
            .map(|entry| {
                let picture = rgba_from_bytes(pack.file(&entry.file)?, &entry.file)?;
                Ok(Rendering { hue: dominant_hue(&picture), picture })
            })
            .collect::<Result<Vec<_>>>()?;
        let photos = pack
            .index
            .photos
            .par_iter()
            .map(|entry| {
                let picture = rgb_from_bytes(pack.file(&entry.file)?, &entry.file)?;
                Ok(Photo { name: entry.name.clone(), picture })
            })
            .collect::<Result<Vec<_>>>()?;
        let photos_of_split = [Split::Train, Split::Validation, Split::Test].map(|split| {
            (0..photos.len()).filter(|&photo| pack.index.photos[photo].split == split).collect::<Vec<_>>()
        });
        if photos_of_split.iter().any(Vec::is_empty) || renderings.is_empty() {
            return Err(DataError::pack("a split has no photograph, or there is no object"));
        }
        Ok(Self { concepts: concepts(&pack.index)?, renderings, photos, photos_of_split })
    }

    /// All concepts, by group.
    pub fn concepts(&self) -> &[Concept] {
        &self.concepts
    }

    /// Number of photographs of `split`.
    pub fn n_photos(&self, split: Split) -> usize {
        self.photos_of(split).len()
    }

    /// Whether colour words can be made true of the concept by turning its hue.
    ///
    /// # Panics
    /// If `concept` is not an index into [`World::concepts`].
    pub fn is_recolorable(&self, concept: usize) -> bool {
        self.concepts[concept].seen.iter().any(|&rendering| self.renderings[rendering].hue.is_some())
    }

    /// Whether the concept has a rendering that training does not see.
    ///
    /// # Panics
    /// If `concept` is not an index into [`World::concepts`].
    pub fn has_held_out_rendering(&self, concept: usize) -> bool {
        let Concept { seen, unseen, .. } = &self.concepts[concept];
        seen != unseen
    }

    /// The photographs of a split whose subject is none of the concepts.
    pub(super) fn plain_photos_of(&self, split: Split) -> Vec<usize> {
        let is_plain = |photo: &usize| subject_of(&self.photos[*photo].name).is_none();
        self.photos_of(split).iter().copied().filter(is_plain).collect()
    }

    /// The plain photographs of a split in two halves, those of one subject in the same half: family by
    /// family, the largest first, each to the half that has fewer.
    pub(super) fn halves_of(&self, split: Split) -> [Vec<usize>; 2] {
        let mut families: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for photo in self.plain_photos_of(split) {
            families.entry(family(&self.photos[photo].name)).or_default().push(photo);
        }
        let mut families: Vec<Vec<usize>> = families.into_values().collect();
        families.sort_by_key(|photos| Reverse(photos.len()));
        let mut halves = [Vec::new(), Vec::new()];
        for photos in families {
            // The second takes the largest family, so that the first shows more subjects.
            let smaller = usize::from(halves[1].len() <= halves[0].len());
            halves[smaller].extend(photos);
        }
        halves
    }

    pub(super) fn photos_of(&self, split: Split) -> &[usize] {
        &self.photos_of_split[split as usize]
    }
}

/// The concepts, with their renderings numbered in the order of the index.
fn concepts(index: &Index) -> Result<Vec<Concept>> {
    let mut next = 0;
    index
        .concepts
        .iter()
        .map(|entry| {
            let numbered: Vec<_> = (next..).zip(&entry.renderings).collect();
            next += numbered.len();
            let pick = |held_out: bool| -> Vec<usize> {
                numbered.iter().filter(|(_, r)| r.held_out == held_out).map(|(index, _)| *index).collect()
            };
            let (seen, held_out) = (pick(false), pick(true));
            if seen.is_empty() {
                return Err(DataError::pack(format!("concept {} has no rendering for training", entry.name)));
            }
            let unseen = if held_out.is_empty() { seen.clone() } else { held_out };
            Ok(Concept { name: entry.name.clone(), group: entry.group.clone(), seen, unseen })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::path::PathBuf;

    use super::super::pack::{ConceptEntry, RenderingEntry, VERSION};
    use super::*;

    fn world() -> World {
        let path: PathBuf =
            [env!("CARGO_MANIFEST_DIR"), "..", "..", "assets", "world", "world.pack"].iter().collect();
        World::open(&path).unwrap()
    }

    #[test]
    fn repeats_of_a_subject_stand_on_one_side_of_the_split() {
        let world = world();
        let mut sides: HashMap<String, Split> = HashMap::new();
        for split in [Split::Train, Split::Validation, Split::Test] {
            for &photo in world.photos_of(split) {
                let family = family(&world.photos[photo].name);
                assert_eq!(*sides.entry(family.clone()).or_insert(split), split, "{family} is on two sides");
            }
        }
    }

    #[test]
    fn every_photograph_with_a_subject_is_there_and_its_subject_is_a_concept() {
        let world = world();
        let concepts: Vec<&str> = world.concepts().iter().map(|concept| concept.name.as_str()).collect();
        let shown = |split| -> Vec<&str> {
            let photos = world.photos_of(split).iter();
            photos.filter_map(|&photo| subject_of(&world.photos[photo].name)).collect()
        };
        let [train, validation, test] = [Split::Train, Split::Validation, Split::Test].map(shown);
        assert!([&train, &validation, &test].into_iter().flatten().all(|word| concepts.contains(word)));
        assert_eq!([train.len(), validation.len(), test.len()], [47, 3, 8]);
        assert_eq!(world.plain_photos_of(Split::Test).len() + test.len(), world.n_photos(Split::Test));
    }

    #[test]
    fn training_never_sees_a_held_out_rendering() {
        let world = world();
        let several = world.concepts().iter().filter(|concept| concept.seen != concept.unseen);
        for concept in several.clone() {
            assert_eq!(concept.unseen.len(), 1, "{}", concept.name);
            assert!(!concept.seen.contains(&concept.unseen[0]), "{}", concept.name);
        }
        assert!(several.count() >= 30);
    }

    /// How much two objects look the same whatever their hue, 1 for a recolouring: overlap of the silhouettes
    /// times correlation of the value where both are, each stretched to 32x32, mirrored if that is closer.
    fn likeness(a: &Rgba8, b: &Rgba8) -> f32 {
        const SIDE: usize = 32;
        let at = |picture: &Rgba8, x: usize, y: usize| {
            let (x, y) = (x * picture.width / SIDE, y * picture.height / SIDE);
            let [r, g, b, alpha] = picture.pixels().nth(y * picture.width + x).unwrap();
            (alpha >= 128).then_some(f32::from(r.max(g).max(b)))
        };
        let compare = |is_mirrored: bool| {
            let (mut either, mut both) = (0.0_f32, Vec::new());
            for (x, y) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y))) {
                match (at(a, x, y), at(b, if is_mirrored { SIDE - 1 - x } else { x }, y)) {
                    (Some(a), Some(b)) => both.push((a, b)),
                    (None, None) => continue,
                    _ => {}
                }
                either += 1.0;
            }
            let n = both.len() as f32;
            let mean = |of: &dyn Fn((f32, f32)) -> f32| both.iter().map(|&pair| of(pair)).sum::<f32>() / n;
            let (p, q) = (mean(&|(a, _)| a), mean(&|(_, b)| b));
            let covariance = mean(&|(a, b)| (a - p) * (b - q));
            let spread = (mean(&|(a, _)| (a - p).powi(2)) * mean(&|(_, b)| (b - q).powi(2))).sqrt();
            n / either * covariance / spread
        };
        compare(false).max(compare(true))
    }

    #[test]
    fn no_held_out_rendering_is_a_copy_of_one_that_training_shows() {
        let world = world();
        let picture = |index: usize| &world.renderings[index].picture;
        for concept in world.concepts().iter().filter(|concept| concept.seen != concept.unseen) {
            for &seen in &concept.seen {
                // Recolourings and copies with a detail more reach 0.5 to 0.95, other objects at most 0.43.
                let likeness = likeness(picture(seen), picture(concept.unseen[0]));
                assert!(likeness < 0.47, "{}: {likeness}", concept.name);
            }
        }
    }

    #[test]
    fn a_concept_that_training_cannot_show_is_refused() {
        let rendering = RenderingEntry { file: "objects/a.webp".to_owned(), held_out: true };
        let concept =
            ConceptEntry { name: "apple".to_owned(), group: "food".to_owned(), renderings: vec![rendering] };
        let index = Index { version: VERSION, concepts: vec![concept], photos: Vec::new() };
        let message = concepts(&index).unwrap_err().to_string();
        assert!(message.contains("concept apple has no rendering for training"), "{message}");
    }

    #[test]
    fn a_pack_that_is_damaged_is_refused() {
        assert!(matches!(World::from_bytes(b"not a pack"), Err(DataError::Pack { .. })));
        assert!(matches!(World::open(Path::new("/nowhere")), Err(DataError::Io { action: "read", .. })));
    }
}
