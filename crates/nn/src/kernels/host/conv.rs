//! 2-D convolution, forward and both gradients, as products over bands of padded input.
//!
//! Over a band, `x[position + tap]` is the matrix of a convolution: the forward pass packs it as the
//! right side of `weight * x`, the gradient of the weight takes it unpacked as the left side of
//! `xᵀ * grad`. Weights are read as checkpoints keep them, `[c_out, c_in, k, k]`.

use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use super::band::{Band, Bands, Window};
use super::matrix::{DEPTH, steps};
use super::output::written;
use super::pack::{self, Positions};
use super::product::{Columns, Left, Product, SharedOut, Start, lanes, panel_vectors};
use super::scratch::{with_kept, with_scratch};
use super::sums::sum;
use super::winograd;

/// Outputs of a task, of each channel.
const POSITIONS: usize = 512;

/// Shape of a convolution with a square kernel.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct ConvShape {
    pub(in super::super) window: Window,
    pub(in super::super) channels_in: usize,
    pub(in super::super) channels_out: usize,
}

impl ConvShape {
    /// Summands of an output.
    fn depth(self) -> usize {
        self.channels_in * self.window.area()
    }
}

/// `y = weight * x + bias`
pub(in super::super) fn forward(x: &[f32], weight: &[f32], bias: &[f32], shape: ConvShape) -> Vec<f32> {
    let (rows, columns) = (steps(shape.channels_out, shape.depth()), steps(shape.depth(), 1));
    convolve(x, Left { values: weight, rows: &rows, columns: &columns }, Some(bias), shape)
}

/// Gradient of the input.
pub(in super::super) fn x_grad(weight: &[f32], grad: &[f32], shape: ConvShape) -> Vec<f32> {
    if shape.window.stride == 1 { turned(weight, grad, shape) } else { folded(weight, grad, shape) }
}

/// For a stride of 1: a convolution of the gradient with the kernels turned by half a circle.
fn turned(weight: &[f32], grad: &[f32], shape: ConvShape) -> Vec<f32> {
    let ConvShape { window, channels_in, channels_out } = shape;
    let area = window.area();
    let from_tap = |index: usize| (index / area * channels_in * area + area - 1 - index % area) as u32;
    let (rows, columns) =
        (steps(channels_in, area), (0..channels_out * area).map(from_tap).collect::<Vec<_>>());
    let window = Window {
        height: window.out_height(),
        width: window.out_width(),
        padding: window.kernel - 1 - window.padding,
        ..window
    };
    let shape = ConvShape { window, channels_in: channels_out, channels_out: channels_in };
    convolve(grad, Left { values: weight, rows: &rows, columns: &columns }, None, shape)
}

/// For any stride: the gradient of every tap of every position, added up where the taps overlap.
fn folded(weight: &[f32], grad: &[f32], shape: ConvShape) -> Vec<f32> {
    let window = shape.window;
    let (rows, columns) = (steps(shape.depth(), 1), steps(shape.channels_out, shape.depth()));
    let of_taps = ConvShape {
        window: Window {
            height: window.out_height(),
            width: window.out_width(),
            kernel: 1,
            stride: 1,
            padding: 0,
            ..window
        },
        channels_in: shape.channels_out,
        channels_out: shape.depth(),
    };
    let taps = convolve(grad, Left { values: weight, rows: &rows, columns: &columns }, None, of_taps);
    let length = window.area() * window.plane_out();
    written(window.batch * shape.channels_in * window.plane_in(), window.plane_in(), |index, plane| {
        fold(plane, &taps[index * length..][..length], window);
    })
}

/// Adds the taps of one channel, `[k, k, out_height, out_width]`, to where they came from.
fn fold(plane: &mut [f32], taps: &[f32], window: Window) {
    let Window { height, width, kernel, stride, padding, .. } = window;
    for (tap, values) in taps.chunks_exact(window.plane_out()).enumerate() {
        let (tap_y, tap_x) = (tap / kernel, tap % kernel);
        for (row, values) in values.chunks_exact(window.out_width()).enumerate() {
            let Some(y) = (row * stride + tap_y).checked_sub(padding).filter(|y| *y < height) else {
                continue;
            };
            let plane = &mut plane[y * width..][..width];
            for (column, value) in values.iter().enumerate() {
                if let Some(x) = (column * stride + tap_x).checked_sub(padding).filter(|x| *x < width) {
                    plane[x] += value;
                }
            }
        }
    }
}

/// The convolution whose weight is any left matrix, `[c_out, c_in * k * k]`.
fn convolve(x: &[f32], weight: Left<'_>, bias: Option<&[f32]>, shape: ConvShape) -> Vec<f32> {
    if winograd::is_worth_it(shape) {
        return winograd::convolve(x, weight, bias, shape);
    }
    let plane = shape.window.plane_out();
    let bands = Bands::new(shape.window, POSITIONS);
    let offsets = bands.position_offsets();
    // Where bands are few, the threads share the output channels of each.
    let n_groups = (2 * rayon::current_num_threads()).div_ceil(bands.len());
    let group = shape.channels_out.div_ceil(n_groups).next_multiple_of(8);
    let n_groups = shape.channels_out.div_ceil(group);
    let n_tasks = bands.len() * n_groups;
    let run = |task: usize, out: SharedOut<'_>| {
        let first = task % n_groups * group;
        let channels = first..(first + group).min(shape.channels_out);
        let bias = bias.map(|bias| &bias[channels.clone()]);
        let weight = Left { rows: &weight.rows[channels], ..weight };
        let band = bands.band(task / n_groups);
        BandTask { bands, band, offsets: &offsets, shape, first_channel: first }.run(x, weight, bias, out);
    };
    // SAFETY: the bands cover all positions, the groups all channels, and the first summands of each
    // start from zero or the bias.
    #[expect(unsafe_code, reason = "the output is written once")]
    unsafe {
        SharedOut::collect([shape.window.batch * shape.channels_out * plane, plane], n_tasks, run)
    }
}

/// Some output channels of one band.
struct BandTask<'a> {
    bands: Bands,
    band: Band,
    offsets: &'a [u32],
    shape: ConvShape,
    first_channel: usize,
}

impl BandTask<'_> {
    fn run(&self, x: &[f32], weight: Left<'_>, bias: Option<&[f32]>, out: SharedOut<'_>) {
        let ConvShape { window, channels_in, .. } = self.shape;
        let (bands, area, lanes) = (self.bands, window.area(), lanes());
        let run = bands.run(&self.band);
        let positions = Positions::new(&self.offsets[..self.band.pictures.len() * run], run, lanes);
        let panels = self.panels(run, lanes);
        let n_channels = (DEPTH / area).clamp(1, channels_in);
        let taps = bands.tap_offsets(n_channels);
        let lengths = [n_channels * bands.channel_stride(), taps.len() * panel_vectors() * lanes];
        with_scratch(lengths, |padded, packed| {
            for first in (0..channels_in).step_by(n_channels) {
                let channels = first..(first + n_channels).min(channels_in);
                let taps = &taps[..channels.len() * area];
                let left = Left { columns: &weight.columns[first * area..][..taps.len()], ..weight };
                let start = match (first, bias) {
                    (0, Some(bias)) => Start::Rows(bias),
                    (0, None) => Start::Zero,
                    _ => Start::Out,
                };
                bands.fill(padded, (x, channels_in), channels, &self.band);
                for (index, columns) in panels.iter().copied().enumerate() {
                    let right = &mut packed[..taps.len() * columns.n_vectors() * lanes];
                    let vector = index * panel_vectors();
                    positions.pack(right, padded, taps, vector..vector + columns.n_vectors());
                    // SAFETY: the tasks have bands or channels of their own.
                    #[expect(unsafe_code, reason = "tasks share the output's planes")]
                    unsafe {
                        Product { left, right, columns, start, out }.run();
                    }
                }
            }
        });
    }

    /// The band's outputs in vectors, none of which crosses from one picture into the next.
    fn panels(&self, run: usize, lanes: usize) -> Vec<Columns> {
        let ConvShape { window, channels_out, .. } = self.shape;
        let vectors = self.band.pictures.clone().flat_map(|picture| {
            let plane = (picture * channels_out + self.first_channel) * window.plane_out();
            let start = plane + self.band.rows.start * window.out_width();
            (0..run).step_by(lanes).map(move |first| (start + first, lanes.min(run - first)))
        });
        vectors
            .collect::<Vec<_>>()
            .chunks(panel_vectors())
            .map(|chunk| Columns::new(chunk.iter().copied()))
            .collect()
    }
}

/// Gradient of the weight: for each tap and output channel, the sum over positions of the input under
/// the tap times the gradient.
pub(in super::super) fn weight_grad(x: &[f32], grad: &[f32], shape: ConvShape) -> Vec<f32> {
    if winograd::is_worth_it_for_weights(shape) {
        return winograd::weight_grad(x, grad, shape);
    }
    let (plane, width) = (shape.window.plane_out(), shape.channels_out.next_multiple_of(lanes()));
    let panels = pack::panels(shape.channels_out, lanes());
    let transposed = with_kept(shape.window.batch * plane * width, |right| {
        pack::planes((grad, shape.channels_out), plane, &panels, right);
        tap_sums(x, right, &panels, shape)
    });
    pack::transposed(&transposed, width, shape.channels_out)
}

/// The same as `[c_in * k * k, c_out]`, the latter in whole vectors, from the gradient in panels.
fn tap_sums(x: &[f32], right: &[f32], panels: &[Range<usize>], shape: ConvShape) -> Vec<f32> {
    let ConvShape { window, channels_in, channels_out } = shape;
    let (lanes, area) = (lanes(), window.area());
    let n_positions = window.batch * window.plane_out();
    let width = channels_out.next_multiple_of(lanes);
    // At least eight tiles of rows for each panel, and several tasks for each thread.
    let per_thread = (channels_in * panels.len()).div_ceil(4 * rayon::current_num_threads());
    let group = per_thread.max(64_usize.div_ceil(area)).min(channels_in);
    let bands = Bands::new(window, DEPTH);
    let (offsets, taps) = (bands.position_offsets(), bands.tap_offsets(group));
    let n_tasks = channels_in.div_ceil(group) * panels.len();
    let run = |task: usize, out: SharedOut<'_>| {
        let panel = panels[task % panels.len()].clone();
        let first = task / panels.len() * group;
        let channels = first..(first + group).min(channels_in);
        let start = first * area * width;
        let columns = Columns::new(panel.clone().step_by(lanes).map(|column| (start + column, lanes)));
        let mut right = &right[panel.start * n_positions..panel.end * n_positions];
        with_scratch([group * bands.channel_stride(), 0], |padded, _| {
            for index in 0..bands.len() {
                let band = bands.band(index);
                bands.fill(padded, (x, channels_in), channels.clone(), &band);
                let offsets = &offsets[..band.pictures.len() * bands.run(&band)];
                let left = Left { values: padded, rows: &taps[..channels.len() * area], columns: offsets };
                let (of_band, rest) = right.split_at(offsets.len() * panel.len());
                right = rest;
                let start = if index == 0 { Start::Zero } else { Start::Out };
                // SAFETY: the tasks have rows or columns of their own.
                #[expect(unsafe_code, reason = "tasks share the output's rows")]
                unsafe {
                    Product { left, right: of_band, columns, start, out }.run();
                }
            }
        });
    };
    // SAFETY: the tasks cover all taps and channels, and the first band of each starts from zero.
    #[expect(unsafe_code, reason = "the output is written once")]
    unsafe {
        SharedOut::collect([shape.depth() * width, width], n_tasks, run)
    }
}

/// Gradient of the bias: the sum over pictures and positions.
pub(in super::super) fn bias_grad(grad: &[f32], shape: ConvShape) -> Vec<f32> {
    let plane = shape.window.plane_out();
    let of_channel =
        |channel: usize| sum_of_planes(&grad[channel * plane..], plane, shape.channels_out * plane);
    (0..shape.channels_out).into_par_iter().map(of_channel).collect()
}

/// The sum over the first `plane` numbers of every `stride`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn sum_of_planes(values: &[f32], plane: usize, stride: usize) -> f32 {
    let mut total = 0.0;
    for values in values.chunks(stride) {
        total += sum(&values[..plane]);
    }
    total
}
