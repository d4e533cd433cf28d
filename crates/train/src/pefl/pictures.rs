//! The pictures of a step, as pixels and as the U-Net sees them, and what is asked of them.

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_data::Split;
use rayon::prelude::*;

use super::losses::Judged;
use super::phase::PhaseConfig;
use super::rollout::Question;
use crate::Result;
use crate::base::Batch;
use crate::latents::Encoder;
use crate::pictures::pixels_from_pictures;
use crate::source::Pair;

/// A batch of `D_train`.
pub(super) struct Pictures {
    /// Latents, mask and prompts for the U-Net.
    pub(super) batch: Batch,
    /// The source `x`, `[batch, 3, height, width]` in [-1, 1].
    pub(super) truth: Tensor<4>,
    /// 1 = repaint, `[batch, 1, height, width]`.
    pub(super) edit_mask: Tensor<4>,
    /// Latents of the source without what is under the mask, `[batch, channels, side, side]`.
    pub(super) known: Tensor<4>,
    /// What belongs under the mask, or "".
    pub(super) prompts: Vec<String>,
}

impl Pictures {
    /// Training pairs `first .. first + n`.
    pub(super) fn draw(encoder: &Encoder<'_>, first: u64, n: usize) -> Result<Self> {
        let pairs = (first..first + n as u64)
            .into_par_iter()
            .map(|index| encoder.source.pair(encoder.pairs, Split::Train, encoder.seed, index))
            .collect::<Result<Vec<_>>>()?;
        Self::of_pairs(encoder, &pairs)
    }

    /// Pairs of one size.
    pub(super) fn of_pairs(encoder: &Encoder<'_>, pairs: &[Pair]) -> Result<Self> {
        let samples = encoder.encode(pairs)?;
        let items: Vec<_> = samples.iter().map(|sample| (sample, sample.ids.as_slice())).collect();
        let batch = Batch::gather(&items, encoder.geometry(), &encoder.device);
        let truths: Vec<_> = pairs.iter().map(|pair| pair.truth.clone()).collect();
        let truth = pixels_from_pictures(&truths, &encoder.device);
        let known = encoder.vae.latents_from_pixels(encoder.shown(pairs, truth.clone())?);
        let edit_mask = masks(pairs, &encoder.device);
        Ok(Self {
            batch,
            truth,
            edit_mask,
            known,
            prompts: pairs.iter().map(|pair| pair.caption.clone()).collect(),
        })
    }
}

/// A batch with the luck of its rollout.
pub(super) struct Draw {
    pub(super) phase: PhaseConfig,
    /// `t'`.
    pub(super) t_prime: usize,
    pub(super) pictures: Pictures,
    /// Standard normal, of the shape of the latents.
    pub(super) noise: Tensor<4>,
}

impl Draw {
    /// What the editor is asked.
    pub(super) fn question(&self) -> Question<'_> {
        let Self { phase, t_prime, pictures, noise } = self;
        Question { phase: *phase, t_prime: *t_prime, batch: &pictures.batch, known: &pictures.known, noise }
    }

    /// What the critics are asked of its answer, which is not disturbed.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, height, width]` in [-1, 1], the answer
    /// - `real`: the same of the true pictures, as the adversary is shown them
    pub(super) fn judged<'a>(&'a self, pixels: &Tensor<4>, real: &'a Tensor<4>) -> Judged<'a> {
        let Self { phase, t_prime, pictures, .. } = self;
        Judged {
            pixels: pixels.clone().without_autodiff(),
            truth: &pictures.truth,
            real,
            edit_mask: &pictures.edit_mask,
            prompts: &pictures.prompts,
            is_rewarded: *t_prime <= phase.t_2,
            disturbance: None,
        }
    }
}

/// 1 = repaint, `[batch, 1, height, width]`.
fn masks(pairs: &[Pair], device: &Device) -> Tensor<4> {
    let (width, height) = (pairs[0].edit_mask.width, pairs[0].edit_mask.height);
    let values: Vec<f32> = pairs
        .iter()
        .flat_map(|pair| pair.edit_mask.values.iter().map(|&value| if value >= 128 { 1.0 } else { 0.0 }))
        .collect();
    Tensor::from_data(TensorData::new(values, [pairs.len(), 1, height, width]), device)
}
