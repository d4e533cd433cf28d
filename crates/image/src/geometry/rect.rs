//! Sizes and rectangles in whole pixels.

use std::fmt;

use crate::error::{ImageError, Result};

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

impl Size {
    /// A size of `width` x `height` pixels.
    pub const fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }

    /// Number of pixels.
    pub const fn area(self) -> usize {
        self.width * self.height
    }

    /// The rectangle that covers a picture of this size.
    pub const fn rect(self) -> Rect {
        Rect::new(0, 0, self.width, self.height)
    }

    /// The indices of each pixel and its right neighbour, and of each pixel and the one below.
    pub fn neighbor_pairs(self) -> impl Iterator<Item = (usize, usize)> {
        let Self { width, height } = self;
        (0..self.area()).flat_map(move |at| {
            let right = (at % width + 1 < width).then_some((at, at + 1));
            let below = (at / width + 1 < height).then_some((at, at + width));
            [right, below].into_iter().flatten()
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.width, self.height)
    }
}

/// A rectangle of whole pixels: columns `x .. x + width`, rows `y .. y + height`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Left column.
    pub x: usize,
    /// Top row.
    pub y: usize,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

impl Rect {
    /// The rectangle with top left corner `(x, y)`.
    pub const fn new(x: usize, y: usize, width: usize, height: usize) -> Self {
        Self { x, y, width, height }
    }

    /// First column right of the rectangle.
    pub const fn right(&self) -> usize {
        self.x.saturating_add(self.width)
    }

    /// First row below the rectangle.
    pub const fn bottom(&self) -> usize {
        self.y.saturating_add(self.height)
    }

    /// Width and height.
    pub const fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }

    /// Whether it holds no pixel.
    pub const fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Whether every pixel of `other` is in this rectangle.
    pub const fn contains(&self, other: &Rect) -> bool {
        self.x <= other.x
            && self.y <= other.y
            && other.right() <= self.right()
            && other.bottom() <= self.bottom()
    }

    /// Grows by `margin` pixels on every side, as far as a picture of `size` reaches.
    #[must_use]
    pub fn grown_within(&self, margin: usize, size: Size) -> Rect {
        let x = self.x.saturating_sub(margin);
        let y = self.y.saturating_sub(margin);
        let right = self.right().saturating_add(margin).min(size.width);
        let bottom = self.bottom().saturating_add(margin).min(size.height);
        Rect::new(x, y, right.saturating_sub(x), bottom.saturating_sub(y))
    }

    /// Checks that the rectangle has an area and lies inside a picture of `size`.
    ///
    /// # Errors
    /// [`ImageError::OutsidePicture`] otherwise.
    pub fn check_within(&self, size: Size) -> Result<()> {
        if self.is_empty() || !size.rect().contains(self) {
            return Err(ImageError::OutsidePicture { rect: *self, size });
        }
        Ok(())
    }
}

impl fmt::Display for Rect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} px at ({}, {})", self.size(), self.x, self.y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_neighbours_is_met_once() {
        let pairs: Vec<_> = Size::new(3, 2).neighbor_pairs().collect();
        assert_eq!(pairs, [(0, 1), (0, 3), (1, 2), (1, 4), (2, 5), (3, 4), (4, 5)]);
        assert_eq!(Size::new(1, 1).neighbor_pairs().count(), 0);
    }

    #[test]
    fn growing_stops_at_the_picture() {
        let size = Size::new(10, 8);
        assert_eq!(Rect::new(3, 3, 2, 2).grown_within(2, size), Rect::new(1, 1, 6, 6));
        assert_eq!(Rect::new(3, 3, 2, 2).grown_within(100, size), size.rect());
    }

    #[test]
    fn rectangles_outside_are_refused_even_when_they_overflow() {
        let size = Size::new(10, 8);
        assert!(Rect::new(0, 0, 10, 8).check_within(size).is_ok());
        for bad in [Rect::new(1, 0, 10, 8), Rect::new(2, 2, 0, 3), Rect::new(usize::MAX, 0, 2, 2)] {
            let message = bad.check_within(size).unwrap_err().to_string();
            assert!(message.contains("10 x 8"), "{message}");
        }
    }
}
