//! What an edit has encoded, so that nothing is encoded twice: all of its pictures start from the same
//! canvas and share their prompts, whatever the batches and windows they are painted in.

use std::collections::BTreeMap;

use burn::tensor::{Int, Tensor, TensorData};
use byteedit_image::{Mask, Size, UnitImage, fill};

use crate::canvas::Canvas;
use crate::condition::{keep_mask, latent_mask, pixels_from_images};
use crate::error::{EditError, Result};
use crate::hole::{Hole, write_places};
use crate::model::EditModel;
use crate::result::Work;

/// The encoders of one edit, and what they gave.
#[derive(Default)]
pub(crate) struct Encoder {
    /// Features of every text so far, `[1, tokens, width]`.
    texts: BTreeMap<String, Tensor<3>>,
    /// The first canvas: every picture of an edit starts from it.
    start: Option<(UnitImage, Mask, CanvasLatents)>,
    /// What all networks of the edit did so far.
    pub(crate) work: Work,
}

/// A canvas in the latents of the model, each `[1, channels, side, side]`.
#[derive(Clone)]
pub(crate) struct CanvasLatents {
    /// Of the canvas with its hole as [`Hole`] has it; inpainting models only.
    pub(crate) masked: Option<Tensor<4>>,
    /// As the [`Source`] asked for says.
    pub(crate) source: Option<Tensor<4>>,
}

/// Which latents stand for what is kept of a canvas, besides those with the hole.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Nothing,
    /// Those of the canvas as it is: where an edit starts from it, and where the network knows no masks.
    Picture,
    /// Those of the canvas with its hole filled smoothly: beside the hole they show nothing of what is
    /// replaced, and no grey.
    Filled,
}

impl Encoder {
    /// Features of every text, in order; those that are new are encoded in one batch.
    ///
    /// # Shapes
    /// - returns `[texts, tokens, width]`
    pub(crate) fn texts(&mut self, model: &EditModel, texts: &[&str]) -> Tensor<3> {
        let mut new: Vec<&str> =
            texts.iter().copied().filter(|text| !self.texts.contains_key(*text)).collect();
        new.sort_unstable();
        new.dedup();
        if !new.is_empty() {
            let tokenizer = &model.parts().tokenizer;
            let ids: Vec<i64> =
                new.iter().flat_map(|text| tokenizer.encode_padded(text)).map(i64::from).collect();
            let shape = [new.len(), tokenizer.max_length()];
            let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, shape), model.device());
            let features = model.parts().text_encoder.forward(ids).last_hidden_state;
            self.work.n_texts += new.len();
            for (index, text) in new.into_iter().enumerate() {
                self.texts.insert(text.to_owned(), features.clone().narrow(0, index, 1));
            }
        }
        Tensor::cat(texts.iter().map(|text| self.texts[*text].clone()).collect(), 0)
    }

    /// Latents of a canvas; `source` must be the same for all canvases of an edit.
    pub(crate) fn canvas(
        &mut self,
        model: &EditModel,
        canvas: &Canvas<'_>,
        source: Source,
    ) -> Result<CanvasLatents> {
        if let Some((image, edit_mask, latents)) = &self.start
            && image == canvas.image
            && edit_mask == canvas.edit_mask
        {
            return Ok(latents.clone());
        }
        // One at a time: an autoencoder needs far more memory than what it gives.
        let pixels = pixels_from_images([canvas.image].into_iter(), model);
        let vae = &model.parts().vae;
        let mut encode = |pixels| {
            self.work.n_encoded += 1;
            vae.latents_from_pixels(pixels)
        };
        let hole = model.is_inpainting().then(|| model.hole());
        let filled = if matches!(source, Source::Filled) || hole == Some(Hole::Guess) {
            let filled = fill::harmonic(canvas.image, canvas.edit_mask)?;
            Some(encode(pixels_from_images([&filled].into_iter(), model)))
        } else {
            None
        };
        let masked = match (hole, &filled) {
            (None, _) => None,
            (Some(Hole::Guess), Some(filled)) => Some(guess(model, filled, canvas.edit_mask)?),
            (Some(_), _) => Some(encode(pixels.clone() * keep_mask(canvas.edit_mask, model.device()))),
        };
        let source = match source {
            Source::Nothing => None,
            Source::Picture => Some(encode(pixels)),
            Source::Filled => filled,
        };
        let latents = CanvasLatents { masked, source };
        self.start.get_or_insert_with(|| (canvas.image.clone(), canvas.edit_mask.clone(), latents.clone()));
        Ok(latents)
    }
}

/// The latents of a filled canvas with the place in the hole, see [`Hole::Guess`].
fn guess(model: &EditModel, filled: &Tensor<4>, edit_mask: &Mask) -> Result<Tensor<4>> {
    let repaints = edit_mask.repaints().map(|repaint| if repaint { 255 } else { 0 }).collect();
    let Some(hole) = Mask::new(edit_mask.size(), repaints)?.bounding_box() else { return Ok(filled.clone()) };
    let failed = |reason: String| EditError::Device { reason };
    let data = filled.clone().try_into_data().map_err(|error| failed(error.to_string()))?.convert::<f32>();
    let mut values = data.try_to_vec::<f32>().map_err(|error| failed(format!("{error:?}")))?;
    let [_, height, width] = model.latent_shape();
    write_places(&mut values, &latent_mask(edit_mask, Size::new(width, height)), hole, model.downscale());
    Ok(Tensor::from_data(TensorData::new(values, filled.dims()), model.device()))
}
