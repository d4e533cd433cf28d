//! Euler's method on the probability flow ODE in sigma space (Karras et al. 2022, Eq. 4 with
//! `σ(t) = t` and `s(t) = 1`, that is Eqs. 1 and 3; `sample_euler` of k-diffusion).
//!
//! In sigma space `X = x / α` with `s = σ / α`, and the method is
//! `X' = X + (s' − s) d` with `d = (X − x_0) / s`. Multiplied by `α'`, with `α' s' = σ'`:
//!
//! ```text
//! x' = (σ'/σ) x + (α' − σ' α/σ) x_0
//! ```
//!
//! This is also DDIM with `η = 0` (Song et al. 2021, Eq. 12): the two differ only in the grid that
//! they are run on. Nothing in it is infinite at `α = 0`.

use burn::tensor::Tensor;

use super::{Sampler, Transition};
use crate::level::NoiseLevel;
use crate::linear::weighted_sum;
use crate::noise::DrawNoise;

/// One deterministic step to another level.
///
/// # Shapes
/// - `x_t`, `x_0`, result: `[batch, channels, height, width]`
pub fn step(x_t: Tensor<4>, x_0: Tensor<4>, from: NoiseLevel, to: NoiseLevel) -> Tensor<4> {
    let ratio = to.sigma() / from.sigma();
    weighted_sum(ratio, x_t, to.alpha() - ratio * from.alpha(), x_0)
}

/// First order, deterministic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Euler;

impl Sampler for Euler {
    fn step(&mut self, transition: Transition, _: &mut dyn DrawNoise) -> Tensor<4> {
        let Transition { x_t, x_0, from, to, .. } = transition;
        step(x_t, x_0, from, to)
    }
}
