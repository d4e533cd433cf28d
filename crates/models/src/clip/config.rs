//! `config.json` of `CLIPModel`, as transformers writes it. A key that a file leaves out has transformers' default.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{EncoderSizes, HiddenAct};
use crate::ModelError;
use crate::component::{TRANSFORMERS, check_extra_keys, parse};
use crate::limits::{check_patches, check_widths};
use crate::text::CLIPTextConfig;

const CLASS: &str = "CLIPModel";
const VISION: &str = "CLIPModel's vision_config";

/// Both encoders and the width in which they meet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CLIPConfig {
    /// The text encoder.
    pub text_config: CLIPTextConfig,
    /// The image encoder.
    pub vision_config: CLIPVisionConfig,
    /// Width of the embeddings that are compared.
    #[serde(default = "projection_dim")]
    pub projection_dim: usize,
    /// Keys without an effect here, kept for writing the file back.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The image encoder: a Vision Transformer (Dosovitskiy et al. 2021, arXiv 2010.11929).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CLIPVisionConfig {
    /// Width.
    #[serde(default = "hidden_size")]
    pub hidden_size: usize,
    /// Width of the feed-forward layers.
    #[serde(default = "intermediate_size")]
    pub intermediate_size: usize,
    /// Layers.
    #[serde(default = "twelve")]
    pub num_hidden_layers: usize,
    /// Heads.
    #[serde(default = "twelve")]
    pub num_attention_heads: usize,
    /// Side of the pictures in pixels, a multiple of `patch_size`.
    #[serde(default = "image_size")]
    pub image_size: usize,
    /// Side of a patch in pixels.
    #[serde(default = "patch_size")]
    pub patch_size: usize,
    /// Activation of the feed-forward layers.
    #[serde(default = "quick_gelu")]
    pub hidden_act: HiddenAct,
    /// Added to every variance.
    #[serde(default = "layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Keys without an effect here, kept for writing the file back.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Keys of the whole and the values under which they change nothing. The two that end in `_dict` repeat the
/// configurations of the encoders.
const NEUTRAL: &[(&str, &[&str])] = &[
    ("initializer_factor", &[]),
    ("logit_scale_init_value", &[]),
    ("model_type", &["\"clip\""]),
    ("text_config_dict", &[]),
    ("vision_config_dict", &[]),
];

const NEUTRAL_VISION: &[(&str, &[&str])] = &[
    ("attention_dropout", &["0.0", "0"]),
    ("bos_token_id", &[]),
    ("dropout", &["0.0", "0"]),
    ("eos_token_id", &[]),
    ("initializer_factor", &[]),
    ("initializer_range", &[]),
    ("model_type", &["\"clip_vision_model\""]),
    ("num_channels", &["3"]),
    ("pad_token_id", &[]),
    ("projection_dim", &[]),
];

impl CLIPConfig {
    /// Parses and checks `config.json`.
    ///
    /// # Errors
    /// [`ModelError::Json`] or [`ModelError::Unsupported`], which names the key, its value and what is accepted.
    pub fn from_json(json: &str) -> Result<Self, ModelError> {
        let config: Self = parse(CLASS, json)?;
        check_extra_keys(CLASS, &config.extra, &[NEUTRAL, TRANSFORMERS].concat())?;
        check_widths(CLASS, &[("projection_dim", config.projection_dim)])?;
        config.text_config.validate()?;
        config.vision_config.validate()?;
        Ok(config)
    }
}

impl CLIPVisionConfig {
    fn validate(&self) -> Result<(), ModelError> {
        check_extra_keys(VISION, &self.extra, &[NEUTRAL_VISION, TRANSFORMERS].concat())?;
        check_patches(VISION, self.image_size, self.patch_size)?;
        self.sizes().validate(VISION)
    }

    pub(super) fn sizes(&self) -> EncoderSizes {
        EncoderSizes {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            n_layers: self.num_hidden_layers,
            n_heads: self.num_attention_heads,
            hidden_act: self.hidden_act,
            layer_norm_eps: self.layer_norm_eps,
        }
    }

    /// Patches of a picture.
    pub fn n_patches(&self) -> usize {
        (self.image_size / self.patch_size).pow(2)
    }
}

fn projection_dim() -> usize {
    512
}

fn hidden_size() -> usize {
    768
}

fn intermediate_size() -> usize {
    3072
}

fn twelve() -> usize {
    12
}

fn image_size() -> usize {
    224
}

fn patch_size() -> usize {
    32
}

fn quick_gelu() -> HiddenAct {
    HiddenAct::QuickGelu
}

fn layer_norm_eps() -> f64 {
    1e-5
}
