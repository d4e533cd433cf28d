//! The five transforms of F(4x4, 3x3): those of Toom and Cook for the points 0, ±3/4, ±3/2 and infinity.
//!
//! Their rounding error is about half of that which the usual points 0, ±1, ±2 give. Each works on vectors of
//! channels.
#![expect(clippy::inline_always, reason = "the transforms are compiled for each machine's vectors")]

use pulp::Simd;

/// The points ±a and ±b, and their squares.
const A: f32 = 0.75;
const B: f32 = 1.5;
const AA: f32 = A * A;
const BB: f32 = B * B;
/// What interpolation divides by at the points ±a and ±b.
const OF_A: f32 = 1.0 / (2.0 * AA * (AA - BB));
const OF_B: f32 = 1.0 / (2.0 * BB * (BB - AA));

/// A matrix of `M` rows and `N` columns, each of whose columns is applied to a column or row of a block.
pub(super) trait Transform<const N: usize, const M: usize> {
    /// The matrix times one column.
    fn column<S: Simd>(simd: S, numbers: [S::f32s; N]) -> [S::f32s; M];

    /// `T block Tᵀ`
    #[inline(always)]
    fn both_ways<S: Simd>(simd: S, block: [[S::f32s; N]; N]) -> [[S::f32s; M]; M] {
        let zero = simd.splat_f32s(0.0);
        let mut half = [[zero; N]; M];
        for column in 0..N {
            let numbers = Self::column(simd, std::array::from_fn(|row| block[row][column]));
            for row in 0..M {
                half[row][column] = numbers[row];
            }
        }
        let mut whole = [[zero; M]; M];
        for row in 0..M {
            whole[row] = Self::column(simd, half[row]);
        }
        whole
    }
}

/// `Bᵀ`, of the input's pixels.
pub(super) struct OfInput;
/// `G`, of the kernels.
pub(super) struct OfKernel;
/// `Aᵀ`, to the output's pixels.
pub(super) struct ToOutput;
/// `A`, of the gradient by the output's pixels.
pub(super) struct OfGradient;
/// `Gᵀ`, to the gradient by the kernels.
pub(super) struct ToKernel;

/// `x + k y`
#[inline(always)]
fn add<S: Simd>(simd: S, x: S::f32s, k: f32, y: S::f32s) -> S::f32s {
    simd.mul_add_f32s(simd.splat_f32s(k), y, x)
}

/// `[even + k odd, even - k odd]`
#[inline(always)]
fn pair<S: Simd>(simd: S, even: S::f32s, k: f32, odd: S::f32s) -> [S::f32s; 2] {
    [add(simd, even, k, odd), add(simd, even, -k, odd)]
}

impl Transform<6, 6> for OfInput {
    #[inline(always)]
    fn column<S: Simd>(simd: S, d: [S::f32s; 6]) -> [S::f32s; 6] {
        let outer = |x, y, z| add(simd, add(simd, z, -(AA + BB), y), AA * BB, x);
        let [plus_a, minus_a] = pair(simd, add(simd, d[4], -BB, d[2]), A, add(simd, d[3], -BB, d[1]));
        let [plus_b, minus_b] = pair(simd, add(simd, d[4], -AA, d[2]), B, add(simd, d[3], -AA, d[1]));
        [outer(d[0], d[2], d[4]), plus_a, minus_a, plus_b, minus_b, outer(d[1], d[3], d[5])]
    }
}

impl Transform<3, 6> for OfKernel {
    #[inline(always)]
    fn column<S: Simd>(simd: S, g: [S::f32s; 3]) -> [S::f32s; 6] {
        let times = |k, x| simd.mul_f32s(simd.splat_f32s(k), x);
        let even_a = times(OF_A, add(simd, g[0], AA, g[2]));
        let even_b = times(OF_B, add(simd, g[0], BB, g[2]));
        let [plus_a, minus_a] = pair(simd, even_a, OF_A * A, g[1]);
        let [plus_b, minus_b] = pair(simd, even_b, OF_B * B, g[1]);
        [times(1.0 / (AA * BB), g[0]), plus_a, minus_a, plus_b, minus_b, g[2]]
    }
}

impl Transform<6, 4> for ToOutput {
    #[inline(always)]
    fn column<S: Simd>(simd: S, m: [S::f32s; 6]) -> [S::f32s; 4] {
        let [even_a, odd_a] = pair(simd, m[1], 1.0, m[2]);
        let [even_b, odd_b] = pair(simd, m[3], 1.0, m[4]);
        let times = |k, x| simd.mul_f32s(simd.splat_f32s(k), x);
        [
            simd.add_f32s(m[0], simd.add_f32s(even_a, even_b)),
            add(simd, times(A, odd_a), B, odd_b),
            add(simd, times(AA, even_a), BB, even_b),
            add(simd, add(simd, m[5], A * AA, odd_a), B * BB, odd_b),
        ]
    }
}

impl Transform<4, 6> for OfGradient {
    #[inline(always)]
    fn column<S: Simd>(simd: S, y: [S::f32s; 4]) -> [S::f32s; 6] {
        let [plus_a, minus_a] = pair(simd, add(simd, y[0], AA, y[2]), A, add(simd, y[1], AA, y[3]));
        let [plus_b, minus_b] = pair(simd, add(simd, y[0], BB, y[2]), B, add(simd, y[1], BB, y[3]));
        [y[0], plus_a, minus_a, plus_b, minus_b, y[3]]
    }
}

impl Transform<6, 3> for ToKernel {
    #[inline(always)]
    fn column<S: Simd>(simd: S, u: [S::f32s; 6]) -> [S::f32s; 3] {
        let [even_a, odd_a] = pair(simd, u[1], 1.0, u[2]);
        let [even_b, odd_b] = pair(simd, u[3], 1.0, u[4]);
        let times = |k, x| simd.mul_f32s(simd.splat_f32s(k), x);
        [
            add(simd, add(simd, times(1.0 / (AA * BB), u[0]), OF_A, even_a), OF_B, even_b),
            add(simd, times(OF_A * A, odd_a), OF_B * B, odd_b),
            add(simd, add(simd, u[5], OF_A * AA, even_a), OF_B * BB, even_b),
        ]
    }
}
