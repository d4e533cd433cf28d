//! The binary edit mask and its morphology.

/// An axis-aligned box of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rect {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Number of columns.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
}

/// A binary edit mask: 255 where the picture is to be repainted, 0 where it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Pixels per row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// One value per pixel, in row order.
    pub values: Vec<u8>,
}

impl Mask {
    /// A mask that repaints nothing.
    pub fn empty(width: usize, height: usize) -> Self {
        Self { width, height, values: vec![0; width * height] }
    }

    /// A mask that repaints everything.
    pub fn full(width: usize, height: usize) -> Self {
        Self { width, height, values: vec![255; width * height] }
    }

    /// The mask of the pixels (x, y) for which `inside` holds.
    pub fn from_fn(width: usize, height: usize, inside: impl Fn(usize, usize) -> bool) -> Self {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let values = pixels.map(|(x, y)| if inside(x, y) { 255 } else { 0 }).collect();
        Self { width, height, values }
    }

    /// Whether the pixel is repainted.
    ///
    /// # Panics
    /// Outside the mask.
    pub fn get(&self, x: usize, y: usize) -> bool {
        self.values[y * self.width + x] >= 128
    }

    /// Number of repainted pixels.
    pub fn area(&self) -> usize {
        self.values.iter().filter(|value| **value >= 128).count()
    }

    /// Repainted share of the picture, in `[0, 1]`; 0 for a mask without pixels.
    pub fn area_fraction(&self) -> f32 {
        self.area() as f32 / self.values.len().max(1) as f32
    }

    /// The smallest box around the repainted pixels, or `None` if there are none.
    pub fn bounding_box(&self) -> Option<Rect> {
        let columns = || (0..self.width).filter(|&x| (0..self.height).any(|y| self.get(x, y)));
        let rows = || (0..self.height).filter(|&y| (0..self.width).any(|x| self.get(x, y)));
        let (x, y) = (columns().next()?, rows().next()?);
        let (right, bottom) = (columns().next_back()?, rows().next_back()?);
        Some(Rect { x, y, width: right - x + 1, height: bottom - y + 1 })
    }

    /// Repaint what is kept and keep what is repainted.
    #[must_use]
    pub fn invert(&self) -> Self {
        Self { values: self.values.iter().map(|value| 255 - value).collect(), ..*self }
    }

    /// Repaint what either mask repaints.
    ///
    /// # Panics
    /// If the two differ in size.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        assert_eq!((self.width, self.height), (other.width, other.height), "sizes of the two masks");
        let values = self.values.iter().zip(&other.values).map(|(a, b)| *a.max(b)).collect();
        Self { values, ..*self }
    }

    /// Share of `part`'s pixels that this mask repaints, in `[0, 1]`; 0 if `part` is empty.
    ///
    /// # Panics
    /// If the two differ in size.
    pub fn coverage_of(&self, part: &Self) -> f32 {
        assert_eq!((self.width, self.height), (part.width, part.height), "sizes of the two masks");
        let both = self.values.iter().zip(&part.values).filter(|(a, b)| **a >= 128 && **b >= 128).count();
        both as f32 / part.area().max(1) as f32
    }

    /// Whether this mask repaints every pixel that `part` repaints.
    ///
    /// # Panics
    /// If the two differ in size.
    pub fn covers(&self, part: &Self) -> bool {
        self.union(part) == *self
    }

    /// Everything within `radius` pixels of a repainted pixel (Euclidean, centre to centre).
    ///
    /// A disc is a stack of horizontal runs, so each of its `2 radius + 1` rows is one pass with
    /// running counts: `O(pixels x radius)`.
    #[must_use]
    pub fn dilate(&self, radius: usize) -> Self {
        let mut grown = self.clone();
        for dy in 0..=radius {
            let run = (radius * radius - dy * dy).isqrt();
            let widened = self.widen(run);
            for y in 0..self.height {
                for target in [y.checked_sub(dy), Some(y + dy)].into_iter().flatten() {
                    if target < self.height {
                        let (from, to) = (y * self.width, target * self.width);
                        for x in 0..self.width {
                            grown.values[to + x] |= widened[from + x];
                        }
                    }
                }
            }
        }
        grown
    }

    /// Values of this mask with every row dilated by `run` pixels to both sides.
    fn widen(&self, run: usize) -> Vec<u8> {
        let mut widened = vec![0; self.values.len()];
        let mut counts = vec![0_usize; self.width + 1];
        for (row, out) in
            self.values.chunks_exact(self.width.max(1)).zip(widened.chunks_exact_mut(self.width.max(1)))
        {
            for (x, value) in row.iter().enumerate() {
                counts[x + 1] = counts[x] + usize::from(*value >= 128);
            }
            for (x, value) in out.iter_mut().enumerate() {
                let (low, high) = (x.saturating_sub(run), (x + run + 1).min(self.width));
                *value = if counts[high] > counts[low] { 255 } else { 0 };
            }
        }
        widened
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_mask() -> impl Strategy<Value = Mask> {
        (1_usize..14, 1_usize..14).prop_flat_map(|(width, height)| {
            proptest::collection::vec(prop_oneof![4 => Just(0_u8), 1 => Just(255_u8)], width * height)
                .prop_map(move |values| Mask { width, height, values })
        })
    }

    proptest! {
        #[test]
        fn dilation_is_the_union_of_discs(mask in any_mask(), radius in 0_usize..6) {
            let grown = mask.dilate(radius);
            let expected = Mask::from_fn(mask.width, mask.height, |x, y| {
                (0..mask.height).any(|v| (0..mask.width).any(|u| {
                    mask.get(u, v) && x.abs_diff(u).pow(2) + y.abs_diff(v).pow(2) <= radius * radius
                }))
            });
            prop_assert_eq!(grown, expected);
        }

        #[test]
        fn the_bounding_box_is_tight(mask in any_mask()) {
            match mask.bounding_box() {
                None => prop_assert_eq!(mask.area(), 0),
                Some(Rect { x, y, width, height }) => {
                    let inside = Mask::from_fn(mask.width, mask.height, |u, v| {
                        (x..x + width).contains(&u) && (y..y + height).contains(&v)
                    });
                    prop_assert!(inside.covers(&mask));
                    prop_assert!((0..mask.height).any(|v| mask.get(x, v)));
                    prop_assert!((0..mask.height).any(|v| mask.get(x + width - 1, v)));
                    prop_assert!((0..mask.width).any(|u| mask.get(u, y)));
                    prop_assert!((0..mask.width).any(|u| mask.get(u, y + height - 1)));
                }
            }
        }

        #[test]
        fn inversion_splits_the_picture(mask in any_mask()) {
            prop_assert_eq!(mask.area() + mask.invert().area(), mask.values.len());
            prop_assert_eq!(mask.union(&mask.invert()), Mask::full(mask.width, mask.height));
        }
    }
}
