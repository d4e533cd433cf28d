//! What learns: the editor's U-Net, and the coherent reward where it is an adversary.

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use byteedit_diffusion::{Network, NoiseLevel};
use byteedit_reward::CoherentNetwork;

use crate::base::{BaseModel, Batch};

/// Name of the adversary's parameters begin with this.
pub(super) const COHERENT: &str = "coherent.";
/// And those of the text encoder with this.
pub(super) const TEXT_ENCODER: &str = "base.text_encoder.";

/// `G` and, where it learns too, `R_gamma`.
#[derive(Module, Debug)]
pub(super) struct Student {
    pub(super) base: BaseModel,
    pub(super) coherent: Option<CoherentNetwork>,
}

/// The U-Net with a batch's conditions bound.
pub(super) struct Bound<'a> {
    model: &'a BaseModel,
    batch: &'a Batch,
    context: Tensor<3>,
    /// Of the empty prompt; only where guidance asks for it.
    empty: Option<Tensor<3>>,
}

impl<'a> Bound<'a> {
    /// # Shapes
    /// - `empty_ids`: `[1, n_tokens]`, of the empty prompt, if there is guidance
    pub(super) fn new(model: &'a BaseModel, batch: &'a Batch, empty_ids: Option<&Tensor<2, Int>>) -> Self {
        let features = |ids: Tensor<2, Int>| model.text_encoder.forward(ids).last_hidden_state;
        let context = features(batch.ids.clone());
        let n_items = batch.ids.dims()[0];
        let empty = empty_ids.map(|ids| features(ids.clone()).repeat_dim(0, n_items));
        Self { model, batch, context, empty }
    }

    fn output(&self, x_t: Tensor<4>, level: NoiseLevel, context: &Tensor<3>) -> Tensor<4> {
        let Batch { edit_mask, masked_latents, .. } = self.batch;
        let n_items = x_t.dims()[0];
        let timesteps = Tensor::full([n_items], level.timestep, (&x_t.device().inner(), x_t.dtype()));
        let input = Tensor::cat(vec![x_t, edit_mask.clone(), masked_latents.clone()], 1);
        self.model.unet.forward(input, timesteps, context.clone())
    }
}

impl Network for Bound<'_> {
    fn predict(&self, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        self.output(x_t, level, &self.context)
    }

    fn predict_pair(&self, x_t: Tensor<4>, level: NoiseLevel) -> (Tensor<4>, Tensor<4>) {
        let positive = self.predict(x_t.clone(), level);
        let negative = self.empty.as_ref().map(|empty| self.output(x_t, level, empty));
        (negative.unwrap_or_else(|| positive.clone()), positive)
    }
}
