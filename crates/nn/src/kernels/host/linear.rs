//! The affine map of rows, `y = x Wᵀ + b` with `W` of `[d_out, d_in]`, and its gradients.

use rayon::prelude::*;

use super::matrix::{product, steps};
use super::pack::Right;
use super::product::Left;

/// `[n, d_in] -> [n, d_out]`
pub(in super::super) fn forward(x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let d_out = bias.len();
    let d_in = weight.len() / d_out;
    let (rows, columns) = (steps(x.len() / d_in, d_in), steps(d_in, 1));
    let left = Left { values: x, rows: &rows, columns: &columns };
    product(left, Right { values: weight, row: 1, column: d_in }, d_out, Some(bias))
}

/// Gradient of the input, `dY W`.
pub(in super::super) fn x_grad(weight: &[f32], grad: &[f32], d_out: usize) -> Vec<f32> {
    let d_in = weight.len() / d_out;
    let (rows, columns) = (steps(grad.len() / d_out, d_out), steps(d_out, 1));
    let left = Left { values: grad, rows: &rows, columns: &columns };
    product(left, Right { values: weight, row: d_in, column: 1 }, d_in, None)
}

/// Gradient of the weight, `dYᵀ X`.
pub(in super::super) fn weight_grad(x: &[f32], grad: &[f32], [d_in, d_out]: [usize; 2]) -> Vec<f32> {
    let (rows, columns) = (steps(d_out, 1), steps(grad.len() / d_out, d_out));
    let left = Left { values: grad, rows: &rows, columns: &columns };
    product(left, Right { values: x, row: d_in, column: 1 }, d_in, None)
}

/// Gradient of the bias: the sum of the gradient's rows, some at a time.
pub(in super::super) fn bias_grad(grad: &[f32], d_out: usize) -> Vec<f32> {
    const ROWS: usize = 256;
    let add = |mut sums: Vec<f32>, row: &[f32]| {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
        sums
    };
    let of_chunk = |rows: &[f32]| rows.chunks_exact(d_out).fold(vec![0.0; d_out], add);
    let sums: Vec<_> = grad.par_chunks(ROWS * d_out).map(of_chunk).collect();
    sums.iter().fold(vec![0.0; d_out], |sums, row| add(sums, row))
}
