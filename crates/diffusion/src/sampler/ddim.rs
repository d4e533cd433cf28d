//! Denoising diffusion implicit models (Song et al. 2021, Eqs. 12 and 16).
//!
//! diffusers' class moves by `⌊T/n⌋` timesteps at every step even where its own grid does not
//! (linspace, and trailing where `n` does not divide `T`), so that its next call stands at another
//! timestep than the one it went to. Here a step ends where the next one starts. Leading grids, and
//! trailing ones where `n` divides `T`, give the same pictures.

use burn::tensor::Tensor;

use super::{Sampler, Transition, euler};
use crate::error::DiffusionError;
use crate::linear::weighted_sum;
use crate::noise::{DrawNoise, noise_like};

/// First order; deterministic at `η = 0`, the ancestral sampling of DDPM at `η = 1`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ddim {
    eta: f64,
}

impl Ddim {
    /// `eta` is the share of the posterior's standard deviation that each step adds as fresh noise.
    ///
    /// # Errors
    /// [`DiffusionError::OutOfRange`] unless `eta` is from 0 to 1.
    pub fn new(eta: f64) -> Result<Self, DiffusionError> {
        if (0.0..=1.0).contains(&eta) {
            return Ok(Self { eta });
        }
        let range = "from 0 (no fresh noise) to 1 (as DDPM)";
        Err(DiffusionError::OutOfRange { name: "eta", value: eta, range })
    }
}

impl Sampler for Ddim {
    fn step(&mut self, transition: Transition, noise: &mut dyn DrawNoise) -> Tensor<4> {
        let Transition { x_t, x_0, from, to, .. } = transition;
        if self.eta == 0.0 {
            return euler::step(x_t, x_0, from, to);
        }
        // `sigma_t(eta)` of the paper, not to be confused with σ.
        let posterior_var = (to.sigma() / from.sigma()).powi(2) * (1.0 - from.alpha_bar / to.alpha_bar);
        let fresh = self.eta * posterior_var.max(0.0).sqrt();
        // Rounding may leave a little less than nothing for the predicted noise at η = 1.
        let direction = (to.sigma().powi(2) - fresh * fresh).max(0.0).sqrt();

        let ratio = direction / from.sigma();
        let draw = noise_like(noise, &x_t);
        let mean = weighted_sum(ratio, x_t, to.alpha() - ratio * from.alpha(), x_0);
        weighted_sum(1.0, mean, fresh, draw)
    }
}
