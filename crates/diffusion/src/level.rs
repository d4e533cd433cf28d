//! One point of the variance-preserving forward process, `x_t = √ᾱ x_0 + √(1 − ᾱ) ε`.

use burn::tensor::Tensor;

use crate::linear::weighted_sum;

/// How noisy a latent is, and what the network is told about it.
///
/// `alpha_bar` alone decides the mathematics; `timestep` is only the network's input, and both are
/// kept because grids in sigma space lie between two training timesteps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseLevel {
    /// The network's time input, from 0 to `num_train_timesteps − 1`, fractional on some grids.
    pub timestep: f64,
    /// `ᾱ`, the share of the signal in the variance: 1 is clean, 0 is noise alone
    /// (`alphas_cumprod` in diffusers).
    pub alpha_bar: f64,
}

impl NoiseLevel {
    /// No noise at all: where a trajectory ends.
    pub const CLEAN: Self = Self { timestep: 0.0, alpha_bar: 1.0 };

    /// The level whose noise-to-signal ratio is `sigma` (0 is clean, infinity is noise alone).
    pub fn from_karras_sigma(timestep: f64, sigma: f64) -> Self {
        Self { timestep, alpha_bar: (1.0 + sigma * sigma).recip() }
    }

    /// `α = √ᾱ`, the gain of the clean latent.
    pub fn alpha(self) -> f64 {
        self.alpha_bar.sqrt()
    }

    /// `σ = √(1 − ᾱ)`, the gain of the noise; at most 1. Not the sigma of k-diffusion.
    pub fn sigma(self) -> f64 {
        (1.0 - self.alpha_bar).sqrt()
    }

    /// `σ / α`, the sigma of Karras et al. 2022 and of k-diffusion, from 0 to infinity.
    pub fn karras_sigma(self) -> f64 {
        self.sigma() / self.alpha()
    }

    /// Signal-to-noise ratio `ᾱ / (1 − ᾱ)`, from 0 to infinity.
    pub fn snr(self) -> f64 {
        self.alpha_bar / (1.0 - self.alpha_bar)
    }

    /// Natural logarithm of [`snr`](Self::snr); twice the `λ` of DPM-Solver.
    pub fn log_snr(self) -> f64 {
        self.alpha_bar.ln() - (1.0 - self.alpha_bar).ln()
    }

    /// Brings clean latents to this level: `α x_0 + σ noise` (Ho et al. 2020, Eq. 4).
    ///
    /// # Shapes
    /// - `x_0`, `noise`, result: `[batch, channels, height, width]`
    pub fn noised(self, x_0: Tensor<4>, noise: Tensor<4>) -> Tensor<4> {
        weighted_sum(self.alpha(), x_0, self.sigma(), noise)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::NoiseLevel;

    #[test]
    fn the_ends_are_finite_where_they_can_be() {
        let clean = NoiseLevel::CLEAN;
        assert_eq!((clean.alpha(), clean.sigma(), clean.karras_sigma()), (1.0, 0.0, 0.0));
        let noise = NoiseLevel { timestep: 999.0, alpha_bar: 0.0 };
        assert_eq!((noise.alpha(), noise.sigma(), noise.snr()), (0.0, 1.0, 0.0));
        assert_eq!(NoiseLevel::from_karras_sigma(999.0, f64::INFINITY), noise);
    }

    proptest! {
        #[test]
        fn the_views_of_a_level_agree(alpha_bar in 1e-6..0.999_999_f64) {
            let level = NoiseLevel { timestep: 0.0, alpha_bar };
            prop_assert!((level.alpha().powi(2) + level.sigma().powi(2) - 1.0).abs() < 1e-12);
            prop_assert!((level.log_snr() + 2.0 * level.karras_sigma().ln()).abs() < 1e-9);
            prop_assert!((level.log_snr() - level.snr().ln()).abs() < 1e-9);
            let back = NoiseLevel::from_karras_sigma(0.0, level.karras_sigma());
            prop_assert!((back.alpha_bar - alpha_bar).abs() < 1e-12);
        }
    }
}
