//! Every number of a decoder's run.

use serde::{Deserialize, Serialize};

use super::discriminator::GROUPS;
use crate::optim::{AdamWConfig, Decay, EmaConfig, LrSchedule};
use crate::training::{ReportConfig, TrainingConfig};
use crate::vae::{PixelLossConfig, VaeValidationConfig, validate_side, validate_weight};
use crate::{Result, TrainError};

/// Most halvings of the adversary, and most channels of one of its layers.
const MAX_LEVELS: usize = 6;
const MAX_WIDTH: usize = 1024;

/// A decoder's run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderRunConfig {
    /// SHA-256 of the autoencoder's weight file: filled in by the trainer, to be left out.
    #[serde(default)]
    pub init_sha256: String,
    /// Hash of the training pictures: filled in by the trainer, to be left out.
    #[serde(default)]
    pub data_sha256: String,
    /// Side of the crops in pixels, a multiple of the network's downscale.
    pub crop_size: usize,
    /// Noise in the scaled latents that the decoder learns to see through, since a diffusion model's latents are
    /// not quite an encoder's: in each picture its strength is the size of a normal draw of this deviation
    /// (Zheng et al. 2025, arXiv 2510.11690). 0 for none.
    #[serde(default)]
    pub latent_noise: f64,
    /// How far latents are smoothed, since a diffusion model's have less detail than an encoder's and the decoder is to find
    /// texture in them: in each picture every latent is moved towards the mean of the 3 x 3 that it is the middle of, by a
    /// share that is the size of a normal draw of this deviation, at most 1. 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub latent_smoothing: f64,
    /// The loss.
    pub loss: DecoderLossConfig,
    /// Width of each layer of the adversary, each of which halves the resolution; multiples of 8.
    pub discriminator_channels: Vec<usize>,
    /// What is measured on held-out pictures.
    pub validation: VaeValidationConfig,
    /// The loop.
    pub training: TrainingConfig,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// The decoder's loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderLossConfig {
    /// The terms that compare a picture with the truth.
    pub pixels: PixelLossConfig,
    /// Weight of the adversary's opinion; 0 for none.
    pub adversarial: f64,
    /// Pictures over which that weight rises from 0, while the adversary learns.
    pub ramp: u64,
}

impl DecoderLossConfig {
    /// Weight of the adversary's opinion after `n_images` pictures.
    pub(super) fn adversarial_after(&self, n_images: u64) -> f64 {
        self.adversarial * (n_images as f64 / self.ramp.max(1) as f64).min(1.0)
    }
}

impl DecoderRunConfig {
    /// The small model's decoder: three halvings, so that the adversary sees patches of some 30 px.
    pub fn mini() -> Self {
        Self {
            init_sha256: String::new(),
            data_sha256: String::new(),
            crop_size: 64,
            latent_noise: 0.02,
            latent_smoothing: 0.2,
            loss: DecoderLossConfig {
                pixels: PixelLossConfig { l1: 1.0, mse: 1.0, gradient: 0.0, chroma: 0.5 },
                adversarial: 0.45,
                ramp: 4000,
            },
            discriminator_channels: vec![32, 64, 128],
            validation: VaeValidationConfig { n_crops: 64, n_pictures: 32, picture_size: 128 },
            training: TrainingConfig {
                seed: 0,
                n_steps: 600,
                batch_size: 16,
                n_accumulate: 1,
                learning_rate: LrSchedule {
                    peak: 3e-4,
                    warmup_steps: 50,
                    decay: Decay::Cosine { floor: 0.05 },
                },
                // As adversarial training is usually run: old gradients are of another adversary.
                optimizer: AdamWConfig { beta_1: 0.5, ..AdamWConfig::default() },
                muon: None,
                max_grad_norm: 1.0,
                ema: EmaConfig { decay: 0.995 },
                report: ReportConfig {
                    log_every: 20,
                    validate_every: 250,
                    sample_every: 500,
                    checkpoint_every: 250,
                },
            },
        }
    }

    /// Checks every number, for an autoencoder with latents `downscale` times smaller than pictures.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first that is out of range.
    pub fn validate(&self, downscale: usize) -> Result<()> {
        validate_side("crop_size", self.crop_size, downscale)?;
        self.loss.pixels.validate()?;
        validate_weight("latent_noise", self.latent_noise)?;
        validate_weight("latent_smoothing", self.latent_smoothing)?;
        validate_weight("loss.adversarial", self.loss.adversarial)?;
        let widths = &self.discriminator_channels;
        let is_width = |width: &usize| (1..=MAX_WIDTH).contains(width) && width.is_multiple_of(GROUPS);
        let fits = |levels: usize| self.crop_size >> levels > 0;
        let levels = widths.len();
        if !((1..=MAX_LEVELS).contains(&levels) && widths.iter().all(is_width) && fits(levels)) {
            let limit = format!(
                "1 to {MAX_LEVELS} multiples of {GROUPS} up to {MAX_WIDTH}, no more than halve the crop to 1 px"
            );
            return Err(TrainError::config("discriminator_channels", format!("{widths:?}"), limit));
        }
        self.validation.validate(downscale)?;
        self.training.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_is_valid_and_survives_its_file() {
        let preset = DecoderRunConfig::mini();
        preset.validate(8).unwrap();
        let text = serde_json::to_string(&preset).unwrap();
        assert_eq!(serde_json::from_str::<DecoderRunConfig>(&text).unwrap(), preset);
        // Runs that were begun before it existed go on.
        let plain = serde_json::to_value(DecoderRunConfig { latent_smoothing: 0.0, ..preset }).unwrap();
        assert_eq!(plain.get("latent_smoothing"), None);
    }

    #[test]
    fn the_adversary_is_heard_little_by_little() {
        let loss = DecoderLossConfig { adversarial: 0.2, ramp: 100, ..DecoderRunConfig::mini().loss };
        for (n_images, weight) in [(0, 0.0), (50, 0.1), (100, 0.2), (1000, 0.2)] {
            assert!((loss.adversarial_after(n_images) - weight).abs() < 1e-12, "after {n_images}");
        }
        assert!((DecoderLossConfig { ramp: 0, ..loss }.adversarial_after(1) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let message = |change: fn(&mut DecoderRunConfig)| {
            let mut config = DecoderRunConfig::mini();
            change(&mut config);
            config.validate(8).unwrap_err().to_string()
        };
        for (message, key) in [
            (message(|c| c.crop_size = 60), "`crop_size` is 60"),
            (message(|c| c.loss.pixels.l1 = -1.0), "`loss.l1` is -1"),
            (message(|c| c.loss.adversarial = f64::NAN), "`loss.adversarial` is NaN"),
            (message(|c| c.latent_smoothing = -0.5), "`latent_smoothing` is -0.5"),
            (message(|c| c.discriminator_channels = vec![]), "`discriminator_channels` is []"),
            (message(|c| c.discriminator_channels = vec![12]), "multiples of 8"),
            (message(|c| c.discriminator_channels = vec![8; 7]), "1 to 6"),
            (message(|c| c.validation.n_pictures = 0), "`validation.n_pictures` is 0"),
            (message(|c| c.training.batch_size = 0), "`training.batch_size` is 0"),
        ] {
            assert!(message.contains(key), "{message}");
        }
    }
}
