//! The transformer that CLIP's text and vision encoders share.

use burn::module::Module;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Tensor};
use byteedit_nn::kernels::{self, add, gelu, quick_gelu};
use byteedit_nn::{Init, LayerNorm, Linear, merge_heads, split_heads};
use serde::{Deserialize, Serialize};

use crate::ModelError;
use crate::limits::{check_epsilon, check_heads, check_layers, check_widths};

/// The activation of the feed-forward layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenAct {
    /// `x * sigmoid(1.702 x)` (OpenAI's weights, SD 1.x).
    QuickGelu,
    /// Exact (`OpenCLIP`'s weights, SD 2.x).
    Gelu,
}

/// The numbers of an encoder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EncoderSizes {
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) n_layers: usize,
    pub(crate) n_heads: usize,
    pub(crate) hidden_act: HiddenAct,
    pub(crate) layer_norm_eps: f64,
}

impl EncoderSizes {
    /// # Errors
    /// [`ModelError::Unsupported`] names the key of transformers' configuration that is out of range.
    pub(crate) fn validate(&self, class: &'static str) -> Result<(), ModelError> {
        let Self { hidden_size, intermediate_size, n_layers, n_heads, layer_norm_eps, .. } = *self;
        check_layers(class, &[("num_hidden_layers", n_layers)])?;
        check_widths(class, &[("hidden_size", hidden_size), ("intermediate_size", intermediate_size)])?;
        check_epsilon(class, "layer_norm_eps", layer_norm_eps)?;
        check_heads(class, hidden_size, n_heads)
    }
}

/// The stack of layers.
#[derive(Module, Debug)]
pub struct CLIPEncoder {
    /// First to last.
    pub layers: Vec<CLIPEncoderLayer>,
}

/// Self-attention and feed-forward, each behind a norm and added to its input.
#[derive(Module, Debug)]
pub struct CLIPEncoderLayer {
    /// Before attention.
    pub layer_norm1: LayerNorm,
    /// Self-attention.
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

impl CLIPEncoder {
    pub(crate) fn new(init: &mut Init, sizes: EncoderSizes) -> Self {
        Self { layers: (0..sizes.n_layers).map(|_| CLIPEncoderLayer::new(init, sizes)).collect() }
    }

    /// # Shapes
    /// - `x`, result: `[batch, tokens, hidden_size]`
    /// - `hidden`: `[1, 1, tokens, tokens]`, true where a token may not be seen; `None` if each sees all
    pub(crate) fn forward(&self, x: Tensor<3>, hidden: Option<&Tensor<4, Bool>>) -> Tensor<3> {
        self.layers.iter().fold(x, |x, layer| layer.forward(x, hidden))
    }
}

impl CLIPEncoderLayer {
    fn new(init: &mut Init, sizes: EncoderSizes) -> Self {
        let width = sizes.hidden_size;
        let square = |init: &mut Init| Linear::new(init, [width, width]);
        Self {
            layer_norm1: LayerNorm::new(init, width, sizes.layer_norm_eps),
            self_attn: CLIPAttention {
                q_proj: square(init),
                k_proj: square(init),
                v_proj: square(init),
                out_proj: square(init),
                n_heads: sizes.n_heads,
            },
            layer_norm2: LayerNorm::new(init, width, sizes.layer_norm_eps),
            mlp: CLIPMlp {
                fc1: Linear::new(init, [width, sizes.intermediate_size]),
                fc2: Linear::new(init, [sizes.intermediate_size, width]),
                quick_gelu: sizes.hidden_act == HiddenAct::QuickGelu,
            },
        }
    }

    fn forward(&self, x: Tensor<3>, hidden: Option<&Tensor<4, Bool>>) -> Tensor<3> {
        let x = add(x.clone(), self.self_attn.forward(self.layer_norm1.forward(x), hidden));
        add(x.clone(), self.mlp.forward(self.layer_norm2.forward(x)))
    }
}

impl CLIPAttention {
    fn forward(&self, x: Tensor<3>, hidden: Option<&Tensor<4, Bool>>) -> Tensor<3> {
        let [batch, n_tokens, _] = x.dims();
        let q = self.q_proj.forward(x.clone());
        let k = self.k_proj.forward(x.clone());
        let v = self.v_proj.forward(x);
        let Some(hidden) = hidden else {
            return self.out_proj.forward(kernels::attention(q, k, v, self.n_heads));
        };
        let hidden = hidden.clone().expand([batch, self.n_heads, n_tokens, n_tokens]);
        let [q, k, v] = [q, k, v].map(|x| split_heads(x, self.n_heads));
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
