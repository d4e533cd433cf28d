//! What the network is told besides the noisy latents, computed once for each edit.

use burn::tensor::{Int, Tensor, TensorData};
use byteedit_image::{Mask, Size, UnitImage};

use crate::canvas::Canvas;
use crate::model::EditModel;

/// Text, mask and known pixels of a batch of canvases, as tensors.
pub(crate) struct Conditions {
    /// 1 = repaint, `[n, 1, side, side]`.
    pub(crate) edit_mask: Tensor<4>,
    /// Latents of the canvases with grey holes, `[n, channels, side, side]`; inpainting models only.
    pub(crate) masked_latents: Option<Tensor<4>>,
    /// Latents of the canvases themselves, `[n, channels, side, side]`, where something of them stays.
    pub(crate) source_latents: Option<Tensor<4>>,
    /// Features of the prompts, `[n, tokens, width]`.
    pub(crate) positive: Tensor<3>,
    /// Features of the negative prompt, `[n, tokens, width]`.
    pub(crate) negative: Tensor<3>,
}

impl Conditions {
    pub(crate) fn new(
        model: &EditModel,
        canvases: &[Canvas<'_>],
        negative_prompt: &str,
        needs_source: bool,
    ) -> Self {
        let n = canvases.len();
        // Variants of one edit differ in their noise alone, so they share what is encoded.
        let is_shared = canvases
            .windows(2)
            .all(|pair| pair[0].image == pair[1].image && pair[0].edit_mask == pair[1].edit_mask);
        let distinct = if is_shared { &canvases[..1] } else { canvases };
        let each = |tensor: Tensor<4>| tensor.repeat_dim(0, n / distinct.len());

        let pixels = pixels_from_images(distinct.iter().map(|canvas| canvas.image), model);
        let vae = &model.parts().vae;
        let masked_latents = model.is_inpainting().then(|| {
            let keep = keep_masks(distinct, model);
            each(vae.latents_from_pixels(pixels.clone() * keep))
        });
        let source_latents = needs_source.then(|| each(vae.latents_from_pixels(pixels)));
        let texts: Vec<&str> = canvases.iter().map(|canvas| canvas.prompt).collect();
        let (positive, negative) = contexts(model, &texts, negative_prompt);
        Self {
            edit_mask: each(latent_masks(distinct, model)),
            masked_latents,
            source_latents,
            positive,
            negative,
        }
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

/// 1 where a pixel is kept, 0 in the hole, `[n, 1, height, width]`: a hole becomes 0, the mid grey of
/// [-1, 1], as in every inpainting model.
fn keep_masks(canvases: &[Canvas<'_>], model: &EditModel) -> Tensor<4> {
    let Size { width, height } = model.canvas_size();
    let keep = |repaint| if repaint { 0.0 } else { 1.0 };
    let values: Vec<f32> = canvases.iter().flat_map(|canvas| canvas.edit_mask.repaints().map(keep)).collect();
    Tensor::from_data(TensorData::new(values, [canvases.len(), 1, height, width]), model.device())
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
fn latent_mask(edit_mask: &Mask, size: Size) -> Mask {
    let nearest = edit_mask.resize_nearest(size);
    if nearest.repaints().any(|repaint| repaint) { nearest } else { edit_mask.resize_covering(size) }
}

/// Features of the prompts and, as often, of the negative prompt; every distinct text is encoded once,
/// all in one batch.
fn contexts(model: &EditModel, prompts: &[&str], negative_prompt: &str) -> (Tensor<3>, Tensor<3>) {
    let mut distinct = vec![negative_prompt];
    for &prompt in prompts {
        if !distinct.contains(&prompt) {
            distinct.push(prompt);
        }
    }
    let tokenizer = &model.parts().tokenizer;
    let ids: Vec<i64> =
        distinct.iter().flat_map(|text| tokenizer.encode_padded(text)).map(i64::from).collect();
    let shape = [distinct.len(), tokenizer.max_length()];
    let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, shape), model.device());
    let features = model.parts().text_encoder.forward(ids).last_hidden_state; // [distinct, tokens, width]
    let row = |text: &str| {
        let index = distinct.iter().position(|other| *other == text).unwrap_or(0);
        features.clone().narrow(0, index, 1)
    };
    let positive = Tensor::cat(prompts.iter().map(|prompt| row(prompt)).collect(), 0);
    (positive, row(negative_prompt).repeat_dim(0, prompts.len()))
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
