//! Both encoders, their projections, and the head that says whether they match.

use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor};
use byteedit_nn::{Init, Linear};

use super::{BlipConfig, BlipTextModel, BlipVisionModel};
use crate::ModelError;
use crate::component::Component;
use crate::cosine::unit_rows;

/// Compares pictures and texts, apart (ITC) or together (ITM).
#[derive(Module, Debug)]
pub struct BlipForImageTextRetrieval {
    /// Pixels to tokens.
    pub vision_model: BlipVisionModel,
    /// Token ids to features, with or without a picture in view.
    pub text_encoder: BlipTextModel,
    /// `[image_text_hidden_size, vision hidden_size]`
    pub vision_proj: Linear,
    /// `[image_text_hidden_size, text hidden_size]`
    pub text_proj: Linear,
    /// `[2, text hidden_size]`: does not match, matches.
    pub itm_head: Linear,
    #[module(skip)]
    config: BlipConfig,
}

impl BlipForImageTextRetrieval {
    /// Embeddings of pictures from their tokens ([`BlipVisionModel::forward`]), of length 1.
    ///
    /// # Shapes
    /// - `picture`: `[batch, 1 + patches, hidden_size]`
    /// - returns `[batch, image_text_hidden_size]`
    pub fn image_features(&self, picture: Tensor<3>) -> Tensor<2> {
        let [batch, _, width] = picture.dims();
        let first = picture.narrow(1, 0, 1).reshape([batch, width]);
        unit_rows(self.vision_proj.forward(first))
    }

    /// Embeddings of texts, of length 1. The cosine with a picture's is the ITC score.
    ///
    /// # Shapes
    /// - `ids`, `is_padding`: `[batch, tokens]`
    /// - returns `[batch, image_text_hidden_size]`
    pub fn text_features(&self, ids: Tensor<2, Int>, is_padding: Tensor<2, Bool>) -> Tensor<2> {
        unit_rows(self.text_proj.forward(self.text_encoder.first_token(ids, is_padding, None)))
    }

    /// Logits of "does not match" and "matches", each text with its own picture in view.
    ///
    /// # Shapes
    /// - `ids`, `is_padding`: `[batch, tokens]`
    /// - `picture`: `[batch, 1 + patches, hidden_size]`
    /// - returns `[batch, 2]`
    pub fn itm_logits(
        &self,
        ids: Tensor<2, Int>,
        is_padding: Tensor<2, Bool>,
        picture: &Tensor<3>,
    ) -> Tensor<2> {
        self.itm_head.forward(self.text_encoder.first_token(ids, is_padding, Some(picture)))
    }
}

impl Component for BlipForImageTextRetrieval {
    type Config = BlipConfig;

    const CLASS: &'static str = "BlipForImageTextRetrieval";
    const LIBRARY: &'static str = "transformers";
    const WEIGHTS_FILE: &'static str = "model.safetensors";
    const PYTORCH_FILES: &'static [&'static str] = &["pytorch_model.bin"];
    const RENAMES: &'static [(&'static str, &'static str)] =
        &[(".heads.", ".self."), (".layer_norm.", ".LayerNorm.")];
    /// The authors' own files.
    const OLDER_NAMES: &'static [(&'static str, &'static str)] = &[
        ("vision_model.embeddings.class_embedding", "visual_encoder.cls_token"),
        ("vision_model.embeddings.position_embedding", "visual_encoder.pos_embed"),
        ("vision_model.embeddings.patch_embedding.", "visual_encoder.patch_embed.proj."),
        ("vision_model.encoder.layers.", "visual_encoder.blocks."),
        ("vision_model.post_layernorm.", "visual_encoder.norm."),
        (".layer_norm1.", ".norm1."),
        (".layer_norm2.", ".norm2."),
        (".self_attn.qkv.", ".attn.qkv."),
        (".self_attn.projection.", ".attn.proj."),
    ];
    const BUFFERS: &'static [&'static str] = &["embeddings.position_ids"];

    fn parse_config(json: &str) -> Result<Self::Config, ModelError> {
        BlipConfig::from_json(json)
    }

    fn from_config(config: &Self::Config, init: &mut Init) -> Self {
        let (text, vision) = (config.text_config.hidden_size, config.vision_config.hidden_size);
        Self {
            vision_model: BlipVisionModel::new(init, &config.vision_config),
            text_encoder: BlipTextModel::new(init, &config.text_config),
            vision_proj: Linear::new(init, [vision, config.image_text_hidden_size]),
            text_proj: Linear::new(init, [text, config.image_text_hidden_size]),
            itm_head: Linear::new(init, [text, 2]),
            config: config.clone(),
        }
    }

    fn config(&self) -> &Self::Config {
        &self.config
    }
}
