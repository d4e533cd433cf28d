//! `x * sigmoid(1.702 x)`, the cheap GELU of CLIP, and its gradient.

use multiversion::multiversion;

use super::math::sigmoid;
use super::output::written;

const SLOPE: f32 = 1.702;
/// Numbers that one task takes.
const CHUNK: usize = 16 * 1024;

/// `x * sigmoid(1.702 x)`
pub(in super::super) fn forward(x: &[f32]) -> Vec<f32> {
    written(x.len(), CHUNK, |index, y| values(y, &x[index * CHUNK..][..y.len()]))
}

/// `s (1 + 1.702 x (1 - s)) dy` with `s = sigmoid(1.702 x)`.
pub(in super::super) fn backward(x: &[f32], grad: &[f32]) -> Vec<f32> {
    written(x.len(), CHUNK, |index, dx| {
        let [x, grad] = [x, grad].map(|numbers| &numbers[index * CHUNK..][..dx.len()]);
        gradients(dx, x, grad);
    })
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn values(y: &mut [f32], x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = x * sigmoid(SLOPE * x);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn gradients(dx: &mut [f32], x: &[f32], grad: &[f32]) {
    for ((dx, x), grad) in dx.iter_mut().zip(x).zip(grad) {
        let z = SLOPE * x;
        let s = sigmoid(z);
        *dx = grad * s * (1.0 + z * (1.0 - s));
    }
}
