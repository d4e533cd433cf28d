//! Every number of a run that ranks.

use std::path::Path;

use byteedit_data::preference::Axis;
use byteedit_models::Component;
use byteedit_models::blip::{BlipConfig, BlipTextConfig, BlipVisionConfig};
use byteedit_reward::{ImageRewardConfig, ImageRewardNetwork, Region, Standardisation};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::classifier;
use crate::optim::LrSchedule;
use crate::run::read_config;
use crate::training::{MAX_HELD_OUT, ReportConfig, TrainingConfig};
use crate::{Result, TrainError};

/// Most wrong captions of a picture.
const MAX_WRONG: usize = 64;

/// A run of an aesthetic or an alignment reward. What the loop counts as a picture is a group here: a prompt with its
/// candidates, or a picture with its captions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RankingRunConfig {
    /// The network. The size of its vocabulary and its standardisation are filled in, and so is all of it by the weights
    /// to start from, but for `region`.
    pub network: ImageRewardConfig,
    /// Hash of the files that it learns from: filled in, to be left out.
    #[serde(default)]
    pub data_sha256: String,
    /// Hash of the weights that it started from: filled in, to be left out.
    #[serde(default)]
    pub init_sha256: Option<String>,
    /// Share of the groups that are a picture of the mini world with its true caption and those of others.
    pub p_world: f32,
    /// Share of the groups that are a picture of the caption file with its captions. The others are preferences.
    pub p_captions: f32,
    /// Most wrong captions of a picture.
    pub n_wrong: usize,
    /// Weight of the contrastive loss of BLIP's pre-training (Li et al. 2022, Section 3.2) between the world's pictures of a
    /// step and their captions, by which encoders that know nothing find to each other; 0 for none.
    pub contrast: f64,
    /// Where candidates have scores, the ones that count.
    pub axis: Axis,
    /// Probability that a group is shown with left and right exchanged.
    pub p_mirror: f32,
    /// Share of the layers of both encoders, counted from the first, that stay as they are; the embeddings with them.
    /// Xu et al. 2023 have 0.7.
    pub frozen_fraction: f64,
    /// Probabilities by which features behind the head's first three linears are dropped in training. Xu et al. 2023 have
    /// 0.2, 0.2 and 0.1.
    pub dropout: [f32; 3],
    /// Of a hundred prompts, those whose preferences are held out for validation.
    pub held_out_percent: u8,
    /// Held-out pictures of the world that it is validated on.
    pub n_validation: usize,
    /// Validations in a row without a better loss after which the run ends; the best weights are kept.
    pub patience: u64,
    /// The loop.
    pub training: TrainingConfig,
}

impl RankingRunConfig {
    /// The small aesthetic reward: preferences alone.
    pub fn aesthetic() -> Self {
        // Fine grain and little to say of it: preferences are soon known by heart.
        let network = mini_network(96, 128, [2, 1]);
        let mut training = mini_training(2404, 300, 16);
        (training.learning_rate.peak, training.report.validate_every) = (5e-4, 25);
        Self {
            network,
            data_sha256: String::new(),
            init_sha256: None,
            p_world: 0.0,
            p_captions: 0.0,
            n_wrong: 4,
            contrast: 0.0,
            axis: Axis::Structure,
            p_mirror: 0.5,
            frozen_fraction: 0.0,
            dropout: [0.2, 0.2, 0.1],
            held_out_percent: 10,
            n_validation: 256,
            patience: 8,
            training,
        }
    }

    /// The small alignment reward: mostly captions, true and wrong ones, of the mini world, and preferences.
    pub fn alignment() -> Self {
        Self {
            network: mini_network(64, 192, [4, 2]),
            p_world: 0.75,
            contrast: 1.0,
            training: mini_training(2405, 2200, 32),
            ..Self::aesthetic()
        }
    }

    /// Reads the resolved configuration of a run.
    ///
    /// # Errors
    /// [`TrainError::Io`] or [`TrainError::Json`] if the folder has none of this kind.
    pub fn of_run(folder: &Path) -> Result<Self> {
        read_config(folder)
    }

    /// Checks every number.
    ///
    /// # Errors
    /// [`TrainError::Config`] or a model's own error names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        check_network(&self.network)?;
        let shares =
            [("p_world", self.p_world), ("p_captions", self.p_captions), ("p_mirror", self.p_mirror)];
        for (key, share) in shares.into_iter().chain(self.dropout.map(|share| ("dropout", share))) {
            if !(0.0..=1.0).contains(&share) {
                return Err(TrainError::config(key, share, "from 0 to 1"));
            }
        }
        let sum = self.p_world + self.p_captions;
        if sum > 1.0 + 1e-6 {
            return Err(TrainError::config("p_world + p_captions", sum, "at most 1"));
        }
        if let Some(share) = self.dropout.into_iter().find(|&share| share >= 1.0) {
            return Err(TrainError::config("dropout", share, "below 1: something must be left"));
        }
        if !(self.contrast >= 0.0 && self.contrast.is_finite()) {
            return Err(TrainError::config("contrast", self.contrast, "0 or more"));
        }
        if !(1..=MAX_WRONG).contains(&self.n_wrong) {
            return Err(TrainError::config("n_wrong", self.n_wrong, format!("from 1 to {MAX_WRONG}")));
        }
        if !(0.0..=1.0).contains(&self.frozen_fraction) {
            return Err(TrainError::config("frozen_fraction", self.frozen_fraction, "from 0 to 1"));
        }
        if !(1..=50).contains(&self.held_out_percent) {
            return Err(TrainError::config("held_out_percent", self.held_out_percent, "from 1 to 50"));
        }
        if !(2..=MAX_HELD_OUT).contains(&self.n_validation) {
            let limit = format!("from 2 to {MAX_HELD_OUT}");
            return Err(TrainError::config("n_validation", self.n_validation, limit));
        }
        if self.patience == 0 {
            return Err(TrainError::config("patience", 0, "1 or more"));
        }
        check_keeps(&self.training)
    }
}

/// Refuses what cannot be built.
///
/// # Errors
/// The model's own, which names the first number that is out of range.
pub(super) fn check_network(network: &ImageRewardConfig) -> Result<()> {
    let json = |source| TrainError::Json { what: "`network`".to_owned(), source };
    ImageRewardNetwork::parse_config(&serde_json::to_string(network).map_err(json)?)?;
    Ok(())
}

/// A run keeps the best of what it validates, so that it must validate something.
///
/// # Errors
/// [`TrainError::Config`] if it does not, or as [`TrainingConfig::validate`].
pub(in crate::reward) fn check_keeps(training: &TrainingConfig) -> Result<()> {
    if training.n_steps == 0 {
        return Err(TrainError::config("training.n_steps", 0, "1 or more"));
    }
    if training.report.validate_every == 0 {
        let limit = "1 or more: what is kept are the weights that validate best";
        return Err(TrainError::config("training.report.validate_every", 0, limit));
    }
    training.validate()
}

/// A small network: pictures of `image_size` px in patches of 8, `hidden_size` in heads of 32, layers of the encoders of pictures
/// and of texts. That of the alignment reward has 3.1 M parameters.
fn mini_network(
    image_size: usize,
    hidden_size: usize,
    [n_vision_layers, n_text_layers]: [usize; 2],
) -> ImageRewardConfig {
    let (intermediate_size, num_attention_heads) = (4 * hidden_size, hidden_size / 32);
    ImageRewardConfig {
        class_name: None,
        blip_config: BlipConfig {
            text_config: BlipTextConfig {
                vocab_size: 0,
                hidden_size,
                encoder_hidden_size: hidden_size,
                intermediate_size,
                num_hidden_layers: n_text_layers,
                num_attention_heads,
                max_position_embeddings: 16,
                layer_norm_eps: 1e-12,
                extra: Map::new(),
            },
            vision_config: BlipVisionConfig {
                hidden_size,
                intermediate_size,
                num_hidden_layers: n_vision_layers,
                num_attention_heads,
                image_size,
                patch_size: 8,
                layer_norm_eps: 1e-6,
                extra: Map::new(),
            },
            image_text_hidden_size: 64,
            extra: Map::new(),
        },
        mlp_widths: [64, 32, 16, 8],
        max_length: 10,
        standardisation: Standardisation::NONE,
        region: Region::Mask,
    }
}

/// A loop that suits the small rewards.
pub(in crate::reward) fn mini_training(seed: u64, n_steps: u64, batch_size: usize) -> TrainingConfig {
    let like = classifier::mini_training(seed, n_steps);
    TrainingConfig {
        batch_size,
        learning_rate: LrSchedule { peak: 1e-3, ..like.learning_rate },
        report: ReportConfig { validate_every: 100, sample_every: 0, ..like.report },
        ..like
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As they are once the vocabulary is known.
    fn presets() -> [RankingRunConfig; 2] {
        [RankingRunConfig::aesthetic(), RankingRunConfig::alignment()].map(|mut preset| {
            preset.network.blip_config.text_config.vocab_size = 100;
            preset
        })
    }

    #[test]
    fn the_presets_are_valid_and_survive_json() {
        for preset in presets() {
            preset.validate().unwrap();
            let text = serde_json::to_string(&preset).unwrap();
            assert_eq!(serde_json::from_str::<RankingRunConfig>(&text).unwrap(), preset);
        }
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let message = |change: fn(&mut RankingRunConfig)| {
            let [_, mut config] = presets();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        for (message, named) in [
            (message(|c| c.p_captions = 0.5), "`p_world + p_captions` is 1.2"),
            (message(|c| c.p_mirror = 1.5), "`p_mirror` is 1.5"),
            (message(|c| c.dropout[1] = 1.0), "`dropout` is 1"),
            (message(|c| c.frozen_fraction = -0.1), "`frozen_fraction` is -0.1"),
            (message(|c| c.held_out_percent = 0), "`held_out_percent` is 0"),
            (message(|c| c.contrast = -1.0), "`contrast` is -1"),
            (message(|c| c.patience = 0), "`patience` is 0"),
            (message(|c| c.n_wrong = 0), "`n_wrong` is 0"),
            (message(|c| c.training.n_steps = 0), "`training.n_steps` is 0"),
            (message(|c| c.training.report.validate_every = 0), "`training.report.validate_every` is 0"),
            (message(|c| c.n_validation = 1), "`n_validation` is 1"),
        ] {
            assert!(message.contains(named), "{message}");
        }
    }
}
