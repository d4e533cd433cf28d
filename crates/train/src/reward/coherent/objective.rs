//! What the training loop asks of a coherent reward: Ren et al. 2024, Eq. 6 on pairs of a true and a
//! generated picture.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, activation};
use byteedit_data::Rgb8;
use byteedit_models::flops::{TRAINING_FACTOR, dinov2};
use byteedit_reward::losses::coherence_loss;
use byteedit_reward::{CoherentNetwork, roc_auc};

use super::data::Pictures;
use super::{CoherentRunConfig, is_unused};
use crate::Result;
use crate::pictures::write_grid;
use crate::progress::Progress;
use crate::random::{Use, stream};
use crate::reward::keeper::Keeper;
use crate::reward::seen::{Seen, shown};
use crate::step::Loss;
use crate::training::{Objective, Stop};

/// Pictures that go through the network at once where nothing is learned.
const BATCH: usize = 16;
/// Held-out pictures of a sample grid, four in a row with their maps beside them.
const N_SAMPLES: usize = 16;

/// Telling generated pixels from true ones.
pub(super) struct Telling<'a> {
    pub(super) config: &'a CoherentRunConfig,
    pub(super) pictures: Pictures<'a>,
    pub(super) keeper: Keeper,
    pub(super) device: &'a Device,
}

impl Telling<'_> {
    /// The loss of equally many true and generated pictures.
    ///
    /// # Shapes
    /// - returns `[batch]`, and the logits of generated pictures, `[batch, 1, height, width]`
    fn losses(
        &self,
        model: &CoherentNetwork,
        real: &[Seen],
        generated: &[Seen],
    ) -> Result<(Tensor<1>, Tensor<4>)> {
        let n = real.len();
        let both = shown(real.iter().chain(generated), self.device)?;
        let logits = model.pixel_logits(both.pixels());
        let (real, generated) = (logits.clone().narrow(0, 0, n), logits.narrow(0, n, n));
        let edit_mask = both.edit_mask().clone().narrow(0, n, n);
        Ok((coherence_loss(real, generated.clone(), &edit_mask, self.config.fake_region), generated))
    }
}

impl Objective for Telling<'_> {
    type Model = CoherentNetwork;

    fn prepare(&mut self, _n_images: u64, progress: &mut dyn Progress, stop: Stop<'_>) -> Result<()> {
        self.pictures.fetch(progress, stop)
    }

    fn loss(&mut self, model: &CoherentNetwork, _n_images: u64, first: u64) -> Result<Loss> {
        let CoherentRunConfig { training, p_mirror, .. } = self.config;
        let (mut real, mut generated) = (Vec::new(), Vec::new());
        for index in first..first + training.batch_size as u64 {
            let mut stream = stream(training.seed, Use::Items, index);
            for (chosen, all) in
                [(&mut real, &self.pictures.real), (&mut generated, &self.pictures.generated)]
            {
                let seen = &all[stream.below(all.len())];
                chosen.push(if stream.chance(*p_mirror) { seen.mirrored() } else { seen.clone() });
            }
        }
        let (losses, _) = self.losses(model, &real, &generated)?;
        Ok(Loss { total: losses.mean(), parts: Vec::new() })
    }

    fn validate(&self, model: &CoherentNetwork) -> Result<BTreeMap<String, f64>> {
        let Pictures { held_out_real: real, held_out_generated: generated, .. } = &self.pictures;
        let (mut loss, mut areas) = (0.0, Vec::new());
        for (real, generated) in real.chunks(BATCH).zip(generated.chunks(BATCH)) {
            let (losses, logits) = self.losses(model, real, generated)?;
            loss += losses.into_data().iter::<f64>().sum::<f64>();
            let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
            let n_pixels = logits.len() / generated.len();
            areas.extend(logits.chunks_exact(n_pixels).zip(generated).filter_map(area_outside));
        }
        Ok(BTreeMap::from([
            ("loss".to_owned(), loss / real.len() as f64),
            ("auc".to_owned(), areas.iter().sum::<f64>() / areas.len().max(1) as f64),
        ]))
    }

    /// Held-out generated pictures, each with its map: white where it looks generated.
    fn sample(&self, model: &CoherentNetwork, path: &Path) -> Result<()> {
        let generated = &self.pictures.held_out_generated;
        let some = &generated[..generated.len().min(N_SAMPLES)];
        let logits = model.pixel_logits(shown(some.iter(), self.device)?.pixels());
        let values: Vec<f32> = activation::sigmoid(logits.neg()).into_data().iter::<f32>().collect();
        let n_pixels = values.len() / some.len();
        let cells = some.iter().zip(values.chunks_exact(n_pixels)).flat_map(|(seen, values)| {
            let data = values.iter().flat_map(|value| [(255.0 * value).round() as u8; 3]).collect();
            [seen.picture.clone(), Rgb8 { data, ..seen.picture }]
        });
        write_grid(path, &cells.collect::<Vec<_>>(), 8)
    }

    fn gflop_per_image(&self) -> f64 {
        let config = &self.config.network;
        2.0 * TRAINING_FACTOR * dinov2(&config.dinov2_config, config.side) / 1e9
    }

    /// `DINOv2` puts it where patches are hidden, as they are in its own training alone.
    fn is_frozen(&self, name: &str) -> bool {
        is_unused(name)
    }

    fn patience(&self) -> Option<u64> {
        Some(self.config.patience)
    }

    fn keep(&self, model: &CoherentNetwork) -> Result<()> {
        self.keeper.keep(model)
    }
}

/// How well the logits of one picture tell what was kept from what was repainted.
fn area_outside((logits, seen): (&[f32], &Seen)) -> Option<f64> {
    let of = |is_inside: bool| {
        let values = logits.iter().zip(&seen.edit_mask.values);
        values
            .filter(|(_, value)| (**value >= 128) == is_inside)
            .map(|(logit, _)| *logit)
            .collect::<Vec<f32>>()
    };
    roc_auc(&of(false), &of(true))
}
