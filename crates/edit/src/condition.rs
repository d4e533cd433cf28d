//! What the network is told besides the noisy latents.

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_image::{Mask, Size, UnitImage};

use crate::canvas::Canvas;
use crate::encoder::{CanvasLatents, Encoder, Source};
use crate::error::Result;
use crate::model::EditModel;
use crate::request::Sampling;

/// Text, mask and known pixels of a batch of canvases, as tensors.
pub(crate) struct Conditions {
    /// 1 = repaint, `[n, 1, side, side]`.
    pub(crate) edit_mask: Tensor<4>,
    /// Latents of the canvases with their holes as [`Hole`](crate::Hole) has it, `[n, channels, side, side]`; inpainting
    /// models only.
    pub(crate) masked_latents: Option<Tensor<4>>,
    /// Latents of the canvases with all that is kept of them, `[n, channels, side, side]`; see [`Source`].
    pub(crate) source_latents: Option<Tensor<4>>,
    /// Features of the prompts, `[n, tokens, width]`.
    pub(crate) positive: Tensor<3>,
    /// Features of the negative prompt, `[n, tokens, width]`; `None` without guidance, which alone asks for
    /// them.
    pub(crate) negative: Option<Tensor<3>>,
}

impl Conditions {
    pub(crate) fn new(
        model: &EditModel,
        canvases: &[Canvas<'_>],
        sampling: &Sampling,
        encoder: &mut Encoder,
    ) -> Result<Self> {
        let source = match (model.is_inpainting(), model.keeps_unmasked()) {
            (false, _) => Source::Picture,
            (true, _) if sampling.strength < 1.0 => Source::Picture,
            (true, true) => Source::Filled,
            (true, false) => Source::Nothing,
        };
        let latents: Vec<CanvasLatents> =
            canvases.iter().map(|canvas| encoder.canvas(model, canvas, source)).collect::<Result<_>>()?;
        let batch = |of: fn(CanvasLatents) -> Option<Tensor<4>>| -> Option<Tensor<4>> {
            Some(Tensor::cat(latents.iter().cloned().map(of).collect::<Option<_>>()?, 0))
        };
        let prompts: Vec<&str> = canvases.iter().map(|canvas| canvas.prompt).collect();
        let negative = sampling.negative_prompt();
        // Between equal conditions guidance is the identity, at twice the price.
        let is_guided = sampling.guidance_scale > 1.0 && prompts.iter().any(|prompt| *prompt != negative);
        // Both at once, for one batch.
        let n = prompts.len();
        let negatives = vec![negative; if is_guided { n } else { 0 }];
        let texts = encoder.texts(model, &[prompts, negatives].concat());
        Ok(Self {
            edit_mask: latent_masks(canvases, model),
            masked_latents: batch(|latents| latents.masked),
            source_latents: batch(|latents| latents.source),
            positive: texts.clone().narrow(0, 0, n),
            negative: is_guided.then(|| texts.narrow(0, n, n)),
        })
    }
}

/// # Shapes
/// - returns `[n, 3, height, width]` in [-1, 1]
pub(crate) fn pixels_from_images<'a>(
    images: impl Iterator<Item = &'a UnitImage>,
    model: &EditModel,
) -> Tensor<4> {
    let Size { width, height } = model.canvas_size();
    let values: Vec<f32> = images.flat_map(UnitImage::to_signed_chw).collect();
    let n = values.len() / (3 * width * height);
    // Resizing overshoots at edges, where 8-bit pictures, on which models are trained, are clamped.
    Tensor::from_data(TensorData::new(values, [n, 3, height, width]), model.device()).clamp(-1.0, 1.0)
}

/// 1 where a pixel is kept, 0 in the hole, `[1, 1, height, width]`: a hole becomes 0, the mid grey of
/// [-1, 1], as in every inpainting model.
pub(crate) fn keep_mask(edit_mask: &Mask, device: &Device) -> Tensor<4> {
    let Size { width, height } = edit_mask.size();
    let values: Vec<f32> = edit_mask.repaints().map(|repaint| if repaint { 0.0 } else { 1.0 }).collect();
    Tensor::from_data(TensorData::new(values, [1, 1, height, width]), device)
}

/// # Shapes
/// - returns `[n, 1, side, side]`, 1 = repaint
fn latent_masks(canvases: &[Canvas<'_>], model: &EditModel) -> Tensor<4> {
    let [_, height, width] = model.latent_shape();
    let masks = canvases.iter().map(|canvas| latent_mask(canvas.edit_mask, Size::new(width, height)));
    let values: Vec<f32> =
        masks.flat_map(|mask| mask.repaints().map(f32::from).collect::<Vec<_>>()).collect();
    Tensor::from_data(TensorData::new(values, [canvases.len(), 1, height, width]), model.device())
}

/// The mask at the latents' size by nearest neighbour, as diffusers shrinks it and as models are
/// trained. A mask so thin that nothing would be left keeps every latent that it touches.
pub(crate) fn latent_mask(edit_mask: &Mask, size: Size) -> Mask {
    let nearest = edit_mask.resize_nearest(size);
    if nearest.repaints().any(|repaint| repaint) { nearest } else { edit_mask.resize_covering(size) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byteedit_image::Rect;

    #[test]
    fn latent_masks_are_nearest_and_never_vanish() {
        let size = Size::new(16, 16);
        let latent = |x, y, width, height| {
            let mask = Mask::from_rect(size, Rect::new(x, y, width, height)).unwrap();
            latent_mask(&mask, Size::new(2, 2)).values().to_vec()
        };
        // The top left pixel of each block decides ...
        assert_eq!(latent(8, 8, 3, 3), [0, 0, 0, 255]);
        assert_eq!(latent(3, 3, 13, 13), [0, 0, 0, 255]);
        // ... unless that loses everything.
        assert_eq!(latent(3, 3, 2, 9), [255, 0, 255, 0]);
    }
}
