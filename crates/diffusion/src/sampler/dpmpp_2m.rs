//! DPM-Solver++(2M), the data-prediction multistep solver of second order (Lu et al. 2022b,
//! Algorithm 2).
//!
//! With `λ = ln(α/σ)` and `h = λ' − λ`, the exact solution for a constant `x_0` is
//! `x' = (σ'/σ) x − α' (e^{−h} − 1) x_0`, which is Euler's step in sigma space. The method takes that
//! step with an `x_0` extrapolated from the last two guesses:
//!
//! ```text
//! D = (1 + 1/(2r)) x_0 − 1/(2r) x_0_last,    r = h_last / h
//! ```

use burn::tensor::Tensor;

use super::{Sampler, Transition, euler};
use crate::level::NoiseLevel;
use crate::linear::weighted_sum;
use crate::noise::DrawNoise;

/// Below this number of steps the last one is of first order, as in the authors' code: the
/// extrapolation is unstable over the long last interval.
const FEW_STEPS: usize = 15;

/// Second order, deterministic, one network call for each step.
#[derive(Clone, Debug, Default)]
pub struct DpmPp2M {
    last: Option<(Tensor<4>, NoiseLevel)>,
}

impl Sampler for DpmPp2M {
    fn step(&mut self, transition: Transition, _: &mut dyn DrawNoise) -> Tensor<4> {
        let Transition { x_t, x_0, from, to, index, n_steps } = transition;
        let is_final = index + 1 == n_steps;
        let stays_first_order = is_final && (to.sigma() == 0.0 || n_steps < FEW_STEPS);
        let last = self.last.replace((x_0.clone(), from));

        let x_0 = match last {
            Some((x_0_last, from_last)) if !stays_first_order => {
                // Half log-SNR is λ, and the halves cancel in the ratio.
                let h = to.log_snr() - from.log_snr();
                let h_last = from.log_snr() - from_last.log_snr();
                let half_inverse_r = h / (2.0 * h_last);
                weighted_sum(1.0 + half_inverse_r, x_0, -half_inverse_r, x_0_last)
            }
            _ => x_0,
        };
        euler::step(x_t, x_0, from, to)
    }
}
