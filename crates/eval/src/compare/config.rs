//! What all arms of a comparison are asked.

use byteedit_data::Split;
use serde::{Deserialize, Serialize};

use super::arm::ArmSettings;
use crate::config::EvalConfig;
use crate::error::Result;
use crate::section::Section;

/// Settings of one comparison, the arms' own apart; ranges are those of [`EvalConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompareConfig {
    /// Which photographs and renderings are shown.
    pub split: Split,
    /// The kinds of questions, in the order in which they are asked.
    pub sections: Vec<Section>,
    /// Which arms are compared, by their names; none for every later arm with the first.
    pub pairs: Vec<[String; 2]>,
    /// Samples of each section.
    pub n_samples: usize,
    /// Seed of the world's samples, of noise and of resamples.
    pub seed: u64,
    /// Side of the frames in pixels, the same for all arms.
    pub picture_size: usize,
    /// Pictures edited at once.
    pub batch: usize,
    /// Random cases on each contact sheet.
    pub n_examples: usize,
    /// The first so many edits are painted from several seeds.
    pub n_diverse: usize,
    /// From how many.
    pub n_seeds: usize,
}

impl CompareConfig {
    /// All sections, 256 samples of each, twelve of them on the sheet; the rest as in [`EvalConfig::new`].
    pub fn new(split: Split) -> Self {
        let EvalConfig { sections, n_samples, seed, picture_size, batch, n_diverse, n_seeds, .. } =
            EvalConfig::new(split);
        Self {
            split,
            sections,
            pairs: Vec::new(),
            n_samples,
            seed,
            picture_size,
            batch,
            n_examples: 12,
            n_diverse,
            n_seeds,
        }
    }

    /// Checks every number that does not belong to an arm, at the door.
    ///
    /// # Errors
    /// [`EvalError::Config`](crate::EvalError::Config) names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        self.for_arm(&ArmSettings::from(&EvalConfig::new(self.split))).validate()
    }

    /// The settings of an evaluation of one arm.
    pub(super) fn for_arm(&self, settings: &ArmSettings) -> EvalConfig {
        let ArmSettings {
            sampler,
            n_steps,
            guidance,
            temperature,
            erase_temperature,
            outpaint_temperature,
            box_share,
        } = *settings;
        EvalConfig {
            split: self.split,
            sections: self.sections.clone(),
            n_samples: self.n_samples,
            seed: self.seed,
            picture_size: self.picture_size,
            batch: self.batch,
            sampler,
            n_steps,
            guidance,
            temperature,
            erase_temperature,
            outpaint_temperature,
            box_share,
            n_examples: self.n_examples,
            n_diverse: self.n_diverse,
            n_seeds: self.n_seeds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_json_and_bad_ones_are_named() {
        let good = CompareConfig::new(Split::Validation);
        good.validate().unwrap();
        let json = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<CompareConfig>(&json).unwrap(), good);
        for (bad, says) in [
            (CompareConfig { sections: Vec::new(), ..good.clone() }, "`sections` is empty"),
            (CompareConfig { sections: vec![Section::Edit; 2], ..good.clone() }, "`sections` is edit,edit"),
            (CompareConfig { n_samples: 0, ..good.clone() }, "n_samples"),
            (CompareConfig { n_seeds: 1, ..good.clone() }, "n_seeds"),
        ] {
            let message = bad.validate().unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn an_arm_is_evaluated_by_its_settings() {
        let settings = ArmSettings {
            temperature: 0.5,
            erase_temperature: 0.75,
            outpaint_temperature: 0.625,
            box_share: Some(0.625),
            n_steps: 7,
            ..ArmSettings::from(&EvalConfig::new(Split::Validation))
        };
        let config = CompareConfig::new(Split::Validation);
        assert_eq!(ArmSettings::from(&config.for_arm(&settings)), settings);
    }
}
