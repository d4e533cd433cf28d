//! The softmax of attention, on blocks of scores whose columns fill whole vectors. Everything runs down
//! the columns: no vector is ever summed across.
#![expect(clippy::inline_always, reason = "vector code has to melt into the function that dispatches it")]

use std::f32::consts::{LN_2, LOG2_E};

use multiversion::multiversion;
use pulp::{Arch, Simd, WithSimd};

/// `x -> e^(scale x)` as `2^(rate x)`, for `rate x < 128`.
struct Exponential<S: Simd> {
    /// `scale log2(e)`, whose rounding is that of a scale which is off by 6e-8 of itself, for every `x`.
    rate: S::f32s,
    /// Where the result reaches `2^-127`, which is taken for 0.
    least: S::f32s,
}

impl<S: Simd> Exponential<S> {
    #[inline(always)]
    fn new(simd: S, scale: f32) -> Self {
        let rate = scale * LOG2_E;
        Self { rate: simd.splat_f32s(rate), least: simd.splat_f32s(-127.0 / rate) }
    }

    /// `2^(rate x)` to 2 ulp: `2^n p(r)` with `|r| <= 1/2` and that polynomial of degree 6 with `p(0) = 1`
    /// whose largest relative error is the smallest, 1.6e-8. What is not a number stays so.
    #[inline(always)]
    fn at(&self, simd: S, x: S::f32s) -> S::f32s {
        /// Adding `1.5 * 2^23` rounds to an integer, which is then found in the lowest bits; with 127
        /// added they are the exponent of a power of two.
        const SHIFT: f32 = 12_582_912.0 + 127.0;
        const EXPONENT_BIT: u32 = 23;
        const P: [f32; 6] =
            [0.000_153_533_62, 0.001_339_887_5, 0.009_618_437, 0.055_503_324, 0.240_226_48, LN_2];
        let shift = simd.splat_f32s(SHIFT);
        let x = simd.max_f32s(self.least, x); // of two vectors the second is kept where it is no number
        let shifted = simd.mul_add_f32s(x, self.rate, shift);
        let r = simd.mul_add_f32s(x, self.rate, simd.sub_f32s(shift, shifted));
        let mut p = simd.splat_f32s(P[0]);
        for coefficient in &P[1..] {
            p = simd.mul_add_f32s(p, r, simd.splat_f32s(*coefficient));
        }
        p = simd.mul_add_f32s(p, r, simd.splat_f32s(1.0));
        let bits = simd.transmute_u32s_f32s(shifted);
        let power = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(EXPONENT_BIT));
        simd.mul_f32s(p, simd.transmute_f32s_u32s(power))
    }
}

/// What the queries of a panel know of the keys so far; a number for each.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// Their largest score.
    pub(super) largest: &'a mut [f32],
    /// The sum of `e^(scale (score - largest))`.
    pub(super) total: &'a mut [f32],
    /// What the last change of `largest` multiplied the earlier exponentials by.
    pub(super) factor: &'a mut [f32],
}

impl Seen<'_> {
    pub(super) fn clear(&mut self) {
        self.largest.fill(f32::NEG_INFINITY);
        self.total.fill(0.0);
    }

    /// Whether the last keys raised a largest score, so that earlier sums are too large for it.
    pub(super) fn has_grown(&self) -> bool {
        self.factor.iter().any(|factor| *factor < 1.0)
    }

    /// Takes in the scores of some more keys, `[keys][width]`, which become `e^(scale (score - largest))`
    /// (Milakov and Gimelshein 2018, Algorithm 3).
    pub(super) fn take(&mut self, scores: &mut [f32], scale: f32) {
        Arch::new().dispatch(Take { scores, seen: self, scale });
    }
}

struct Take<'a, 'b> {
    scores: &'a mut [f32],
    seen: &'a mut Seen<'b>,
    scale: f32,
}

impl WithSimd for Take<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.seen.total.len() / S::F32_LANES {
            1 => take::<S, 1>(simd, self),
            2 => take::<S, 2>(simd, self),
            _ => take::<S, 3>(simd, self),
        }
    }
}

#[inline(always)]
fn take<S: Simd, const V: usize>(simd: S, Take { scores, seen, scale }: Take<'_, '_>) {
    let exponential = Exponential::new(simd, scale);
    let rows = as_rows_mut::<S, V>(scores);
    let [largest, total, factor] =
        [&mut *seen.largest, &mut *seen.total, &mut *seen.factor].map(|row| &mut as_rows_mut::<S, V>(row)[0]);
    let mut new = *largest;
    for row in rows.iter() {
        for v in 0..V {
            new[v] = simd.max_f32s(new[v], row[v]);
        }
    }
    for v in 0..V {
        factor[v] = exponential.at(simd, simd.sub_f32s(largest[v], new[v]));
    }
    let mut sums = [simd.splat_f32s(0.0); V];
    for row in rows {
        for v in 0..V {
            row[v] = exponential.at(simd, simd.sub_f32s(row[v], new[v]));
            sums[v] = simd.add_f32s(sums[v], row[v]);
        }
    }
    for v in 0..V {
        total[v] = simd.mul_add_f32s(total[v], factor[v], sums[v]);
    }
    *largest = new;
}

/// Multiplies each row of `values` by `factors`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2+fma"))]
pub(super) fn scale_columns(values: &mut [f32], factors: &[f32]) {
    for row in values.chunks_exact_mut(factors.len()) {
        for (value, factor) in row.iter_mut().zip(factors) {
            *value *= factor;
        }
    }
}

/// What the gradient needs of a query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query {
    /// Its largest score.
    pub(super) largest: f32,
    /// One over the sum of `e^(scale (score - largest))`.
    pub(super) inverse_total: f32,
    /// `-scale dot(out, grad of out)`
    pub(super) minus_dot: f32,
}

/// Scores become probabilities `P`, their gradients `dP` become `scale P (dP - dot)`, the gradient of the
/// products that `scale` turned into scores. Rows are queries.
pub(super) fn differentiate(scores: &mut [f32], grads: &mut [f32], queries: &[Query], scale: f32) {
    Arch::new().dispatch(Differentiate { scores, grads, queries, scale });
}

struct Differentiate<'a> {
    scores: &'a mut [f32],
    grads: &'a mut [f32],
    queries: &'a [Query],
    scale: f32,
}

impl WithSimd for Differentiate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.scores.len() / self.queries.len() / S::F32_LANES {
            1 => differentiate_rows::<S, 1>(simd, self),
            2 => differentiate_rows::<S, 2>(simd, self),
            _ => differentiate_rows::<S, 3>(simd, self),
        }
    }
}

#[inline(always)]
fn differentiate_rows<S: Simd, const V: usize>(simd: S, block: Differentiate<'_>) {
    let exponential = Exponential::new(simd, block.scale);
    let scale = simd.splat_f32s(block.scale);
    let rows = as_rows_mut::<S, V>(block.scores).iter_mut().zip(as_rows_mut::<S, V>(block.grads));
    for ((scores, grads), query) in rows.zip(block.queries) {
        let largest = simd.splat_f32s(query.largest);
        let inverse_total = simd.splat_f32s(query.inverse_total);
        let minus_dot = simd.splat_f32s(query.minus_dot);
        for v in 0..V {
            let power = exponential.at(simd, simd.sub_f32s(scores[v], largest));
            scores[v] = simd.mul_f32s(power, inverse_total);
            grads[v] = simd.mul_f32s(scores[v], simd.mul_add_f32s(grads[v], scale, minus_dot));
        }
    }
}

/// Rows of `V` vectors.
#[inline(always)]
fn as_rows_mut<S: Simd, const V: usize>(values: &mut [f32]) -> &mut [[S::f32s; V]] {
    S::as_mut_simd_f32s(values).0.as_chunks_mut().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::host::product::lanes;

    #[test]
    fn the_exponential_is_within_two_ulp() {
        let (lanes, scale) = (lanes(), 0.625);
        for i in (-139_008..0).step_by(lanes) {
            let x: Vec<f32> = (0..lanes).map(|lane| (i + lane as i32) as f32 * 0.001).collect();
            let mut scores = x.clone();
            let [mut largest, mut total, mut factor] = [vec![0.0; lanes], vec![0.0; lanes], vec![0.0; lanes]];
            Seen { largest: &mut largest, total: &mut total, factor: &mut factor }.take(&mut scores, scale);
            for (x, power) in x.iter().zip(&scores) {
                let exact = (f64::from(*x) * f64::from(scale * LOG2_E)).exp2();
                let ulp = f64::from((exact as f32).next_up() - exact as f32);
                let error = (f64::from(*power) - exact).abs();
                assert!(error <= 2.0 * ulp, "e^({scale} * {x}) is off by {} ulp", error / ulp);
            }
        }
    }

    #[test]
    fn what_is_far_below_the_largest_score_counts_for_nothing() {
        let lanes = lanes();
        let mut scores = vec![-1e4; 2 * lanes];
        scores[lanes..].fill(1e4);
        let [mut largest, mut total, mut factor] =
            [vec![f32::NEG_INFINITY; lanes], vec![0.0; lanes], vec![0.0; lanes]];
        Seen { largest: &mut largest, total: &mut total, factor: &mut factor }.take(&mut scores, 0.5);
        assert!(scores[..lanes].iter().all(|power| *power == 0.0));
        assert_eq!((total, largest), (vec![1.0; lanes], vec![1e4; lanes]));
    }
}
