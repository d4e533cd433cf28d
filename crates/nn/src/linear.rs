//! The affine map, with its weight as every checkpoint stores it.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::Init;
use crate::kernels::linear;

/// `y = x Wᵀ + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[d_output, d_input]`, as `PyTorch` keeps it.
    pub weight: Param<Tensor<2>>,
    /// `[d_output]`
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// A linear with a bias, `PyTorch`'s default initialisation.
    pub fn new(init: &mut Init, [d_input, d_output]: [usize; 2]) -> Self {
        let bound = 1.0 / (d_input as f64).sqrt();
        Self { weight: init.uniform([d_output, d_input], bound), bias: Some(init.uniform([d_output], bound)) }
    }

    /// A linear without a bias.
    pub fn without_bias(init: &mut Init, [d_input, d_output]: [usize; 2]) -> Self {
        Self { weight: init.uniform([d_output, d_input], 1.0 / (d_input as f64).sqrt()), bias: None }
    }

    /// A linear that starts as the zero map, so that the branch it ends starts as the identity.
    pub fn zeroed(init: &mut Init, [d_input, d_output]: [usize; 2]) -> Self {
        Self { weight: init.constant([d_output, d_input], 0.0), bias: Some(init.constant([d_output], 0.0)) }
    }

    /// # Shapes
    /// - `x`: `[..., d_input]`
    /// - returns `[..., d_output]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        linear(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}
