//! Update rules: from `x_t` and a guess of `x_0` to the next, less noisy `x_t`.
//!
//! A sampler owns one step; the loop, the network, guidance and masks are elsewhere. Every
//! deterministic rule here builds on [`euler::step`], which in variance-preserving form is at once
//! Euler's method in sigma space, DDIM without noise and the first order of DPM-Solver++.

pub mod ddim;
pub mod dpmpp_2m;
pub mod euler;
pub mod euler_ancestral;
mod kind;
pub mod lcm;

use burn::tensor::Tensor;

pub use self::ddim::Ddim;
pub use self::dpmpp_2m::DpmPp2M;
pub use self::euler::Euler;
pub use self::euler_ancestral::EulerAncestral;
pub use self::kind::SamplerKind;
pub use self::lcm::Lcm;
use crate::level::NoiseLevel;
use crate::noise::DrawNoise;

/// Everything that a sampler may know about the step it has to take.
#[derive(Clone, Debug)]
pub struct Transition {
    /// The current latents, `[batch, channels, height, width]`.
    pub x_t: Tensor<4>,
    /// The denoiser's guess of the clean ones, of the same shape.
    pub x_0: Tensor<4>,
    /// The level of `x_t`; never clean.
    pub from: NoiseLevel,
    /// The level to go to.
    pub to: NoiseLevel,
    /// Position of the step in its trajectory, from 0.
    pub index: usize,
    /// Number of steps of the trajectory.
    pub n_steps: usize,
}

/// One step of a sampling method.
pub trait Sampler: Send {
    /// The latents at [`Transition::to`], `[batch, channels, height, width]`.
    ///
    /// Multistep methods remember what they were given, so a sampler serves one trajectory, step by
    /// step in order. Deterministic methods draw no noise.
    fn step(&mut self, transition: Transition, noise: &mut dyn DrawNoise) -> Tensor<4>;
}
