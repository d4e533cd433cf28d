//! From pixels to one token for each square patch (Dosovitskiy et al. 2021, arXiv 2010.11929).

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::Init;
use crate::kernels::linear;

/// A convolution whose stride is its kernel, with its weight as every checkpoint stores it: one linear map of
/// every patch.
#[derive(Module, Debug)]
pub struct PatchEmbedding {
    /// `[d_model, channels, patch, patch]`
    pub weight: Param<Tensor<4>>,
    /// `[d_model]`
    pub bias: Option<Param<Tensor<1>>>,
}

impl PatchEmbedding {
    /// `PyTorch`'s default initialisation of a convolution with this kernel.
    pub fn new(init: &mut Init, [channels, d_model]: [usize; 2], patch: usize, has_bias: bool) -> Self {
        let bound = 1.0 / ((channels * patch * patch) as f64).sqrt();
        Self {
            weight: init.uniform([d_model, channels, patch, patch], bound),
            bias: has_bias.then(|| init.uniform([d_model], bound)),
        }
    }

    /// # Shapes
    /// - `pixels`: `[batch, channels, height, width]`, both multiples of the patch's side
    /// - returns `[batch, patches, d_model]`, row by row
    ///
    /// # Panics
    /// If height or width is no multiple of the patch's side.
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let [batch, channels, height, width] = pixels.dims();
        let weight = self.weight.val();
        let [d_model, _, patch, _] = weight.dims();
        assert!(
            height.is_multiple_of(patch) && width.is_multiple_of(patch),
            "{height} x {width} pixels cannot be cut into patches of {patch}"
        );
        let (rows, columns, d_patch) = (height / patch, width / patch, channels * patch * patch);
        let patches = pixels
            .reshape([batch, channels, rows, patch, columns, patch])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch, rows * columns, d_patch]);
        linear(patches, weight.reshape([d_model, d_patch]), self.bias.as_ref().map(Param::val))
    }
}
