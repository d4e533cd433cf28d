//! Edit masks: 255 means "repaint", 0 means "keep", whatever polarity a file came with.
//!
//! A mask is *binary* as it is read, and *soft* once it is feathered; where a yes or no is needed, a
//! value of at least 128 (0.5, as in diffusers) counts as repaint.

mod distance;
mod source;

pub use source::MaskMode;

use crate::error::{ImageError, Result};
use crate::geometry::{Rect, Size};

/// The smallest value that counts as "repaint": 0.5 of 255, rounded up.
const THRESHOLD: u8 = 128;

/// An edit mask of `width` x `height` pixels, 255 = repaint, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    size: Size,
    values: Vec<u8>,
}

impl Mask {
    /// A mask from its values.
    ///
    /// # Errors
    /// [`ImageError::InvalidArgument`] if the number of values is not the area.
    pub fn new(size: Size, values: Vec<u8>) -> Result<Self> {
        if size.width.checked_mul(size.height) != Some(values.len()) {
            return Err(ImageError::InvalidArgument {
                name: "the number of mask values",
                value: format!("{} for {size} px", values.len()),
                limit: "width * height",
            });
        }
        Ok(Self { size, values })
    }

    /// A mask that is `value` everywhere.
    pub fn filled(size: Size, value: u8) -> Self {
        Self { size, values: vec![value; size.area()] }
    }

    /// A mask that repaints one rectangle.
    ///
    /// # Errors
    /// [`ImageError::OutsidePicture`] if the rectangle is empty or leaves the picture.
    pub fn from_rect(size: Size, rect: Rect) -> Result<Self> {
        rect.check_within(size)?;
        let mut mask = Self::filled(size, 0);
        for y in rect.y..rect.bottom() {
            mask.values[y * size.width + rect.x..][..rect.width].fill(255);
        }
        Ok(mask)
    }

    /// Width and height in pixels.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Width in pixels.
    pub const fn width(&self) -> usize {
        self.size.width
    }

    /// Height in pixels.
    pub const fn height(&self) -> usize {
        self.size.height
    }

    /// All values, row by row.
    pub fn values(&self) -> &[u8] {
        &self.values
    }

    /// The value of one pixel.
    ///
    /// # Panics
    /// If the pixel is outside.
    pub fn value(&self, x: usize, y: usize) -> u8 {
        self.values[y * self.width() + x]
    }

    /// Whether each pixel is to be repainted, row by row.
    pub fn repaints(&self) -> impl ExactSizeIterator<Item = bool> {
        self.values.iter().map(|&value| value >= THRESHOLD)
    }

    /// Checks that the mask belongs to a picture of `size`.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`] with both sizes.
    pub fn check_size(&self, size: Size) -> Result<()> {
        if self.size != size {
            return Err(ImageError::SizeMismatch { what: "mask", found: self.size, expected: size });
        }
        Ok(())
    }

    /// Whether nothing at all is repainted: every value is 0.
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(|&value| value == 0)
    }

    /// Whether everything is repainted: every value is 255.
    pub fn is_full(&self) -> bool {
        self.values.iter().all(|&value| value == 255)
    }

    /// The part of the area that is repainted, 0 to 1; soft values count in part.
    pub fn area_fraction(&self) -> f64 {
        if self.values.is_empty() {
            return 0.0;
        }
        let sum: u64 = self.values.iter().map(|&value| u64::from(value)).sum();
        sum as f64 / (255 * self.values.len() as u64) as f64
    }

    /// The smallest rectangle that holds every value above 0; `None` for an empty mask.
    pub fn bounding_box(&self) -> Option<Rect> {
        let width = self.width();
        let first = self.values.iter().position(|&value| value != 0)?;
        let last = self.values.iter().rposition(|&value| value != 0)?;
        let (top, bottom) = (first / width, last / width);
        let (mut left, mut right) = (width, 0);
        for row in self.values[top * width..(bottom + 1) * width].chunks_exact(width) {
            // Only the columns that could still widen the box are looked at.
            left = row[..left].iter().position(|&value| value != 0).unwrap_or(left);
            right = row[right..].iter().rposition(|&value| value != 0).map_or(right, |at| right + at + 1);
        }
        Some(Rect::new(left, top, right - left, bottom + 1 - top))
    }

    /// 255 minus every value.
    #[must_use]
    pub fn invert(&self) -> Self {
        Self { size: self.size, values: self.values.iter().map(|value| 255 - value).collect() }
    }

    /// The part `region`.
    ///
    /// # Errors
    /// [`ImageError::OutsidePicture`] if the region is empty or leaves the mask.
    pub fn crop(&self, region: Rect) -> Result<Self> {
        region.check_within(self.size)?;
        let rows = (region.y..region.bottom())
            .flat_map(|y| &self.values[y * self.width() + region.x..][..region.width]);
        Ok(Self { size: region.size(), values: rows.copied().collect() })
    }

    /// The binary mask of all pixels at most `radius` pixels (centre to centre) from one that is
    /// repainted: growth by a disc. Linear in the number of pixels, whatever the radius; a radius
    /// above 65,534 counts as that.
    #[must_use]
    pub fn dilate(&self, radius: u32) -> Self {
        let reach = self.reach(radius);
        let near = |squared: u32| if squared <= reach * reach { 255 } else { 0 };
        let distances = distance::squared_to_repainted(self, reach);
        Self { size: self.size, values: distances.into_iter().map(near).collect() }
    }

    /// The soft mask that is 255 on every repainted pixel and falls smoothly to 0 within `radius`
    /// pixels outside it; beyond `radius` it is exactly 0, so [`Mask::dilate`] of the same radius
    /// covers it. Call it on a crop where the mask is small: the cost is that of the area given.
    #[must_use]
    pub fn feather(&self, radius: u32) -> Self {
        let reach = self.reach(radius);
        let fall = |squared: u32| {
            if squared == 0 {
                return 255;
            }
            if squared > reach * reach {
                return 0;
            }
            let t = 1.0 - f64::from(squared).sqrt() / (f64::from(radius) + 1.0);
            (255.0 * t * t * (3.0 - 2.0 * t)).round() as u8
        };
        let distances = distance::squared_to_repainted(self, reach);
        Self { size: self.size, values: distances.into_iter().map(fall).collect() }
    }

    /// A radius that no two pixels exceed and whose square fits 32 bits.
    fn reach(&self, radius: u32) -> u32 {
        let span = (self.width() + self.height()).min(distance::MAX_REACH as usize);
        radius.min(span as u32)
    }

    /// The mask at another size, each pixel from `floor(position * input / output)`, as PyTorch's
    /// `F.interpolate` with mode `nearest` picks it: the mask for a model's latents.
    ///
    /// # Panics
    /// If the mask has no pixel and `size` has one.
    #[must_use]
    pub fn resize_nearest(&self, size: Size) -> Self {
        let columns: Vec<usize> = (0..size.width).map(|x| x * self.width() / size.width).collect();
        let rows = (0..size.height).map(|y| y * self.height() / size.height);
        let values = rows.flat_map(|y| {
            let row = &self.values[y * self.width()..][..self.width()];
            columns.iter().map(|&x| row[x])
        });
        Self { size, values: values.collect() }
    }

    /// The mask at another size, each pixel the largest value it overlaps: nothing that is to be
    /// repainted gets lost, however thin.
    ///
    /// # Panics
    /// If the mask has no pixel and `size` has one.
    #[must_use]
    pub fn resize_covering(&self, size: Size) -> Self {
        let spans = |input: usize, output: usize| {
            (0..output).map(move |i| i * input / output..((i + 1) * input).div_ceil(output))
        };
        let columns: Vec<_> = spans(self.width(), size.width).collect();
        let mut values = Vec::with_capacity(size.area());
        let mut tallest = vec![0; self.width()];
        for rows in spans(self.height(), size.height) {
            tallest.fill(0);
            for y in rows {
                let row = &self.values[y * self.width()..][..self.width()];
                tallest.iter_mut().zip(row).for_each(|(most, value)| *most = (*most).max(*value));
            }
            values
                .extend(columns.iter().map(|span| tallest[span.clone()].iter().copied().max().unwrap_or(0)));
        }
        Self { size, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask(rows: &[&str]) -> Mask {
        let values = rows.concat().bytes().map(|byte| if byte == b'#' { 255 } else { 0 }).collect();
        Mask::new(Size::new(rows[0].len(), rows.len()), values).unwrap()
    }

    #[test]
    fn a_disc_of_radius_2_has_13_pixels() {
        let dot = Mask::from_rect(Size::new(5, 5), Rect::new(2, 2, 1, 1)).unwrap();
        assert_eq!(dot.dilate(2), mask(&["..#..", ".###.", "#####", ".###.", "..#.."]));
        assert_eq!(dot.dilate(0), dot);
        assert_eq!(dot.dilate(u32::MAX), Mask::filled(dot.size(), 255));
    }

    #[test]
    fn a_feather_follows_the_smooth_step() {
        let line = Mask::from_rect(Size::new(6, 1), Rect::new(0, 0, 1, 1)).unwrap();
        // t = 1 - d / 4 for d = 1, 2, 3: 3t^2 - 2t^3 = 0.84375, 0.5, 0.15625.
        assert_eq!(line.feather(3).values(), [255, 215, 128, 40, 0, 0]);
        assert_eq!(line.feather(0), line);
    }

    #[test]
    fn empty_and_full_masks_have_no_distance() {
        let size = Size::new(3, 2);
        let (none, all) = (Mask::filled(size, 0), Mask::filled(size, 255));
        assert!(none.is_empty() && none.dilate(9).is_empty() && none.feather(9).is_empty());
        assert!(all.is_full() && all.feather(9).is_full() && none.invert().is_full());
        assert_eq!((none.bounding_box(), none.area_fraction()), (None, 0.0));
        assert_eq!((all.bounding_box(), all.area_fraction()), (Some(size.rect()), 1.0));
    }

    #[test]
    fn a_thin_line_survives_only_the_covering_resize() {
        let line = Mask::from_rect(Size::new(16, 16), Rect::new(5, 0, 1, 16)).unwrap();
        assert!(line.resize_nearest(Size::new(2, 2)).is_empty());
        assert_eq!(line.resize_covering(Size::new(2, 2)).values(), [255, 0, 255, 0]);
        // 3 -> 2 columns: torch takes columns 0 and 1.
        assert_eq!(mask(&["#.#"]).resize_nearest(Size::new(2, 1)), mask(&["#."]));
    }

    #[test]
    fn sizes_are_named_when_they_differ() {
        let message = Mask::filled(Size::new(4, 5), 0).check_size(Size::new(6, 7)).unwrap_err().to_string();
        assert!(message.contains("4 x 5") && message.contains("6 x 7"), "{message}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn boxes_and_crops_hold_exactly_what_is_set(
            width in 1_usize..20, height in 1_usize..20, marks in prop::collection::vec((0_usize..20, 0_usize..20), 1..6),
        ) {
            let size = Size::new(width, height);
            let mut values = vec![0; size.area()];
            let inside: Vec<_> = marks.iter().map(|(x, y)| (x % width, y % height)).collect();
            for (x, y) in &inside {
                values[y * width + x] = 1;
            }
            let mask = Mask::new(size, values).unwrap();
            let bounds = mask.bounding_box().unwrap();
            let (xs, ys): (Vec<_>, Vec<_>) = inside.into_iter().unzip();
            prop_assert_eq!(bounds.x, *xs.iter().min().unwrap());
            prop_assert_eq!(bounds.y, *ys.iter().min().unwrap());
            prop_assert_eq!(bounds.right(), *xs.iter().max().unwrap() + 1);
            prop_assert_eq!(bounds.bottom(), *ys.iter().max().unwrap() + 1);
            let count = |mask: &Mask| mask.values().iter().filter(|&&value| value > 0).count();
            prop_assert_eq!(count(&mask.crop(bounds).unwrap()), count(&mask));
        }

        #[test]
        fn a_feather_lies_between_its_mask_and_the_dilated_mask(
            width in 1_usize..24, height in 1_usize..24, marks in prop::collection::vec(0_usize..576, 1..5),
            radius in 0_u32..12,
        ) {
            let size = Size::new(width, height);
            let mut values = vec![0; size.area()];
            for at in marks {
                values[at % size.area()] = 255;
            }
            let mask = Mask::new(size, values).unwrap();
            let (soft, grown) = (mask.feather(radius), mask.dilate(radius));
            for ((m, s), g) in mask.values().iter().zip(soft.values()).zip(grown.values()) {
                prop_assert!(*m == 0 || *s == 255);
                prop_assert!(*s == 0 || *g == 255);
            }
        }
    }
}
