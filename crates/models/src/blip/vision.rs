//! The image encoder.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use byteedit_nn::kernels::{add, attention, gelu};
use byteedit_nn::{Init, LayerNorm, Linear, PatchEmbedding};

use super::BlipVisionConfig;

/// Pixels to tokens.
#[derive(Module, Debug)]
pub struct BlipVisionModel {
    /// A token for the whole and one for each patch.
    pub embeddings: BlipVisionEmbeddings,
    /// The layers.
    pub encoder: BlipEncoder,
    /// After the last layer.
    pub post_layernorm: LayerNorm,
}

/// The class token and the patches, each with its position.
#[derive(Module, Debug)]
#[expect(clippy::struct_field_names, reason = "checkpoints name them so")]
pub struct BlipVisionEmbeddings {
    /// `[1, 1, hidden_size]`
    pub class_embedding: Param<Tensor<3>>,
    /// `[hidden_size, 3, patch, patch]`
    pub patch_embedding: PatchEmbedding,
    /// `[1, 1 + patches, hidden_size]`
    pub position_embedding: Param<Tensor<3>>,
}

/// The stack of layers.
#[derive(Module, Debug)]
pub struct BlipEncoder {
    /// First to last.
    pub layers: Vec<BlipEncoderLayer>,
}

/// Self-attention and feed-forward, each behind a norm and added to its input.
#[derive(Module, Debug)]
pub struct BlipEncoderLayer {
    /// Before attention.
    pub layer_norm1: LayerNorm,
    /// Self-attention.
    pub self_attn: BlipAttention,
    /// Before the feed-forward.
    pub layer_norm2: LayerNorm,
    /// Feed-forward.
    pub mlp: BlipMlp,
}

/// Self-attention with queries, keys and values from one linear.
#[derive(Module, Debug)]
pub struct BlipAttention {
    /// `[3 * hidden_size, hidden_size]`: query rows, key rows, value rows.
    pub qkv: Linear,
    /// `[hidden_size, hidden_size]`
    pub projection: Linear,
    /// Heads.
    pub n_heads: usize,
}

/// Two linears around an exact GELU.
#[derive(Module, Debug)]
pub struct BlipMlp {
    /// `[intermediate_size, hidden_size]`
    pub fc1: Linear,
    /// `[hidden_size, intermediate_size]`
    pub fc2: Linear,
}

impl BlipVisionModel {
    /// Builds the encoder; `init` decides what its parameters hold.
    pub fn new(init: &mut Init, config: &BlipVisionConfig) -> Self {
        let width = config.hidden_size;
        Self {
            embeddings: BlipVisionEmbeddings {
                class_embedding: init.normal([1, 1, width], 0.02),
                patch_embedding: PatchEmbedding::new(init, [3, width], config.patch_size, true),
                position_embedding: init.normal([1, 1 + config.n_patches(), width], 0.02),
            },
            encoder: BlipEncoder {
                layers: (0..config.num_hidden_layers).map(|_| BlipEncoderLayer::new(init, config)).collect(),
            },
            post_layernorm: LayerNorm::new(init, width, config.layer_norm_eps),
        }
    }

    /// The tokens of pictures: the class token, then the patches row by row.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, image_size, image_size]`, normalised
    /// - returns `[batch, 1 + patches, hidden_size]`
    ///
    /// # Panics
    /// If the pictures are of another size.
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let x = self.embeddings.forward(pixels);
        self.post_layernorm.forward(self.encoder.layers.iter().fold(x, |x, layer| layer.forward(x)))
    }
}

impl BlipVisionEmbeddings {
    fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let patches = self.patch_embedding.forward(pixels);
        let [batch, n_patches, width] = patches.dims();
        let positions = self.position_embedding.val();
        let n_positions = positions.dims()[1];
        assert!(
            n_positions == n_patches + 1,
            "{n_patches} patches of a picture, but {} positions",
            n_positions - 1
        );
        let class = self.class_embedding.val().expand([batch, 1, width]);
        add(Tensor::cat(vec![class, patches], 1), positions.expand([batch, n_positions, width]))
    }
}

impl BlipEncoderLayer {
    fn new(init: &mut Init, config: &BlipVisionConfig) -> Self {
        let width = config.hidden_size;
        Self {
            layer_norm1: LayerNorm::new(init, width, config.layer_norm_eps),
            self_attn: BlipAttention {
                qkv: Linear::new(init, [width, 3 * width]),
                projection: Linear::new(init, [width, width]),
                n_heads: config.num_attention_heads,
            },
            layer_norm2: LayerNorm::new(init, width, config.layer_norm_eps),
            mlp: BlipMlp {
                fc1: Linear::new(init, [width, config.intermediate_size]),
                fc2: Linear::new(init, [config.intermediate_size, width]),
            },
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = add(x.clone(), self.self_attn.forward(self.layer_norm1.forward(x)));
        add(x.clone(), self.mlp.forward(self.layer_norm2.forward(x)))
    }
}

impl BlipAttention {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let width = x.dims()[2];
        let qkv = self.qkv.forward(x); // [batch, tokens, 3 * hidden_size]
        let [q, k, v] = [0, 1, 2].map(|part| qkv.clone().narrow(2, part * width, width));
        self.projection.forward(attention(q, k, v, self.n_heads))
    }
}

impl BlipMlp {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(gelu(self.fc1.forward(x)))
    }
}
