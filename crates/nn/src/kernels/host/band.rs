//! A band: the output positions that one task of a convolution computes, and the padded input under
//! them. A large picture is cut into bands of rows, small ones are grouped whole.
//!
//! In the padded input every tap of every position is a sum of two offsets, the position's and the
//! tap's: no border is a special case, and no unfolded matrix is made.

use std::ops::Range;

/// Geometry of a convolution with a square kernel, but for its channels.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Window {
    pub(in super::super) batch: usize,
    pub(in super::super) height: usize,
    pub(in super::super) width: usize,
    pub(in super::super) kernel: usize,
    pub(in super::super) stride: usize,
    pub(in super::super) padding: usize,
}

impl Window {
    pub(in super::super) fn out_height(self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    pub(in super::super) fn out_width(self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    pub(super) fn plane_in(self) -> usize {
        self.height * self.width
    }

    pub(super) fn plane_out(self) -> usize {
        self.out_height() * self.out_width()
    }

    /// Taps of a kernel.
    pub(super) fn area(self) -> usize {
        self.kernel * self.kernel
    }
}

/// How outputs are cut into bands. The padded input of one lies in memory as
/// `[channel][picture][row][column]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bands {
    window: Window,
    /// Pictures in a band: one, or several whole ones.
    pictures: usize,
    /// Output rows of each.
    rows: usize,
}

/// One band.
#[derive(Debug, Clone)]
pub(super) struct Band {
    pub(super) pictures: Range<usize>,
    pub(super) rows: Range<usize>,
}

impl Bands {
    /// Bands of up to `positions` outputs, but at least a row, as even as they go.
    pub(super) fn new(window: Window, positions: usize) -> Self {
        let even = |n: usize, largest: usize| n.div_ceil(n.div_ceil(largest.clamp(1, n)));
        if window.plane_out() > positions {
            let rows = even(window.out_height(), positions / window.out_width());
            Self { window, pictures: 1, rows }
        } else {
            let pictures = even(window.batch, positions / window.plane_out());
            Self { window, pictures, rows: window.out_height() }
        }
    }

    fn per_picture(self) -> usize {
        self.window.out_height().div_ceil(self.rows)
    }

    pub(super) fn len(self) -> usize {
        self.window.batch.div_ceil(self.pictures) * self.per_picture()
    }

    pub(super) fn band(self, index: usize) -> Band {
        let picture = index / self.per_picture() * self.pictures;
        let row = index % self.per_picture() * self.rows;
        Band {
            pictures: picture..(picture + self.pictures).min(self.window.batch),
            rows: row..(row + self.rows).min(self.window.out_height()),
        }
    }

    /// Outputs of one of the band's pictures.
    pub(super) fn run(self, band: &Band) -> usize {
        band.rows.len() * self.window.out_width()
    }

    /// Numbers from one padded row to the next.
    pub(super) fn pitch(self) -> usize {
        (self.window.out_width() - 1) * self.window.stride + self.window.kernel
    }

    fn picture_stride(self) -> usize {
        ((self.rows - 1) * self.window.stride + self.window.kernel) * self.pitch()
    }

    /// Numbers from one channel to the next: an odd number of cache lines, so that the channels of one
    /// position do not fall on the same few sets of the cache.
    pub(super) fn channel_stride(self) -> usize {
        const LINE: usize = 16;
        ((self.pictures * self.picture_stride()).div_ceil(LINE) | 1) * LINE
    }

    /// Where the first tap of each output lies in a channel, in the order picture, row, column. A
    /// smaller band's outputs are the first of these.
    pub(super) fn position_offsets(self) -> Vec<u32> {
        let stride = self.window.stride;
        let row_starts = (0..self.pictures).flat_map(|picture| {
            (0..self.rows).map(move |row| picture * self.picture_stride() + row * stride * self.pitch())
        });
        let columns = self.window.out_width();
        row_starts
            .flat_map(|start| (0..columns).map(move |column| (start + column * stride) as u32))
            .collect()
    }

    /// Where the taps lie behind a position's offset, in the order channel, row, column.
    pub(super) fn tap_offsets(self, n_channels: usize) -> Vec<u32> {
        let kernel = self.window.kernel;
        let row_starts = (0..n_channels).flat_map(|channel| {
            (0..kernel).map(move |row| channel * self.channel_stride() + row * self.pitch())
        });
        row_starts.flat_map(|start| (0..kernel).map(move |column| (start + column) as u32)).collect()
    }

    /// Copies the band's part of some channels of `x`, `[batch, n_channels, height, width]`, with zeros
    /// around it.
    pub(super) fn fill(
        self,
        padded: &mut [f32],
        (x, n_channels): (&[f32], usize),
        channels: Range<usize>,
        band: &Band,
    ) {
        let Window { width, height, padding, stride, kernel, .. } = self.window;
        let (pitch, plane) = (self.pitch(), self.window.plane_in());
        let top = band.rows.start * stride;
        let n_rows = (band.rows.len() - 1) * stride + kernel;
        let columns = padding..(padding + width).min(pitch);
        for (place, channel) in channels.enumerate() {
            for (index, picture) in band.pictures.clone().enumerate() {
                let x = &x[(picture * n_channels + channel) * plane..][..plane];
                let start = place * self.channel_stride() + index * self.picture_stride();
                let rows = padded[start..start + n_rows * pitch].chunks_exact_mut(pitch);
                for (row, out) in rows.enumerate() {
                    let Some(y) = (top + row).checked_sub(padding).filter(|y| *y < height) else {
                        out.fill(0.0);
                        continue;
                    };
                    out[..columns.start].fill(0.0);
                    copy(&mut out[columns.clone()], &x[y * width..][..columns.len()]);
                    out[columns.end..].fill(0.0);
                }
            }
        }
    }
}

/// `copy_from_slice` without a call for rows that are a few vectors long, as most are.
fn copy(out: &mut [f32], x: &[f32]) {
    const PIECE: usize = 8;
    let ((out, out_rest), (x, x_rest)) = (out.as_chunks_mut::<PIECE>(), x.as_chunks::<PIECE>());
    if out.len() > 8 {
        out.copy_from_slice(x);
    } else {
        for (out, x) in out.iter_mut().zip(x) {
            *out = *x;
        }
    }
    for (out, x) in out_rest.iter_mut().zip(x_rest) {
        *out = *x;
    }
}
