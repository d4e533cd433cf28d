//! Every number of an autoencoder run.

use std::path::Path;

use byteedit_models::vae::AutoencoderKLConfig;
use serde::{Deserialize, Serialize};

use crate::optim::{AdamWConfig, Decay, EmaConfig, LrSchedule};
use crate::run::read_config;
use crate::training::{MAX_HELD_OUT, MAX_SIDE, ReportConfig, TrainingConfig};
use crate::{Result, TrainError};

/// An autoencoder run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaeRunConfig {
    /// The network.
    pub vae: AutoencoderKLConfig,
    /// SHA-256 of the weight file that a warm start began from: filled in by the trainer, to be left out.
    #[serde(default)]
    pub init_sha256: Option<String>,
    /// Hash of the training pictures: filled in by the trainer, to be left out.
    #[serde(default)]
    pub data_sha256: String,
    /// Side of the crops in pixels, a multiple of the network's downscale.
    pub crop_size: usize,
    /// The loss.
    pub loss: VaeLossConfig,
    /// What is measured on held-out pictures.
    pub validation: VaeValidationConfig,
    /// The loop.
    pub training: TrainingConfig,
}

/// Weights of the terms of the loss, in pixels of [-1, 1].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaeLossConfig {
    /// Mean absolute error.
    pub l1: f64,
    /// Mean squared error.
    pub mse: f64,
    /// Mean absolute error of the differences between neighbouring pixels: keeps outlines sharp.
    pub gradient: f64,
    /// Mean absolute error of the differences between colours, `R - B` and `R - 2G + B`.
    pub chroma: f64,
    /// Kullback-Leibler divergence of each latent position, in nats.
    pub kl: f64,
}

/// The terms of [`VaeLossConfig`] that compare pictures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelLossConfig {
    /// Mean absolute error.
    pub l1: f64,
    /// Mean squared error.
    pub mse: f64,
    /// Mean absolute error of the differences between neighbouring pixels.
    pub gradient: f64,
    /// Mean absolute error of the differences between colours, `R - B` and `R - 2G + B`.
    pub chroma: f64,
}

impl VaeLossConfig {
    /// All but the divergence.
    pub fn of_pixels(&self) -> PixelLossConfig {
        let Self { l1, mse, gradient, chroma, kl: _ } = *self;
        PixelLossConfig { l1, mse, gradient, chroma }
    }
}

impl PixelLossConfig {
    /// # Errors
    /// [`TrainError::Config`] names the first weight that is negative or not finite.
    pub(crate) fn validate(&self) -> Result<()> {
        let Self { l1, mse, gradient, chroma } = *self;
        let weights =
            [("loss.l1", l1), ("loss.mse", mse), ("loss.gradient", gradient), ("loss.chroma", chroma)];
        weights.into_iter().try_for_each(|(key, weight)| validate_weight(key, weight))
    }
}

/// # Errors
/// [`TrainError::Config`] for a weight that is negative or not finite.
pub(crate) fn validate_weight(key: &'static str, weight: f64) -> Result<()> {
    if weight >= 0.0 && weight.is_finite() {
        return Ok(());
    }
    Err(TrainError::config(key, weight, "0 or more"))
}

impl VaeValidationConfig {
    /// # Errors
    /// [`TrainError::Config`] names the first number that is out of range, for latents that are `downscale`
    /// times smaller than pictures.
    pub(crate) fn validate(&self, downscale: usize) -> Result<()> {
        let Self { n_crops, n_pictures, picture_size } = *self;
        validate_side("validation.picture_size", picture_size, downscale)?;
        for (key, n) in [("validation.n_crops", n_crops), ("validation.n_pictures", n_pictures)] {
            if !(1..=MAX_HELD_OUT).contains(&n) {
                return Err(TrainError::config(key, n, format!("from 1 to {MAX_HELD_OUT}")));
            }
        }
        Ok(())
    }
}

/// # Errors
/// [`TrainError::Config`] for a side in pixels that does not suit the autoencoder.
pub(crate) fn validate_side(key: &'static str, side: usize, downscale: usize) -> Result<()> {
    if side == 0 || !side.is_multiple_of(downscale) || side > MAX_SIDE {
        let limit = format!("a positive multiple of {downscale} up to {MAX_SIDE}");
        return Err(TrainError::config(key, side, limit));
    }
    Ok(())
}

/// Held-out measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaeValidationConfig {
    /// Crops of the training size.
    pub n_crops: usize,
    /// Whole photographs, and as many composites.
    pub n_pictures: usize,
    /// Side of the whole pictures in pixels: the size at which the editor will work.
    pub picture_size: usize,
}

impl VaeRunConfig {
    /// The small model's autoencoder: 128 px to 16x16 latents of 12 channels. Two groups to a norm: with
    /// more, sixteen channels keep too little of a picture's overall colour.
    pub fn mini() -> Self {
        let vae = r#"{"latent_channels": 12, "block_out_channels": [16, 32, 64, 64], "layers_per_block": 1,
            "norm_num_groups": 2, "mid_block_add_attention": false, "use_quant_conv": false,
            "use_post_quant_conv": false, "sample_size": 128, "scaling_factor": 1.0}"#;
        Self {
            vae: AutoencoderKLConfig::from_json(vae).expect("the preset is valid; this is a bug"),
            init_sha256: None,
            data_sha256: String::new(),
            crop_size: 64,
            loss: VaeLossConfig { l1: 1.0, mse: 1.0, gradient: 0.5, chroma: 0.5, kl: 1e-6 },
            validation: VaeValidationConfig { n_crops: 64, n_pictures: 32, picture_size: 128 },
            training: TrainingConfig {
                seed: 0,
                n_steps: 20_000,
                batch_size: 8,
                n_accumulate: 1,
                learning_rate: LrSchedule {
                    peak: 1e-3,
                    warmup_steps: 100,
                    decay: Decay::Cosine { floor: 0.02 },
                },
                optimizer: AdamWConfig::default(),
                muon: None,
                max_grad_norm: 1.0,
                ema: EmaConfig { decay: 0.998 },
                report: ReportConfig {
                    log_every: 20,
                    validate_every: 500,
                    sample_every: 1000,
                    checkpoint_every: 500,
                },
            },
        }
    }

    /// Reads the resolved configuration of a run.
    ///
    /// # Errors
    /// [`TrainError::Io`] or [`TrainError::Json`] if the folder has none.
    pub fn of_run(folder: &Path) -> Result<Self> {
        read_config(folder)
    }

    /// Checks every number. Networks may be built of what passes.
    ///
    /// # Errors
    /// [`TrainError::Config`] or a model's own error names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        let json = |source| TrainError::Json { what: "`vae`".to_owned(), source };
        AutoencoderKLConfig::from_json(&serde_json::to_string(&self.vae).map_err(json)?)?;
        for (key, n) in
            [("vae.in_channels", self.vae.in_channels), ("vae.out_channels", self.vae.out_channels)]
        {
            if n != 3 {
                return Err(TrainError::config(key, n, "3: pictures have three colours"));
            }
        }
        if self.vae.latent_channels == 0 {
            return Err(TrainError::config("vae.latent_channels", 0, "1 or more"));
        }
        validate_side("crop_size", self.crop_size, self.vae.downscale())?;
        self.loss.of_pixels().validate()?;
        validate_weight("loss.kl", self.loss.kl)?;
        self.validation.validate(self.vae.downscale())?;
        self.training.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_is_valid_and_survives_its_file() {
        let preset = VaeRunConfig::mini();
        preset.validate().unwrap();
        let text = serde_json::to_string(&preset).unwrap();
        assert_eq!(serde_json::from_str::<VaeRunConfig>(&text).unwrap(), preset);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let message = |change: fn(&mut VaeRunConfig)| {
            let mut config = VaeRunConfig::mini();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        for (message, key) in [
            (message(|c| c.crop_size = 60), "`crop_size` is 60, but it must be a positive multiple of 8"),
            (message(|c| c.loss.kl = -1.0), "`loss.kl` is -1"),
            (
                message(|c| c.validation.n_crops = 0),
                "`validation.n_crops` is 0, but it must be from 1 to 65536",
            ),
            (message(|c| c.crop_size = 1 << 40), "a positive multiple of 8 up to 4096"),
            (message(|c| c.training.batch_size = 0), "`training.batch_size` is 0"),
            (
                message(|c| c.training.batch_size = 1 << 60),
                "`training.batch_size` is 1152921504606846976, but it must be from 1 to 4096",
            ),
            (message(|c| c.training.max_grad_norm = f64::NAN), "`training.max_grad_norm` is NaN"),
            (message(|c| c.vae.norm_num_groups = 5), "norm_num_groups 5"),
            (message(|c| c.vae.block_out_channels = vec![]), "block_out_channels"),
            (message(|c| c.vae.block_out_channels = vec![0; 4]), "block_out_channels"),
            (message(|c| c.vae.latent_channels = 0), "latent_channels"),
            (message(|c| c.vae.in_channels = 1), "`vae.in_channels` is 1"),
            (message(|c| c.vae.out_channels = 4), "`vae.out_channels` is 4"),
        ] {
            assert!(message.contains(key), "{message}");
        }
    }
}
