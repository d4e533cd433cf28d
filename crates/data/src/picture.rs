//! The two pixel buffers of this crate, 8 bit, sRGB, rows from top to bottom.

/// A colour picture, `[height, width, 3]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgb8 {
    /// Pixels per row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Samples, red first; `3 * width * height` of them.
    pub data: Vec<u8>,
}

impl Rgb8 {
    /// A picture of one colour.
    pub fn filled(width: usize, height: usize, color: [u8; 3]) -> Self {
        Self { width, height, data: color.repeat(width * height) }
    }

    /// The pixel at column `x`, row `y`.
    ///
    /// # Panics
    /// Outside the picture.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    /// All pixels in row order.
    pub fn pixels(&self) -> impl Iterator<Item = [u8; 3]> + '_ {
        self.data.as_chunks::<3>().0.iter().copied()
    }

    /// The window of `width x height` whose top left corner is (`x`, `y`).
    ///
    /// # Panics
    /// If the window leaves the picture.
    #[must_use]
    pub fn window(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        assert!(x + width <= self.width && y + height <= self.height, "window outside the picture");
        let row = |y: usize| 3 * (y * self.width + x)..3 * (y * self.width + x + width);
        let data = (y..y + height).flat_map(|y| &self.data[row(y)]).copied().collect();
        Self { width, height, data }
    }
}

/// A picture with straight (not premultiplied) alpha, `[height, width, 4]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgba8 {
    /// Pixels per row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Samples, red first; `4 * width * height` of them.
    pub data: Vec<u8>,
}

impl Rgba8 {
    /// All pixels in row order.
    pub fn pixels(&self) -> impl Iterator<Item = [u8; 4]> + '_ {
        self.data.as_chunks::<4>().0.iter().copied()
    }
}
