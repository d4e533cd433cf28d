//! Every number of a base run.

use std::path::Path;

use byteedit_diffusion::loss::LossWeighting;
use byteedit_diffusion::{
    BetaSchedule, NoiseSchedule, NoiseScheduleConfig, Prediction, TimestepSpacing, is_own_temperature,
    own_temperature,
};
use byteedit_edit::Hole;
use byteedit_edit::hole::MIN_GUESS_CHANNELS;
use byteedit_models::text::CLIPTextConfig;
use byteedit_models::unet::UNet2DConditionConfig;
use byteedit_models::vae::AutoencoderKLConfig;
use serde::{Deserialize, Serialize};

use crate::latents::PoolConfig;
use crate::optim::{AdamWConfig, Decay, EmaConfig, LrSchedule, MuonConfig};
use crate::run::read_config;
use crate::source::PairConfig;
use crate::training::{MAX_HELD_OUT, MAX_SIDE, ReportConfig, TrainingConfig};
use crate::vocabulary::VocabularyConfig;
use crate::{Result, SamplingConfig, TrainError};

/// A base run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseRunConfig {
    /// The U-Net. Its channels and size follow from the autoencoder and are filled in.
    pub unet: UNet2DConditionConfig,
    /// The text encoder. The size of its tables follows from the vocabulary and is filled in.
    pub text_encoder: CLIPTextConfig,
    /// The vocabulary that is learned from the captions.
    pub vocabulary: VocabularyConfig,
    /// Noise schedule and prediction.
    pub schedule: NoiseScheduleConfig,
    /// What the U-Net is shown inside the mask.
    #[serde(default, skip_serializing_if = "Hole::is_grey")]
    pub hole: Hole,
    /// The training pairs.
    pub data: PairConfig,
    /// The pool of cached latents.
    pub pool: PoolConfig,
    /// The loss.
    pub loss: DenoisingLossConfig,
    /// What is measured on held-out pairs.
    pub validation: BaseValidationConfig,
    /// The grids made at intervals.
    pub samples: SamplesConfig,
    /// The loop.
    pub training: TrainingConfig,
    /// What the run was made from: filled in by the trainer, to be left out.
    #[serde(default)]
    pub provenance: Provenance,
}

/// The denoising loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenoisingLossConfig {
    /// Share of the captions that are replaced by the empty one, so that guidance has something to push
    /// away from (Ho & Salimans 2022, Algorithm 1). Where some pairs have no caption, as those that erase, it can be 0:
    /// the empty caption then means background alone, and a model that erases does not paint a thing of its own.
    pub caption_dropout: f32,
    /// How heavily errors count at each noise level: `"output"`, `{"min_snr": γ}` or `{"min_snr_plus_one": γ}`.
    #[serde(default)]
    pub weighting: LossWeighting,
    /// Strength of the noise's common shift (Guttenberg 2023); 0 for none.
    pub offset_noise: f64,
    /// Weight of an error outside of the mask, where one inside has 1. What is predicted there is thrown away
    /// when the result is pasted, so a small network does better to spend itself on the inside; at 1, as
    /// Stable Diffusion's inpainting was trained, both count alike.
    #[serde(default = "alike")]
    pub weight_outside: f32,
    /// How much more a channel counts that changes the picture more: errors are weighted by the decoder's gain
    /// to this power, from 0, where all channels count alike, to 1, where the loss is that of the pixels to
    /// first order.
    #[serde(default)]
    pub channel_gain_power: f64,
    /// `s` of the map `s u / (1 + (s - 1) u)` from even draws to timesteps (Esser et al. 2024, arXiv
    /// 2403.03206): half of them are noisier than the share `s / (1 + s)` of the schedule. 1 draws evenly. What
    /// a caption asks for is decided where there is much noise.
    #[serde(default = "evenly")]
    pub timestep_shift: f64,
}

fn alike() -> f32 {
    1.0
}

fn evenly() -> f64 {
    1.0
}

impl DenoisingLossConfig {
    /// Checks every number.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first that is out of range.
    pub(crate) fn validate(&self) -> Result<()> {
        let DenoisingLossConfig {
            caption_dropout,
            weighting,
            offset_noise,
            weight_outside,
            channel_gain_power,
            timestep_shift,
        } = *self;
        if !(0.0..=1.0).contains(&caption_dropout) {
            return Err(TrainError::config("loss.caption_dropout", caption_dropout, "from 0 to 1"));
        }
        if let Some(gamma) = weighting.gamma().filter(|gamma| !(*gamma > 0.0 && gamma.is_finite())) {
            return Err(TrainError::config("loss.weighting", gamma, "a positive number"));
        }
        if !(offset_noise >= 0.0 && offset_noise.is_finite()) {
            return Err(TrainError::config("loss.offset_noise", offset_noise, "0 or more"));
        }
        // At 0 the loss of a picture with an empty mask would be 0/0.
        if !(weight_outside > 0.0 && weight_outside <= 1.0) {
            return Err(TrainError::config("loss.weight_outside", weight_outside, "above 0, up to 1"));
        }
        if !(0.0..=1.0).contains(&channel_gain_power) {
            return Err(TrainError::config("loss.channel_gain_power", channel_gain_power, "from 0 to 1"));
        }
        if !(timestep_shift > 0.0 && timestep_shift.is_finite()) {
            return Err(TrainError::config("loss.timestep_shift", timestep_shift, "above 0"));
        }
        Ok(())
    }

    /// Whether an editor should blend kept latents in, since the model hardly learns to repeat them.
    pub fn keeps_unmasked(&self) -> bool {
        self.weight_outside < 1.0
    }
}

/// Held-out measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseValidationConfig {
    /// Fixed pairs that are held out, each with its own fixed noise and timestep; a multiple of 4. Beside them up to 64 of
    /// the pool and as many of the training split that are not in it.
    pub n_samples: usize,
}

/// Sample grids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplesConfig {
    /// Held-out samples of each task.
    pub n_per_task: usize,
    /// Sampler by name.
    pub sampler: String,
    /// Its steps.
    pub n_steps: usize,
    /// Guidance scale; 1 for none.
    pub guidance_scale: f64,
    /// Temperature of edits, in the grids and with the exported model; 1 for the schedule's own.
    #[serde(default = "own_temperature")]
    pub temperature: f64,
    /// The same for erasing.
    #[serde(default = "own_temperature", skip_serializing_if = "is_own_temperature")]
    pub erase_temperature: f64,
    /// The same for outpainting.
    #[serde(default = "own_temperature", skip_serializing_if = "is_own_temperature")]
    pub outpaint_temperature: f64,
}

/// What a run was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// SHA-256 of the weight file of the autoencoder that the run was given. The one beside the model may have had
    /// another decoder since.
    pub vae_sha256: String,
    /// SHA-256 of the U-Net's weight file that a warm start began from.
    pub init_unet_sha256: Option<String>,
    /// SHA-256 of the tokenizer's files.
    #[serde(default)]
    pub tokenizer_sha256: String,
    /// Hash of the training pairs.
    pub data_sha256: String,
}

impl BaseRunConfig {
    /// The small model: 128 px, 16x16 latents, widths 80 and 192 with attention to the text at the second and in
    /// the middle, a text encoder of width 128; under 22 MB in f16 with its autoencoder.
    pub fn mini() -> Self {
        let unet = r#"{"sample_size": 16, "in_channels": 25, "out_channels": 12,
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
            "block_out_channels": [80, 192], "layers_per_block": 1, "norm_num_groups": 16,
            "cross_attention_dim": 128, "attention_head_dim": [2, 6],
            "addition_embed_type": "text", "addition_embed_type_num_heads": 4}"#;
        let text_encoder = r#"{"vocab_size": 1000, "hidden_size": 128, "intermediate_size": 512,
            "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 16}"#;
        let schedule = NoiseScheduleConfig {
            beta_schedule: BetaSchedule::ScaledLinear,
            prediction_type: Prediction::Sample,
            timestep_spacing: Some(TimestepSpacing::Trailing),
            steps_offset: 0,
            set_alpha_to_one: true,
            rescale_betas_zero_snr: true,
            ..NoiseScheduleConfig::stable_diffusion()
        };
        Self {
            unet: UNet2DConditionConfig::from_json(unet).expect("the preset is valid; this is a bug"),
            text_encoder: CLIPTextConfig::from_json(text_encoder)
                .expect("the preset is valid; this is a bug"),
            vocabulary: VocabularyConfig { max_size: 1000, max_length: 16 },
            schedule,
            hole: Hole::Guess,
            data: PairConfig::mini(),
            pool: PoolConfig { capacity: 40_000, n_initial: 3200, uses_per_sample: 2.0 },
            loss: DenoisingLossConfig {
                caption_dropout: 0.0,
                weighting: LossWeighting::MinSnrPlusOne(20.0),
                offset_noise: 0.0,
                weight_outside: 0.1,
                channel_gain_power: 0.5,
                timestep_shift: 6.0,
            },
            validation: BaseValidationConfig { n_samples: 256 },
            samples: SamplesConfig {
                n_per_task: 4,
                sampler: "ddim".to_owned(),
                n_steps: 20,
                guidance_scale: 1.8,
                temperature: 0.5,
                erase_temperature: 0.92,
                outpaint_temperature: 0.7,
            },
            training: TrainingConfig {
                seed: 0,
                n_steps: 20_000,
                batch_size: 32,
                n_accumulate: 1,
                learning_rate: LrSchedule {
                    peak: 1e-3,
                    warmup_steps: 40,
                    decay: Decay::Cosine { floor: 0.03 },
                },
                optimizer: AdamWConfig::default(),
                muon: Some(MuonConfig::default()),
                max_grad_norm: 1.0,
                ema: EmaConfig { decay: 0.998 },
                report: ReportConfig {
                    log_every: 20,
                    validate_every: 500,
                    sample_every: 1000,
                    checkpoint_every: 250,
                },
            },
            provenance: Provenance::default(),
        }
    }

    /// Reads the resolved configuration of a run.
    ///
    /// # Errors
    /// [`TrainError::Io`] or [`TrainError::Json`] if the folder has none.
    pub fn of_run(folder: &Path) -> Result<Self> {
        read_config(folder)
    }

    /// Fills in what follows from the autoencoder; a sentence for each number of channels that was another.
    pub(crate) fn fit_to(&mut self, vae: &AutoencoderKLConfig) -> Vec<String> {
        let n = vae.latent_channels;
        let unet = &mut self.unet;
        let channels =
            [("in_channels", &mut unet.in_channels, 2 * n + 1), ("out_channels", &mut unet.out_channels, n)];
        let mut changes = Vec::new();
        for (key, value, fitting) in channels {
            let old = std::mem::replace(value, fitting);
            if old != fitting {
                changes.push(format!(
                    "`unet.{key}` is {fitting} instead of {old}: the autoencoder has {n} latent channels"
                ));
            }
        }
        self.unet.sample_size = self.data.picture_size / vae.downscale();
        changes
    }

    /// Leaves the hole grey where the autoencoder has too few channels for a guess, and then says so.
    pub(crate) fn fit_hole_to(&mut self, vae: &AutoencoderKLConfig) -> Option<String> {
        let n = vae.latent_channels;
        if self.hole == Hole::Grey || n >= MIN_GUESS_CHANNELS {
            return None;
        }
        self.hole = Hole::Grey;
        Some(format!(
            "`hole` is grey instead of guess, which needs {MIN_GUESS_CHANNELS} latent channels: the autoencoder has {n}"
        ))
    }

    /// Checks every number, once the parts that are filled in are there.
    ///
    /// # Errors
    /// [`TrainError::Config`] or a part's own error names the first that is out of range.
    pub fn validate(&self, vae: &AutoencoderKLConfig) -> Result<()> {
        let json = |source| TrainError::Json { what: "`unet` or `text_encoder`".to_owned(), source };
        UNet2DConditionConfig::from_json(&serde_json::to_string(&self.unet).map_err(json)?)?;
        CLIPTextConfig::from_json(&serde_json::to_string(&self.text_encoder).map_err(json)?)?;
        let (context, hidden) = (self.unet.cross_attention_dim, self.text_encoder.hidden_size);
        if context != hidden {
            let limit = format!("text_encoder.hidden_size {hidden}");
            return Err(TrainError::config("unet.cross_attention_dim", context, limit));
        }
        let multiple = vae.downscale() * self.unet.size_multiple();
        let size = self.data.picture_size;
        if size == 0 || !size.is_multiple_of(multiple) || size > MAX_SIDE {
            let limit = format!("a positive multiple of {multiple} up to {MAX_SIDE}");
            return Err(TrainError::config("data.picture_size", size, limit));
        }
        NoiseSchedule::new(self.schedule.clone())?;
        self.samples.validate()?;
        self.loss.validate()?;
        let n = self.validation.n_samples;
        if n == 0 || !n.is_multiple_of(4) || n > MAX_HELD_OUT {
            let limit = format!("a positive multiple of 4 up to {MAX_HELD_OUT}");
            return Err(TrainError::config("validation.n_samples", n, limit));
        }
        self.vocabulary.validate()?;
        self.data.validate()?;
        self.pool.validate()?;
        self.training.validate()
    }
}

impl SamplesConfig {
    /// How the grids are painted.
    pub(crate) fn sampling(&self) -> SamplingConfig {
        let Self {
            n_per_task: _,
            sampler,
            n_steps,
            guidance_scale,
            temperature,
            erase_temperature,
            outpaint_temperature,
        } = self;
        SamplingConfig {
            sampler: sampler.clone(),
            n_steps: *n_steps,
            guidance_scale: *guidance_scale,
            temperature: *temperature,
            erase_temperature: *erase_temperature,
            outpaint_temperature: *outpaint_temperature,
        }
    }

    /// Checks every number.
    ///
    /// # Errors
    /// As [`SamplingConfig::validate`].
    pub(crate) fn validate(&self) -> Result<()> {
        if self.n_per_task == 0 {
            return Err(TrainError::config("samples.n_per_task", 0, "1 or more"));
        }
        self.sampling().validate("samples.n_steps")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vae::VaeRunConfig;

    #[test]
    fn the_preset_fits_the_autoencoders_preset_and_survives_its_file() {
        let vae = VaeRunConfig::mini().vae;
        let mut preset = BaseRunConfig::mini();
        assert!(preset.fit_to(&vae).is_empty());
        assert_eq!(preset, BaseRunConfig::mini(), "nothing is left to fill in");
        preset.validate(&vae).unwrap();
        let text = serde_json::to_string(&preset).unwrap();
        assert_eq!(serde_json::from_str::<BaseRunConfig>(&text).unwrap(), preset);
    }

    #[test]
    fn the_channels_follow_from_the_autoencoder() {
        let mut vae = VaeRunConfig::mini().vae;
        vae.latent_channels = 4;
        let mut config = BaseRunConfig::mini();
        config.data.picture_size = 64;
        let changes = config.fit_to(&vae);
        let unet = &config.unet;
        assert_eq!((unet.in_channels, unet.out_channels, unet.sample_size), (9, 4, 8));
        // Nothing is corrected silently.
        assert!(changes[0].contains("`unet.in_channels` is 9 instead of 25"), "{changes:?}");
        assert!(changes[1].contains("`unet.out_channels` is 4 instead of 12"), "{changes:?}");
        assert!(config.fit_hole_to(&vae).unwrap().contains("the autoencoder has 4"));
        assert!(config.hole == Hole::Grey && config.fit_hole_to(&vae).is_none());
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let message = |change: fn(&mut BaseRunConfig)| {
            let mut config = BaseRunConfig::mini();
            change(&mut config);
            config.validate(&VaeRunConfig::mini().vae).unwrap_err().to_string()
        };
        for (message, key) in [
            (message(|c| c.unet.cross_attention_dim = 64), "`unet.cross_attention_dim` is 64"),
            (
                message(|c| c.data.picture_size = 120),
                "`data.picture_size` is 120, but it must be a positive multiple of 16",
            ),
            (message(|c| c.loss.caption_dropout = 1.5), "`loss.caption_dropout` is 1.5"),
            (message(|c| c.loss.weighting = LossWeighting::MinSnr(0.0)), "`loss.weighting` is 0"),
            (message(|c| c.loss.offset_noise = -0.1), "`loss.offset_noise` is -0.1"),
            (message(|c| c.loss.weight_outside = 0.0), "`loss.weight_outside` is 0"),
            (message(|c| c.loss.channel_gain_power = 2.0), "`loss.channel_gain_power` is 2"),
            (message(|c| c.validation.n_samples = 10), "`validation.n_samples` is 10"),
            (message(|c| c.loss.timestep_shift = 0.0), "`loss.timestep_shift` is 0"),
            (message(|c| c.samples.sampler = "plms".to_owned()), "`plms`"),
            (message(|c| c.samples.guidance_scale = -1.0), "guidance_scale"),
            (message(|c| c.samples.temperature = 0.0), "`temperature` is 0"),
            (message(|c| c.samples.erase_temperature = 2.0), "`erase_temperature` is 2"),
            (message(|c| c.samples.outpaint_temperature = 2.0), "`outpaint_temperature` is 2"),
            (message(|c| c.vocabulary.max_length = 1), "`vocabulary.max_length` is 1"),
            (message(|c| c.pool.capacity = 0), "`pool.capacity` is 0"),
            (message(|c| c.data.masks.p_global = 3.0), "p_global"),
            (message(|c| c.schedule.beta_end = 2.0), "beta_end"),
        ] {
            assert!(message.contains(key), "{message}");
        }
    }
}
