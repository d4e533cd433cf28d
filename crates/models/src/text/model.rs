//! The encoder: embeddings, causal transformer, final norm.

use burn::module::Module;
use burn::tensor::activation::gelu;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Int, Tensor};
use byteedit_nn::kernels::{add, quick_gelu};
use byteedit_nn::{Embedding, Init, LayerNorm, Linear, merge_heads, split_heads};

use super::{CLIPTextConfig, HiddenAct};
use crate::ModelError;
use crate::component::Component;

/// Token ids to text features.
#[derive(Module, Debug)]
pub struct CLIPTextModel {
    /// Everything; checkpoints put this prefix before each key.
    pub text_model: CLIPTextTransformer,
    #[module(skip)]
    config: CLIPTextConfig,
}

/// Embeddings, layers, norm.
#[derive(Module, Debug)]
pub struct CLIPTextTransformer {
    /// Token plus position.
    pub embeddings: CLIPTextEmbeddings,
    /// The layers.
    pub encoder: CLIPEncoder,
    /// After the last layer.
    pub final_layer_norm: LayerNorm,
}

/// One vector for each token and one for each position.
#[derive(Module, Debug)]
pub struct CLIPTextEmbeddings {
    /// `[vocab_size, hidden_size]`
    pub token_embedding: Embedding,
    /// `[max_position_embeddings, hidden_size]`
    pub position_embedding: Embedding,
}

/// The stack of layers.
#[derive(Module, Debug)]
pub struct CLIPEncoder {
    /// First to last.
    pub layers: Vec<CLIPEncoderLayer>,
}

/// Causal self-attention and feed-forward, each behind a norm and added to its input.
#[derive(Module, Debug)]
pub struct CLIPEncoderLayer {
    /// Before attention.
    pub layer_norm1: LayerNorm,
    /// Causal self-attention.
    pub self_attn: CLIPAttention,
    /// Before the feed-forward.
    pub layer_norm2: LayerNorm,
    /// Feed-forward.
    pub mlp: CLIPMlp,
}

/// Self-attention with transformers' names.
#[derive(Module, Debug)]
pub struct CLIPAttention {
    /// `[hidden_size, hidden_size]`
    pub q_proj: Linear,
    /// `[hidden_size, hidden_size]`
    pub k_proj: Linear,
    /// `[hidden_size, hidden_size]`
    pub v_proj: Linear,
    /// `[hidden_size, hidden_size]`
    pub out_proj: Linear,
    /// Heads.
    pub n_heads: usize,
}

/// Two linears around an activation.
#[derive(Module, Debug)]
pub struct CLIPMlp {
    /// `[intermediate_size, hidden_size]`
    pub fc1: Linear,
    /// `[hidden_size, intermediate_size]`
    pub fc2: Linear,
    /// `x * sigmoid(1.702 x)` instead of the exact GELU.
    pub quick_gelu: bool,
}

/// What the encoder returns.
#[derive(Debug, Clone)]
pub struct CLIPTextOutput {
    /// `[batch, tokens, hidden_size]`, after the final norm: the U-Net's `context`.
    pub last_hidden_state: Tensor<3>,
    /// `[batch, hidden_size]`, the state at the end-of-text token.
    pub pooled: Tensor<2>,
}

impl CLIPTextModel {
    /// # Shapes
    /// - `ids`: `[batch, tokens]`, at most `max_position_embeddings` tokens, each below `vocab_size`
    pub fn forward(&self, ids: Tensor<2, Int>) -> CLIPTextOutput {
        let [batch, n_tokens] = ids.dims();
        let device = ids.device();
        let embeddings = &self.text_model.embeddings;
        let positions = Tensor::<1, Int>::arange(0..n_tokens as i64, &device).unsqueeze::<2>();
        let mut x = embeddings.token_embedding.forward(ids.clone())
            + embeddings.position_embedding.forward(positions); // [batch, tokens, hidden_size]
        let future = Tensor::<2, Bool>::tril_mask([n_tokens, n_tokens], 0, &device)
            .reshape([1, 1, n_tokens, n_tokens]);
        for layer in &self.text_model.encoder.layers {
            x = layer.forward(x, future.clone());
        }
        let last_hidden_state = self.text_model.final_layer_norm.forward(x);
        let hidden_size = self.config.hidden_size;
        let end = self.end_positions(ids).reshape([batch, 1, 1]).expand([batch, 1, hidden_size]);
        let pooled = last_hidden_state.clone().gather(1, end).reshape([batch, hidden_size]);
        CLIPTextOutput { last_hidden_state, pooled }
    }

    /// First position of the end-of-text token, `[batch, 1]`.
    fn end_positions(&self, ids: Tensor<2, Int>) -> Tensor<2, Int> {
        if self.config.eos_token_id == 2 {
            ids.argmax(1)
        } else {
            ids.equal_elem(self.config.eos_token_id).int().argmax(1)
        }
    }
}

impl CLIPEncoderLayer {
    fn new(init: &mut Init, config: &CLIPTextConfig) -> Self {
        let width = config.hidden_size;
        Self {
            layer_norm1: LayerNorm::new(init, width, config.layer_norm_eps),
            self_attn: CLIPAttention {
                q_proj: Linear::new(init, [width, width]),
                k_proj: Linear::new(init, [width, width]),
                v_proj: Linear::new(init, [width, width]),
                out_proj: Linear::new(init, [width, width]),
                n_heads: config.num_attention_heads,
            },
            layer_norm2: LayerNorm::new(init, width, config.layer_norm_eps),
            mlp: CLIPMlp {
                fc1: Linear::new(init, [width, config.intermediate_size]),
                fc2: Linear::new(init, [config.intermediate_size, width]),
                quick_gelu: config.hidden_act == HiddenAct::QuickGelu,
            },
        }
    }

    fn forward(&self, x: Tensor<3>, future: Tensor<4, Bool>) -> Tensor<3> {
        let x = add(x.clone(), self.self_attn.forward(self.layer_norm1.forward(x), future));
        add(x.clone(), self.mlp.forward(self.layer_norm2.forward(x)))
    }
}

impl CLIPAttention {
    fn forward(&self, x: Tensor<3>, future: Tensor<4, Bool>) -> Tensor<3> {
        let [batch, n_tokens, _] = x.dims();
        let q = split_heads(self.q_proj.forward(x.clone()), self.n_heads);
        let k = split_heads(self.k_proj.forward(x.clone()), self.n_heads);
        let v = split_heads(self.v_proj.forward(x), self.n_heads);
        let hidden = future.expand([batch, self.n_heads, n_tokens, n_tokens]); // true = may not be seen
        let heads = attention(q, k, v, Some(hidden), None, AttentionModuleOptions::default());
        self.out_proj.forward(merge_heads(heads))
    }
}

impl CLIPMlp {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let h = self.fc1.forward(x);
        let h = if self.quick_gelu { quick_gelu(h) } else { gelu(h) };
        self.fc2.forward(h)
    }
}

impl Component for CLIPTextModel {
    type Config = CLIPTextConfig;

    const CLASS: &'static str = "CLIPTextModel";
    const LIBRARY: &'static str = "transformers";
    const WEIGHTS_FILE: &'static str = "model.safetensors";
    const OPTIONAL_PREFIX: &'static str = "text_model.";
    const BUFFERS: &'static [&'static str] = &["embeddings.position_ids"];

    fn parse_config(json: &str) -> Result<Self::Config, ModelError> {
        CLIPTextConfig::from_json(json)
    }

    fn from_config(config: &Self::Config, init: &mut Init) -> Self {
        let width = config.hidden_size;
        Self {
            text_model: CLIPTextTransformer {
                embeddings: CLIPTextEmbeddings {
                    token_embedding: Embedding::new(init, config.vocab_size, width),
                    position_embedding: Embedding::new(init, config.max_position_embeddings, width),
                },
                encoder: CLIPEncoder {
                    layers: (0..config.num_hidden_layers)
                        .map(|_| CLIPEncoderLayer::new(init, config))
                        .collect(),
                },
                final_layer_norm: LayerNorm::new(init, width, config.layer_norm_eps),
            },
            config: config.clone(),
        }
    }

    fn config(&self) -> &Self::Config {
        &self.config
    }
}
