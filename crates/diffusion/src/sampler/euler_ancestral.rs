//! Ancestral sampling with Euler steps in sigma space (`sample_euler_ancestral` of k-diffusion).
//!
//! Each step goes down to `s_down`, below its target `s'`, and comes back up with fresh noise:
//! `s_up = √(s'² (s² − s'²) / s²)`, `s_down = √(s'² − s_up²)`. With `r = s'/s` that is
//! `s_up = s' √(1 − r²)` and `s_down = r s'`, and in variance-preserving form, with `α' s' = σ'`:
//!
//! ```text
//! x' = r (σ'/σ) x + (α' − r σ' α/σ) x_0 + σ' √(1 − r²) ε,    r = σ' α / (α' σ)
//! ```
//!
//! This is DDIM with `η = 1` in other letters; the two differ only in the grid that they are run on.

use burn::tensor::Tensor;

use super::{Sampler, Transition};
use crate::linear::weighted_sum;
use crate::noise::{DrawNoise, noise_like};

/// First order, with fresh noise at every step.
#[derive(Clone, Copy, Debug, Default)]
pub struct EulerAncestral;

impl Sampler for EulerAncestral {
    fn step(&mut self, transition: Transition, noise: &mut dyn DrawNoise) -> Tensor<4> {
        let Transition { x_t, x_0, from, to, .. } = transition;
        let r = (to.sigma() * from.alpha()) / (to.alpha() * from.sigma());
        let down = r * to.sigma() / from.sigma();
        let up = to.sigma() * (1.0 - r * r).max(0.0).sqrt();

        let draw = noise_like(noise, &x_t);
        let mean = weighted_sum(down, x_t, to.alpha() - down * from.alpha(), x_0);
        weighted_sum(1.0, mean, up, draw)
    }
}
