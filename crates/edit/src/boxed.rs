//! Boxes seen alike: a mask with what surrounds it, scaled so that every mask's box is of one size on the model's canvas.
//!
//! A small model that is asked for objects of every size has to learn each of them at every size. One that always sees
//! its boxes alike learns them once; the crop engine does the rest ([`Padding::Share`]). Training, evaluation and the
//! pipeline cut boxes out by the same plan.

use byteedit_image::{CropPlan, CropRequest, Filter, Mask, Padding, Size, UnitImage};

use crate::error::Result;
use crate::pipeline::{known_canvas, with_hole_of};

/// Lanczos, on both ways, as in the pipeline.
const FILTER: Filter = Filter::Lanczos3;

/// A picture around the box of its mask, on the model's canvas.
#[derive(Clone, Debug)]
pub struct BoxView {
    plan: CropPlan,
    known: UnitImage,
    edit_mask: Mask,
}

impl BoxView {
    /// The view in which the shorter side of the mask's box takes `share` of a canvas of `size`; `None` for a mask that
    /// repaints nothing, or leaves nothing to be seen around it.
    ///
    /// # Errors
    /// [`EditError::Image`](crate::EditError::Image) if picture and mask differ in size, or for a share out of range.
    pub fn around(picture: &UnitImage, edit_mask: &Mask, share: f64, size: Size) -> Result<Option<Self>> {
        edit_mask.check_size(picture.size())?;
        let Some(focus) = edit_mask.bounding_box() else { return Ok(None) };
        let request = CropRequest { multiple: 1, ..CropRequest::new(picture.size(), focus, size) };
        let plan = CropPlan::new(&CropRequest { padding: Padding::Share(share), ..request })?;
        let region_mask = edit_mask.crop(plan.region())?;
        if region_mask.repaints().all(|repaint| repaint) {
            return Ok(None);
        }
        let known = known_canvas(&plan, picture.crop(plan.region())?, &region_mask, FILTER)?;
        Ok(Some(Self { edit_mask: plan.model_mask(&region_mask)?, plan, known }))
    }

    /// The canvas without a trace of what is under the mask.
    pub fn known(&self) -> &UnitImage {
        &self.known
    }

    /// The canvas's mask, 255 = repaint.
    pub fn edit_mask(&self) -> &Mask {
        &self.edit_mask
    }

    /// The canvas with what `picture`, of the size of the one that it was made from, shows under the mask.
    ///
    /// # Errors
    /// [`EditError::Image`](crate::EditError::Image) for a picture of another size.
    pub fn with_hole_of(&self, picture: &UnitImage) -> Result<UnitImage> {
        let seen = self.plan.model_image(&picture.crop(self.plan.region())?, FILTER)?;
        Ok(with_hole_of(self.known.clone(), &seen, &self.edit_mask))
    }

    /// `picture` with its region replaced by a painted canvas; kept pixels there are not kept yet.
    ///
    /// # Errors
    /// [`EditError::Image`](crate::EditError::Image) for a picture or canvas of another size.
    pub fn put_into(&self, picture: &UnitImage, painted: &UnitImage) -> Result<UnitImage> {
        let region = self.plan.region();
        let back = self.plan.region_image(painted, FILTER)?;
        let mut frame = picture.clone();
        let width = frame.width();
        for (y, row) in back.data().chunks_exact(3 * region.width).enumerate() {
            let start = 3 * ((region.y + y) * width + region.x);
            frame.data_mut()[start..start + row.len()].copy_from_slice(row);
        }
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use byteedit_image::Rect;

    use super::*;

    fn ramp(size: Size) -> UnitImage {
        let pixel = |at: usize| {
            let (x, y) = ((at % size.width) as f32, (at / size.width) as f32);
            [0.2 + 0.005 * x, 0.8 - 0.004 * y, 0.4]
        };
        UnitImage::new(size, (0..size.area()).flat_map(pixel).collect()).unwrap()
    }

    #[test]
    fn boxes_of_every_size_look_alike_and_come_back_to_their_place() {
        let (size, canvas) = (Size::new(100, 100), Size::new(64, 64));
        for rect in [Rect::new(40, 40, 12, 12), Rect::new(20, 30, 50, 50), Rect::new(10, 5, 90, 95)] {
            let (picture, mask) = (ramp(size), Mask::from_rect(size, rect).unwrap());
            let view = BoxView::around(&picture, &mask, 0.5, canvas).unwrap().unwrap();
            let found = view.edit_mask().bounding_box().unwrap();
            let short = found.width.min(found.height);
            assert!((31..=36).contains(&short), "{rect:?} is {found:?} on the canvas");
            // What the model repeats comes back to where it was.
            let repeated = view.with_hole_of(&picture).unwrap();
            let back = view.put_into(&picture, &repeated).unwrap();
            let errors = back.data().iter().zip(picture.data()).map(|(a, b)| (a - b).abs());
            let largest = errors.fold(0.0, f32::max);
            assert!(largest < 0.03, "{rect:?}: {largest}");
        }
        let nothing = Mask::filled(size, 0);
        assert!(BoxView::around(&ramp(size), &nothing, 0.5, canvas).unwrap().is_none());
    }

    #[test]
    fn repeated_edges_are_not_repainted_and_hide_what_is_under_the_mask() {
        let (size, canvas) = (Size::new(60, 60), Size::new(64, 64));
        let mask = Mask::from_rect(size, Rect::new(0, 10, 60, 50)).unwrap();
        let mut other = ramp(size);
        for (at, _) in mask.repaints().enumerate().filter(|(_, repaint)| *repaint) {
            other.data_mut()[3 * at..3 * at + 3].fill(0.9);
        }
        let [first, second] = [ramp(size), other]
            .map(|picture| BoxView::around(&picture, &mask, 0.5, canvas).unwrap().unwrap());
        assert_eq!(first.known(), second.known());
        let found = first.edit_mask().bounding_box().unwrap();
        assert!(found.x > 8 && found.right() < 56 && found.bottom() < 64, "{found:?}");
    }
}
