//! Group normalisation (Wu & He 2018, arXiv 1803.08494) and layer normalisation (Ba et al. 2016,
//! arXiv 1607.06450).

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::Init;
use crate::kernels::{group_norm, layer_norm, shifted_group_norm_silu};

/// `y = (x - mean) / sqrt(var + epsilon) * weight + bias`, mean and biased variance taken over each
/// group of channels and all positions of one picture.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// `[channels]`
    pub weight: Param<Tensor<1>>,
    /// `[channels]`
    pub bias: Param<Tensor<1>>,
    /// How many groups the channels are split into.
    pub n_groups: usize,
    /// Added to the variance.
    pub epsilon: f64,
}

impl GroupNorm {
    /// The identity scale. `channels` must be a multiple of `n_groups`; configurations check it.
    pub fn new(init: &mut Init, n_groups: usize, channels: usize, epsilon: f64) -> Self {
        Self {
            weight: init.constant([channels], 1.0),
            bias: init.constant([channels], 0.0),
            n_groups,
            epsilon,
        }
    }

    /// # Shapes
    /// - `x`, result: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        group_norm(x, self.weight.val(), self.bias.val(), self.n_groups, self.epsilon, false)
    }

    /// The norm with a `SiLU` behind it, in one pass.
    ///
    /// # Shapes
    /// - `x`, result: `[batch, channels, height, width]`
    pub fn forward_silu(&self, x: Tensor<4>) -> Tensor<4> {
        group_norm(x, self.weight.val(), self.bias.val(), self.n_groups, self.epsilon, true)
    }

    /// [`GroupNorm::forward_silu`] of `x` with a number added to each channel, in one pass.
    ///
    /// # Shapes
    /// - `x`, result: `[batch, channels, height, width]`
    /// - `shift`: `[batch, channels]`
    pub fn forward_shifted_silu(&self, x: Tensor<4>, shift: Tensor<2>) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        shifted_group_norm_silu(x, shift, weight, bias, self.n_groups, self.epsilon)
    }
}

/// `y = (x - mean) / sqrt(var + epsilon) * weight + bias` over the last dimension.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[d_model]`
    pub weight: Param<Tensor<1>>,
    /// `[d_model]`
    pub bias: Param<Tensor<1>>,
    /// Added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// The identity scale.
    pub fn new(init: &mut Init, d_model: usize, epsilon: f64) -> Self {
        Self { weight: init.constant([d_model], 1.0), bias: init.constant([d_model], 0.0), epsilon }
    }

    /// # Shapes
    /// - `x`, result: `[..., d_model]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        layer_norm(x, self.weight.val(), self.bias.val(), self.epsilon)
    }
}
