//! 3x3 convolutions by the minimal filtering algorithm F(4x4, 3x3) (Lavin & Gray 2015, arXiv 1509.09308,
//! Section 4): four output pixels a side from six input pixels a side, with 36 multiplications instead
//! of 144.
//!
//! `Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A` for each tile, with the sum over input channels inside the brackets:
//! 36 products of matrices of tiles by channels. The gradient of the kernels is the transpose of the same
//! map, `Gᵀ [(A dY Aᵀ) ⊙ (Bᵀ d B)] G`, with the sum over tiles inside. All matrices are kept as
//! `[36][panel][row][channel of panel]`, so that a vector holds one number of neighbouring channels.

mod kernels;
mod tiles;
mod transform;

use std::ops::Range;
use std::slice::from_ref;

use rayon::prelude::*;

use super::band::Window;
use super::conv::ConvShape;
use super::matrix::steps;
use super::pack;
use super::product::{Columns, Left, Product, SharedOut, Start, lanes, panel_vectors};
use super::scratch::{parts, with_kept, with_scratch};
use tiles::{Layout, OutChannels, TileRows};
use transform::{OfGradient, OfInput};

/// Output pixels a side of a tile.
const TILE: usize = 4;
/// Input pixels a side of a tile.
const SIDE: usize = TILE + 2;
/// Numbers of a transformed tile.
const AREA: usize = SIDE * SIDE;
/// Taps of a kernel.
const TAPS: usize = 9;
/// Channels in a vector of the machine with the longest; whole vectors of it are whole on any machine.
const VECTOR: usize = 16;
/// Summands of one product: a panel of so many rows fits into a core's nearest cache.
const DEPTH: usize = 128;
/// Tiles that are transformed at a time: enough to share the transforms of kernels, few enough that their sums
/// over a panel of channels stay near the core.
const TILES: usize = 256;

/// Fewest channels that pay for the transforms of tiles, in and out (measured: 16 do not).
const MIN_CHANNELS: usize = 32;
/// Fewest tiles that pay for the transforms of kernels (measured: 8 do not).
const MIN_TILES: usize = 16;

/// Whether the algorithm fits the convolution and saves time.
pub(super) fn is_worth_it(shape: ConvShape) -> bool {
    let ConvShape { window, channels_in, channels_out } = shape;
    (window.kernel, window.stride, window.padding) == (3, 1, 1)
        && [channels_in, channels_out].iter().all(|n| n.is_multiple_of(VECTOR) && *n >= MIN_CHANNELS)
        && [window.height, window.width].iter().all(|side| side.is_multiple_of(TILE))
        && window.batch * window.plane_out() >= MIN_TILES * TILE * TILE
}

/// Whether it does for the gradient of the weight, which keeps 36 numbers for each pair of channels: 64 MB.
pub(super) fn is_worth_it_for_weights(shape: ConvShape) -> bool {
    const LARGEST: usize = 16 * 1024 * 1024;
    is_worth_it(shape) && AREA * shape.channels_in * shape.channels_out <= LARGEST
}

/// The convolution whose weight is any left matrix, `[c_out, c_in * 9]`.
pub(super) fn convolve(x: &[f32], weight: Left<'_>, bias: Option<&[f32]>, shape: ConvShape) -> Vec<f32> {
    let ConvShape { window, channels_in, channels_out } = shape;
    let (whole, panels) = (0..channels_in, balanced_panels(channels_out));
    let run = |out: SharedOut<'_>| {
        for tiles in bands(window) {
            let layout = Layout { panels: from_ref(&whole), n_rows: tiles.len() };
            with_kept(layout.len(), |x_numbers| {
                tiles.transform::<OfInput, SIDE>(x, layout, x_numbers);
                panels.par_iter().for_each(|panel| {
                    let channels = OutChannels { panel: panel.clone(), of: channels_out, bias };
                    multiply(&tiles, (x_numbers, layout), weight, channels, out);
                });
            });
        }
    };
    // SAFETY: the bands cover all tiles, the panels all channels, and every tile is written whole.
    #[expect(unsafe_code, reason = "the output is written once")]
    unsafe {
        SharedOut::fill([window.batch * channels_out * window.plane_out(), window.plane_out()], run)
    }
}

/// Panels of output channels, at least one for each thread where that is possible.
fn balanced_panels(n: usize) -> Vec<Range<usize>> {
    let (lanes, n_threads) = (lanes(), rayon::current_num_threads());
    let n_vectors = n / lanes;
    let n_panels = n_vectors.div_ceil(panel_vectors()).next_multiple_of(n_threads).min(n_vectors);
    let start = |panel: usize| panel * n_vectors / n_panels * lanes;
    (0..n_panels).map(|panel| start(panel)..start(panel + 1)).collect()
}

/// All tiles, in whole rows, up to [`TILES`] at a time where a row is no longer.
fn bands(window: Window) -> Vec<TileRows> {
    let n_rows = window.batch * window.height / TILE;
    let n_bands = n_rows.div_ceil((TILES * TILE / window.width).clamp(1, n_rows));
    let start = |band: usize| band * n_rows / n_bands;
    (0..n_bands).map(|band| TileRows { window, rows: start(band)..start(band + 1) }).collect()
}

/// One panel of output channels: transforms the kernels, multiplies, and transforms back.
fn multiply(
    tiles: &TileRows,
    (x, layout): (&[f32], Layout<'_>),
    weight: Left<'_>,
    channels: OutChannels<'_>,
    out: SharedOut<'_>,
) {
    let (lanes, width, n_tiles, n_channels) = (lanes(), channels.panel.len(), tiles.len(), layout.width());
    let depth = DEPTH.min(n_channels);
    let (rows, columns) = (steps(n_tiles, n_channels), steps(n_channels, 1));
    let vectors = Columns::new((0..width).step_by(lanes).map(|at| (at, lanes)));
    let weight = Left { rows: &weight.rows[channels.panel.clone()], ..weight };
    with_scratch([AREA * depth * width, AREA * n_tiles * width], |kernels, sums| {
        for first in (0..n_channels).step_by(depth) {
            let n = depth.min(n_channels - first);
            let kernels = &mut kernels[..AREA * n * width];
            let taps = &weight.columns[first * TAPS..][..n * TAPS];
            kernels::transform(Left { columns: taps, ..weight }, kernels);
            let start = if first == 0 { Start::Zero } else { Start::Out };
            let sums = sums.chunks_exact_mut(n_tiles * width);
            for (number, (right, sums)) in kernels.chunks_exact(n * width).zip(sums).enumerate() {
                let values = &x[layout.start(number, 0)..][..layout.stride()];
                let left = Left { values, rows: &rows, columns: &columns[first..first + n] };
                let out = SharedOut::new(sums, width);
                // SAFETY: `sums` is this thread's.
                #[expect(unsafe_code, reason = "a product may write shared memory")]
                unsafe {
                    Product { left, right, columns: vectors, start, out }.run();
                }
            }
        }
        tiles.restore(sums, channels, out);
    });
}

/// Gradient of the weight, `[c_out, c_in, 3, 3]`.
pub(super) fn weight_grad(x: &[f32], grad: &[f32], shape: ConvShape) -> Vec<f32> {
    let ConvShape { window, channels_in, channels_out } = shape;
    let (whole, panels) = (0..channels_in, pack::panels(channels_out, lanes()));
    let of_kernels = Layout { panels: &panels, n_rows: channels_in };
    let bands = bands(window);
    let layouts = |tiles: &TileRows| {
        let n_rows = tiles.len();
        [Layout { panels: from_ref(&whole), n_rows }, Layout { panels: &panels, n_rows }]
    };
    let lengths = bands.iter().map(layouts).map(|layouts| layouts.map(Layout::len));
    let [of_x, of_grad] = lengths.fold([0, 0], |a, b| [a[0].max(b[0]), a[1].max(b[1])]);
    let transposed = with_kept(of_kernels.len() + of_x + of_grad, |kept| {
        let [sums, of_x, of_grad] = parts(kept, [of_kernels.len(), of_x, of_grad]);
        for (index, tiles) in bands.iter().enumerate() {
            let [x_layout, grad_layout] = layouts(tiles);
            tiles.transform::<OfInput, SIDE>(x, x_layout, of_x);
            tiles.transform::<OfGradient, TILE>(grad, grad_layout, of_grad);
            let start = if index == 0 { Start::Zero } else { Start::Out };
            add_products((of_x, x_layout), (of_grad, grad_layout), (sums, of_kernels), start);
        }
        kernels::restore(sums, of_kernels)
    });
    pack::transposed(&transposed, of_kernels.width(), channels_out)
}

/// `sums += xᵀ grad` of the transformed tiles, for each of the 36 numbers.
fn add_products(
    (x, x_layout): (&[f32], Layout<'_>),
    (grad, grad_layout): (&[f32], Layout<'_>),
    (sums, layout): (&mut [f32], Layout<'_>),
    start: Start<'_>,
) {
    let (lanes, n_tiles, n_panels) = (lanes(), x_layout.n_rows, layout.panels.len());
    let (rows, columns) = (steps(layout.n_rows, 1), steps(n_tiles, x_layout.width()));
    let sums = SharedOut::new(sums, 1);
    (0..AREA * n_panels).into_par_iter().for_each(|task| {
        let (number, panel) = (task / n_panels, task % n_panels);
        let width = layout.panels[panel].len();
        let out = sums.rows_from(layout.start(number, panel), width);
        let vectors = Columns::new((0..width).step_by(lanes).map(|at| (at, lanes)));
        let x = &x[x_layout.start(number, 0)..][..x_layout.stride()];
        let grad = &grad[grad_layout.start(number, panel)..][..n_tiles * width];
        for (index, right) in grad.chunks(DEPTH * width).enumerate() {
            let columns = &columns[index * DEPTH..][..right.len() / width];
            let left = Left { values: x, rows: &rows, columns };
            let start = if index == 0 { start } else { Start::Out };
            // SAFETY: the tasks have numbers or panels of their own.
            #[expect(unsafe_code, reason = "tasks share the sums")]
            unsafe {
                Product { left, right, columns: vectors, start, out }.run();
            }
        }
    });
}
