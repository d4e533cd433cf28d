//! Pictures of any size in batches, each shown as a whole or around the box of its mask: what evaluations and collections
//! ask of a model. The pipeline, which also knows feathers, windows and depths, edits one picture at a time.

use byteedit_image::{Filter, Mask, Picture, UnitImage, compose};

use crate::boxed::BoxView;
use crate::canvas::Canvas;
use crate::error::Result;
use crate::model::EditModel;
use crate::pipeline::MATCH_BAND;
use crate::request::Sampling;
use crate::watch::Watch;

impl EditModel {
    /// [`EditModel::paint`] for frames of any size: around their boxes where `box_share` says how large these are on the
    /// canvas ([`BoxView`]), else whole, resized to [`EditModel::canvas_size`]. Returns them at their own size.
    ///
    /// # Errors
    /// Those of [`EditModel::paint`]; a mask is to be of its frame's size, a share above 0 and up to 0.9.
    pub fn paint_frames(
        &self,
        box_share: Option<f64>,
        frames: &[Canvas<'_>],
        sampling: &Sampling,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<UnitImage>> {
        let fitted = self.fitted(box_share, frames)?;
        let canvases: Vec<Canvas<'_>> =
            frames.iter().zip(&fitted).map(|(frame, fitted)| fitted.canvas(*frame)).collect();
        let painted = self.paint(&canvases, sampling, watch)?.images;
        let back = painted.iter().zip(frames.iter().zip(&fitted));
        back.map(|(image, (frame, fitted))| fitted.back(image, frame)).collect()
    }

    /// What the autoencoder alone makes of frames that are shown in the same way: of all of a canvas, what lies under the
    /// mask too.
    ///
    /// # Errors
    /// Those of [`EditModel::reconstruct`] and [`EditModel::paint_frames`].
    pub fn reconstruct_frames(
        &self,
        box_share: Option<f64>,
        frames: &[Canvas<'_>],
    ) -> Result<Vec<UnitImage>> {
        let fitted = self.fitted(box_share, frames)?;
        let canvases = frames
            .iter()
            .zip(&fitted)
            .map(|(frame, fitted)| fitted.truth(frame))
            .collect::<Result<Vec<_>>>()?;
        let decoded = self.reconstruct(&canvases)?;
        let back = decoded.iter().zip(frames.iter().zip(&fitted));
        back.map(|(image, (frame, fitted))| fitted.back(image, frame)).collect()
    }

    fn fitted(&self, box_share: Option<f64>, frames: &[Canvas<'_>]) -> Result<Vec<Fitted>> {
        frames.iter().map(|frame| Fitted::new(self, box_share, frame)).collect()
    }
}

/// What a user gets of a painted frame: its colours matched along the mask, pasted into the picture and rounded to 8 bits.
///
/// # Errors
/// [`EditError::Image`](crate::EditError::Image) if the three differ in size.
pub fn finished(painted: &UnitImage, picture: &UnitImage, edit_mask: &Mask) -> Result<UnitImage> {
    let matched = compose::match_color(painted, picture, edit_mask, MATCH_BAND)?;
    let mut result: Picture = picture.to_picture()?;
    compose::paste(&mut result, picture.size().rect(), &matched, edit_mask)?;
    Ok(UnitImage::from_picture(&result))
}

/// A frame on the model's canvas.
enum Fitted {
    /// Around the box of its mask.
    Boxed(BoxView),
    /// All of it.
    Whole(UnitImage, Mask),
}

impl Fitted {
    fn new(model: &EditModel, box_share: Option<f64>, frame: &Canvas<'_>) -> Result<Self> {
        let size = model.canvas_size();
        if let Some(share) = box_share
            && let Some(view) = BoxView::around(frame.image, frame.edit_mask, share, size)?
        {
            return Ok(Self::Boxed(view));
        }
        let image = frame.image.resize(size, Filter::Lanczos3);
        Ok(Self::Whole(image, frame.edit_mask.resize_covering(size)))
    }

    fn canvas<'a>(&'a self, frame: Canvas<'a>) -> Canvas<'a> {
        match self {
            Self::Boxed(view) => Canvas { image: view.known(), edit_mask: view.edit_mask(), ..frame },
            Self::Whole(image, edit_mask) => Canvas { image, edit_mask, ..frame },
        }
    }

    /// The canvas with what the frame shows under the mask.
    fn truth(&self, frame: &Canvas<'_>) -> Result<UnitImage> {
        match self {
            Self::Boxed(view) => view.with_hole_of(frame.image),
            Self::Whole(image, _) => Ok(image.clone()),
        }
    }

    /// A canvas's answer at the frame's size. Colours of a boxed one are matched where the autoencoder's error is that of
    /// one scale, on the canvas, as in the pipeline.
    fn back(&self, painted: &UnitImage, frame: &Canvas<'_>) -> Result<UnitImage> {
        match self {
            Self::Boxed(view) => {
                let matched = compose::match_color(painted, view.known(), view.edit_mask(), MATCH_BAND)?;
                view.put_into(frame.image, &matched)
            }
            Self::Whole(..) => Ok(painted.resize(frame.image.size(), Filter::Lanczos3)),
        }
    }
}
