//! What an `ImageReward` is built and used with. Its authors keep these numbers in their code; here they are a file.

use byteedit_models::ModelError;
use byteedit_models::blip::{BlipConfig, BlipTextConfig, BlipVisionConfig};
use byteedit_models::component::unsupported;
use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::region::Region;
use crate::score_mlp::ScoreMlpConfig;
use crate::standardised::Standardisation;

const CLASS: &str = "ImageReward";

/// `config.json` of an `ImageReward`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRewardConfig {
    /// `ImageReward`, where a file says so.
    #[serde(rename = "_class_name", default, skip_serializing)]
    pub class_name: Option<String>,
    /// The encoders, as transformers configures them.
    pub blip_config: BlipConfig,
    /// Widths between the five linears of the head.
    pub mlp_widths: [usize; 4],
    /// Tokens of a prompt, `[CLS]` and `[SEP]` included: longer ones lose their end.
    pub max_length: usize,
    /// What makes a score of the head's answer.
    pub standardisation: Standardisation,
    /// What of a picture it is shown: all of it, as the published one is, or what lies around the mask.
    #[serde(default)]
    pub region: Region,
}

impl ImageRewardConfig {
    /// `ImageReward-v1.0`
    /// ([`ImageReward.py`](https://github.com/THUDM/ImageReward/blob/main/ImageReward/ImageReward.py)): BLIP's
    /// ViT-L/16 at 224 px, whose epsilon is not transformers' default, and BERT-base, which has 12 heads where
    /// transformers' default is 8.
    pub fn v1_0() -> Self {
        Self {
            class_name: None,
            blip_config: BlipConfig {
                text_config: BlipTextConfig {
                    vocab_size: 30_524,
                    hidden_size: 768,
                    encoder_hidden_size: 1024,
                    intermediate_size: 3072,
                    num_hidden_layers: 12,
                    num_attention_heads: 12,
                    max_position_embeddings: 512,
                    layer_norm_eps: 1e-12,
                    extra: Map::new(),
                },
                vision_config: BlipVisionConfig {
                    hidden_size: 1024,
                    intermediate_size: 4096,
                    num_hidden_layers: 24,
                    num_attention_heads: 16,
                    image_size: 224,
                    patch_size: 16,
                    layer_norm_eps: 1e-6,
                    extra: Map::new(),
                },
                image_text_hidden_size: 256,
                extra: Map::new(),
            },
            mlp_widths: ScoreMlpConfig::PUBLISHED_WIDTHS,
            max_length: 35,
            standardisation: Standardisation { mean: 0.167_173_628_300_524_26, std: 1.033_339_496_605_407_2 },
            region: Region::All,
        }
    }

    /// Checks what the types leave open.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`], which names the key, its value and what is accepted.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.blip_config.validate()?;
        self.mlp().validate()?;
        let n_positions = self.blip_config.text_config.max_position_embeddings;
        if !(3..=n_positions).contains(&self.max_length) {
            let remedy = format!("but it must be from 3 to max_position_embeddings {n_positions}");
            return Err(unsupported(CLASS, "max_length", self.max_length, remedy));
        }
        if !self.standardisation.is_valid() {
            let remedy = "but mean and std must be finite, and std above 0";
            return Err(unsupported(CLASS, "standardisation", self.standardisation, remedy));
        }
        Ok(())
    }

    /// The head's own part.
    pub(super) fn mlp(&self) -> ScoreMlpConfig {
        let d_features = self.blip_config.text_config.hidden_size;
        ScoreMlpConfig { class_name: None, d_features, widths: self.mlp_widths }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_numbers_are_valid_and_read_back() {
        let config = ImageRewardConfig::v1_0();
        config.validate().unwrap();
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ImageRewardConfig>(&json).unwrap(), config);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let refusal = |change: fn(&mut ImageRewardConfig)| {
            let mut config = ImageRewardConfig::v1_0();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert!(refusal(|config| config.max_length = 513).contains("`max_length` is 513"));
        assert!(refusal(|config| config.mlp_widths[2] = 0).contains("`widths` is 0"));
        assert!(refusal(|config| config.standardisation.std = 0.0).contains("std above 0"));
        assert!(
            refusal(|config| config.blip_config.text_config.num_attention_heads = 7)
                .contains("num_attention_heads")
        );
    }
}
