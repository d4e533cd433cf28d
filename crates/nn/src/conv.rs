//! 2-D convolution, with its weight as every checkpoint stores it.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::kernels::{add, conv2d};
use crate::{Init, LowRank};

/// A square convolution: `stride` 1 or 2, `padding` on all four sides.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[channels_out, channels_in, kernel, kernel]`
    pub weight: Param<Tensor<4>>,
    /// `[channels_out]`
    pub bias: Param<Tensor<1>>,
    /// Step between output positions, in input pixels.
    pub stride: usize,
    /// Zeros added on each side, in input pixels.
    pub padding: usize,
    /// What learns in the weight's place, if anything does; beside 1x1 convolutions alone.
    pub low_rank: Option<LowRank>,
}

impl Conv2d {
    /// A 3x3 convolution that keeps height and width.
    pub fn same3x3(init: &mut Init, channels: [usize; 2]) -> Self {
        Self::new(init, channels, 3, 1, 1)
    }

    /// A 1x1 convolution.
    pub fn pointwise(init: &mut Init, channels: [usize; 2]) -> Self {
        Self::new(init, channels, 1, 1, 0)
    }

    /// A convolution with a bias, `PyTorch`'s default initialisation.
    pub fn new(
        init: &mut Init,
        [channels_in, channels_out]: [usize; 2],
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Self {
        let bound = 1.0 / ((channels_in * kernel * kernel) as f64).sqrt();
        Self {
            weight: init.uniform([channels_out, channels_in, kernel, kernel], bound),
            bias: init.uniform([channels_out], bound),
            stride,
            padding,
            low_rank: None,
        }
    }

    /// Makes the convolution start as the zero map, so that the branch it ends starts as the identity.
    #[must_use]
    pub fn zeroed(self, init: &mut Init) -> Self {
        Self {
            weight: init.constant(self.weight.lazy_shape().dims(), 0.0),
            bias: init.constant(self.bias.lazy_shape().dims(), 0.0),
            ..self
        }
    }

    /// # Shapes
    /// - `x`: `[batch, channels_in, height, width]`
    /// - returns `[batch, channels_out, height / stride, width / stride]` for the paddings used here
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        match &self.low_rank {
            None => conv2d(x, weight, bias, self.stride, self.padding),
            Some(branch) => add(conv2d(x.clone(), weight, bias, 1, 0), branch.of_pixels(x)),
        }
    }
}
