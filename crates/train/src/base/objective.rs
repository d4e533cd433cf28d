//! What the training loop asks of a base model: denoising losses on cached pairs, a held-out loss,
//! grids.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use byteedit_diffusion::loss::{LossWeighting, weighted_mean, weighted_mse_per_item};
use byteedit_diffusion::{NoiseLevel, NoiseSchedule, add_noise, offset_noise};
use byteedit_edit::Hole;
use byteedit_models::flops::{TRAINING_FACTOR, clip_text, unet};
use byteedit_models::tokenizer::ClipTokenizer;
use byteedit_models::vae::AutoencoderKL;
use sha2::{Digest, Sha256};

use super::batch::Batch;
use super::draw::{Draw, Draws};
use super::samples::{Painting, write_samples};
use super::validation::{ByHeart, Validation};
use super::weights::LatentWeights;
use super::{BaseModel, BaseRunConfig};
use crate::latents::{Encoder, LatentPool};
use crate::progress::Progress;
use crate::random::{Use, normal};
use crate::step::Loss;
use crate::training::{Objective, Stop};
use crate::{Result, Source};

/// Denoising of cached latents.
pub(super) struct Denoising<'a> {
    config: &'a BaseRunConfig,
    draws: Draws,
    loss: DenoisingLoss,
    pool: LatentPool<'a>,
    validation: Validation,
    by_heart: ByHeart,
    empty_ids: Vec<u32>,
    device: &'a Device,
}

impl<'a> Denoising<'a> {
    /// Encodes the held-out pairs and opens the pool's file in `folder`.
    pub(super) fn new(
        config: &'a BaseRunConfig,
        source: &'a Source,
        vae: AutoencoderKL,
        tokenizer: ClipTokenizer,
        folder: &Path,
        device: &'a Device,
    ) -> Result<Self> {
        let schedule = NoiseSchedule::new(config.schedule.clone())?;
        let empty_ids = tokenizer.encode_padded("");
        let (pairs, hole, seed) = (&config.data, config.hole, config.training.seed);
        let encoder = Encoder { source, pairs, hole, seed, vae, tokenizer, device: device.clone() };
        let validation = Validation::new(&encoder, &schedule, config.validation.n_samples)?;
        let by_heart = ByHeart::new(&encoder, &schedule, config.validation.n_samples)?;
        let weights = LatentWeights::new(&config.loss, validation.gains(), device);
        let pool = LatentPool::open(config.pool, encoder, &folder.join("pool.bin"), origin(config))?;
        let draws = Draws {
            seed,
            batch_size: config.training.batch_size,
            n_timesteps: schedule.alpha_bars().len(),
            timestep_shift: config.loss.timestep_shift,
            caption_dropout: config.loss.caption_dropout,
        };
        let loss = DenoisingLoss { schedule, weighting: config.loss.weighting, weights };
        Ok(Self { config, draws, loss, pool, validation, by_heart, empty_ids, device })
    }

    fn noise(&self, first: u64, shape: [usize; 4]) -> Tensor<4> {
        let seed = self.config.training.seed;
        let noise = normal(seed, Use::Diffusion, first, shape, self.device);
        let strength = self.config.loss.offset_noise;
        if strength == 0.0 {
            return noise;
        }
        let offset = normal(seed, Use::Offset, first, [shape[0], shape[1], 1, 1], self.device);
        offset_noise(noise, offset, strength)
    }
}

/// What is minimised.
pub(crate) struct DenoisingLoss {
    pub(crate) schedule: NoiseSchedule,
    pub(crate) weighting: LossWeighting,
    pub(crate) weights: LatentWeights,
}

impl DenoisingLoss {
    /// The loss of a batch that `noise` takes to `levels`.
    ///
    /// # Shapes
    /// - `noise`: as the batch's latents
    pub(crate) fn of(
        &self,
        model: &BaseModel,
        batch: &Batch,
        noise: Tensor<4>,
        levels: &[NoiseLevel],
    ) -> Loss {
        let prediction = self.schedule.prediction();
        let x_t = add_noise(batch.latents.clone(), noise.clone(), levels);
        let target = prediction.target(batch.latents.clone(), noise, levels);
        let places = self.weights.of(batch.edit_mask.clone());
        let errors = weighted_mse_per_item(batch.predict(model, x_t, levels), target, places);
        let weights: Vec<f64> =
            levels.iter().map(|level| self.weighting.weight(prediction, *level)).collect();
        Loss { total: weighted_mean(errors, &weights), parts: Vec::new() }
    }
}

/// Billions of floating-point operations that training spends on one picture.
pub(super) fn gflop_per_image(config: &BaseRunConfig) -> f64 {
    let text = &config.text_encoder;
    let forward = unet(&config.unet, config.unet.sample_size, text.max_position_embeddings) + clip_text(text);
    TRAINING_FACTOR * forward / 1e9
}

impl Objective for Denoising<'_> {
    type Model = BaseModel;

    fn prepare(&mut self, n_images: u64, progress: &mut dyn Progress, stop: Stop<'_>) -> Result<()> {
        self.pool.advance(n_images, |done, total| {
            progress.on_prepare("encoding pictures", done as usize, total as usize);
            !stop.is_asked()
        })
    }

    fn loss(&mut self, model: &BaseModel, n_images: u64, first: u64) -> Result<Loss> {
        self.pool.advance(n_images, |_, _| true)?;
        let n = self.config.training.batch_size;
        let window = self.pool.window(n_images);
        let draws: Vec<Draw> =
            (first..).zip(0..n).map(|(index, place)| self.draws.draw(index, place, &window)).collect();
        let items: Vec<_> = draws
            .iter()
            .map(|draw| {
                let sample = self.pool.get(draw.sample);
                let keeps = sample.has_caption && !draw.drops_caption;
                (sample, if keeps { sample.ids.as_slice() } else { self.empty_ids.as_slice() })
            })
            .collect();
        let levels = draws
            .iter()
            .map(|draw| self.loss.schedule.level(draw.timestep))
            .collect::<Result<Vec<_>, _>>()?;
        let batch = Batch::gather(&items, self.pool.encoder().geometry(), self.device);
        let noise = self.noise(first, batch.latents.dims());
        Ok(self.loss.of(model, &batch, noise, &levels))
    }

    fn validate(&self, model: &BaseModel) -> Result<BTreeMap<String, f64>> {
        let (prediction, gains) = (self.loss.schedule.prediction(), self.validation.gains());
        let mut values = self.validation.measure(model, prediction, self.device);
        values.extend(self.by_heart.measure(model, prediction, gains, self.device));
        Ok(values)
    }

    fn sample(&self, model: &BaseModel, path: &Path) -> Result<()> {
        let BaseRunConfig { samples, loss, .. } = self.config;
        let painting =
            Painting { samples, keeps_unmasked: loss.keeps_unmasked(), schedule: &self.loss.schedule };
        write_samples(model, self.pool.encoder(), &painting, path)
    }

    fn gflop_per_image(&self) -> f64 {
        gflop_per_image(self.config)
    }
}

/// What the cached samples depend on: the autoencoder, the tokenizer, the pairs and their seed.
fn origin(config: &BaseRunConfig) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(config.provenance.vae_sha256.as_bytes());
    hasher.update(config.provenance.tokenizer_sha256.as_bytes());
    hasher.update(config.provenance.data_sha256.as_bytes());
    hasher.update(serde_json::to_string(&config.data).unwrap_or_default().as_bytes());
    if config.hole == Hole::Guess {
        hasher.update(b"guess");
    }
    hasher.update(config.training.seed.to_le_bytes());
    hasher.update(config.pool.capacity.to_le_bytes());
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_samples_depend_on_all_that_they_were_made_of() {
        let of = |change: fn(&mut BaseRunConfig)| {
            let mut config = BaseRunConfig::mini();
            change(&mut config);
            origin(&config)
        };
        let plain = of(|_| {});
        // How they are used makes no difference.
        assert_eq!(of(|config| config.loss.caption_dropout = 0.5), plain);
        for other in [
            of(|config| config.provenance.vae_sha256 = "another".to_owned()),
            of(|config| config.provenance.tokenizer_sha256 = "another".to_owned()),
            of(|config| config.provenance.data_sha256 = "another".to_owned()),
            of(|config| config.data.p_strategy_erase = 0.5),
            of(|config| config.training.seed = 1),
            of(|config| config.pool.capacity = 32),
            of(|config| config.hole = Hole::Grey),
        ] {
            assert_ne!(other, plain);
        }
    }
}
