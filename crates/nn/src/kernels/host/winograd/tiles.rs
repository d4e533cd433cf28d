//! From planes of pixels to transformed tiles and back.
#![expect(clippy::inline_always, reason = "the transforms are compiled for each machine's vectors")]

use std::marker::PhantomData;
use std::ops::Range;

use pulp::bytemuck::{cast_slice, cast_slice_mut};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::super::band::Window;
use super::super::product::{SharedOut, lanes};
use super::super::scratch::with_scratch;
use super::super::turn::turn;
use super::transform::{ToOutput, Transform};
use super::{AREA, SIDE, TILE};

/// How 36 matrices lie in memory: `[36][panel][row][column of panel]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout<'a> {
    pub(super) panels: &'a [Range<usize>],
    pub(super) n_rows: usize,
}

impl Layout<'_> {
    /// Columns of a matrix.
    pub(super) fn width(self) -> usize {
        self.panels.last().map_or(0, |panel| panel.end)
    }

    /// Numbers of one matrix, and a gap to the next: an odd number of cache lines, so that the 36 numbers of
    /// a tile do not fall on the same few sets of the cache.
    pub(super) fn stride(self) -> usize {
        const LINE: usize = 16;
        ((self.n_rows * self.width()).div_ceil(LINE) | 1) * LINE
    }

    pub(super) fn len(self) -> usize {
        AREA * self.stride()
    }

    /// Where a panel of a matrix starts.
    pub(super) fn start(self, number: usize, panel: usize) -> usize {
        number * self.stride() + self.panels[panel].start * self.n_rows
    }
}

/// A panel of a convolution's output channels.
#[derive(Debug, Clone)]
pub(super) struct OutChannels<'a> {
    pub(super) panel: Range<usize>,
    /// How many there are in all.
    pub(super) of: usize,
    /// Of all of them.
    pub(super) bias: Option<&'a [f32]>,
}

/// Some rows of tiles, counted through all pictures.
#[derive(Debug, Clone)]
pub(super) struct TileRows {
    pub(super) window: Window,
    pub(super) rows: Range<usize>,
}

impl TileRows {
    fn across(&self) -> usize {
        self.window.width / TILE
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len() * self.across()
    }

    /// The picture of a row of tiles, and its topmost pixels.
    fn place(&self, row: usize) -> (usize, usize) {
        let down = self.window.height / TILE;
        ((self.rows.start + row) / down, (self.rows.start + row) % down * TILE)
    }

    /// Transforms blocks of `N` pixels a side, one for each tile and centred on it, of all channels of `x`.
    pub(super) fn transform<T: Transform<N, SIDE>, const N: usize>(
        &self,
        x: &[f32],
        layout: Layout<'_>,
        out: &mut [f32],
    ) {
        /// Rows of tiles of one task.
        const ROWS: usize = 4;
        assert_eq!(layout.n_rows, self.len(), "one row for each tile; this is a bug");
        let (lanes, out) = (lanes(), SharedOut::new(out, 1));
        let of_panel = |panel: usize| layout.panels[panel].clone().step_by(lanes).map(move |c| (panel, c));
        let vectors: Vec<_> = (0..layout.panels.len()).flat_map(of_panel).collect();
        let n_chunks = self.rows.len().div_ceil(ROWS);
        (0..vectors.len() * n_chunks).into_par_iter().for_each(|task| {
            let vector = vectors[task / n_chunks];
            let first = task % n_chunks * ROWS;
            with_scratch([(N * self.window.width + 1) * lanes, 0], |pixels, _| {
                for row in first..(first + ROWS).min(self.rows.len()) {
                    self.transform_row::<T, N>(x, row, (layout, vector), pixels, out);
                }
            });
        });
    }

    /// One row of tiles of the vector of channels that starts at `channel` in `panel`.
    fn transform_row<T: Transform<N, SIDE>, const N: usize>(
        &self,
        x: &[f32],
        row: usize,
        (layout, (panel, channel)): (Layout<'_>, (usize, usize)),
        pixels: &mut [f32],
        out: SharedOut<'_>,
    ) {
        let (width, plane, lanes) = (self.window.width, self.window.plane_in(), lanes());
        let border = (N - TILE) / 2;
        let (picture, top) = self.place(row);
        let rows = top.saturating_sub(border)..(top + TILE + border).min(self.window.height);
        let n_pixels = rows.len() * width;
        let x = &x[(picture * layout.width() + channel) * plane + rows.start * width..];
        turn((&mut *pixels, lanes), (x, plane), [n_pixels, lanes]);
        pixels[n_pixels * lanes..][..lanes].fill(0.0);
        let of_panel = &layout.panels[panel];
        let start = row * self.across() * of_panel.len() + channel - of_panel.start;
        Arch::new().dispatch(TransformRow::<T, N> {
            pixels: &pixels[..(n_pixels + 1) * lanes],
            width,
            above: rows.start + border - top,
            border,
            out,
            start: layout.start(0, panel) + start,
            strides: [layout.stride(), of_panel.len()],
            transform: PhantomData,
        });
    }

    /// `Aᵀ m A + bias` of a panel's sums, `[36][tile][channel]`.
    pub(super) fn restore(&self, sums: &[f32], channels: OutChannels<'_>, out: SharedOut<'_>) {
        let OutChannels { panel, of, bias } = channels;
        let (width, plane, lanes) = (self.window.width, self.window.plane_out(), lanes());
        let n_pixels = TILE * width;
        let (mut pixels, mut planes) = (vec![0.0; n_pixels * lanes], vec![0.0; n_pixels * lanes]);
        for row in 0..self.rows.len() {
            let (picture, top) = self.place(row);
            for (vector, channel) in panel.clone().step_by(lanes).enumerate() {
                Arch::new().dispatch(RestoreRow {
                    sums: &sums[row * self.across() * panel.len() + vector * lanes..],
                    strides: [self.len() * panel.len(), panel.len()],
                    bias: bias.map(|bias| &bias[channel..channel + lanes]),
                    width,
                    pixels: &mut pixels,
                });
                turn((&mut planes, n_pixels), (&pixels, lanes), [lanes, n_pixels]);
                for (lane, pixels) in planes.chunks_exact(n_pixels).enumerate() {
                    let at = (picture * of + channel + lane) * plane + top * width;
                    // SAFETY: the tasks have channels of their own.
                    #[expect(unsafe_code, reason = "tasks share the output")]
                    unsafe {
                        out.write_slice(at, pixels);
                    }
                }
            }
        }
    }
}

/// One row of tiles of one vector of channels.
struct TransformRow<'a, T, const N: usize> {
    /// `[row][column][lane]`, and a vector of zeros.
    pixels: &'a [f32],
    width: usize,
    /// Rows of the blocks that lie above the picture.
    above: usize,
    border: usize,
    out: SharedOut<'a>,
    start: usize,
    /// From number to number, and from tile to tile.
    strides: [usize; 2],
    transform: PhantomData<T>,
}

impl<T: Transform<N, SIDE>, const N: usize> WithSimd for TransformRow<'_, T, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let pixels: &[S::f32s] = cast_slice(self.pixels);
        let outside = pixels.len() - 1;
        for tile in 0..self.width / TILE {
            let mut block = [[simd.splat_f32s(0.0); N]; N];
            for (i, block) in block.iter_mut().enumerate() {
                let row = i.wrapping_sub(self.above);
                for (j, number) in block.iter_mut().enumerate() {
                    let column = (tile * TILE + j).wrapping_sub(self.border);
                    let pixel = row.wrapping_mul(self.width).wrapping_add(column);
                    let inside = column < self.width && pixel < outside;
                    *number = pixels[if inside { pixel } else { outside }];
                }
            }
            let numbers = T::both_ways(simd, block);
            let start = self.start + tile * self.strides[1];
            for (i, numbers) in numbers.into_iter().enumerate() {
                for (j, vector) in numbers.into_iter().enumerate() {
                    // SAFETY: the tasks have tiles or channels of their own.
                    #[expect(unsafe_code, reason = "tasks share the matrices")]
                    unsafe {
                        self.out.write(start + (i * SIDE + j) * self.strides[0], vector);
                    }
                }
            }
        }
    }
}

/// One row of tiles of one vector of channels, back to pixels.
struct RestoreRow<'a> {
    sums: &'a [f32],
    /// From number to number, and from tile to tile.
    strides: [usize; 2],
    width: usize,
    bias: Option<&'a [f32]>,
    /// `[row][column][lane]`
    pixels: &'a mut [f32],
}

impl WithSimd for RestoreRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [of_number, of_tile] = self.strides;
        let bias = self.bias.map_or(simd.splat_f32s(0.0), |bias| simd.partial_load_f32s(bias));
        let pixels: &mut [S::f32s] = cast_slice_mut(self.pixels);
        for tile in 0..self.width / TILE {
            let start = tile * of_tile;
            let mut block = [[simd.splat_f32s(0.0); SIDE]; SIDE];
            for (i, block) in block.iter_mut().enumerate() {
                for (j, number) in block.iter_mut().enumerate() {
                    let at = start + (i * SIDE + j) * of_number;
                    *number = cast_slice(&self.sums[at..at + S::F32_LANES])[0];
                }
            }
            let out = ToOutput::both_ways(simd, block);
            for (i, row) in out.into_iter().enumerate() {
                for (j, number) in row.into_iter().enumerate() {
                    pixels[i * self.width + tile * TILE + j] = simd.add_f32s(number, bias);
                }
            }
        }
    }
}
