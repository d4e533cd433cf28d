//! The contract between an evaluation and whatever is evaluated, and how an [`EditModel`] fulfils it.

use byteedit_edit::pipeline::MATCH_BAND;
use byteedit_edit::{Canvas, EditModel, Sampling, Watch};
use byteedit_image::{Filter, Mask, Picture, Size, UnitImage, compose};
use serde::{Deserialize, Serialize};

use crate::error::{EvalError, Result};

/// Something that paints frames and has an autoencoder: a model, or a stand-in.
pub trait Editor {
    /// What the report calls it.
    fn identity(&self) -> ModelIdentity;

    /// The whole frames that it paints, one for each canvas, in order and of the canvas's size,
    /// values in `[0, 1]`. Kept pixels need not be kept yet.
    ///
    /// # Errors
    /// Whatever keeps it from painting, as [`EvalError::Editor`].
    fn paint(&self, canvases: &[Canvas<'_>], sampling: &Sampling) -> Result<Vec<UnitImage>>;

    /// Pictures sent through the autoencoder and back, in order and of the same sizes, values in
    /// `[0, 1]`.
    ///
    /// # Errors
    /// As for [`paint`](Self::paint).
    fn reconstruct(&self, pictures: &[&UnitImage]) -> Result<Vec<UnitImage>>;
}

/// Which model it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelIdentity {
    /// Its name, such as "mini" or that of its folder.
    pub name: String,
    /// The first digits of the hash of its weights.
    pub hash: String,
}

/// Frames are shown whole. One of another size than [`EditModel::canvas_size`] is resized to it and
/// the answer back, so that a model of any resolution can be asked.
impl Editor for EditModel {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity { name: self.info().name.clone(), hash: self.info().hash.clone() }
    }

    fn paint(&self, canvases: &[Canvas<'_>], sampling: &Sampling) -> Result<Vec<UnitImage>> {
        let size = self.canvas_size();
        let fitted: Vec<(UnitImage, Mask)> = canvases
            .iter()
            .map(|canvas| (resized(canvas.image, size), canvas.edit_mask.resize_covering(size)))
            .collect();
        let fitted: Vec<Canvas<'_>> = canvases
            .iter()
            .zip(&fitted)
            .map(|(canvas, (image, edit_mask))| Canvas { image, edit_mask, ..*canvas })
            .collect();
        let painted = EditModel::paint(self, &fitted, sampling, &mut Watch::silent()).map_err(failed)?;
        Ok(painted.images.iter().zip(canvases).map(|(image, c)| resized(image, c.image.size())).collect())
    }

    fn reconstruct(&self, pictures: &[&UnitImage]) -> Result<Vec<UnitImage>> {
        let fitted: Vec<_> = pictures.iter().map(|picture| resized(picture, self.canvas_size())).collect();
        let decoded = EditModel::reconstruct(self, &fitted).map_err(failed)?;
        Ok(decoded.iter().zip(pictures).map(|(image, picture)| resized(image, picture.size())).collect())
    }
}

/// What a user gets from a pipeline that neither enlarges nor reduces: the painted frame matched in colour
/// along the mask, pasted into the picture and rounded to 8 bits.
///
/// The truth goes the same way after the autoencoder, so that the distance between the two is what
/// the denoiser alone adds.
///
/// # Errors
/// [`EvalError::WrongSize`] if the frame has another size than the picture.
pub fn finish(painted: &UnitImage, picture: &UnitImage, edit_mask: &Mask) -> Result<UnitImage> {
    let (found, expected) = (painted.size(), picture.size());
    if found != expected {
        return Err(EvalError::WrongSize { found, expected });
    }
    let matched = compose::match_color(painted, picture, edit_mask, MATCH_BAND)?;
    let mut result: Picture = picture.to_picture()?;
    compose::paste(&mut result, expected.rect(), &matched, edit_mask)?;
    Ok(UnitImage::from_picture(&result))
}

fn resized(image: &UnitImage, size: Size) -> UnitImage {
    image.resize(size, Filter::Lanczos3)
}

fn failed(error: byteedit_edit::EditError) -> EvalError {
    EvalError::Editor(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::tests::{boxed, picture};

    #[test]
    fn kept_pixels_stay_and_an_offset_is_matched() {
        let size = Size::new(32, 24);
        let mask = boxed(size, 8, 6, 12, 10);
        let source = picture(size, |x, y| [x as f32 / 255.0, y as f32 / 255.0, 0.4]);
        let painted = picture(size, |x, y| source.pixel(x, y).map(|value| value + 0.1));
        let result = finish(&painted, &source, &mask).unwrap();
        for (at, repaint) in mask.repaints().enumerate() {
            let (found, expected) = (&result.data()[3 * at..3 * at + 3], &source.data()[3 * at..3 * at + 3]);
            for (found, expected) in found.iter().zip(expected) {
                let tolerance = if repaint { 1.01 / 255.0 } else { 0.0 };
                assert!((found - expected).abs() <= tolerance, "{found} instead of {expected} at {at}");
            }
        }
    }

    #[test]
    fn a_frame_of_another_size_is_refused() {
        let size = Size::new(32, 24);
        let source = UnitImage::filled(size, [0.5; 3]);
        let painted = UnitImage::filled(Size::new(16, 24), [0.5; 3]);
        let message = finish(&painted, &source, &boxed(size, 1, 1, 2, 2)).unwrap_err().to_string();
        assert!(message.contains("16 x 24") && message.contains("32 x 24"), "{message}");
    }
}
