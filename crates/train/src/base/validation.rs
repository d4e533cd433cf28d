//! The loss on fixed pairs, with fixed noise and timesteps spread evenly, by averaged weights: on held-out pairs, and on
//! pairs of the training split that were or were not trained on, whose difference is what was learned by heart.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use byteedit_data::Split;
use byteedit_diffusion::loss::{LossWeighting, mse_per_item, weighted_mse_per_item};
use byteedit_diffusion::{NoiseLevel, NoiseSchedule, Prediction, add_noise};

use super::BaseModel;
use super::batch::Batch;
use super::weights::LatentWeights;
use crate::Result;
use crate::latents::{CachedSample, Encoder, Geometry};
use crate::random::{Use, normal};
use crate::vae::picture_response;

/// Pairs that are evaluated at once.
const BATCH: usize = 32;
/// Most pairs of each kind that tell what was learned by heart; a multiple of 4.
const BY_HEART: usize = 64;
/// Pictures on which the decoder's gains are measured.
const GAIN_PICTURES: usize = 8;
/// The squared error in `v`, whatever the network predicts; held down where there is hardly any noise.
const IN_V: LossWeighting = LossWeighting::MinSnrPlusOne(20.0);
/// Pairs and noise are the same in every run, so that runs can be compared.
const SEED: u64 = 0;

/// Pairs of one kind with their noise levels.
struct FixedPairs {
    samples: Vec<CachedSample>,
    levels: Vec<NoiseLevel>,
    geometry: Geometry,
}

/// The two errors of each pair, in `v` whatever the network predicts.
struct Errors {
    /// Over all latents.
    all: Vec<f64>,
    /// Under the mask alone, channels weighted by the decoder's gain.
    inside: Vec<f64>,
}

impl FixedPairs {
    /// Encodes the first `n` pairs of a split and a seed.
    fn new(
        encoder: &Encoder<'_>,
        schedule: &NoiseSchedule,
        split: Split,
        seed: u64,
        n: usize,
    ) -> Result<Self> {
        let mut samples = Vec::with_capacity(n);
        while samples.len() < n {
            let batch = BATCH.min(n - samples.len());
            samples.extend(encoder.samples(split, seed, samples.len() as u64, batch)?);
        }
        let n_timesteps = schedule.alpha_bars().len();
        let levels = (0..n).map(|i| schedule.level(timestep(i, n, n_timesteps))).collect::<Result<_, _>>()?;
        Ok(Self { samples, levels, geometry: encoder.geometry() })
    }

    fn errors(&self, model: &BaseModel, prediction: Prediction, gains: &[f64], device: &Device) -> Errors {
        let pixels = LatentWeights::of_pixels_inside(gains, device);
        let (mut all, mut inside) = (Vec::with_capacity(self.samples.len()), Vec::new());
        for (samples, levels) in self.samples.chunks(BATCH).zip(self.levels.chunks(BATCH)) {
            let items: Vec<_> = samples.iter().map(|sample| (sample, sample.ids.as_slice())).collect();
            let batch = Batch::gather(&items, self.geometry, device);
            let noise = normal(SEED, Use::Validation, all.len() as u64, batch.latents.dims(), device);
            let x_t = add_noise(batch.latents.clone(), noise.clone(), levels);
            let target = prediction.target(batch.latents.clone(), noise, levels);
            let output = batch.predict(model, x_t, levels);
            let places = pixels.of(batch.edit_mask.clone());
            let in_v = |errors: Tensor<1>| {
                let errors = numbers(errors).into_iter().zip(levels);
                errors.map(|(error, level)| error * IN_V.weight(prediction, *level)).collect::<Vec<_>>()
            };
            all.extend(in_v(mse_per_item(output.clone(), target.clone())));
            inside.extend(in_v(weighted_mse_per_item(output, target, places)));
        }
        Errors { all, inside }
    }
}

/// Held-out pairs and the decoder's answer to them.
pub(crate) struct Validation {
    pairs: FixedPairs,
    /// How strongly the decoder answers to each channel.
    gains: Vec<f64>,
}

impl Validation {
    /// Encodes `n` pairs of the validation split.
    pub(crate) fn new(encoder: &Encoder<'_>, schedule: &NoiseSchedule, n: usize) -> Result<Self> {
        let pairs = FixedPairs::new(encoder, schedule, Split::Validation, SEED, n)?;
        let items: Vec<_> =
            pairs.samples.iter().take(GAIN_PICTURES).map(|sample| (sample, sample.ids.as_slice())).collect();
        let latents = Batch::gather(&items, pairs.geometry, &encoder.device).latents;
        let gains = picture_response(&encoder.vae, &latents).diagonal().iter().copied().collect();
        Ok(Self { pairs, gains })
    }

    /// How strongly the decoder answers to each channel, on held-out pictures.
    pub(crate) fn gains(&self) -> &[f64] {
        &self.gains
    }

    /// `loss`, the squared error in `v` whatever the network predicts, over all timesteps, and
    /// `loss_t0..loss_t3` over each quarter of them, cleanest first; and `inside`, `inside_t0..inside_t3`: the same
    /// under the mask alone, channels weighted by the decoder's gain, which is the pixels' error to first order.
    pub(crate) fn measure(
        &self,
        model: &BaseModel,
        prediction: Prediction,
        device: &Device,
    ) -> BTreeMap<String, f64> {
        let errors = self.pairs.errors(model, prediction, &self.gains, device);
        by_quarter("loss", &errors.all).chain(by_quarter("inside", &errors.inside)).collect()
    }
}

/// Pairs of the training split: how much better the network does what it has seen than what it could have.
pub(super) struct ByHeart {
    /// The pool's first.
    seen: FixedPairs,
    /// Of another seed: the same objects and photographs, put together otherwise.
    unseen: FixedPairs,
}

impl ByHeart {
    /// Encodes up to 64 of `n` pairs of each kind; the pool is to begin with as many.
    pub(super) fn new(encoder: &Encoder<'_>, schedule: &NoiseSchedule, n: usize) -> Result<Self> {
        let pairs = |seed| FixedPairs::new(encoder, schedule, Split::Train, seed, n.min(BY_HEART));
        Ok(Self { seen: pairs(encoder.seed)?, unseen: pairs(!encoder.seed)? })
    }

    /// `inside_seen` and `inside_unseen`: the error under the mask as [`Validation::measure`] has it. An unseen one that
    /// is far above the seen one says that the pool is too small or its samples are used too often.
    pub(super) fn measure(
        &self,
        model: &BaseModel,
        prediction: Prediction,
        gains: &[f64],
        device: &Device,
    ) -> [(String, f64); 2] {
        [("inside_seen", &self.seen), ("inside_unseen", &self.unseen)].map(|(name, pairs)| {
            let inside = pairs.errors(model, prediction, gains, device).inside;
            (name.to_owned(), inside.iter().sum::<f64>() / inside.len() as f64)
        })
    }
}

fn numbers(tensor: Tensor<1>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_to_vec().expect("converted to f64 just above")
}

/// Means over each quarter of the timesteps, and over all.
fn by_quarter(name: &str, errors: &[f64]) -> impl Iterator<Item = (String, f64)> {
    let n = errors.len();
    // `timestep` puts neighbours in different quarters: pair `i` lies in quarter `i % 4`.
    let quarter = |q: usize| errors.iter().skip(q).step_by(4).sum::<f64>() / (n / 4) as f64;
    let mut values: Vec<_> = (0..4).map(|q| (format!("{name}_t{q}"), quarter(q))).collect();
    values.push((name.to_owned(), errors.iter().sum::<f64>() / n as f64));
    values.into_iter()
}

/// The timestep of pair `i` of `n`: each of `n` equal parts of the schedule is used once, neighbours in
/// different quarters, so that no quarter depends on one part of the data.
fn timestep(i: usize, n: usize, n_timesteps: usize) -> usize {
    let part = i % 4 * (n / 4) + i / 4;
    (2 * part + 1) * n_timesteps / (2 * n)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::timestep;

    #[test]
    fn timesteps_cover_the_schedule_once_and_quarters_alternate() {
        let timesteps: Vec<usize> = (0..40).map(|i| timestep(i, 40, 1000)).collect();
        assert_eq!(timesteps[..5], [12, 262, 512, 762, 37]);
        assert_eq!(timesteps.iter().collect::<BTreeSet<_>>().len(), 40);
        assert!(timesteps.iter().enumerate().all(|(i, t)| t / 250 == i % 4));
    }
}
