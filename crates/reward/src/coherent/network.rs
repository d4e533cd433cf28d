//! The network: a body that looks at patches, a head that answers for their pixels.

use burn::module::Module;
use burn::tensor::Tensor;
use byteedit_image::Filter;
use byteedit_models::component::parse;
use byteedit_models::dinov2::Dinov2Model;
use byteedit_models::{Component, ModelError};
use byteedit_nn::kernels::gelu;
use byteedit_nn::{Init, Linear};

use super::CoherentConfig;
use crate::preprocess::{Preprocessing, resize};

/// Pixels to a logit of "real" for each.
#[derive(Module, Debug)]
pub struct CoherentNetwork {
    /// Pixels to a token for each patch. To train from a public `DINOv2`, put it here.
    pub body: Dinov2Model,
    /// Tokens to logits.
    pub head: CoherentHead,
    #[module(skip)]
    config: CoherentConfig,
}

/// Two linears around an exact GELU.
#[derive(Module, Debug)]
pub struct CoherentHead {
    /// `[hidden_size, hidden_size]`
    pub fc1: Linear,
    /// `[patch_size * patch_size, hidden_size]`: a patch's pixels row by row.
    pub fc2: Linear,
}

impl CoherentNetwork {
    /// Logits of "real" for every pixel. Pictures are brought to the network's square, and its answers back to their
    /// size.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, height, width]`, from 0 to 1, of any size
    /// - returns `[batch, 1, height, width]`
    pub fn pixel_logits(&self, pixels: Tensor<4>) -> Tensor<4> {
        let [batch, _, height, width] = pixels.dims();
        let side = self.config.side;
        let tokens = self.body.forward(Preprocessing::imagenet(side).forward(pixels));
        let [_, n_tokens, d_model] = tokens.dims();
        // The first token is of no patch.
        let logits =
            self.head.forward(tokens.narrow(1, 1, n_tokens - 1).reshape([batch, n_tokens - 1, d_model]));
        let patch = self.config.dinov2_config.patch_size;
        resize(pixels_from_patches(logits, side / patch, patch), [height, width], Filter::Bilinear)
    }
}

impl CoherentHead {
    /// # Shapes
    /// - `tokens`: `[batch, patches, hidden_size]`
    /// - returns `[batch, patches, patch_size * patch_size]`
    fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(gelu(self.fc1.forward(tokens)))
    }
}

/// Lays patches of `patch * patch` numbers out as pixels (a pixel shuffle).
///
/// # Shapes
/// - `patches`: `[batch, grid * grid, patch * patch]`, both row by row
/// - returns `[batch, 1, grid * patch, grid * patch]`
fn pixels_from_patches(patches: Tensor<3>, grid: usize, patch: usize) -> Tensor<4> {
    let [batch, _, _] = patches.dims();
    patches
        .reshape([batch, grid, grid, patch, patch]) // row and column of the patch, row and column inside
        .swap_dims(2, 3)
        .reshape([batch, 1, grid * patch, grid * patch])
}

impl Component for CoherentNetwork {
    type Config = CoherentConfig;

    const CLASS: &'static str = "CoherentReward";
    const LIBRARY: &'static str = "byteedit";
    const WEIGHTS_FILE: &'static str = "model.safetensors";
    const RENAMES: &'static [(&'static str, &'static str)] = Dinov2Model::RENAMES;

    fn parse_config(json: &str) -> Result<Self::Config, ModelError> {
        let config: CoherentConfig = parse(Self::CLASS, json)?;
        config.validate()?;
        Ok(config)
    }

    fn from_config(config: &Self::Config, init: &mut Init) -> Self {
        let (width, patch) = (config.dinov2_config.hidden_size, config.dinov2_config.patch_size);
        Self {
            body: Dinov2Model::from_config(&config.dinov2_config, init),
            head: CoherentHead {
                fc1: Linear::new(init, [width, width]),
                fc2: Linear::new(init, [width, patch * patch]),
            },
            config: config.clone(),
        }
    }

    fn config(&self) -> &Self::Config {
        &self.config
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, TensorData};

    use super::*;

    /// Patches of 2 x 2 pixels in a grid of 2 x 2, each pixel numbered by patch and place.
    #[test]
    fn a_patch_is_laid_out_row_by_row() {
        let numbers = Tensor::<1, Int>::arange(0..16, &Device::flex()).float().reshape([1, 4, 4]);
        let expected: [f32; 16] = [0., 1., 4., 5., 2., 3., 6., 7., 8., 9., 12., 13., 10., 11., 14., 15.];
        let pixels = pixels_from_patches(numbers, 2, 2);
        assert_eq!(pixels.dims(), [1, 1, 4, 4]);
        pixels.reshape([16]).into_data().assert_eq(&TensorData::from(expected), true);
    }
}
