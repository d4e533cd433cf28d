//! Published architectures by name: their numbers without their weights.
//!
//! The files under `presets/` are laid out as a diffusers checkpoint, so that other programs can build
//! the same networks from them.

use serde_json::Map;

use crate::clip::{CLIPConfig, CLIPVisionConfig, HiddenAct};
use crate::text::CLIPTextConfig;
use crate::unet::UNet2DConditionConfig;
use crate::vae::AutoencoderKLConfig;

/// The networks of one checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// Predicts the noise.
    pub unet: UNet2DConditionConfig,
    /// Between pixels and latents.
    pub vae: AutoencoderKLConfig,
    /// From token ids to text features.
    pub text_encoder: CLIPTextConfig,
}

/// Stable Diffusion 1.5 for inpainting, 512 px: 860 M, 84 M and 123 M parameters (the `config.json` files
/// of `stable-diffusion-v1-5/stable-diffusion-inpainting`).
///
/// # Panics
/// Never: the files are part of the program, and a test reads them.
pub fn sd15_inpaint() -> Preset {
    const REASON: &str = "the preset is valid; this is a bug";
    Preset {
        unet: UNet2DConditionConfig::from_json(include_str!("../presets/sd15-inpaint/unet/config.json"))
            .expect(REASON),
        vae: AutoencoderKLConfig::from_json(include_str!("../presets/sd15-inpaint/vae/config.json"))
            .expect(REASON),
        text_encoder: CLIPTextConfig::from_json(include_str!(
            "../presets/sd15-inpaint/text_encoder/config.json"
        ))
        .expect(REASON),
    }
}

/// CLIP of a ViT-L/14 at 224 px: 428 M parameters (the `config.json` of `openai/clip-vit-large-patch14`). Its text
/// encoder is Stable Diffusion 1.5's.
pub fn clip_vit_l() -> CLIPConfig {
    CLIPConfig {
        text_config: sd15_inpaint().text_encoder,
        vision_config: CLIPVisionConfig {
            hidden_size: 1024,
            intermediate_size: 4096,
            num_hidden_layers: 24,
            num_attention_heads: 16,
            image_size: 224,
            patch_size: 14,
            hidden_act: HiddenAct::QuickGelu,
            layer_norm_eps: 1e-5,
            extra: Map::new(),
        },
        projection_dim: 768,
        extra: Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::tensor::Device;
    use byteedit_nn::Init;

    use super::*;
    use crate::Component;
    use crate::clip::CLIPModel;
    use crate::text::CLIPTextModel;
    use crate::unet::UNet2DConditionModel;
    use crate::vae::AutoencoderKL;

    /// The published numbers of parameters, so that no field can be off by a digit.
    #[test]
    fn sd15_has_its_parameters() {
        let Preset { unet, vae, text_encoder } = sd15_inpaint();
        let mut init = Init::blank(&Device::flex());
        let unet = UNet2DConditionModel::from_config(&unet, &mut init).num_params();
        let vae = AutoencoderKL::from_config(&vae, &mut init).num_params();
        let text = CLIPTextModel::from_config(&text_encoder, &mut init).num_params();
        assert_eq!([unet, vae, text], [859_535_364, 83_653_863, 123_060_480]);
    }

    #[test]
    fn clip_vit_l_is_valid_and_has_its_parameters() {
        let config = clip_vit_l();
        assert_eq!(CLIPConfig::from_json(&serde_json::to_string(&config).unwrap()).unwrap(), config);
        let clip = CLIPModel::from_config(&config, &mut Init::blank(&Device::flex()));
        assert_eq!(clip.num_params(), 427_616_513);
    }
}
