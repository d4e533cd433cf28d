//! 3x3 convolutions by the minimal filtering algorithm F(4x4, 3x3) (Lavin & Gray 2015, arXiv 1509.09308,
//! Section 4): four output pixels a side from six input pixels a side, with 36 multiplications instead
//! of 144.
//!
//! `Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A` for each tile, with the sum over input channels inside the brackets:
//! 36 products of matrices. The transforms are those of Toom and Cook for the points 0, ±3/4, ±3/2 and
//! infinity, whose rounding error is about twice that of the plain sum, where the usual points 0, ±1, ±2
//! make it four times as large (measured over 320 channels).
#![expect(clippy::inline_always, reason = "the transforms are compiled for each machine's vectors")]

use multiversion::multiversion;
use rayon::prelude::*;

use super::band::{Band, Bands, Window};
use super::conv::ConvShape;
use super::matrix::steps;
use super::product::{Columns, Left, MAX_VECTORS, Product, SharedOut, Start, lanes};
use super::scratch::{with_kept, with_scratch};

/// Output pixels a side of a tile.
const TILE: usize = 4;
/// Input pixels a side of a tile.
const SIDE: usize = TILE + 2;
/// Numbers of a transformed tile.
const AREA: usize = SIDE * SIDE;
/// Tiles that are transformed together.
const LANES: usize = 8;
/// Input channels of one product.
const DEPTH: usize = 128;
/// Output channels of a task.
const CHANNELS: usize = 32;
/// Numbers of transformed input that are kept at a time: half of a common last-level cache.
const KEPT: usize = 4 * 1024 * 1024;

/// One number for each of the tiles that are transformed together.
type Lanes = [f32; LANES];

/// Whether the algorithm fits the convolution and saves time, as it does where the transforms are shared
/// by many channels, and the weights' by many tiles.
pub(super) fn is_worth_it(shape: ConvShape) -> bool {
    let Window { batch, height, width, kernel, stride, padding } = shape.window;
    (kernel, stride, padding) == (3, 1, 1)
        && height.is_multiple_of(TILE)
        && width.is_multiple_of(TILE)
        && shape.channels_in.min(shape.channels_out) >= 128
        && batch * height * width >= 128 * TILE * TILE
}

/// The convolution whose weight is any left matrix, `[c_out, c_in * 9]`.
pub(super) fn convolve(x: &[f32], weight: Left<'_>, bias: Option<&[f32]>, shape: ConvShape) -> Vec<f32> {
    let tiles = Window { kernel: SIDE, stride: TILE, ..shape.window };
    let bands = Bands::new(tiles, KEPT / (AREA * shape.channels_in));
    let plane = shape.window.plane_out();
    let offsets = bands.position_offsets();
    let run = |out: SharedOut<'_>| {
        for index in 0..bands.len() {
            let band = bands.band(index);
            let n_tiles = band.pictures.len() * bands.run(&band);
            let task = Tiles { bands, band, offsets: &offsets[..n_tiles], shape };
            with_kept(AREA * shape.channels_in * task.width(), |kept| {
                task.transform_input(x, kept);
                let n_blocks = shape.channels_out.div_ceil(CHANNELS);
                (0..n_blocks).into_par_iter().for_each(|block| {
                    let first = block * CHANNELS;
                    let rows = first..(first + CHANNELS).min(shape.channels_out);
                    let weight = Left { rows: &weight.rows[rows.clone()], ..weight };
                    task.multiply(kept, weight, bias.map(|bias| &bias[rows]), first, out);
                });
            });
        }
    };
    // SAFETY: the bands cover all tiles, the blocks all channels, and every tile is written whole.
    #[expect(unsafe_code, reason = "the output is written once")]
    unsafe {
        SharedOut::fill([shape.window.batch * shape.channels_out * plane, plane], run)
    }
}

/// The tiles of one band.
struct Tiles<'a> {
    bands: Bands,
    band: Band,
    /// Where each tile's first pixel lies in a channel of the padded band.
    offsets: &'a [u32],
    shape: ConvShape,
}

impl Tiles<'_> {
    /// Tiles, rounded up to whole panels.
    fn width(&self) -> usize {
        self.offsets.len().next_multiple_of(MAX_VECTORS * lanes())
    }

    /// `Bᵀ d B` of every channel and tile, `[36][panel][channel][tile in panel]`.
    fn transform_input(&self, x: &[f32], kept: &mut [f32]) {
        const TASK: usize = 8;
        let (n_channels, panel) = (self.shape.channels_in, MAX_VECTORS * lanes());
        let (width, out) = (self.width(), SharedTiles::new(kept));
        (0..n_channels.div_ceil(TASK)).into_par_iter().for_each(|task| {
            let channels = task * TASK..((task + 1) * TASK).min(n_channels);
            with_scratch([TASK * self.bands.channel_stride() + LANES, 0], |padded, _| {
                self.bands.fill(padded, (x, n_channels), channels.clone(), &self.band);
                for (place, channel) in channels.enumerate() {
                    let padded = &padded[place * self.bands.channel_stride()..];
                    for (index, offsets) in self.offsets.chunks(LANES).enumerate() {
                        let tile = index * LANES;
                        let start = tile / panel * n_channels * panel + channel * panel + tile % panel;
                        let numbers = input_transform(padded, self.bands.pitch(), offsets);
                        // SAFETY: the tasks have channels of their own.
                        #[expect(unsafe_code, reason = "tasks share the panels")]
                        unsafe {
                            out.write(&numbers, start, n_channels * width);
                        }
                    }
                }
            });
        });
    }

    /// Some output channels: transforms their weights, multiplies, and transforms back.
    fn multiply(
        &self,
        kept: &[f32],
        weight: Left<'_>,
        bias: Option<&[f32]>,
        first_channel: usize,
        out: SharedOut<'_>,
    ) {
        let (lanes, width, n_rows) = (lanes(), self.width(), weight.rows.len());
        let (panel, n_channels) = (MAX_VECTORS * lanes, self.shape.channels_in);
        let depth = DEPTH.min(n_channels);
        let (rows, columns) = (steps(n_rows, depth), steps(depth, 1));
        with_scratch([AREA * n_rows * depth, AREA * n_rows * width], |weights, sums| {
            for first in (0..n_channels).step_by(depth) {
                let n = depth.min(n_channels - first);
                let taps = &weight.columns[first * 9..(first + n) * 9];
                weight_transform(weights, weight.values, weight.rows, taps, depth);
                let start = if first == 0 { Start::Zero } else { Start::Out };
                for number in 0..AREA {
                    let values = &weights[number * n_rows * depth..][..n_rows * depth];
                    let left = Left { values, rows: &rows, columns: &columns[..n] };
                    let sums = SharedOut::new(&mut sums[number * n_rows * width..][..n_rows * width], width);
                    for tile in (0..width).step_by(panel) {
                        let right = number * n_channels * width + tile * n_channels + first * panel;
                        let right = &kept[right..][..n * panel];
                        let columns = Columns::new((tile..tile + panel).step_by(lanes).map(|at| (at, lanes)));
                        // SAFETY: `sums` is this thread's.
                        #[expect(unsafe_code, reason = "a product may write shared memory")]
                        unsafe {
                            Product { left, right, columns, start, out: sums }.run();
                        }
                    }
                }
            }
            for row in 0..n_rows {
                let bias = bias.map_or(0.0, |bias| bias[row]);
                self.transform_output(&sums[row * width..], n_rows * width, bias, first_channel + row, out);
            }
        });
    }

    /// `Aᵀ m A + bias` of one channel's tiles, whose numbers lie `stride` apart.
    fn transform_output(&self, sums: &[f32], stride: usize, bias: f32, channel: usize, out: SharedOut<'_>) {
        let window = self.shape.window;
        let per_row = window.width / TILE;
        let run = self.bands.run(&self.band);
        for (index, offsets) in self.offsets.chunks(LANES).enumerate() {
            let pixels = output_transform(&sums[index * LANES..], stride, bias);
            for lane in 0..offsets.len() {
                let tile = index * LANES + lane;
                let picture = self.band.pictures.start + tile / run;
                let (row, column) = (tile % run / per_row + self.band.rows.start, tile % per_row);
                let plane = (picture * self.shape.channels_out + channel) * window.plane_out();
                for (y, pixels) in pixels.iter().enumerate() {
                    let at = plane + (row * TILE + y) * window.width + column * TILE;
                    // SAFETY: the tasks have channels of their own.
                    #[expect(unsafe_code, reason = "tasks share the output")]
                    unsafe {
                        out.write(at, std::array::from_fn::<f32, TILE, _>(|x| pixels[x][lane]));
                    }
                }
            }
        }
    }
}

/// Transformed tiles that several tasks write.
struct SharedTiles<'a> {
    out: SharedOut<'a>,
}

impl<'a> SharedTiles<'a> {
    fn new(values: &'a mut [f32]) -> Self {
        Self { out: SharedOut::new(values, 1) }
    }

    /// # Safety
    /// Nothing else touches these elements meanwhile.
    #[expect(unsafe_code, reason = "tasks share the panels")]
    unsafe fn write(&self, numbers: &[[Lanes; SIDE]; SIDE], start: usize, stride: usize) {
        for (i, row) in numbers.iter().enumerate() {
            for (j, lanes) in row.iter().enumerate() {
                // SAFETY: the caller's promise.
                unsafe { self.out.write(start + (i * SIDE + j) * stride, *lanes) };
            }
        }
    }
}

/// The points ±a and ±b, and their squares.
const A: f32 = 0.75;
const B: f32 = 1.5;
const AA: f32 = A * A;
const BB: f32 = B * B;

/// `Bᵀ d`
#[inline(always)]
fn input_column(d: [f32; SIDE]) -> [f32; SIDE] {
    let (even_a, odd_a) = (d[4] - BB * d[2], A * (d[3] - BB * d[1]));
    let (even_b, odd_b) = (d[4] - AA * d[2], B * (d[3] - AA * d[1]));
    let outer = |x: f32, y: f32, z: f32| AA * BB * x - (AA + BB) * y + z;
    [
        outer(d[0], d[2], d[4]),
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        outer(d[1], d[3], d[5]),
    ]
}

/// `G g`
#[inline(always)]
fn weight_column(g: [f32; 3]) -> [f32; SIDE] {
    const OF_A: f32 = 1.0 / (2.0 * AA * (AA - BB));
    const OF_B: f32 = 1.0 / (2.0 * BB * (BB - AA));
    let (even_a, odd_a) = (OF_A * (g[0] + AA * g[2]), OF_A * A * g[1]);
    let (even_b, odd_b) = (OF_B * (g[0] + BB * g[2]), OF_B * B * g[1]);
    [g[0] / (AA * BB), even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g[2]]
}

/// `Aᵀ m`
#[inline(always)]
fn output_column(m: [f32; SIDE]) -> [f32; TILE] {
    let (even_a, odd_a) = (m[1] + m[2], A * (m[1] - m[2]));
    let (even_b, odd_b) = (m[3] + m[4], B * (m[3] - m[4]));
    [m[0] + even_a + even_b, odd_a + odd_b, AA * even_a + BB * even_b, AA * odd_a + BB * odd_b + m[5]]
}

/// Applies a transform to both dimensions of `N x N` blocks, lane by lane.
#[inline(always)]
fn both_ways<const N: usize, const M: usize>(
    block: &[[Lanes; N]; N],
    transform: impl Fn([f32; N]) -> [f32; M],
) -> [[Lanes; M]; M] {
    let mut half = [[[0.0; LANES]; N]; M];
    for column in 0..N {
        for lane in 0..LANES {
            let numbers = transform(std::array::from_fn(|row| block[row][column][lane]));
            for row in 0..M {
                half[row][column][lane] = numbers[row];
            }
        }
    }
    let mut whole = [[[0.0; LANES]; M]; M];
    for row in 0..M {
        for lane in 0..LANES {
            let numbers = transform(std::array::from_fn(|column| half[row][column][lane]));
            for column in 0..M {
                whole[row][column][lane] = numbers[column];
            }
        }
    }
    whole
}

/// `Bᵀ d B` of up to eight tiles; missing ones repeat the last.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn input_transform(padded: &[f32], pitch: usize, offsets: &[u32]) -> [[Lanes; SIDE]; SIDE] {
    let starts: [usize; LANES] = std::array::from_fn(|lane| offsets[lane.min(offsets.len() - 1)] as usize);
    let mut block = [[[0.0; LANES]; SIDE]; SIDE];
    for (row, out) in block.iter_mut().enumerate() {
        // Two numbers more than a tile's row has, so that eight rows make a block to turn.
        let rows: [Lanes; LANES] = std::array::from_fn(|lane| {
            let start = starts[lane] + row * pitch;
            std::array::from_fn(|x| padded[start..start + LANES][x])
        });
        for (column, out) in out.iter_mut().enumerate() {
            *out = std::array::from_fn(|lane| rows[lane][column]);
        }
    }
    both_ways(&block, input_column)
}

/// `Aᵀ m A + bias` of eight tiles.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn output_transform(sums: &[f32], stride: usize, bias: f32) -> [[Lanes; TILE]; TILE] {
    let block: [[Lanes; SIDE]; SIDE] = std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let from = &sums[(i * SIDE + j) * stride..][..LANES];
            std::array::from_fn(|lane| from[lane])
        })
    });
    let mut pixels = both_ways(&block, output_column);
    for lanes in pixels.as_flattened_mut() {
        for value in lanes {
            *value += bias;
        }
    }
    pixels
}

/// `G g Gᵀ` of the kernels at `rows` by `taps`, nine of which make an input channel: `[36][row][depth]`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn weight_transform(out: &mut [f32], values: &[f32], rows: &[u32], taps: &[u32], depth: usize) {
    for (index, row) in rows.iter().enumerate() {
        for (chunk, taps) in taps.chunks(9 * LANES).enumerate() {
            let n = taps.len() / 9;
            let mut block = [[[0.0; LANES]; 3]; 3];
            for (lane, taps) in taps.chunks_exact(9).enumerate() {
                for (tap, column) in taps.iter().enumerate() {
                    block[tap / 3][tap % 3][lane] = values[(row + column) as usize];
                }
            }
            let numbers = both_ways(&block, weight_column);
            for (number, lanes) in numbers.as_flattened().iter().enumerate() {
                let at = (number * rows.len() + index) * depth + chunk * LANES;
                out[at..at + n].copy_from_slice(&lanes[..n]);
            }
        }
    }
}
