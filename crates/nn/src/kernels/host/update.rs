//! One step of `AdamW` with the moving average of the weights, in place and in one pass over memory, and
//! the sums of squares that clipping needs.

use multiversion::multiversion;
use rayon::prelude::*;

/// Numbers that one task updates.
const CHUNK: usize = 16 * 1024;
/// Squares in one sum; the sums of a tensor depend on it, and not on the number of threads.
pub(in super::super) const SQUARES: usize = 64 * 1024;

/// The factors of one step, all of which follow from the step's number and the settings.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Factors {
    /// Of the gradient.
    pub(in super::super) gradient: f32,
    /// Of the old first moment, and of the gradient in the new one.
    pub(in super::super) first: [f32; 2],
    /// Of the old second moment, and of the gradient's square in the new one.
    pub(in super::super) second: [f32; 2],
    /// Of the second moment's root.
    pub(in super::super) root: f32,
    /// Added to that.
    pub(in super::super) epsilon: f32,
    /// Of the old weight, and of the quotient of the moments, which is subtracted.
    pub(in super::super) weight: [f32; 2],
    /// Of the old average, and of the weight in the new one.
    pub(in super::super) average: [f32; 2],
}

/// What belongs to one parameter, of one length.
#[derive(Debug)]
pub(in super::super) struct Slices<'a> {
    pub(in super::super) weight: &'a mut [f32],
    pub(in super::super) first: &'a mut [f32],
    pub(in super::super) second: &'a mut [f32],
    pub(in super::super) average: &'a mut [f32],
}

/// Updates all four from the gradient.
pub(in super::super) fn adamw(of: Slices<'_>, gradient: &[f32], factors: &Factors) {
    let weights = of.weight.par_chunks_mut(CHUNK).zip(of.average.par_chunks_mut(CHUNK));
    let moments = of.first.par_chunks_mut(CHUNK).zip(of.second.par_chunks_mut(CHUNK));
    weights.zip(moments).zip(gradient.par_chunks(CHUNK)).for_each(
        |(((weight, average), (first, second)), gradient)| {
            adamw_chunk(Slices { weight, first, second, average }, gradient, factors);
        },
    );
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn adamw_chunk(of: Slices, gradient: &[f32], factors: &Factors) {
    let Factors { gradient: clip, first, second, root, epsilon, weight: [kept, rate], average } = *factors;
    let moments = of.first.iter_mut().zip(of.second);
    let weights = of.weight.iter_mut().zip(of.average);
    for (((m, v), (w, mean)), g) in moments.zip(weights).zip(gradient) {
        let g = g * clip;
        *m = *m * first[0] + g * first[1];
        *v = *v * second[0] + g * g * second[1];
        *w = *w * kept - *m / (v.sqrt() * root + epsilon) * rate;
        *mean = *mean * average[0] + *w * average[1];
    }
}

/// The sums of squares of each 65,536 numbers, each taken in f64.
pub(in super::super) fn square_sums(x: &[f32]) -> Vec<f32> {
    x.par_chunks(SQUARES).map(|x| squares(x) as f32).collect()
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn squares(x: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; 16];
    let (chunks, rest) = x.as_chunks::<16>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(*x) * f64::from(*x);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>()
}
