//! From cached samples to the tensors of one evaluation.

use burn::tensor::{Device, Int, Tensor, TensorData};
use byteedit_diffusion::NoiseLevel;
use half::f16;

use super::BaseModel;
use crate::latents::{CachedSample, Geometry};

/// What the U-Net is told besides the noisy latents.
#[derive(Clone)]
pub(crate) struct Batch {
    /// Clean latents, `[batch, channels, side, side]`.
    pub(crate) latents: Tensor<4>,
    /// 1 = repaint, `[batch, 1, side, side]`.
    pub(crate) edit_mask: Tensor<4>,
    /// `[batch, channels, side, side]`.
    pub(crate) masked_latents: Tensor<4>,
    /// `[batch, n_tokens]`.
    pub(crate) ids: Tensor<2, Int>,
}

impl Batch {
    /// Gathers samples; each with its own caption's ids or others, such as the empty caption's.
    pub(crate) fn gather(items: &[(&CachedSample, &[u32])], geometry: Geometry, device: &Device) -> Self {
        let Geometry { channels, side, n_tokens } = geometry;
        let n = items.len();
        let latents = |part: fn(&CachedSample) -> &[f16]| {
            let values: Vec<f32> = items
                .iter()
                .flat_map(|(sample, _)| part(sample).iter().map(|value| value.to_f32()))
                .collect();
            Tensor::from_data(TensorData::new(values, [n, channels, side, side]), device)
        };
        let mask: Vec<f32> = items
            .iter()
            .flat_map(|(sample, _)| sample.edit_mask.iter().map(|&value| f32::from(value)))
            .collect();
        let ids: Vec<i64> = items.iter().flat_map(|(_, ids)| ids.iter().map(|&id| i64::from(id))).collect();
        Self {
            latents: latents(|sample| &sample.latents),
            edit_mask: Tensor::from_data(TensorData::new(mask, [n, 1, side, side]), device),
            masked_latents: latents(|sample| &sample.masked_latents),
            ids: Tensor::from_data(TensorData::new(ids, [n, n_tokens]), device),
        }
    }

    /// The U-Net's output for noisy latents, each at its own level.
    ///
    /// # Shapes
    /// - `x_t`, result: `[batch, channels, side, side]`
    pub(crate) fn predict(&self, model: &BaseModel, x_t: Tensor<4>, levels: &[NoiseLevel]) -> Tensor<4> {
        let timesteps: Vec<f64> = levels.iter().map(|level| level.timestep).collect();
        let timesteps = TensorData::new(timesteps, [levels.len()]);
        let timesteps = Tensor::from_data(timesteps, (&x_t.device(), x_t.dtype()));
        let context = model.text_encoder.forward(self.ids.clone()).last_hidden_state;
        // The order of every inpainting checkpoint.
        let input = Tensor::cat(vec![x_t, self.edit_mask.clone(), self.masked_latents.clone()], 1);
        model.unet.forward(input, timesteps, context)
    }
}
