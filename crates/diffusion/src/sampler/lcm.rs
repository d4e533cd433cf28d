//! Multistep sampling of latent consistency models (Luo et al. 2023; Song et al. 2023, Algorithm 1).
//!
//! Each step maps `x_t` to a clean latent by the consistency function
//! `f = c_skip x_t + c_out x_0`, and brings that to the next level with fresh noise.

use burn::tensor::Tensor;

use super::{Sampler, Transition};
use crate::level::NoiseLevel;
use crate::linear::weighted_sum;
use crate::noise::{DrawNoise, noise_like};

/// `σ_data` of the boundary conditions, as in the authors' code.
const SIGMA_DATA: f64 = 0.5;

/// One fresh noise for each step; for networks that were distilled into consistency models.
#[derive(Clone, Copy, Debug)]
pub struct Lcm {
    /// Multiplies the timestep in the boundary conditions; 10 in every published model.
    pub timestep_scaling: f64,
}

impl Lcm {
    /// `(c_skip, c_out)`, which are (1, 0) at timestep 0 and almost (0, 1) everywhere else.
    pub fn boundary(&self, level: NoiseLevel) -> (f64, f64) {
        let t = level.timestep * self.timestep_scaling;
        let norm = (t * t + SIGMA_DATA * SIGMA_DATA).sqrt();
        ((SIGMA_DATA / norm).powi(2), t / norm)
    }
}

impl Sampler for Lcm {
    fn step(&mut self, transition: Transition, noise: &mut dyn DrawNoise) -> Tensor<4> {
        let Transition { x_t, x_0, from, to, .. } = transition;
        let (c_skip, c_out) = self.boundary(from);
        if to.sigma() == 0.0 {
            return weighted_sum(c_skip, x_t, c_out, x_0);
        }
        let draw = noise_like(noise, &x_t);
        to.noised(weighted_sum(c_skip, x_t, c_out, x_0), draw)
    }
}

#[cfg(test)]
mod tests {
    use super::{Lcm, NoiseLevel};

    #[test]
    fn the_boundary_is_the_identity_at_zero() {
        let lcm = Lcm { timestep_scaling: 10.0 };
        let at = |timestep| lcm.boundary(NoiseLevel { timestep, alpha_bar: 0.5 });
        assert_eq!(at(0.0), (1.0, 0.0));
        let (c_skip, c_out) = at(999.0);
        assert!(c_skip < 1e-8 && (c_out - 1.0).abs() < 1e-8);
        // The halfway house: scaled time equal to σ_data.
        let (c_skip, c_out) = at(0.05);
        assert!((c_skip - 0.5).abs() < 1e-12 && (c_out - 0.5_f64.sqrt()).abs() < 1e-12);
    }
}
