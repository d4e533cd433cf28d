//! The U-Net with its conditions bound, as the denoise loop sees it.

use std::cell::Cell;

use burn::tensor::Tensor;
use byteedit_diffusion::{Network, NoiseLevel};
use byteedit_models::unet::UNet2DConditionModel;

use crate::condition::Conditions;
use crate::result::Work;

/// A U-Net of either kind: an inpainting model is shown `[noisy latents, mask, masked latents]` (the
/// order of every such checkpoint), a plain one the noisy latents alone.
pub(crate) struct BoundUnet<'a> {
    unet: &'a UNet2DConditionModel,
    positive: Bound,
    /// Negative and positive, in this order, in one batch; `None` without guidance.
    pair: Option<Bound>,
    work: Cell<Work>,
}

/// What stays the same over all steps.
struct Bound {
    /// `[batch, 1 + channels, side, side]`, mask and masked latents.
    known: Option<Tensor<4>>,
    /// `[batch, tokens, width]`
    context: Tensor<3>,
}

impl<'a> BoundUnet<'a> {
    pub(crate) fn new(unet: &'a UNet2DConditionModel, conditions: &Conditions) -> Self {
        let Conditions { edit_mask, masked_latents, source_latents: _, positive, negative } = conditions;
        let known = masked_latents.clone().map(|latents| Tensor::cat(vec![edit_mask.clone(), latents], 1));
        let pair = negative.clone().map(|negative| Bound {
            known: known.clone().map(|known| known.repeat_dim(0, 2)),
            context: Tensor::cat(vec![negative, positive.clone()], 0),
        });
        let positive = Bound { known, context: positive.clone() };
        Self { unet, positive, pair, work: Cell::default() }
    }

    /// How often it was asked so far.
    pub(crate) fn work(&self) -> Work {
        self.work.get()
    }

    fn evaluate(&self, x_t: Tensor<4>, level: NoiseLevel, bound: &Bound) -> Tensor<4> {
        let n = x_t.dims()[0];
        let mut work = self.work.get();
        work += Work { n_evaluations: 1, n_evaluated: n, ..Work::default() };
        self.work.set(work);
        let timesteps = Tensor::full([n], level.timestep, &x_t.device());
        let input = match &bound.known {
            Some(known) => Tensor::cat(vec![x_t, known.clone()], 1), // [batch, 2 channels + 1, side, side]
            None => x_t,
        };
        self.unet.forward(input, timesteps, bound.context.clone())
    }
}

impl Network for BoundUnet<'_> {
    fn predict(&self, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        self.evaluate(x_t, level, &self.positive)
    }

    fn predict_pair(&self, x_t: Tensor<4>, level: NoiseLevel) -> (Tensor<4>, Tensor<4>) {
        let Some(pair) = &self.pair else {
            let positive = self.predict(x_t, level);
            return (positive.clone(), positive);
        };
        let n = x_t.dims()[0];
        let both = self.evaluate(x_t.repeat_dim(0, 2), level, pair);
        (both.clone().narrow(0, 0, n), both.narrow(0, n, n))
    }
}
