//! `config.json` of `CLIPTextModel`, as transformers writes it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ModelError;
use crate::component::{check_extra_keys, parse, unsupported};
use crate::limits::{check_epsilon, check_layers, check_widths};

const CLASS: &str = "CLIPTextModel";

/// The activation of the feed-forward layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HiddenAct {
    /// `x * sigmoid(1.702 x)` (SD 1.x).
    QuickGelu,
    /// Exact (SD 2.x).
    Gelu,
}

/// The fields that Stable Diffusion's text encoders set; others must have a value that changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CLIPTextConfig {
    /// Number of tokens in the vocabulary.
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
    ("architectures", &[]),
    ("attention_dropout", &["0.0", "0"]),
    ("bos_token_id", &[]),
    ("dropout", &["0.0", "0"]),
    ("dtype", &[]),
    ("initializer_factor", &[]),
    ("initializer_range", &[]),
    ("model_type", &["\"clip_text_model\""]),
    ("pad_token_id", &[]),
    ("projection_dim", &[]),
    ("torch_dtype", &[]),
    ("transformers_version", &[]),
];

impl CLIPTextConfig {
    /// Parses and checks `config.json`.
    ///
    /// # Errors
    /// [`ModelError::Json`] or [`ModelError::Unsupported`], which names the key, its value and what is
    /// accepted.
    pub fn from_json(json: &str) -> Result<Self, ModelError> {
        let config: Self = parse(CLASS, json)?;
        check_extra_keys(CLASS, &config.extra, NEUTRAL)?;
        check_layers(CLASS, &[("num_hidden_layers", config.num_hidden_layers)])?;
        check_widths(
            CLASS,
            &[
                ("hidden_size", config.hidden_size),
                ("intermediate_size", config.intermediate_size),
                ("max_position_embeddings", config.max_position_embeddings),
            ],
        )?;
        check_epsilon(CLASS, "layer_norm_eps", config.layer_norm_eps)?;
        let n_heads = config.num_attention_heads;
        if n_heads == 0 || !config.hidden_size.is_multiple_of(n_heads) {
            let remedy = format!("hidden_size {} cannot be split into that many heads", config.hidden_size);
            return Err(unsupported(CLASS, "num_attention_heads", n_heads, remedy));
        }
        Ok(config)
    }
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
