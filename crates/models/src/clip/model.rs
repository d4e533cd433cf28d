//! Both encoders and their projections.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use byteedit_nn::{Init, Linear};

use super::{CLIPConfig, CLIPVisionTransformer};
use crate::ModelError;
use crate::component::Component;
use crate::cosine::unit_rows;
use crate::text::CLIPTextTransformer;

/// `ln(1 / 0.07)`, where the logarithm of the scale starts.
const LOGIT_SCALE: f32 = 2.659_26;

/// Pictures and texts to embeddings that are compared by their cosine.
#[derive(Module, Debug)]
pub struct CLIPModel {
    /// Token ids to features.
    pub text_model: CLIPTextTransformer,
    /// Pixels to features.
    pub vision_model: CLIPVisionTransformer,
    /// `[projection_dim, text hidden_size]`
    pub text_projection: Linear,
    /// `[projection_dim, vision hidden_size]`
    pub visual_projection: Linear,
    /// Logarithm of the cosine's scale, `[1]`; a scalar in checkpoints.
    pub logit_scale: Param<Tensor<1>>,
    #[module(skip)]
    config: CLIPConfig,
}

impl CLIPModel {
    /// Embeddings of texts, of length 1.
    ///
    /// # Shapes
    /// - `ids`: `[batch, tokens]`, at most `max_position_embeddings` tokens, each below `vocab_size`
    /// - returns `[batch, projection_dim]`
    pub fn text_features(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        let output = self.text_model.forward(ids, self.config.text_config.eos_token_id);
        unit_rows(self.text_projection.forward(output.pooled))
    }

    /// Embeddings of pictures, of length 1.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, image_size, image_size]`, normalised as the checkpoint's preprocessing says
    /// - returns `[batch, projection_dim]`
    pub fn image_features(&self, pixels: Tensor<4>) -> Tensor<2> {
        unit_rows(self.visual_projection.forward(self.vision_model.forward(pixels).pooled))
    }

    /// The factor of the cosine, `exp(logit_scale)`, `[1]`.
    pub fn scale(&self) -> Tensor<1> {
        self.logit_scale.val().exp()
    }
}

impl Component for CLIPModel {
    type Config = CLIPConfig;

    const CLASS: &'static str = "CLIPModel";
    const LIBRARY: &'static str = "transformers";
    const WEIGHTS_FILE: &'static str = "model.safetensors";
    const PYTORCH_FILES: &'static [&'static str] = &["pytorch_model.bin"];
    const BUFFERS: &'static [&'static str] = &["embeddings.position_ids"];
    const SCALARS: &'static [&'static str] = &["logit_scale"];

    fn parse_config(json: &str) -> Result<Self::Config, ModelError> {
        CLIPConfig::from_json(json)
    }

    fn from_config(config: &Self::Config, init: &mut Init) -> Self {
        let (text, vision) = (config.text_config.hidden_size, config.vision_config.hidden_size);
        Self {
            text_model: CLIPTextTransformer::new(init, &config.text_config),
            vision_model: CLIPVisionTransformer::new(init, &config.vision_config),
            text_projection: Linear::without_bias(init, [text, config.projection_dim]),
            visual_projection: Linear::without_bias(init, [vision, config.projection_dim]),
            logit_scale: init.constant([1], LOGIT_SCALE),
            config: config.clone(),
        }
    }

    fn config(&self) -> &Self::Config {
        &self.config
    }
}
