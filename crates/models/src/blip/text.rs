//! The text encoder: BERT's layers, norms behind the sums, with attention to a picture in each.

use burn::module::Module;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Int, Tensor};
use byteedit_nn::kernels::{self, add, gelu};
use byteedit_nn::{Embedding, Init, LayerNorm, Linear, merge_heads, split_heads};

use super::BlipTextConfig;

/// Token ids to features, with or without a picture in view.
#[derive(Module, Debug)]
pub struct BlipTextModel {
    /// Word plus position, normed.
    pub embeddings: BlipTextEmbeddings,
    /// The layers.
    pub encoder: BlipTextEncoder,
}

/// One vector for each token and one for each position.
#[derive(Module, Debug)]
pub struct BlipTextEmbeddings {
    /// `[vocab_size, hidden_size]`
    pub word_embeddings: Embedding,
    /// `[max_position_embeddings, hidden_size]`
    pub position_embeddings: Embedding,
    /// Of their sum.
    pub layer_norm: LayerNorm,
}

/// The stack of layers.
#[derive(Module, Debug)]
pub struct BlipTextEncoder {
    /// First to last.
    pub layer: Vec<BlipTextLayer>,
}

/// Self-attention, attention to the picture, feed-forward.
#[derive(Module, Debug)]
pub struct BlipTextLayer {
    /// Over the text.
    pub attention: BlipTextAttention,
    /// Over the picture; without one it is passed over.
    pub crossattention: BlipTextAttention,
    /// Into the feed-forward.
    pub intermediate: BlipTextIntermediate,
    /// Out of it.
    pub output: BlipTextOutput,
}

/// Attention and what becomes of it.
#[derive(Module, Debug)]
pub struct BlipTextAttention {
    /// `self` in checkpoints.
    pub heads: BlipTextHeads,
    /// Back to the stream.
    pub output: BlipTextOutput,
}

/// Queries from the text, keys and values from the text or the picture.
#[derive(Module, Debug)]
pub struct BlipTextHeads {
    /// `[hidden_size, hidden_size]`
    pub query: Linear,
    /// `[hidden_size, width of what is seen]`
    pub key: Linear,
    /// `[hidden_size, width of what is seen]`
    pub value: Linear,
    /// Heads.
    pub n_heads: usize,
}

/// The first half of the feed-forward.
#[derive(Module, Debug)]
pub struct BlipTextIntermediate {
    /// `[intermediate_size, hidden_size]`
    pub dense: Linear,
}

/// A linear, the sum with the stream, and the norm of that.
#[derive(Module, Debug)]
pub struct BlipTextOutput {
    /// `[hidden_size, width of the branch]`
    pub dense: Linear,
    /// Of the sum.
    pub layer_norm: LayerNorm,
}

impl BlipTextModel {
    /// Builds the encoder; `init` decides what its parameters hold.
    pub fn new(init: &mut Init, config: &BlipTextConfig) -> Self {
        let width = config.hidden_size;
        Self {
            embeddings: BlipTextEmbeddings {
                word_embeddings: Embedding::new(init, config.vocab_size, width),
                position_embeddings: Embedding::new(init, config.max_position_embeddings, width),
                layer_norm: LayerNorm::new(init, width, config.layer_norm_eps),
            },
            encoder: BlipTextEncoder {
                layer: (0..config.num_hidden_layers).map(|_| BlipTextLayer::new(init, config)).collect(),
            },
        }
    }

    /// # Shapes
    /// - `ids`: `[batch, tokens]`, at most `max_position_embeddings` tokens, each below `vocab_size`
    /// - `is_padding`: `[batch, tokens]`, true for tokens that nothing sees
    /// - `picture`: `[batch, image_tokens, encoder_hidden_size]`, or `None` for the text alone
    /// - returns `[batch, tokens, hidden_size]`
    pub fn forward(
        &self,
        ids: Tensor<2, Int>,
        is_padding: Tensor<2, Bool>,
        picture: Option<&Tensor<3>>,
    ) -> Tensor<3> {
        let [batch, n_tokens] = ids.dims();
        let positions = Tensor::<1, Int>::arange(0..n_tokens as i64, &ids.device()).unsqueeze::<2>();
        let x = self.embeddings.word_embeddings.forward(ids)
            + self.embeddings.position_embeddings.forward(positions); // [batch, tokens, hidden_size]
        let x = self.embeddings.layer_norm.forward(x);
        let hidden = is_padding.reshape([batch, 1, 1, n_tokens]);
        self.encoder.layer.iter().fold(x, |x, layer| layer.forward(x, &hidden, picture))
    }

    /// What [`BlipTextModel::forward`] makes of the first token, which stands for the whole.
    ///
    /// # Shapes
    /// - `ids`, `is_padding`, `picture`: as there
    /// - returns `[batch, hidden_size]`
    pub fn first_token(
        &self,
        ids: Tensor<2, Int>,
        is_padding: Tensor<2, Bool>,
        picture: Option<&Tensor<3>>,
    ) -> Tensor<2> {
        let tokens = self.forward(ids, is_padding, picture);
        let [batch, _, width] = tokens.dims();
        tokens.narrow(1, 0, 1).reshape([batch, width])
    }
}

impl BlipTextLayer {
    fn new(init: &mut Init, config: &BlipTextConfig) -> Self {
        let width = config.hidden_size;
        Self {
            attention: BlipTextAttention::new(init, config, width),
            crossattention: BlipTextAttention::new(init, config, config.encoder_hidden_size),
            intermediate: BlipTextIntermediate {
                dense: Linear::new(init, [width, config.intermediate_size]),
            },
            output: BlipTextOutput::new(init, config, config.intermediate_size),
        }
    }

    fn forward(&self, x: Tensor<3>, hidden: &Tensor<4, Bool>, picture: Option<&Tensor<3>>) -> Tensor<3> {
        let x = self.attention.output.forward(self.attention.heads.over_text(x.clone(), hidden), x);
        let x = match picture {
            Some(picture) => {
                let seen = self.crossattention.heads.over_picture(x.clone(), picture.clone());
                self.crossattention.output.forward(seen, x)
            }
            None => x,
        };
        self.output.forward(gelu(self.intermediate.dense.forward(x.clone())), x)
    }
}

impl BlipTextAttention {
    fn new(init: &mut Init, config: &BlipTextConfig, d_seen: usize) -> Self {
        let width = config.hidden_size;
        Self {
            heads: BlipTextHeads {
                query: Linear::new(init, [width, width]),
                key: Linear::new(init, [d_seen, width]),
                value: Linear::new(init, [d_seen, width]),
                n_heads: config.num_attention_heads,
            },
            output: BlipTextOutput::new(init, config, width),
        }
    }
}

impl BlipTextHeads {
    fn over_text(&self, x: Tensor<3>, hidden: &Tensor<4, Bool>) -> Tensor<3> {
        let [batch, n_tokens, _] = x.dims();
        let hidden = hidden.clone().expand([batch, self.n_heads, n_tokens, n_tokens]);
        let [q, k, v] = [&self.query, &self.key, &self.value]
            .map(|project| split_heads(project.forward(x.clone()), self.n_heads));
        merge_heads(attention(q, k, v, Some(hidden), None, AttentionModuleOptions::default()))
    }

    fn over_picture(&self, x: Tensor<3>, picture: Tensor<3>) -> Tensor<3> {
        let (k, v) = (self.key.forward(picture.clone()), self.value.forward(picture));
        kernels::attention(self.query.forward(x), k, v, self.n_heads)
    }
}

impl BlipTextOutput {
    fn new(init: &mut Init, config: &BlipTextConfig, d_branch: usize) -> Self {
        Self {
            dense: Linear::new(init, [d_branch, config.hidden_size]),
            layer_norm: LayerNorm::new(init, config.hidden_size, config.layer_norm_eps),
        }
    }

    fn forward(&self, branch: Tensor<3>, x: Tensor<3>) -> Tensor<3> {
        self.layer_norm.forward(add(self.dense.forward(branch), x))
    }
}
