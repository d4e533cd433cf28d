//! The held-out loss: fixed pairs, fixed noise, timesteps spread evenly, averaged weights.

use std::collections::BTreeMap;

use burn::tensor::Device;
use byteedit_data::Split;
use byteedit_diffusion::loss::mse_per_item;
use byteedit_diffusion::{NoiseLevel, NoiseSchedule, Prediction, add_noise};

use super::BaseModel;
use super::batch::Batch;
use crate::Result;
use crate::latents::{CachedSample, Encoder, Geometry};
use crate::random::{Use, normal};

/// Pairs that are evaluated at once.
const BATCH: usize = 32;
/// Pairs and noise are the same in every run, so that runs can be compared.
const SEED: u64 = 0;

/// Held-out pairs with their noise levels.
pub(super) struct Validation {
    samples: Vec<CachedSample>,
    levels: Vec<NoiseLevel>,
    geometry: Geometry,
}

impl Validation {
    /// Encodes `n` pairs of the validation split.
    pub(super) fn new(encoder: &Encoder<'_>, schedule: &NoiseSchedule, n: usize) -> Result<Self> {
        let mut samples = Vec::with_capacity(n);
        while samples.len() < n {
            let batch = BATCH.min(n - samples.len());
            samples.extend(encoder.samples(Split::Validation, SEED, samples.len() as u64, batch)?);
        }
        let n_timesteps = schedule.alpha_bars().len();
        let levels = (0..n).map(|i| schedule.level(timestep(i, n, n_timesteps))).collect::<Result<_, _>>()?;
        Ok(Self { samples, levels, geometry: encoder.geometry() })
    }

    /// `loss` over all timesteps and `loss_t0..loss_t3` over each quarter of them, cleanest first.
    pub(super) fn measure(
        &self,
        model: &BaseModel,
        prediction: Prediction,
        device: &Device,
    ) -> BTreeMap<String, f64> {
        let mut errors = Vec::with_capacity(self.samples.len());
        for (samples, levels) in self.samples.chunks(BATCH).zip(self.levels.chunks(BATCH)) {
            let items: Vec<_> = samples.iter().map(|sample| (sample, sample.ids.as_slice())).collect();
            let batch = Batch::gather(&items, self.geometry, device);
            let noise = normal(SEED, Use::Validation, errors.len() as u64, batch.latents.dims(), device);
            let x_t = add_noise(batch.latents.clone(), noise.clone(), levels);
            let target = prediction.target(batch.latents.clone(), noise, levels);
            let data = mse_per_item(batch.predict(model, x_t, levels), target).into_data().convert::<f32>();
            errors.extend(
                data.as_slice::<f32>().expect("converted to f32 just above").iter().map(|&e| f64::from(e)),
            );
        }
        by_quarter(&errors)
    }
}

/// Means over each quarter of the timesteps, and over all.
fn by_quarter(errors: &[f64]) -> BTreeMap<String, f64> {
    let n = errors.len();
    // `timestep` puts neighbours in different quarters: pair `i` lies in quarter `i % 4`.
    let quarter = |q: usize| errors.iter().skip(q).step_by(4).sum::<f64>() / (n / 4) as f64;
    let mut values: BTreeMap<_, _> = (0..4).map(|q| (format!("loss_t{q}"), quarter(q))).collect();
    values.insert("loss".to_owned(), errors.iter().sum::<f64>() / n as f64);
    values
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
