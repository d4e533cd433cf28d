//! The two networks that are trained together.

use burn::module::Module;
use byteedit_models::Component;
use byteedit_models::text::CLIPTextModel;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_nn::Init;

use super::BaseRunConfig;

/// A U-Net with the text encoder that it listens to.
#[derive(Module, Debug)]
pub struct BaseModel {
    /// Predicts from noisy latents, mask, masked latents and text.
    pub unet: UNet2DConditionModel,
    /// Makes the text features.
    pub text_encoder: CLIPTextModel,
}

impl BaseModel {
    /// The networks of a configuration.
    pub fn new(config: &BaseRunConfig, init: &mut Init) -> Self {
        Self {
            unet: UNet2DConditionModel::from_config(&config.unet, init),
            text_encoder: CLIPTextModel::from_config(&config.text_encoder, init),
        }
    }
}
