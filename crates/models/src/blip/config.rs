//! `config.json` of `BlipForImageTextRetrieval`, as transformers writes it. A key that a file leaves out has
//! transformers' default.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ModelError;
use crate::component::{TRANSFORMERS, check_extra_keys, parse, unsupported};
use crate::limits::{check_epsilon, check_heads, check_layers, check_patches, check_widths};

const CLASS: &str = "BlipForImageTextRetrieval";
const TEXT: &str = "BlipForImageTextRetrieval's text_config";
const VISION: &str = "BlipForImageTextRetrieval's vision_config";

/// Both encoders and the width in which they meet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlipConfig {
    /// The text encoder.
    pub text_config: BlipTextConfig,
    /// The image encoder.
    pub vision_config: BlipVisionConfig,
    /// Width of the embeddings that are compared.
    #[serde(default = "image_text_hidden_size")]
    pub image_text_hidden_size: usize,
    /// Keys without an effect here, kept for writing the file back.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The text encoder: BERT (Devlin et al. 2019, arXiv 1810.04805) with attention to a picture in every layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlipTextConfig {
    /// Number of tokens in the vocabulary.
    #[serde(default = "vocab_size")]
    pub vocab_size: usize,
    /// Width.
    #[serde(default = "width")]
    pub hidden_size: usize,
    /// Width of the picture's tokens.
    #[serde(default = "width")]
    pub encoder_hidden_size: usize,
    /// Width of the feed-forward layers.
    #[serde(default = "intermediate_size")]
    pub intermediate_size: usize,
    /// Layers.
    #[serde(default = "twelve")]
    pub num_hidden_layers: usize,
    /// Heads.
    #[serde(default = "eight")]
    pub num_attention_heads: usize,
    /// Longest sequence.
    #[serde(default = "max_position_embeddings")]
    pub max_position_embeddings: usize,
    /// Added to every variance.
    #[serde(default = "text_eps")]
    pub layer_norm_eps: f64,
    /// Keys without an effect here, kept for writing the file back.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The image encoder: a Vision Transformer (Dosovitskiy et al. 2021, arXiv 2010.11929).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlipVisionConfig {
    /// Width.
    #[serde(default = "width")]
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
    /// Added to every variance.
    #[serde(default = "vision_eps")]
    pub layer_norm_eps: f64,
    /// Keys without an effect here, kept for writing the file back.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

const NEUTRAL: &[(&str, &[&str])] = &[
    ("initializer_factor", &[]),
    ("initializer_range", &[]),
    ("label_smoothing", &[]),
    ("logit_scale_init_value", &[]),
    ("model_type", &["\"blip\""]),
    ("projection_dim", &[]),
    ("text_config_dict", &[]),
    ("vision_config_dict", &[]),
];

/// `is_decoder` says that layers have attention to a picture, as they always do here.
const NEUTRAL_TEXT: &[(&str, &[&str])] = &[
    ("attention_probs_dropout_prob", &["0.0", "0", "0.1"]),
    ("bos_token_id", &[]),
    ("eos_token_id", &[]),
    ("hidden_act", &["\"gelu\""]),
    ("hidden_dropout_prob", &["0.0", "0", "0.1"]),
    ("initializer_factor", &[]),
    ("initializer_range", &[]),
    ("is_decoder", &["true"]),
    ("label_smoothing", &[]),
    ("model_type", &["\"blip_text_model\""]),
    ("pad_token_id", &[]),
    ("position_embedding_type", &["\"absolute\""]),
    ("projection_dim", &[]),
];

const NEUTRAL_VISION: &[(&str, &[&str])] = &[
    ("attention_dropout", &["0.0", "0"]),
    ("bos_token_id", &[]),
    ("dropout", &["0.0", "0"]),
    ("eos_token_id", &[]),
    ("hidden_act", &["\"gelu\""]),
    ("initializer_factor", &[]),
    ("initializer_range", &[]),
    ("model_type", &["\"blip_vision_model\""]),
    ("num_channels", &["3"]),
    ("pad_token_id", &[]),
    ("projection_dim", &[]),
];

impl BlipConfig {
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
        check_widths(CLASS, &[("image_text_hidden_size", self.image_text_hidden_size)])?;
        self.text_config.validate()?;
        self.vision_config.validate()?;
        let (seen, shown) = (self.text_config.encoder_hidden_size, self.vision_config.hidden_size);
        if seen != shown {
            let remedy = format!("but the image encoder's hidden_size is {shown}");
            return Err(unsupported(TEXT, "encoder_hidden_size", seen, remedy));
        }
        Ok(())
    }
}

impl BlipTextConfig {
    fn validate(&self) -> Result<(), ModelError> {
        check_extra_keys(TEXT, &self.extra, &[NEUTRAL_TEXT, TRANSFORMERS].concat())?;
        check_layers(TEXT, &[("num_hidden_layers", self.num_hidden_layers)])?;
        check_widths(
            TEXT,
            &[
                ("vocab_size", self.vocab_size),
                ("hidden_size", self.hidden_size),
                ("encoder_hidden_size", self.encoder_hidden_size),
                ("intermediate_size", self.intermediate_size),
                ("max_position_embeddings", self.max_position_embeddings),
            ],
        )?;
        check_epsilon(TEXT, "layer_norm_eps", self.layer_norm_eps)?;
        check_heads(TEXT, self.hidden_size, self.num_attention_heads)
    }
}

impl BlipVisionConfig {
    fn validate(&self) -> Result<(), ModelError> {
        check_extra_keys(VISION, &self.extra, &[NEUTRAL_VISION, TRANSFORMERS].concat())?;
        check_layers(VISION, &[("num_hidden_layers", self.num_hidden_layers)])?;
        check_widths(
            VISION,
            &[("hidden_size", self.hidden_size), ("intermediate_size", self.intermediate_size)],
        )?;
        check_epsilon(VISION, "layer_norm_eps", self.layer_norm_eps)?;
        check_heads(VISION, self.hidden_size, self.num_attention_heads)?;
        check_patches(VISION, self.image_size, self.patch_size)
    }

    /// Patches of a picture.
    pub fn n_patches(&self) -> usize {
        (self.image_size / self.patch_size).pow(2)
    }
}

fn image_text_hidden_size() -> usize {
    256
}

/// BERT's words, `[DEC]` and `[ENC]`.
fn vocab_size() -> usize {
    30_524
}

fn width() -> usize {
    768
}

fn intermediate_size() -> usize {
    3072
}

fn twelve() -> usize {
    12
}

fn eight() -> usize {
    8
}

fn max_position_embeddings() -> usize {
    512
}

fn image_size() -> usize {
    384
}

fn patch_size() -> usize {
    16
}

fn text_eps() -> f64 {
    1e-12
}

fn vision_eps() -> f64 {
    1e-5
}
