//! Group norm of a shifted input with an optional `SiLU`, and its gradient, group by group: a group is
//! read several times, but fits into a core's cache. The gradient computes mean and variance again
//! instead of keeping them.

use multiversion::multiversion;
use rayon::prelude::*;

use super::math::sigmoid;
use super::output::{written, written_beside};
use super::sums::{combine, dot_centered, sum, sum_of_squares};

/// Shape of the input and settings.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct NormShape {
    pub(in super::super) batch: usize,
    pub(in super::super) channels: usize,
    /// Height times width.
    pub(in super::super) plane: usize,
    pub(in super::super) n_groups: usize,
    pub(in super::super) epsilon: f32,
    pub(in super::super) silu: bool,
}

impl NormShape {
    fn group_channels(self) -> usize {
        self.channels / self.n_groups
    }

    fn group_len(self) -> usize {
        self.group_channels() * self.plane
    }
}

/// What is normalised, and with what.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct NormInputs<'a> {
    /// `[batch, channels, plane]`
    pub(in super::super) x: &'a [f32],
    /// Added to each channel of each picture, `[batch, channels]`.
    pub(in super::super) shift: &'a [f32],
    /// `[channels]`
    pub(in super::super) weight: &'a [f32],
    /// `[channels]`
    pub(in super::super) bias: &'a [f32],
}

impl<'a> NormInputs<'a> {
    /// The part of the group that is the `index`-th in memory.
    fn group(self, index: usize, shape: NormShape) -> Self {
        let part = |numbers: &'a [f32], index: usize, length: usize| &numbers[index * length..][..length];
        let (channels, of_picture) = (shape.group_channels(), index % shape.n_groups);
        Self {
            x: part(self.x, index, shape.group_len()),
            shift: part(self.shift, index, channels),
            weight: part(self.weight, of_picture, channels),
            bias: part(self.bias, of_picture, channels),
        }
    }
}

/// Gradients of [`NormInputs`], in the same shapes.
#[derive(Debug)]
pub(in super::super) struct NormGrads {
    pub(in super::super) x: Vec<f32>,
    pub(in super::super) shift: Vec<f32>,
    pub(in super::super) weight: Vec<f32>,
    pub(in super::super) bias: Vec<f32>,
}

/// `silu?(weight * (x + shift - mean) / sqrt(var + epsilon) + bias)`
pub(in super::super) fn forward(inputs: NormInputs<'_>, shape: NormShape) -> Vec<f32> {
    written(inputs.x.len(), shape.group_len(), |index, y| {
        normalise_group(y, inputs.group(index, shape), shape);
    })
}

/// Gradients of all inputs.
pub(in super::super) fn backward(inputs: NormInputs<'_>, grad: &[f32], shape: NormShape) -> NormGrads {
    let length = shape.group_len();
    let mut sums = vec![ChannelSums::default(); shape.batch * shape.channels];
    let x = written_beside(
        inputs.x.len(),
        length,
        sums.par_chunks_mut(shape.group_channels()),
        |index, x_grad, sums| {
            let grad = &grad[index * length..][..length];
            group_grad(x_grad, sums, inputs.group(index, shape), grad, shape);
        },
    );
    let mut weight = vec![0.0; shape.channels];
    let mut bias = vec![0.0; shape.channels];
    for picture in sums.chunks_exact(shape.channels) {
        for (channel, sums) in picture.iter().enumerate() {
            weight[channel] += sums.dy_normal;
            bias[channel] += sums.dy;
        }
    }
    NormGrads { x, shift: sums.iter().map(|sums| sums.dx).collect(), weight, bias }
}

/// Sums over one channel of one picture, of gradients behind the norm (`dy`) and before it (`dx`).
#[derive(Debug, Clone, Copy, Default)]
struct ChannelSums {
    dy: f32,
    /// Of `dy` times the normalised input.
    dy_normal: f32,
    dx: f32,
}

#[derive(Debug, Clone, Copy)]
struct Moments {
    mean: f32,
    /// `1 / sqrt(var + epsilon)`
    scale: f32,
}

impl Moments {
    #[expect(clippy::inline_always, reason = "inlined, it takes on the vector instructions of its caller")]
    #[inline(always)]
    fn of(group: NormInputs<'_>, shape: NormShape) -> Self {
        let (plane, n) = (shape.plane, group.x.len() as f32);
        // Loops, since what an iterator's own methods call is not compiled for the caller's instructions.
        let mut total = 0.0;
        for (x, shift) in group.x.chunks_exact(plane).zip(group.shift) {
            total += sum(x) + shift * plane as f32;
        }
        let mean = total / n;
        let mut squares = 0.0;
        for (x, shift) in group.x.chunks_exact(plane).zip(group.shift) {
            squares += sum_of_squares(x, mean - shift);
        }
        Self { mean, scale: 1.0 / (squares / n + shape.epsilon).sqrt() }
    }

    /// What [`Moments::mean`] is for the numbers of a channel before `shift` was added to them.
    fn mean_before(self, shift: f32) -> f32 {
        self.mean - shift
    }

    /// The whole norm of channel `channel` as `a x + b`.
    fn affine(self, group: NormInputs<'_>, channel: usize) -> [f32; 2] {
        let a = group.weight[channel] * self.scale;
        [a, group.bias[channel] - self.mean_before(group.shift[channel]) * a]
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn normalise_group(y: &mut [f32], group: NormInputs, shape: NormShape) {
    let moments = Moments::of(group, shape);
    let channels = y.chunks_exact_mut(shape.plane).zip(group.x.chunks_exact(shape.plane));
    for (channel, (y, x)) in channels.enumerate() {
        let [a, b] = moments.affine(group, channel);
        for (y, x) in y.iter_mut().zip(x) {
            let z = a * x + b;
            *y = if shape.silu { z * sigmoid(z) } else { z };
        }
    }
}

/// `dx = scale * (w dy - mean(w dy) - normal * mean(w dy normal))`, means over the group.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn group_grad(
    x_grad: &mut [f32],
    sums: &mut [ChannelSums],
    group: NormInputs,
    grad: &[f32],
    shape: NormShape,
) {
    let moments = Moments::of(group, shape);
    let (mut total, mut total_normal) = (0.0, 0.0);
    for (channel, dy) in x_grad.chunks_exact_mut(shape.plane).enumerate() {
        let [x, grad] = [group.x, grad].map(|numbers| &numbers[channel * shape.plane..][..shape.plane]);
        if shape.silu {
            let [a, b] = moments.affine(group, channel);
            for ((dy, x), grad) in dy.iter_mut().zip(x).zip(grad) {
                let z = a * x + b;
                let s = sigmoid(z);
                *dy = grad * s * (1.0 + z * (1.0 - s));
            }
        } else {
            dy.copy_from_slice(grad);
        }
        let mean = moments.mean_before(group.shift[channel]);
        let of = &mut sums[channel];
        (of.dy, of.dy_normal) = (sum(dy), dot_centered(dy, x, mean) * moments.scale);
        total += group.weight[channel] * of.dy;
        total_normal += group.weight[channel] * of.dy_normal;
    }
    let n = group.x.len() as f32;
    let (mean_dy, mean_normal) = (total / n, total_normal / n);
    for (channel, dy) in x_grad.chunks_exact_mut(shape.plane).enumerate() {
        let x = &group.x[channel * shape.plane..][..shape.plane];
        // scale * (w dy - mean_dy - (x - mean) * scale * mean_normal) = a dy + b x + c
        let b = -moments.scale * moments.scale * mean_normal;
        let c = -moments.scale * mean_dy - b * moments.mean_before(group.shift[channel]);
        combine(dy, x, [moments.scale * group.weight[channel], b, c]);
        sums[channel].dx = sum(dy);
    }
}
