//! `GEGLU` and its gradient, row by row.

use multiversion::multiversion;

use super::math::{normal_cdf, normal_cdf_and_pdf};
use super::output::written;

/// Rows that one task takes.
const ROWS: usize = 64;

/// `y = value * gate * Φ(gate)` of rows of `2 * d`.
pub(in super::super) fn forward(x: &[f32], d: usize) -> Vec<f32> {
    let chunk = ROWS * d;
    written(x.len() / 2, chunk, |index, y| rows(y, &x[2 * index * chunk..][..2 * y.len()], d))
}

/// Gradient of the rows of `2 * d`: `Φ(g) g dy` for the values, `value (Φ(g) + g φ(g)) dy` for the gates.
pub(in super::super) fn backward(x: &[f32], grad: &[f32], d: usize) -> Vec<f32> {
    let chunk = ROWS * 2 * d;
    written(x.len(), chunk, |index, x_grad| {
        let x = &x[index * chunk..][..x_grad.len()];
        rows_grad(x_grad, x, &grad[index * chunk / 2..][..x_grad.len() / 2], d);
    })
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn rows(y: &mut [f32], x: &[f32], d: usize) {
    for (y, x) in y.chunks_exact_mut(d).zip(x.chunks_exact(2 * d)) {
        let (value, gate) = x.split_at(d);
        for ((y, value), gate) in y.iter_mut().zip(value).zip(gate) {
            *y = value * gate * normal_cdf(*gate);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn rows_grad(x_grad: &mut [f32], x: &[f32], grad: &[f32], d: usize) {
    for ((x_grad, x), grad) in
        x_grad.chunks_exact_mut(2 * d).zip(x.chunks_exact(2 * d)).zip(grad.chunks_exact(d))
    {
        let (value, gate) = x.split_at(d);
        let (value_grad, gate_grad) = x_grad.split_at_mut(d);
        let grads = value_grad.iter_mut().zip(gate_grad);
        for (((value_grad, gate_grad), grad), (value, gate)) in grads.zip(grad).zip(value.iter().zip(gate)) {
            let (cdf, pdf) = normal_cdf_and_pdf(*gate);
            *value_grad = gate * cdf * grad;
            *gate_grad = value * (cdf + gate * pdf) * grad;
        }
    }
}
