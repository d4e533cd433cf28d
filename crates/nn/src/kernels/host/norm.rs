//! Group norm with an optional `SiLU`, and its gradient. One pass for the mean, one for the variance,
//! one for the result; the gradient computes them again instead of keeping them.

use multiversion::multiversion;
use rayon::prelude::*;

use super::math::sigmoid;

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

    /// First channel of the group that is the `index`-th in memory.
    fn first_channel(self, index: usize) -> usize {
        index % self.n_groups * self.group_channels()
    }
}

/// `silu?(weight * (x - mean) / sqrt(var + epsilon) + bias)`
pub(in super::super) fn forward(x: &[f32], weight: &[f32], bias: &[f32], shape: NormShape) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    let length = shape.group_len();
    y.par_chunks_mut(length).zip(x.par_chunks(length)).enumerate().for_each(|(index, (y, x))| {
        let moments = Moments::of(x, shape.epsilon);
        let first = shape.first_channel(index);
        for (channel, (y, x)) in y.chunks_exact_mut(shape.plane).zip(x.chunks_exact(shape.plane)).enumerate()
        {
            let affine = Affine::new(moments, weight[first + channel], bias[first + channel]);
            if shape.silu { affine_silu(y, x, affine) } else { affine_only(y, x, affine) }
        }
    });
    y
}

/// Gradients of the input, the weight and the bias.
pub(in super::super) fn backward(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    grad: &[f32],
    shape: NormShape,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let length = shape.group_len();
    let mut x_grad = vec![0.0; x.len()];
    // For each picture and channel: sums of `dy` and of `dy * normal`.
    let mut sums = vec![[0.0_f32; 2]; shape.batch * shape.channels];
    x_grad.par_chunks_mut(length).zip(sums.par_chunks_mut(shape.group_channels())).enumerate().for_each(
        |(index, (x_grad, sums))| {
            let range = index * length..(index + 1) * length;
            let first = shape.first_channel(index);
            let channels = first..first + shape.group_channels();
            let group = Group {
                x: &x[range.clone()],
                grad: &grad[range],
                weight: &weight[channels.clone()],
                bias: &bias[channels],
                moments: Moments::of(&x[index * length..(index + 1) * length], shape.epsilon),
            };
            group.backward(x_grad, sums, shape);
        },
    );
    let mut weight_grad = vec![0.0; shape.channels];
    let mut bias_grad = vec![0.0; shape.channels];
    for picture in sums.chunks_exact(shape.channels) {
        for (channel, [sum, sum_normal]) in picture.iter().enumerate() {
            bias_grad[channel] += sum;
            weight_grad[channel] += sum_normal;
        }
    }
    (x_grad, weight_grad, bias_grad)
}

#[derive(Debug, Clone, Copy)]
struct Moments {
    mean: f32,
    /// `1 / sqrt(var + epsilon)`
    scale: f32,
}

impl Moments {
    fn of(x: &[f32], epsilon: f32) -> Self {
        let mean = sum(x) / x.len() as f32;
        let variance = sum_of_squares(x, mean) / x.len() as f32;
        Self { mean, scale: 1.0 / (variance + epsilon).sqrt() }
    }
}

/// `y = a x + b`
#[derive(Debug, Clone, Copy)]
struct Affine {
    a: f32,
    b: f32,
}

impl Affine {
    fn new(moments: Moments, weight: f32, bias: f32) -> Self {
        let a = weight * moments.scale;
        Self { a, b: bias - moments.mean * a }
    }
}

struct Group<'a> {
    x: &'a [f32],
    grad: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    moments: Moments,
}

impl Group<'_> {
    /// `dx = scale * (w dy - mean(w dy) - normal * mean(w dy normal))`, means over the group.
    fn backward(&self, x_grad: &mut [f32], sums: &mut [[f32; 2]], shape: NormShape) {
        let plane = shape.plane;
        let Moments { mean, scale } = self.moments;
        let (mut total, mut total_normal) = (0.0, 0.0);
        for (channel, dy) in x_grad.chunks_exact_mut(plane).enumerate() {
            let range = channel * plane..(channel + 1) * plane;
            let (x, grad) = (&self.x[range.clone()], &self.grad[range]);
            let affine = Affine::new(self.moments, self.weight[channel], self.bias[channel]);
            if shape.silu {
                silu_grad(dy, x, grad, affine);
            } else {
                dy.copy_from_slice(grad);
            }
            let sum_dy = sum(dy);
            let sum_normal = (dot(dy, x) - mean * sum_dy) * scale;
            sums[channel] = [sum_dy, sum_normal];
            total += self.weight[channel] * sum_dy;
            total_normal += self.weight[channel] * sum_normal;
        }
        let n = self.x.len() as f32;
        let (mean_dy, mean_normal) = (total / n, total_normal / n);
        for (channel, dy) in x_grad.chunks_exact_mut(plane).enumerate() {
            let x = &self.x[channel * plane..(channel + 1) * plane];
            // scale * (w dy - mean_dy - (x - mean) * scale * mean_normal) = a dy + b x + c
            let b = -scale * scale * mean_normal;
            let c = -scale * mean_dy - b * mean;
            combine(dy, x, [scale * self.weight[channel], b, c]);
        }
    }
}

/// Sums in sixteen lanes, then over the lanes.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn sum(x: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let chunks = x.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn sum_of_squares(x: &[f32], mean: f32) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let chunks = x.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().map(|value| (value - mean) * (value - mean)).sum();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += (value - mean) * (value - mean);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let (xs, ys) = (x.chunks_exact(16), y.chunks_exact(16));
    let rest: f32 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in xs.zip(ys) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane += x * y;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn affine_only(y: &mut [f32], x: &[f32], affine: Affine) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = affine.a * x + affine.b;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn affine_silu(y: &mut [f32], x: &[f32], affine: Affine) {
    for (y, x) in y.iter_mut().zip(x) {
        let z = affine.a * x + affine.b;
        *y = z * sigmoid(z);
    }
}

/// `dy = grad * silu'(a x + b)`
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn silu_grad(dy: &mut [f32], x: &[f32], grad: &[f32], affine: Affine) {
    for ((dy, x), grad) in dy.iter_mut().zip(x).zip(grad) {
        let z = affine.a * x + affine.b;
        let s = sigmoid(z);
        *dy = grad * s * (1.0 + z * (1.0 - s));
    }
}

/// `dy = a dy + b x + c`
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn combine(dy: &mut [f32], x: &[f32], [a, b, c]: [f32; 3]) {
    for (dy, x) in dy.iter_mut().zip(x) {
        *dy = a * *dy + b * x + c;
    }
}
