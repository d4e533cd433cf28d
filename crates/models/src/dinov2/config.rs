//! `config.json` of `Dinov2Model`, as transformers writes it. A key that a file leaves out has transformers' default.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ModelError;
use crate::component::{TRANSFORMERS, check_extra_keys, parse};
use crate::limits::{check_epsilon, check_heads, check_layers, check_patches, check_widths};

const CLASS: &str = "Dinov2Model";

/// The numbers of the network; other fields must have a value that changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dinov2Config {
    /// Width.
    #[serde(default = "width")]
    pub hidden_size: usize,
    /// Layers.
    #[serde(default = "twelve")]
    pub num_hidden_layers: usize,
    /// Heads.
    #[serde(default = "twelve")]
    pub num_attention_heads: usize,
    /// Width of the feed-forward layers over `hidden_size`.
    #[serde(default = "mlp_ratio")]
    pub mlp_ratio: usize,
    /// Side in pixels of the pictures that the table of positions is for, a multiple of `patch_size`.
    #[serde(default = "image_size")]
    pub image_size: usize,
    /// Side of a patch in pixels.
    #[serde(default = "patch_size")]
    pub patch_size: usize,
    /// Where the scales of the branches start.
    #[serde(default = "layerscale_value")]
    pub layerscale_value: f64,
    /// Added to every variance.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Keys without an effect here, kept for writing the file back.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `use_swiglu_ffn` is true of the giant variant alone.
const NEUTRAL: &[(&str, &[&str])] = &[
    ("apply_layernorm", &[]),
    ("attention_probs_dropout_prob", &["0.0", "0"]),
    ("drop_path_rate", &[]),
    ("hidden_act", &["\"gelu\""]),
    ("hidden_dropout_prob", &["0.0", "0"]),
    ("initializer_range", &[]),
    ("model_type", &["\"dinov2\""]),
    ("num_channels", &["3"]),
    ("out_features", &[]),
    ("out_indices", &[]),
    ("qkv_bias", &["true"]),
    ("reshape_hidden_states", &[]),
    ("stage_names", &[]),
    ("use_mask_token", &["true"]),
    ("use_swiglu_ffn", &["false"]),
];

impl Dinov2Config {
    /// Parses and checks `config.json`.
    ///
    /// # Errors
    /// [`ModelError::Json`] or [`ModelError::Unsupported`], which names the key, its value and what is accepted.
    pub fn from_json(json: &str) -> Result<Self, ModelError> {
        let config: Self = parse(CLASS, json)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what the types leave open.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`], which names the key, its value and what is accepted.
    pub fn validate(&self) -> Result<(), ModelError> {
        check_extra_keys(CLASS, &self.extra, &[NEUTRAL, TRANSFORMERS].concat())?;
        check_layers(CLASS, &[("num_hidden_layers", self.num_hidden_layers)])?;
        check_widths(CLASS, &[("hidden_size", self.hidden_size), ("mlp_ratio", self.mlp_ratio)])?;
        check_epsilon(CLASS, "layer_norm_eps", self.layer_norm_eps)?;
        check_heads(CLASS, self.hidden_size, self.num_attention_heads)?;
        check_patches(CLASS, self.image_size, self.patch_size)
    }

    /// Patches along one side of a picture of `image_size`.
    pub(super) fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }
}

fn width() -> usize {
    768
}

fn twelve() -> usize {
    12
}

fn mlp_ratio() -> usize {
    4
}

fn image_size() -> usize {
    224
}

fn patch_size() -> usize {
    14
}

fn layerscale_value() -> f64 {
    1.0
}

fn layer_norm_eps() -> f64 {
    1e-6
}
