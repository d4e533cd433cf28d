//! Where training pictures come from: the mini world, or a folder with `metadata.jsonl`.

use std::collections::BTreeSet;

use byteedit_data::folder::Crop;
use byteedit_data::mask::InstanceMasks;
use byteedit_data::world::{FRAME_SIDES, Sample, Untold};
use byteedit_data::{
    ColorWord, FolderDataset, Mask, MaskStrategy, PairSpec, Rgb8, SampleSpec, Split, Task, World,
};
use byteedit_edit::BoxView;
use byteedit_image::{Size, UnitImage};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::pictures::{rgb8_from_unit, unit_from_rgb8};
use crate::random::{Use, stream};
use crate::{Result, TrainError};

/// Every so manyth picture of a folder is held out for validation.
const HELD_OUT: usize = 20;

/// A supply of pictures that are addressed by (split, seed, index).
#[derive(Debug)]
pub enum Source {
    /// Composites and photographs of the mini world.
    World(World),
    /// A folder of pictures. One in twenty is held out for validation; a folder of fewer than twenty
    /// validates on what it trains on.
    Folder(FolderDataset),
}

/// Which pairs of picture and mask the base model learns from.
///
/// Every mask is drawn by `masks`. On the world, with an object in every picture of a pair by the
/// strategy, kinds of masks come with these probabilities:
///
/// | mask | probability | with [`PairConfig::mini`] |
/// |---|---|---|
/// | global | `p_strategy (1 - p_instance) p_global` | 0.4 % |
/// | irregular | `p_strategy (1 - p_instance) p_irregular` | 0.4 % |
/// | square | `p_strategy (1 - p_instance) p_square` | 0.3 % |
/// | outward | `p_strategy (1 - p_instance) p_outward + p_outpaint` | 9.4 % |
/// | over an object | `p_strategy p_instance + p_edit + p_erase` | 89.5 % |
///
/// Those over an object are dilated, boxes, free-form and others' boxes as `masks.instance` has it:
/// 7.5, 15, 7.5 and 70 % of them. On a folder `masks` alone decides, without objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairConfig {
    /// Side of the pictures in pixels.
    pub picture_size: usize,
    /// Probability of a pair by the mask strategy: all kinds of masks on pictures with an object.
    pub p_strategy: f32,
    /// Probability of a pair whose mask covers the object that the caption names.
    pub p_edit: f32,
    /// Probability of a background whose mask has the shape of an object, without a caption.
    pub p_erase: f32,
    /// Probability of a picture of which only a window is known.
    pub p_outpaint: f32,
    /// Among the pairs by the mask strategy, the probability that the object is left out.
    pub p_strategy_erase: f32,
    /// What the captions of the world's pairs do not tell.
    #[serde(default)]
    pub untold: Untold,
    /// Where the world's edits are shown around their box, all of one size: the part of the picture's side that its
    /// shorter side takes ([`BoxView`]). None shows them whole, with boxes of every size.
    #[serde(default)]
    pub box_share: Option<f64>,
    /// The paper's mask strategy. A folder of pictures uses it for every picture without a mask of its
    /// own, or with one that repaints nothing.
    pub masks: MaskStrategy,
}

impl PairConfig {
    /// The mixture of the small model, at 128 px: mostly edits, of upright objects that fill a box of three quarters of
    /// the picture, as a noun is learned fastest where it decides most of the hole.
    pub fn mini() -> Self {
        let instance = InstanceMasks {
            p_dilated: 0.075,
            p_box: 0.15,
            p_free_form: 0.075,
            p_other_box: 0.7,
            p_merge: 0.05,
            box_margin: [4.0, 32.0],
            other_slack: [1.1, 1.1],
            other_centered: true,
            ..InstanceMasks::default()
        };
        Self {
            picture_size: 128,
            p_strategy: 0.03,
            p_edit: 0.76,
            p_erase: 0.12,
            p_outpaint: 0.09,
            p_strategy_erase: 0.25,
            untold: Untold { max_turn: 3.0, p_flip: 0.0, hues: false },
            box_share: Some(0.75),
            masks: MaskStrategy { instance, ..MaskStrategy::default() },
        }
    }

    /// All kinds of masks, objects in boxes of every size or with their shape, erasures and extensions. The paper says no
    /// shares. Runs of autoencoders are bound to these numbers ([`Source::fingerprint`]), so they stay.
    pub(crate) fn of_all_kinds(picture_size: usize) -> Self {
        let instance = InstanceMasks {
            p_dilated: 0.075,
            p_box: 0.4,
            p_free_form: 0.075,
            p_other_box: 0.45,
            p_merge: 0.05,
            box_margin: [4.0, 32.0],
            other_centered: true,
            ..InstanceMasks::default()
        };
        Self {
            picture_size,
            p_strategy: 0.08,
            p_edit: 0.6,
            p_erase: 0.18,
            p_outpaint: 0.14,
            p_strategy_erase: 0.25,
            untold: Untold::default(),
            box_share: None,
            masks: MaskStrategy { instance, ..MaskStrategy::default() },
        }
    }

    /// Checks every number.
    ///
    /// # Errors
    /// [`TrainError::Config`] or the data's own error names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        let shares = [self.p_strategy, self.p_edit, self.p_erase, self.p_outpaint];
        let sum: f32 = shares.iter().sum();
        if shares.iter().any(|&p| !(0.0..=1.0).contains(&p)) || (sum - 1.0).abs() > 1e-4 {
            let key = "data.p_strategy + p_edit + p_erase + p_outpaint";
            return Err(TrainError::config(key, sum, "1 in sum, none of them negative"));
        }
        if !(0.0..=1.0).contains(&self.p_strategy_erase) {
            return Err(TrainError::config("data.p_strategy_erase", self.p_strategy_erase, "a probability"));
        }
        self.untold.validate()?;
        if let Some(share) = self.box_share.filter(|share| !(*share > 0.0 && *share <= 0.9)) {
            return Err(TrainError::config("data.box_share", share, "above 0 and up to 0.9, or null"));
        }
        Ok(self.masks.validate()?)
    }
}

impl PairConfig {
    /// The pair of one of the world's samples; an edit is cut out around its box.
    fn pair(&self, world: &World, spec: SampleSpec, index: u64) -> Result<Pair> {
        let Some(share) = self.box_share.filter(|_| spec.task == Task::Edit) else {
            return Ok(world.sample_with(&spec, &self.masks, index)?.into());
        };
        // Twice as large, so that boxes are reduced more often than enlarged.
        let frame = (2 * spec.size).min(FRAME_SIDES[1]);
        let whole = Pair::from(world.sample_with(&SampleSpec { size: frame, ..spec }, &self.masks, index)?);
        let (truth, edit_mask) = whole.to_canvas()?;
        let Some(view) = BoxView::around(&truth, &edit_mask, share, Size::new(spec.size, spec.size))? else {
            // A mask that hides all of the picture has nothing around it to be shown.
            return Ok(world.sample_with(&spec, &self.masks, index)?.into());
        };
        let edit_mask = view.edit_mask();
        let (width, height) = (edit_mask.width(), edit_mask.height());
        Ok(Pair {
            truth: rgb8_from_unit(&view.with_hole_of(&truth)?),
            edit_mask: Mask { width, height, values: edit_mask.values().to_vec() },
            caption: whole.caption,
        })
    }
}

/// One training pair in pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The right answer.
    pub truth: Rgb8,
    /// Where to repaint.
    pub edit_mask: Mask,
    /// What belongs there, or "".
    pub caption: String,
}

impl Pair {
    /// The truth and the mask as editors take them.
    ///
    /// # Errors
    /// [`TrainError::Image`] if their data do not fit their sizes.
    pub(crate) fn to_canvas(&self) -> Result<(UnitImage, byteedit_image::Mask)> {
        let truth = unit_from_rgb8(&self.truth)?;
        let edit_mask = byteedit_image::Mask::new(truth.size(), self.edit_mask.values.clone())?;
        Ok((truth, edit_mask))
    }
}

impl From<Sample> for Pair {
    fn from(sample: Sample) -> Self {
        Self { truth: sample.truth, edit_mask: sample.edit_mask, caption: sample.caption }
    }
}

/// Kinds of whole pictures on which an autoencoder is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Photographs without an object.
    Photograph,
    /// Photographs with an object pasted on them.
    Composite,
}

impl Source {
    /// A crop of `size x size` pixels for fitting an autoencoder.
    ///
    /// # Errors
    /// A size that the world does not have, or a picture of the folder that cannot be read.
    pub fn crop(&self, split: Split, seed: u64, index: u64, size: usize) -> Result<Rgb8> {
        match self {
            Self::World(world) => Ok(world.crop(split, seed, index, size)?),
            Self::Folder(folder) => {
                let mut stream = stream(seed, Use::Pictures, index);
                let pick = held_out(folder.len(), split, stream.below(folder.len()));
                Ok(folder.load(pick, size, Crop::Random(&mut stream))?.picture)
            }
        }
    }

    /// A whole held-out picture of `size x size` pixels; a folder has one kind only.
    ///
    /// # Errors
    /// As [`Source::crop`].
    pub fn whole(&self, kind: Whole, split: Split, index: u64, size: usize) -> Result<Rgb8> {
        match self {
            Self::World(world) => {
                let task = match kind {
                    Whole::Photograph => Task::Erase,
                    Whole::Composite => Task::Edit,
                };
                let spec = SampleSpec { size, ..SampleSpec::new(task, split, 0) };
                Ok(world.sample(&spec, index)?.truth)
            }
            Self::Folder(folder) => {
                let pick = held_out(folder.len(), split, index as usize % folder.len());
                Ok(folder.load(pick, size, Crop::Center)?.picture)
            }
        }
    }

    /// Training pair `index`, from (split, seed, index) alone.
    ///
    /// # Errors
    /// As [`Source::crop`].
    pub fn pair(&self, config: &PairConfig, split: Split, seed: u64, index: u64) -> Result<Pair> {
        let mut stream = stream(seed, Use::Pairs, index);
        let kinds = [config.p_strategy, config.p_edit, config.p_erase, config.p_outpaint];
        let kind = stream.weighted(&kinds);
        match self {
            Self::World(world) => {
                let (size, untold) = (config.picture_size, config.untold);
                let task = match kind {
                    0 => {
                        let (p_erase, masks) = (config.p_strategy_erase, config.masks.clone());
                        let spec = PairSpec { size, p_erase, masks, untold, ..PairSpec::new(split, seed) };
                        return Ok(world.pair(&spec, index)?.into());
                    }
                    1 => Task::Edit,
                    2 => Task::Erase,
                    _ => Task::Outpaint,
                };
                let spec = SampleSpec { size, untold, ..SampleSpec::new(task, split, seed) };
                config.pair(world, spec, index)
            }
            Self::Folder(folder) => {
                let pick = held_out(folder.len(), split, stream.below(folder.len()));
                let item = folder.load(pick, config.picture_size, Crop::Random(&mut stream))?;
                let edit_mask = item
                    .edit_mask
                    .filter(|mask| mask.area() > 0)
                    .unwrap_or_else(|| config.masks.sample(&mut stream, config.picture_size, None).0);
                Ok(Pair { truth: item.picture, edit_mask, caption: item.caption })
            }
        }
    }

    /// A held-out pair of one task, for looking at results; a folder has one kind only.
    ///
    /// # Errors
    /// As [`Source::crop`].
    pub fn held_out_pair(&self, config: &PairConfig, task: Task, index: u64) -> Result<Pair> {
        match self {
            Self::World(world) => {
                let (size, untold) = (config.picture_size, config.untold);
                config.pair(
                    world,
                    SampleSpec { size, untold, ..SampleSpec::new(task, Split::Validation, 0) },
                    index,
                )
            }
            Self::Folder(_) => self.pair(config, Split::Validation, 0, index),
        }
    }

    /// Captions that together hold every word that training can show: for the world each concept in
    /// each colour, for a folder its own captions.
    pub fn captions(&self) -> Vec<String> {
        match self {
            Self::World(world) => {
                let names = || world.concepts().iter().map(|concept| concept.name.as_str());
                let colors = || ColorWord::ALL.iter().map(|color| color.as_str());
                let colored = colors().flat_map(|color| names().map(move |name| format!("a {color} {name}")));
                names().map(|name| format!("an {name}")).chain(colored).collect()
            }
            Self::Folder(folder) => folder.captions().map(str::to_owned).collect(),
        }
    }

    /// Whether some pairs have an empty caption, so that a model learns what it means without captions being dropped.
    pub(crate) fn has_empty_captions(&self, config: &PairConfig) -> bool {
        match self {
            Self::World(_) => config.p_erase > 0.0 || config.p_strategy * config.p_strategy_erase > 0.0,
            Self::Folder(folder) => folder.captions().any(str::is_empty),
        }
    }

    /// The named concepts with their groups; none for a folder.
    pub fn concepts(&self) -> Vec<(String, String)> {
        match self {
            Self::World(world) => {
                world.concepts().iter().map(|concept| (concept.name.clone(), concept.group.clone())).collect()
            }
            Self::Folder(_) => Vec::new(),
        }
    }

    /// A hash that differs between sources with other pictures, masks or captions: over the captions,
    /// the first pairs, and names and sizes of all files of a folder.
    ///
    /// # Errors
    /// As [`Source::crop`], and files of a folder that are not there any more.
    pub fn fingerprint(&self, config: &PairConfig) -> Result<[u8; 32]> {
        /// Pairs that are looked at.
        const N_PAIRS: u64 = 8;
        let mut hasher = Sha256::new();
        for caption in self.captions().into_iter().collect::<BTreeSet<_>>() {
            hasher.update(caption.as_bytes());
            hasher.update([0]);
        }
        for index in 0..N_PAIRS {
            let pair = self.pair(config, Split::Train, 0, index)?;
            hasher.update(&pair.truth.data);
            hasher.update(&pair.edit_mask.values);
            hasher.update(pair.caption.as_bytes());
        }
        if let Self::Folder(folder) = self {
            for (name, path) in folder.files() {
                let metadata = std::fs::metadata(&path).map_err(TrainError::io("reading", &path))?;
                hasher.update(name.as_bytes());
                hasher.update(metadata.len().to_le_bytes());
            }
        }
        Ok(hasher.finalize().into())
    }
}

/// Moves a picture's index to the nearest one of its split.
fn held_out(n_pictures: usize, split: Split, index: usize) -> usize {
    if n_pictures < HELD_OUT {
        return index;
    }
    let is_held_out = index.is_multiple_of(HELD_OUT);
    match split {
        Split::Train if is_held_out => index + 1 - usize::from(index + 1 == n_pictures) * 2,
        Split::Train => index,
        Split::Validation | Split::Test => index - index % HELD_OUT,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use byteedit_data::mask::Outward;

    use super::*;

    #[test]
    fn one_picture_in_twenty_is_held_out_and_never_trained_on() {
        for n in [20, 21, 41, 100] {
            for index in 0..n {
                assert!(!held_out(n, Split::Train, index).is_multiple_of(HELD_OUT), "{index} of {n}");
                assert!(held_out(n, Split::Train, index) < n);
                assert!(held_out(n, Split::Validation, index).is_multiple_of(HELD_OUT));
            }
        }
        assert_eq!(held_out(7, Split::Validation, 5), 5, "a small folder is used whole");
    }

    #[test]
    fn every_pair_has_a_mask_of_the_configured_strategy() {
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/world.pack");
        let source = Source::World(World::open(&pack).unwrap());
        let none = InstanceMasks { p_dilated: 0.0, p_free_form: 0.0, p_other_box: 0.0, ..Default::default() };
        let masks = MaskStrategy {
            p_instance: 1.0,
            instance: InstanceMasks { p_box: 1.0, p_merge: 0.0, ..none },
            outward: Outward { keep: [0.5, 0.5], p_one_sided: 0.0 },
            ..MaskStrategy::default()
        };
        let config = PairConfig {
            picture_size: 32,
            p_strategy: 0.2,
            p_edit: 0.4,
            p_erase: 0.2,
            p_outpaint: 0.2,
            masks,
            box_share: None,
            ..PairConfig::mini()
        };
        let is_box = |mask: &Mask| mask.bounding_box().is_some_and(|r| r.width * r.height == mask.area());
        let n_windows = (0..300)
            .filter(|&index| {
                let mask = source.pair(&config, Split::Train, 3, index).unwrap().edit_mask;
                let kept = mask.invert();
                let is_window = kept.area() == 16 * 16 && is_box(&kept);
                assert!(is_window || is_box(&mask), "pair {index}");
                is_window
            })
            .count();
        // 20 % of 300, within four standard deviations.
        assert!((33..88).contains(&n_windows), "{n_windows} of 300");
    }

    #[test]
    fn edits_around_their_boxes_have_boxes_of_one_size() {
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/world.pack");
        let source = Source::World(World::open(&pack).unwrap());
        let masks = MaskStrategy { instance: InstanceMasks::other_boxes(), ..MaskStrategy::default() };
        let config = PairConfig {
            picture_size: 64,
            p_strategy: 0.0,
            p_edit: 1.0,
            p_erase: 0.0,
            p_outpaint: 0.0,
            box_share: Some(0.5),
            masks,
            ..PairConfig::mini()
        };
        config.validate().unwrap();
        for index in 0..20 {
            let pair = source.pair(&config, Split::Train, 4, index).unwrap();
            assert_eq!((pair.truth.width, pair.truth.height), (64, 64));
            let found = pair.edit_mask.bounding_box().unwrap();
            let (short, long) = (found.width.min(found.height), found.width.max(found.height));
            // Half of the side, or nine tenths for a flat box; masks cover whole pixels.
            assert!((31..=35).contains(&short) || (56..=60).contains(&long), "pair {index}: {found:?}");
        }
        let message = PairConfig { box_share: Some(1.5), ..config }.validate().unwrap_err().to_string();
        assert!(message.contains("`data.box_share` is 1.5"), "{message}");
    }

    #[test]
    fn shares_must_add_up() {
        let good = PairConfig::mini();
        assert!(good.validate().is_ok());
        let message = PairConfig { p_edit: 0.9, ..good.clone() }.validate().unwrap_err().to_string();
        assert!(message.contains("p_strategy + p_edit + p_erase + p_outpaint` is 1.1"), "{message}");
        assert!(PairConfig { p_edit: -0.1, p_erase: 0.98, ..good }.validate().is_err());
    }
}
