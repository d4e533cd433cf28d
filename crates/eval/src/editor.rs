//! The contract between an evaluation and whatever is evaluated, and how an [`EditModel`] fulfils it.

use byteedit_edit::{Canvas, EditModel, Sampling, Watch, frames};
use byteedit_image::{Mask, UnitImage};
use serde::{Deserialize, Serialize};

use crate::error::{EvalError, Result};

/// Something that paints frames and has an autoencoder: a model, or a stand-in.
pub trait Editor {
    /// What the report calls it.
    fn identity(&self) -> ModelIdentity;

    /// The frames that it paints, one for each canvas, in order and of the canvas's size, each seen as a whole, or around
    /// its box where `box_share` says how large that is to be ([`EditModel::paint_frames`]);
    /// values in `[0, 1]`. Kept pixels need not be kept yet.
    ///
    /// # Errors
    /// Whatever keeps it from painting, as [`EvalError::Editor`].
    fn paint(
        &self,
        box_share: Option<f64>,
        canvases: &[Canvas<'_>],
        sampling: &Sampling,
    ) -> Result<Vec<UnitImage>>;

    /// Pictures shown in the same way and sent through the autoencoder and back, in order and of the same sizes, values in
    /// `[0, 1]`.
    ///
    /// # Errors
    /// As for [`paint`](Self::paint).
    fn reconstruct(&self, box_share: Option<f64>, canvases: &[Canvas<'_>]) -> Result<Vec<UnitImage>>;
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

impl Editor for EditModel {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity { name: self.info().name.clone(), hash: self.info().hash.clone() }
    }

    fn paint(
        &self,
        box_share: Option<f64>,
        canvases: &[Canvas<'_>],
        sampling: &Sampling,
    ) -> Result<Vec<UnitImage>> {
        self.paint_frames(box_share, canvases, sampling, &mut Watch::silent()).map_err(failed)
    }

    fn reconstruct(&self, box_share: Option<f64>, canvases: &[Canvas<'_>]) -> Result<Vec<UnitImage>> {
        self.reconstruct_frames(box_share, canvases).map_err(failed)
    }
}

/// What a user gets of a painted frame ([`frames::finished`]).
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
    frames::finished(painted, picture, edit_mask).map_err(failed)
}

fn failed(error: byteedit_edit::EditError) -> EvalError {
    EvalError::Editor(Box::new(error))
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;

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
