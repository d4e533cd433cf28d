//! Layer norm and its gradient, row by row. The gradient computes mean and variance again instead of
//! keeping them.

use multiversion::multiversion;
use rayon::prelude::*;

use super::output::{written, written_beside};
use super::sums::{combine, dot_centered, sum, sum_of_squares};

/// Rows that one task takes. Their gradients of weight and bias are summed first and those of the tasks
/// afterwards, so the result depends on it, and not on the number of threads.
const ROWS: usize = 64;

/// `weight * (x - mean) / sqrt(var + epsilon) + bias` of rows as long as `weight`.
pub(in super::super) fn forward(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32) -> Vec<f32> {
    let chunk = ROWS * weight.len();
    written(x.len(), chunk, |index, y| {
        rows(y, &x[index * chunk..][..y.len()], [weight, bias], epsilon);
    })
}

/// Gradients of the input, the weight and the bias.
pub(in super::super) fn backward(
    x: &[f32],
    weight: &[f32],
    grad: &[f32],
    epsilon: f32,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let d = weight.len();
    let chunk = ROWS * d;
    let mut sums = vec![0.0; x.len().div_ceil(chunk) * 2 * d];
    let x_grad = written_beside(x.len(), chunk, sums.par_chunks_exact_mut(2 * d), |index, x_grad, sums| {
        let [x, grad] = [x, grad].map(|numbers| &numbers[index * chunk..][..x_grad.len()]);
        rows_grad(x_grad, sums, [x, grad], weight, epsilon);
    });
    let mut total = vec![0.0; 2 * d];
    for sums in sums.chunks_exact(2 * d) {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    let bias_grad = total.split_off(d);
    (x_grad, total, bias_grad)
}

/// Mean, and `1 / sqrt(var + epsilon)`.
#[expect(clippy::inline_always, reason = "inlined, it takes on the vector instructions of its caller")]
#[inline(always)]
fn moments(row: &[f32], epsilon: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = sum(row) / n;
    (mean, 1.0 / (sum_of_squares(row, mean) / n + epsilon).sqrt())
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn rows(y: &mut [f32], x: &[f32], [weight, bias]: [&[f32]; 2], epsilon: f32) {
    let d = weight.len();
    for (y, x) in y.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
        let (mean, scale) = moments(x, epsilon);
        for (((y, x), weight), bias) in y.iter_mut().zip(x).zip(weight).zip(bias) {
            *y = (x - mean) * scale * weight + bias;
        }
    }
}

/// `dx = scale * (w dy - mean(w dy) - normal * mean(w dy normal))` of each row, and in `sums` those of
/// `dy normal` and of `dy` over the rows.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn rows_grad(x_grad: &mut [f32], sums: &mut [f32], [x, grad]: [&[f32]; 2], weight: &[f32], epsilon: f32) {
    let d = weight.len();
    let (weight_grad, bias_grad) = sums.split_at_mut(d);
    for ((dx, x), grad) in x_grad.chunks_exact_mut(d).zip(x.chunks_exact(d)).zip(grad.chunks_exact(d)) {
        let (mean, scale) = moments(x, epsilon);
        for ((sum, x), dy) in weight_grad.iter_mut().zip(x).zip(grad) {
            *sum += dy * ((x - mean) * scale);
        }
        for (sum, dy) in bias_grad.iter_mut().zip(grad) {
            *sum += dy;
        }
        for ((dx, dy), weight) in dx.iter_mut().zip(grad).zip(weight) {
            *dx = weight * dy;
        }
        let n = d as f32;
        let (mean_dy, mean_normal) = (sum(dx) / n, dot_centered(dx, x, mean) * scale / n);
        // scale * (dx - mean_dy - (x - mean) * scale * mean_normal) = a dx + b x + c
        let b = -scale * scale * mean_normal;
        combine(dx, x, [scale, b, -scale * mean_dy - b * mean]);
    }
}
