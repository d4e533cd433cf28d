//! Group norm of a picture that is never whole in memory: moments of a strip, and the norm of a strip's rows
//! with moments that others have contributed to.

use multiversion::multiversion;
use rayon::prelude::*;

use super::math::sigmoid;

/// Planes of `[batch, channels, rows, width]` features, each in one piece, wherever they lie.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Planes<'a> {
    pub(in super::super) values: &'a [f32],
    /// Numbers from one picture to the next.
    pub(in super::super) picture: usize,
    /// Numbers from one channel to the next.
    pub(in super::super) channel: usize,
    pub(in super::super) shape: [usize; 4],
}

impl<'a> Planes<'a> {
    /// The plane that is the `index`-th of all.
    fn plane(&self, index: usize) -> &'a [f32] {
        let [_, channels, rows, width] = self.shape;
        let start = index / channels * self.picture + index % channels * self.channel;
        &self.values[start..start + rows * width]
    }

    fn n_planes(&self) -> usize {
        self.shape[0] * self.shape[1]
    }
}

/// Mean and sum of squared deviations of each group of channels of each picture, in turn.
pub(in super::super) fn moments(x: Planes<'_>, n_groups: usize) -> Vec<f32> {
    let group = x.shape[1] / n_groups;
    let count = (group * x.shape[2] * x.shape[3]) as f64;
    let mut moments = vec![0.0; 2 * x.shape[0] * n_groups];
    moments.par_chunks_exact_mut(2).enumerate().for_each(|(index, out)| {
        let planes = || (index * group..(index + 1) * group).map(|index| x.plane(index));
        let total: f64 = planes().map(|plane| f64::from(sum(plane))).sum();
        let mean = (total / count) as f32;
        let squares: f64 = planes().map(|plane| f64::from(sum_of_squares(plane, mean))).sum();
        out.copy_from_slice(&[mean, squares as f32]);
    });
    moments
}

/// How every channel of every picture is scaled and shifted.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Affine<'a> {
    pub(in super::super) scale: &'a [f32],
    pub(in super::super) shift: &'a [f32],
}

/// `silu(scale x + shift)` of the rows of several parts, one below the other, and zeros up to `n_rows`.
pub(in super::super) fn scaled_silu(parts: &[Planes<'_>], n_rows: usize, affine: Affine<'_>) -> Vec<f32> {
    let plane = n_rows * parts[0].shape[3];
    let mut rows = vec![0.0; parts[0].n_planes() * plane];
    rows.par_chunks_exact_mut(plane).enumerate().for_each(|(index, mut out)| {
        let (scale, shift) = (affine.scale[index], affine.shift[index]);
        for part in parts {
            let x = part.plane(index);
            let (here, below) = out.split_at_mut(x.len());
            affine_silu(here, x, scale, shift);
            out = below;
        }
    });
    rows
}

/// Sums in sixteen lanes, then over the lanes.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn sum(x: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let (chunks, rest) = x.as_chunks::<16>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().chain(rest).sum()
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn sum_of_squares(x: &[f32], mean: f32) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let (chunks, rest) = x.as_chunks::<16>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += (value - mean) * (value - mean);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>()
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
fn affine_silu(out: &mut [f32], x: &[f32], scale: f32, shift: f32) {
    for (out, x) in out.iter_mut().zip(x) {
        let z = scale * x + shift;
        *out = z * sigmoid(z);
    }
}
