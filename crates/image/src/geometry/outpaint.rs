//! Outpainting canvases: the picture with new area around it, and the mask of that area.

use super::rect::{Rect, Size};
use crate::codec::Limits;
use crate::error::Result;
use crate::mask::Mask;
use crate::picture::{Channels, Picture, Sample, Samples};

/// How many pixels to add on each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OutpaintPlan {
    /// Columns to add on the left.
    pub left: usize,
    /// Columns to add on the right.
    pub right: usize,
    /// Rows to add above.
    pub top: usize,
    /// Rows to add below.
    pub bottom: usize,
}

impl OutpaintPlan {
    /// Whether the plan adds no area.
    pub const fn is_empty(&self) -> bool {
        self.left == 0 && self.right == 0 && self.top == 0 && self.bottom == 0
    }

    /// Size of the canvas for a picture of `size`.
    ///
    /// # Errors
    /// [`crate::ImageError::TooLarge`] if the canvas exceeds the limits.
    pub fn canvas_size(&self, size: Size, limits: &Limits) -> Result<Size> {
        let width = size.width.saturating_add(self.left).saturating_add(self.right);
        let height = size.height.saturating_add(self.top).saturating_add(self.bottom);
        limits.check(width as u64, height as u64)?;
        Ok(Size::new(width, height))
    }

    /// Where the picture lies in the canvas.
    pub const fn kept(&self, size: Size) -> Rect {
        Rect::new(self.left, self.top, size.width, size.height)
    }

    /// The canvas and its mask. The picture's samples are copied unchanged; the new area repeats the
    /// nearest edge pixel, opaquely, and is 255 in the mask. Metadata are kept. A plan that adds
    /// nothing gives the picture and an empty mask.
    ///
    /// # Errors
    /// [`crate::ImageError::TooLarge`] if the canvas exceeds the limits.
    pub fn canvas(&self, picture: &Picture, limits: &Limits) -> Result<(Picture, Mask)> {
        let size = self.canvas_size(picture.size(), limits)?;
        let samples = match picture.samples() {
            Samples::U8(samples) => Samples::U8(self.extended(samples, picture.size(), picture.channels())),
            Samples::U16(samples) => Samples::U16(self.extended(samples, picture.size(), picture.channels())),
        };
        let canvas =
            Picture::new(size, picture.channels(), samples)?.with_metadata(picture.metadata().clone());
        let mask = Mask::from_rect(size, self.kept(picture.size()))?.invert();
        Ok((canvas, mask))
    }

    fn extended<S: Sample>(&self, samples: &[S], size: Size, channels: Channels) -> Vec<S> {
        let count = channels.count();
        let opaque = |pixel: &[S]| {
            let mut pixel = pixel.to_vec();
            if channels.has_alpha() {
                pixel[count - 1] = S::MAX;
            }
            pixel
        };
        let height = self.top + size.height + self.bottom;
        let mut out = Vec::with_capacity((self.left + size.width + self.right) * height * count);
        for y in 0..height {
            let source = y.clamp(self.top, self.top + size.height - 1) - self.top;
            let row = &samples[source * size.width * count..][..size.width * count];
            out.extend(opaque(&row[..count]).repeat(self.left));
            if y == source + self.top {
                out.extend_from_slice(row);
            } else {
                out.extend(row.chunks_exact(count).flat_map(opaque));
            }
            out.extend(opaque(&row[row.len() - count..]).repeat(self.right));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ImageError;
    use proptest::prelude::*;

    #[test]
    fn new_area_repeats_the_edge_opaquely() {
        let picture = Picture::new(Size::new(2, 1), Channels::GrayAlpha, Samples::U8(vec![10, 0, 20, 30]));
        let plan = OutpaintPlan { left: 1, top: 1, ..OutpaintPlan::default() };
        let (canvas, mask) = plan.canvas(&picture.unwrap(), &Limits::default()).unwrap();
        assert_eq!(canvas.samples(), &Samples::U8(vec![10, 255, 10, 255, 20, 255, 10, 255, 10, 0, 20, 30]));
        assert_eq!(mask.values(), [255, 255, 255, 255, 0, 0]);
    }

    #[test]
    fn limits_hold_for_the_canvas_before_it_is_made() {
        let picture = Picture::new(Size::new(1, 1), Channels::Gray, Samples::U8(vec![0])).unwrap();
        let plan = OutpaintPlan { left: usize::MAX, ..OutpaintPlan::default() };
        assert!(matches!(plan.canvas(&picture, &Limits::default()), Err(ImageError::TooLarge { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_picture_lies_unchanged_in_its_canvas(
            width in 1_usize..8, height in 1_usize..8, sides in prop::array::uniform4(0_usize..6),
        ) {
            let size = Size::new(width, height);
            let samples = (0..width * height * 3).map(|i| i as u16 * 257).collect();
            let picture = Picture::new(size, Channels::Rgb, Samples::U16(samples)).unwrap();
            let [left, right, top, bottom] = sides;
            let plan = OutpaintPlan { left, right, top, bottom };
            let (canvas, mask) = plan.canvas(&picture, &Limits::default()).unwrap();
            prop_assert_eq!(canvas.color_in(plan.kept(size)), picture.color_in(size.rect()));
            prop_assert!(mask.crop(plan.kept(size)).unwrap().is_empty());
            prop_assert_eq!(mask.is_empty(), plan.is_empty());
            let new_area = mask.repaints().filter(|&repaint| repaint).count();
            prop_assert_eq!(new_area, canvas.size().area() - size.area());
        }
    }
}
