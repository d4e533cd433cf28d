//! The affine map, with its weight as every checkpoint stores it.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::kernels::{add, linear};
use crate::{Init, LowRank};

/// `y = x Wᵀ + b`, and what its branch adds.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[d_output, d_input]`, as `PyTorch` keeps it.
    pub weight: Param<Tensor<2>>,
    /// `[d_output]`
    pub bias: Option<Param<Tensor<1>>>,
    /// What learns in the weight's place, if anything does.
    pub low_rank: Option<LowRank>,
}

impl Linear {
    /// A linear with a bias, `PyTorch`'s default initialisation.
    pub fn new(init: &mut Init, [d_input, d_output]: [usize; 2]) -> Self {
        let bound = 1.0 / (d_input as f64).sqrt();
        let weight = init.uniform([d_output, d_input], bound);
        Self::of(weight, Some(init.uniform([d_output], bound)))
    }

    /// A linear without a bias.
    pub fn without_bias(init: &mut Init, [d_input, d_output]: [usize; 2]) -> Self {
        Self::of(init.uniform([d_output, d_input], 1.0 / (d_input as f64).sqrt()), None)
    }

    /// A linear that starts as the zero map, so that the branch it ends starts as the identity.
    pub fn zeroed(init: &mut Init, [d_input, d_output]: [usize; 2]) -> Self {
        Self::of(init.constant([d_output, d_input], 0.0), Some(init.constant([d_output], 0.0)))
    }

    /// A linear of given parameters.
    ///
    /// # Shapes
    /// - `weight`: `[d_output, d_input]`
    /// - `bias`: `[d_output]`
    pub fn of(weight: Param<Tensor<2>>, bias: Option<Param<Tensor<1>>>) -> Self {
        Self { weight, bias, low_rank: None }
    }

    /// # Shapes
    /// - `x`: `[..., d_input]`
    /// - returns `[..., d_output]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (weight, bias) = (self.weight.val(), self.bias.as_ref().map(Param::val));
        match &self.low_rank {
            None => linear(x, weight, bias),
            Some(branch) => add(linear(x.clone(), weight, bias), branch.of_tokens(x)),
        }
    }
}
