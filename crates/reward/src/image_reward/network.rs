//! The network: a picture, a text with the picture in view, a score.

use burn::module::Module;
use burn::tensor::{Bool, Int, Tensor};
use byteedit_models::blip::{BlipForImageTextRetrieval, BlipTextModel, BlipVisionModel};
use byteedit_models::component::parse;
use byteedit_models::{Component, ModelError};
use byteedit_nn::Init;

use super::ImageRewardConfig;
use crate::error::Result;
use crate::preprocess::Preprocessing;
use crate::region::Region;
use crate::score_mlp::ScoreMlp;
use crate::standardised::Standardisation;
use crate::window::around_masks;

/// Picture and text to a raw score.
#[derive(Module, Debug)]
pub struct ImageRewardNetwork {
    /// The encoders. To train from a BLIP, put its own here.
    pub blip: BlipBody,
    /// Of the first token.
    pub mlp: ScoreMlp,
    #[module(skip)]
    config: ImageRewardConfig,
}

/// BLIP without the heads that it was trained with.
#[derive(Module, Debug)]
pub struct BlipBody {
    /// Pixels to tokens.
    pub vision_model: BlipVisionModel,
    /// Token ids to features, with the picture in view.
    pub text_encoder: BlipTextModel,
}

impl ImageRewardNetwork {
    /// Pictures as the image encoder takes them.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, height, width]`, from 0 to 1, of any size
    /// - `edit_mask`: `[batch, 1, height, width]`, 1 = repainted
    /// - returns `[batch, 3, image_size, image_size]`
    ///
    /// # Errors
    /// [`RewardError::EmptyMask`](crate::RewardError::EmptyMask) if it looks around masks and one is empty.
    pub fn preprocess(&self, pixels: Tensor<4>, edit_mask: &Tensor<4>) -> Result<Tensor<4>> {
        let preprocessing = Preprocessing::clip(self.config.blip_config.vision_config.image_size);
        Ok(match self.config.region {
            Region::All => preprocessing.forward(pixels),
            Region::Mask => preprocessing.forward_within(pixels, &around_masks(edit_mask)?),
        })
    }

    /// The tokens of pictures as [`ImageRewardNetwork::preprocess`] returns them.
    ///
    /// # Shapes
    /// - returns `[batch, 1 + patches, hidden_size]`
    pub fn picture_tokens(&self, seen: Tensor<4>) -> Tensor<3> {
        self.blip.vision_model.forward(seen)
    }

    /// What is said of each text with its picture in view: the features of which the head makes a score.
    ///
    /// # Shapes
    /// - `picture`: `[batch, 1 + patches, hidden_size]`
    /// - `ids`, `is_padding`: `[batch, tokens]`
    /// - returns `[batch, hidden_size]` of the text encoder
    pub fn features(
        &self,
        picture: &Tensor<3>,
        ids: Tensor<2, Int>,
        is_padding: Tensor<2, Bool>,
    ) -> Tensor<2> {
        self.blip.text_encoder.first_token(ids, is_padding, Some(picture))
    }

    /// The same network, its scores standardised otherwise.
    #[must_use]
    pub fn standardised(mut self, standardisation: Standardisation) -> Self {
        self.config.standardisation = standardisation;
        self
    }
}

impl Component for ImageRewardNetwork {
    type Config = ImageRewardConfig;

    const CLASS: &'static str = "ImageReward";
    const LIBRARY: &'static str = "byteedit";
    const WEIGHTS_FILE: &'static str = "model.safetensors";
    const PYTORCH_FILES: &'static [&'static str] = &["ImageReward.pt"];
    const RENAMES: &'static [(&'static str, &'static str)] = BlipForImageTextRetrieval::RENAMES;
    /// BLIP's authors' names, which `ImageReward`'s files have.
    const OLDER_NAMES: &'static [(&'static str, &'static str)] = BlipForImageTextRetrieval::OLDER_NAMES;
    /// Beside position indices, BLIP's projections for its contrastive loss, which the score does not pass through.
    const BUFFERS: &'static [&'static str] = &[
        "embeddings.position_ids",
        "blip.vision_proj.weight",
        "blip.vision_proj.bias",
        "blip.text_proj.weight",
        "blip.text_proj.bias",
    ];

    fn parse_config(json: &str) -> std::result::Result<Self::Config, ModelError> {
        let config: ImageRewardConfig = parse(Self::CLASS, json)?;
        config.validate()?;
        Ok(config)
    }

    fn from_config(config: &Self::Config, init: &mut Init) -> Self {
        Self {
            blip: BlipBody {
                vision_model: BlipVisionModel::new(init, &config.blip_config.vision_config),
                text_encoder: BlipTextModel::new(init, &config.blip_config.text_config),
            },
            mlp: ScoreMlp::from_config(&config.mlp(), init),
            config: config.clone(),
        }
    }

    fn config(&self) -> &Self::Config {
        &self.config
    }
}
