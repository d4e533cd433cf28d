//! The image encoder: patches, a class token, transformer, norm.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use byteedit_nn::kernels::add;
use byteedit_nn::{Embedding, Init, LayerNorm, PatchEmbedding};

use super::{CLIPEncoder, CLIPVisionConfig};

/// Patches to features.
#[derive(Module, Debug)]
pub struct CLIPVisionTransformer {
    /// One vector for each patch, and one for the whole.
    pub embeddings: CLIPVisionEmbeddings,
    /// Before the first layer; checkpoints misspell it.
    pub pre_layrnorm: LayerNorm,
    /// The layers.
    pub encoder: CLIPEncoder,
    /// Of the class token, after the last layer.
    pub post_layernorm: LayerNorm,
}

/// The class token and the patches, each with its position.
#[derive(Module, Debug)]
pub struct CLIPVisionEmbeddings {
    /// `[hidden_size]`
    pub class_embedding: Param<Tensor<1>>,
    /// `[hidden_size, 3, patch, patch]`, without a bias
    pub patch_embedding: PatchEmbedding,
    /// `[1 + patches, hidden_size]`
    pub position_embedding: Embedding,
}

/// What the encoder returns.
#[derive(Debug, Clone)]
pub struct CLIPVisionOutput {
    /// `[batch, 1 + patches, hidden_size]`, before the last norm.
    pub last_hidden_state: Tensor<3>,
    /// `[batch, hidden_size]`, the class token after it.
    pub pooled: Tensor<2>,
}

impl CLIPVisionTransformer {
    pub(super) fn new(init: &mut Init, config: &CLIPVisionConfig) -> Self {
        let width = config.hidden_size;
        Self {
            embeddings: CLIPVisionEmbeddings {
                class_embedding: init.normal([width], (width as f64).powf(-0.5)),
                patch_embedding: PatchEmbedding::new(init, [3, width], config.patch_size, false),
                position_embedding: Embedding::new(init, 1 + config.n_patches(), width),
            },
            pre_layrnorm: LayerNorm::new(init, width, config.layer_norm_eps),
            encoder: CLIPEncoder::new(init, config.sizes()),
            post_layernorm: LayerNorm::new(init, width, config.layer_norm_eps),
        }
    }

    /// # Shapes
    /// - `pixels`: `[batch, 3, image_size, image_size]`, normalised
    ///
    /// # Panics
    /// If the pictures are of another size.
    pub fn forward(&self, pixels: Tensor<4>) -> CLIPVisionOutput {
        let x = self.pre_layrnorm.forward(self.embeddings.forward(pixels));
        let last_hidden_state = self.encoder.forward(x, None);
        let [batch, _, width] = last_hidden_state.dims();
        let class = last_hidden_state.clone().narrow(1, 0, 1).reshape([batch, width]);
        CLIPVisionOutput { last_hidden_state, pooled: self.post_layernorm.forward(class) }
    }
}

impl CLIPVisionEmbeddings {
    fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let patches = self.patch_embedding.forward(pixels);
        let [batch, n_patches, width] = patches.dims();
        let positions = self.position_embedding.weight.val();
        let n_positions = positions.dims()[0];
        assert!(
            n_positions == n_patches + 1,
            "{n_patches} patches of a picture, but {} positions",
            n_positions - 1
        );
        let class = self.class_embedding.val().reshape([1, 1, width]).expand([batch, 1, width]);
        let tokens = Tensor::cat(vec![class, patches], 1);
        add(tokens, positions.unsqueeze::<3>().expand([batch, n_positions, width]))
    }
}
