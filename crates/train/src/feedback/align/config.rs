//! By which numbers a folder's captions are found badly matched, and what came of it.

use serde::{Deserialize, Serialize};

use super::MAX_WRONG;
use crate::{Result, TrainError};

/// Most pictures that one is compared with by its captions.
const MAX_NEAR: usize = 4096;

/// Which pictures fit their captions badly, and which wrong captions they get beside. A `CLIPScore` is a cosine here, from -1
/// to 1. Of all these the paper has the first alone (Ren et al. 2024, Section 3.2), and does not print it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderAlignConfig {
    /// The `CLIPScore` up to which a caption fits badly.
    pub max_score: f64,
    /// Share of all pictures that may fit badly, those of the lowest `CLIPScore` first; 1 leaves it to `max_score`, and there 1
    /// leaves it to this one.
    pub lowest_share: f64,
    /// The `CLIPScore` below which a caption describes nothing at all, as a file's name does not; such pictures are left out.
    pub min_score: f64,
    /// The `CLIPScore` by which the better caption must fit better than the given one.
    pub min_gain: f64,
    /// The `CLIPScore` by which its own caption must fit a picture better than another's does: that one may be true of it else.
    pub min_margin: f64,
    /// Most captions of others that a picture gets as wrong ones. With none, as in the paper, style alone tells which caption
    /// is the better one.
    pub n_wrong: usize,
    /// Of how many of the pictures nearest to it these captions may be.
    pub n_near: usize,
    /// Of a hundred pictures, those that the training will hold out, its own `held_out_percent`: captions are exchanged among
    /// these and among the others, so that none is better by itself on either side.
    pub held_out_percent: u8,
}

impl Default for FolderAlignConfig {
    /// Cuts for the cosines of OpenAI's ViT-L/14, which are 0.2 to 0.3 for most captions.
    fn default() -> Self {
        Self {
            max_score: 0.22,
            lowest_share: 1.0,
            min_score: 0.1,
            min_gain: 0.0,
            min_margin: 0.02,
            n_wrong: 4,
            n_near: 32,
            held_out_percent: 10,
        }
    }
}

impl FolderAlignConfig {
    /// Checks every number.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        for (key, score) in [("max_score", self.max_score), ("min_score", self.min_score)] {
            if !(-1.0..=1.0).contains(&score) {
                return Err(TrainError::config(key, score, "from -1 to 1, as cosines are"));
            }
        }
        for (key, difference) in [("min_gain", self.min_gain), ("min_margin", self.min_margin)] {
            if !(-2.0..=2.0).contains(&difference) {
                return Err(TrainError::config(
                    key,
                    difference,
                    "from -2 to 2, as differences of cosines are",
                ));
            }
        }
        if !(self.lowest_share > 0.0 && self.lowest_share <= 1.0) {
            return Err(TrainError::config("lowest_share", self.lowest_share, "above 0 and at most 1"));
        }
        if self.n_wrong > MAX_WRONG {
            return Err(TrainError::config("n_wrong", self.n_wrong, format!("from 0 to {MAX_WRONG}")));
        }
        if !(1..=MAX_NEAR).contains(&self.n_near) {
            return Err(TrainError::config("n_near", self.n_near, format!("from 1 to {MAX_NEAR}")));
        }
        if !(1..=50).contains(&self.held_out_percent) {
            return Err(TrainError::config("held_out_percent", self.held_out_percent, "from 1 to 50"));
        }
        Ok(())
    }
}

/// What became of a folder's pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct FolderAlignReport {
    /// Pictures with a caption.
    pub n_pictures: usize,
    /// Of them, those that fit it badly.
    pub n_mismatched: usize,
    /// Of these, those whose caption describes nothing at all.
    pub n_undescribed: usize,
    /// Of these, those for which there is no other caption.
    pub n_without_better: usize,
    /// Of these, those whose other caption fits no better.
    pub n_not_better: usize,
    /// Of these, those that are learned from: what is left.
    pub n_corrected: usize,
    /// Pairs of a picture's own caption and another's, always by twos: each caption is as often better as it is worse.
    pub n_exchanged: usize,
    /// Pairs of a given caption that fits and a better one of another picture: the style of the better ones loses where it
    /// is wrong.
    pub n_against_style: usize,
    /// The `CLIPScore` up to which captions counted as badly matched.
    pub cut: f64,
    /// Mean `CLIPScore` of the corrected pictures with the captions that they had.
    pub mean_given: f64,
    /// The same with the better ones.
    pub mean_better: f64,
    /// Share of the pairs that are told rightly by which file a caption is from: 0.5 if its style says nothing, and 1 without
    /// hard negatives.
    pub by_style: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_survives_json() {
        let config = FolderAlignConfig::default();
        config.validate().unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<FolderAlignConfig>(&text).unwrap(), config);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let message = |change: fn(&mut FolderAlignConfig)| {
            let mut config = FolderAlignConfig::default();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        for (message, named) in [
            (message(|c| c.max_score = 22.0), "`max_score` is 22"),
            (message(|c| c.min_score = f64::NAN), "`min_score` is NaN"),
            (message(|c| c.min_gain = -3.0), "`min_gain` is -3"),
            (message(|c| c.min_margin = 2.5), "`min_margin` is 2.5"),
            (message(|c| c.lowest_share = 0.0), "`lowest_share` is 0"),
            (message(|c| c.n_wrong = 65), "`n_wrong` is 65"),
            (message(|c| c.n_near = 0), "`n_near` is 0"),
            (message(|c| c.held_out_percent = 0), "`held_out_percent` is 0"),
        ] {
            assert!(message.contains(named), "{message}");
        }
    }
}
