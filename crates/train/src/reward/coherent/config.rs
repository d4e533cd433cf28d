//! Every number of a run of the coherent reward.

use std::path::Path;

use byteedit_models::Component;
use byteedit_models::dinov2::Dinov2Config;
use byteedit_reward::losses::FakeRegion;
use byteedit_reward::{CoherentConfig, CoherentNetwork};
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::reward::ranking::{check_keeps, mini_training};
use crate::run::read_config;
use crate::training::{MAX_HELD_OUT, ReportConfig, TrainingConfig};
use crate::{Result, TrainError};

/// A run of a coherent reward. What the loop counts as a picture is a true one and a generated one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoherentRunConfig {
    /// The network.
    pub network: CoherentConfig,
    /// Hash of the files that name the generated pictures: filled in, to be left out.
    #[serde(default)]
    pub data_sha256: String,
    /// Hash of the autoencoder's weights: filled in, to be left out.
    #[serde(default)]
    pub vae_sha256: String,
    /// Hash of the weights that it started from: filled in, to be left out.
    #[serde(default)]
    pub init_sha256: Option<String>,
    /// Which pixels of a generated picture count as generated. The paper has `all`; then, where the others went through
    /// the autoencoder and the true ones did not, telling that is all there is to learn.
    pub fake_region: FakeRegion,
    /// Whether all pictures go through the autoencoder first, so that its traces tell nothing. The paper has none of it.
    pub real_through_vae: bool,
    /// Most generated pictures, and true ones, that are held in memory.
    pub n_pictures: usize,
    /// Share of true pictures without an object of the world.
    pub p_photograph: f32,
    /// Probability that a picture is shown with left and right exchanged.
    pub p_mirror: f32,
    /// Of a hundred prompts, those whose pictures are held out for validation.
    pub held_out_percent: u8,
    /// Most held-out pictures of each kind.
    pub n_validation: usize,
    /// Validations in a row without a better loss after which the run ends; the best weights are kept.
    pub patience: u64,
    /// The loop.
    pub training: TrainingConfig,
}

impl CoherentRunConfig {
    /// The small coherent reward: 0.5 M parameters, patches of 8 px.
    pub fn mini() -> Self {
        Self {
            network: CoherentConfig {
                class_name: None,
                dinov2_config: Dinov2Config {
                    hidden_size: 96,
                    num_hidden_layers: 4,
                    num_attention_heads: 4,
                    mlp_ratio: 4,
                    image_size: 128,
                    patch_size: 8,
                    layerscale_value: 1.0,
                    layer_norm_eps: 1e-6,
                    extra: Map::new(),
                },
                side: 128,
            },
            data_sha256: String::new(),
            vae_sha256: String::new(),
            init_sha256: None,
            fake_region: FakeRegion::MaskAgainstRest,
            real_through_vae: true,
            n_pictures: 1200,
            p_photograph: 0.3,
            p_mirror: 0.5,
            held_out_percent: 10,
            n_validation: 128,
            patience: 8,
            training: TrainingConfig {
                report: ReportConfig {
                    log_every: 10,
                    validate_every: 50,
                    sample_every: 250,
                    checkpoint_every: 50,
                },
                ..mini_training(2406, 500, 16)
            },
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
        let json = |source| TrainError::Json { what: "`network`".to_owned(), source };
        CoherentNetwork::parse_config(&serde_json::to_string(&self.network).map_err(json)?)?;
        for (key, share) in [("p_photograph", self.p_photograph), ("p_mirror", self.p_mirror)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(TrainError::config(key, share, "from 0 to 1"));
            }
        }
        for (key, n) in [("n_pictures", self.n_pictures), ("n_validation", self.n_validation)] {
            if !(1..=MAX_HELD_OUT).contains(&n) {
                return Err(TrainError::config(key, n, format!("from 1 to {MAX_HELD_OUT}")));
            }
        }
        if !(1..=50).contains(&self.held_out_percent) {
            return Err(TrainError::config("held_out_percent", self.held_out_percent, "from 1 to 50"));
        }
        if self.patience == 0 {
            return Err(TrainError::config("patience", 0, "1 or more"));
        }
        check_keeps(&self.training)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_is_valid_and_survives_json() {
        let preset = CoherentRunConfig::mini();
        preset.validate().unwrap();
        let text = serde_json::to_string(&preset).unwrap();
        assert_eq!(serde_json::from_str::<CoherentRunConfig>(&text).unwrap(), preset);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let message = |change: fn(&mut CoherentRunConfig)| {
            let mut config = CoherentRunConfig::mini();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        for (message, named) in [
            (message(|c| c.network.side = 100), "`side` is 100"),
            (message(|c| c.p_photograph = -1.0), "`p_photograph` is -1"),
            (message(|c| c.n_pictures = 0), "`n_pictures` is 0"),
            (message(|c| c.held_out_percent = 60), "`held_out_percent` is 60"),
            (message(|c| c.patience = 0), "`patience` is 0"),
        ] {
            assert!(message.contains(named), "{message}");
        }
    }
}
