//! GELUs and their gradients, number by number.

use multiversion::multiversion;

use super::math::{normal_cdf, normal_cdf_and_pdf, sigmoid};
use super::output::written;

const QUICK_SLOPE: f32 = 1.702;
/// Numbers that one task takes.
const CHUNK: usize = 16 * 1024;

/// `x Φ(x)`
pub(in super::super) fn exact(x: &[f32]) -> Vec<f32> {
    by_chunks(x, exact_values)
}

/// `(Φ(x) + x φ(x)) dy`
pub(in super::super) fn exact_grad(x: &[f32], grad: &[f32]) -> Vec<f32> {
    pairs_by_chunks(x, grad, exact_gradients)
}

/// `x * sigmoid(1.702 x)`
pub(in super::super) fn quick(x: &[f32]) -> Vec<f32> {
    by_chunks(x, quick_values)
}

/// `s (1 + 1.702 x (1 - s)) dy` with `s = sigmoid(1.702 x)`.
pub(in super::super) fn quick_grad(x: &[f32], grad: &[f32]) -> Vec<f32> {
    pairs_by_chunks(x, grad, quick_gradients)
}

fn by_chunks(x: &[f32], values: impl Fn(&mut [f32], &[f32]) + Sync) -> Vec<f32> {
    written(x.len(), CHUNK, |index, y| values(y, &x[index * CHUNK..][..y.len()]))
}

fn pairs_by_chunks(
    x: &[f32],
    grad: &[f32],
    gradients: impl Fn(&mut [f32], &[f32], &[f32]) + Sync,
) -> Vec<f32> {
    written(x.len(), CHUNK, |index, dx| {
        let [x, grad] = [x, grad].map(|numbers| &numbers[index * CHUNK..][..dx.len()]);
        gradients(dx, x, grad);
    })
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn exact_values(y: &mut [f32], x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = x * normal_cdf(*x);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn exact_gradients(dx: &mut [f32], x: &[f32], grad: &[f32]) {
    for ((dx, x), grad) in dx.iter_mut().zip(x).zip(grad) {
        let (cdf, pdf) = normal_cdf_and_pdf(*x);
        *dx = grad * (cdf + x * pdf);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn quick_values(y: &mut [f32], x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = x * sigmoid(QUICK_SLOPE * x);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn quick_gradients(dx: &mut [f32], x: &[f32], grad: &[f32]) {
    for ((dx, x), grad) in dx.iter_mut().zip(x).zip(grad) {
        let z = QUICK_SLOPE * x;
        let s = sigmoid(z);
        *dx = grad * s * (1.0 + z * (1.0 - s));
    }
}
