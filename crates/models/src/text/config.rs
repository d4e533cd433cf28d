//! `config.json` of `CLIPTextModel`, as transformers writes it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ModelError;
use crate::clip::{EncoderSizes, HiddenAct};
use crate::component::{TRANSFORMERS, check_extra_keys, parse};
use crate::limits::check_widths;

const CLASS: &str = "CLIPTextModel";

/// The fields that Stable Diffusion's text encoders set; others must have a value that changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CLIPTextConfig {
    /// Number of tokens in the vocabulary.
    #[serde(default = "clip_vocabulary")]
    pub vocab_size: usize,
    /// Width.
    pub hidden_size: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Heads.
    pub num_attention_heads: usize,
    /// Longest sequence.
    #[serde(default = "clip_positions")]
    pub max_position_embeddings: usize,
    /// Activation of the feed-forward layers.
    #[serde(default = "quick_gelu")]
    pub hidden_act: HiddenAct,
    /// Added to every variance.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Where `pooled` is read: the first position that holds this token. Files of before 2023 say 2,
    /// which stands for the highest id.
    #[serde(default = "legacy_eos")]
    pub eos_token_id: i64,
    /// Keys without an effect here, kept for writing the file back.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Keys that transformers writes and the values under which they change nothing.
const NEUTRAL: &[(&str, &[&str])] = &[
    ("attention_dropout", &["0.0", "0"]),
    ("bos_token_id", &[]),
    ("dropout", &["0.0", "0"]),
    ("initializer_factor", &[]),
    ("initializer_range", &[]),
    ("model_type", &["\"clip_text_model\""]),
    ("pad_token_id", &[]),
    ("projection_dim", &[]),
];

impl CLIPTextConfig {
    /// Parses and checks `config.json`.
    ///
    /// # Errors
    /// [`ModelError::Json`] or [`ModelError::Unsupported`], which names the key, its value and what is
    /// accepted.
    pub fn from_json(json: &str) -> Result<Self, ModelError> {
        let config: Self = parse(CLASS, json)?;
        config.validate()?;
        Ok(config)
    }

    pub(crate) fn validate(&self) -> Result<(), ModelError> {
        check_extra_keys(CLASS, &self.extra, &[NEUTRAL, TRANSFORMERS].concat())?;
        check_widths(CLASS, &[("max_position_embeddings", self.max_position_embeddings)])?;
        self.sizes().validate(CLASS)
    }

    pub(crate) fn sizes(&self) -> EncoderSizes {
        EncoderSizes {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            n_layers: self.num_hidden_layers,
            n_heads: self.num_attention_heads,
            hidden_act: self.hidden_act,
            layer_norm_eps: self.layer_norm_eps,
        }
    }
}

fn clip_vocabulary() -> usize {
    49_408
}

fn clip_positions() -> usize {
    77
}

fn quick_gelu() -> HiddenAct {
    HiddenAct::QuickGelu
}

fn layer_norm_eps() -> f64 {
    1e-5
}

fn legacy_eos() -> i64 {
    2
}
