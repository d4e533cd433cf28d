//! Sinusoidal time features and their embedding (Ho et al. 2020, Appendix B), with diffusers' names.

use burn::module::Module;
use burn::tensor::activation::silu;
use burn::tensor::{Tensor, TensorData};

use crate::{Init, Linear};

/// `[cos(t ω_i), sin(t ω_i)]` with `ω_i = 10000^(-i / (half - freq_shift))`, or sine first when not
/// flipped.
///
/// # Shapes
/// - `timesteps`: `[batch]`, 0 to 999, fractions allowed
/// - returns `[batch, channels]`
pub fn timestep_features(
    timesteps: Tensor<1>,
    channels: usize,
    flip_sin_to_cos: bool,
    freq_shift: f64,
) -> Tensor<2> {
    let half = channels / 2;
    let frequencies: Vec<f64> =
        (0..half).map(|i| (-(10_000_f64.ln()) * i as f64 / (half as f64 - freq_shift)).exp()).collect();
    let batch = timesteps.dims()[0];
    let options = (&timesteps.device(), timesteps.dtype());
    let frequencies =
        Tensor::<1>::from_data(TensorData::new(frequencies, [half]), options).reshape([1, half]);
    let angles = timesteps.reshape([batch, 1]) * frequencies;
    let (sin, cos) = (angles.clone().sin(), angles.cos());
    if flip_sin_to_cos { Tensor::cat(vec![cos, sin], 1) } else { Tensor::cat(vec![sin, cos], 1) }
}

/// `linear_2(silu(linear_1(features)))`
#[derive(Module, Debug)]
pub struct TimestepEmbedding {
    /// `[d_time, channels]`
    pub linear_1: Linear,
    /// `[d_time, d_time]`
    pub linear_2: Linear,
}

impl TimestepEmbedding {
    /// From `channels` features to `d_time`.
    pub fn new(init: &mut Init, channels: usize, d_time: usize) -> Self {
        Self {
            linear_1: Linear::new(init, [channels, d_time]),
            linear_2: Linear::new(init, [d_time, d_time]),
        }
    }

    /// # Shapes
    /// - `features`: `[batch, channels]`
    /// - returns `[batch, d_time]`
    pub fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        self.linear_2.forward(silu(self.linear_1.forward(features)))
    }
}
