//! From kernels to transformed kernels, and from the sums of their gradients back.
#![expect(clippy::inline_always, reason = "the transforms are compiled for each machine's vectors")]

use pulp::bytemuck::{cast_slice, cast_slice_mut};
use pulp::{Arch, Simd, WithSimd};

use super::super::output::written;
use super::super::product::Left;
use super::tiles::Layout;
use super::transform::{OfKernel, ToKernel, Transform};
use super::{SIDE, TAPS, VECTOR};

/// `G g Gᵀ` of the kernels `[output channel][input channel * 9]`: `[36][input channel][output channel]`.
pub(super) fn transform(kernels: Left<'_>, out: &mut [f32]) {
    Arch::new().dispatch(TransformKernels { kernels, out });
}

struct TransformKernels<'a> {
    kernels: Left<'a>,
    out: &'a mut [f32],
}

impl WithSimd for TransformKernels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Left { values, rows, columns } = self.kernels;
        let n_rows = rows.len();
        let stride = columns.len() / TAPS * n_rows;
        let mut gathered = [0.0; TAPS * VECTOR];
        for (vector, rows) in rows.chunks_exact(S::F32_LANES).enumerate() {
            for (channel, taps) in columns.chunks_exact(TAPS).enumerate() {
                for (lane, row) in rows.iter().enumerate() {
                    for (tap, column) in taps.iter().enumerate() {
                        gathered[tap * S::F32_LANES + lane] = values[(row + column) as usize];
                    }
                }
                let taps: &[S::f32s] = cast_slice(&gathered[..TAPS * S::F32_LANES]);
                let block = std::array::from_fn(|i| std::array::from_fn(|j| taps[i * 3 + j]));
                let numbers = OfKernel::both_ways(simd, block);
                let start = channel * n_rows + vector * S::F32_LANES;
                for (i, numbers) in numbers.into_iter().enumerate() {
                    for (j, number) in numbers.into_iter().enumerate() {
                        let at = start + (i * SIDE + j) * stride;
                        cast_slice_mut(&mut self.out[at..at + S::F32_LANES])[0] = number;
                    }
                }
            }
        }
    }
}

/// `Gᵀ u G` of the sums of gradients, `[input channel][tap][output channel]`.
pub(super) fn restore(sums: &[f32], layout: Layout<'_>) -> Vec<f32> {
    let width = layout.width();
    written(layout.n_rows * TAPS * width, TAPS * width, |channel, out| {
        Arch::new().dispatch(RestoreKernels { sums, layout, channel, out });
    })
}

struct RestoreKernels<'a> {
    sums: &'a [f32],
    layout: Layout<'a>,
    channel: usize,
    /// `[tap][output channel]`
    out: &'a mut [f32],
}

impl WithSimd for RestoreKernels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.out.len() / TAPS;
        let stride = self.layout.stride();
        for (index, panel) in self.layout.panels.iter().enumerate() {
            let row = self.layout.start(0, index) + self.channel * panel.len();
            for column in (0..panel.len()).step_by(S::F32_LANES) {
                let mut block = [[simd.splat_f32s(0.0); SIDE]; SIDE];
                for (i, block) in block.iter_mut().enumerate() {
                    for (j, number) in block.iter_mut().enumerate() {
                        let at = row + column + (i * SIDE + j) * stride;
                        *number = cast_slice(&self.sums[at..at + S::F32_LANES])[0];
                    }
                }
                let taps = ToKernel::both_ways(simd, block);
                for (tap, number) in taps.as_flattened().iter().enumerate() {
                    let at = tap * width + panel.start + column;
                    cast_slice_mut(&mut self.out[at..at + S::F32_LANES])[0] = *number;
                }
            }
        }
    }
}
