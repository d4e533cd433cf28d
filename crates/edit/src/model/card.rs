//! `byteedit.json`: what a model of this project says about itself.
//!
//! The trainer writes it beside `model_index.json`; diffusers ignores it. Keys that only describe how
//! the model was made are not read here.

use byteedit_diffusion::{SamplerKind, is_own_temperature, own_temperature};
use serde::{Deserialize, Serialize};

use crate::hole::Hole;

/// The layout of the file that this version reads.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// What a model was taught.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Layout of the file; 1.
    pub schema_version: u32,
    /// The named things it was shown, in the order of their groups.
    #[serde(default)]
    pub concepts: Vec<Concept>,
    /// Every word of its captions, in lower case.
    #[serde(default)]
    pub words: Vec<String>,
    /// Settings that suit it.
    #[serde(default)]
    pub defaults: Defaults,
    /// Whether what is kept is blended into the noisy latents at every step although the network sees it: for
    /// inpainting models that were hardly trained outside of the mask.
    #[serde(default)]
    pub keeps_unmasked: bool,
    /// What it is shown inside the mask.
    #[serde(default)]
    pub hole: Hole,
}

/// A named thing and the group it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concept {
    /// Its name, such as "apple" or "hot dog".
    pub name: String,
    /// Its group, such as "food".
    pub group: String,
}

/// The settings that a model is used with if nobody asks for others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    /// Denoising steps.
    pub n_steps: usize,
    /// Guidance scale of edits and of prompted outpainting.
    pub guidance_scale: f64,
    /// Sampler by its name on the command line.
    pub sampler: SamplerKind,
    /// Temperature of edits.
    #[serde(skip_serializing_if = "is_own_temperature")]
    pub temperature: f64,
    /// Temperature of erasing.
    #[serde(skip_serializing_if = "is_own_temperature")]
    pub erase_temperature: f64,
    /// Temperature of outpainting.
    #[serde(skip_serializing_if = "is_own_temperature")]
    pub outpaint_temperature: f64,
    /// The part of the model's side that the shorter side of an edit's box takes ([`Padding::Share`](byteedit_image::Padding::Share)), where a model was
    /// trained on boxes of one size; none for a model that knows objects of any size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub box_share: Option<f64>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            n_steps: 20,
            guidance_scale: 4.0,
            sampler: SamplerKind::Ddim { eta: 0.0 },
            temperature: own_temperature(),
            erase_temperature: own_temperature(),
            outpaint_temperature: own_temperature(),
            box_share: None,
        }
    }
}

impl Defaults {
    /// For a checkpoint that says nothing: diffusers' guidance scale of 7.5, at 20 steps.
    pub fn of_diffusers() -> Self {
        Self { guidance_scale: 7.5, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_with_more_keys_than_we_read_is_read() {
        let card: ModelCard = serde_json::from_str(
            r#"{"schema_version": 1, "picture_size": 128, "provenance": {"data_sha256": "00"},
                "concepts": [{"name": "apple", "group": "food"}], "words": ["a", "apple"],
                "defaults": {"sampler": "dpm++2m"}}"#,
        )
        .unwrap();
        assert_eq!(card.concepts[0].name, "apple");
        assert_eq!(card.defaults.sampler, SamplerKind::DpmPp2M { karras: false });
        assert_eq!(card.defaults.n_steps, Defaults::default().n_steps);
        let again: ModelCard = serde_json::from_str(&serde_json::to_string(&card).unwrap()).unwrap();
        assert_eq!(again, card);
    }

    #[test]
    fn an_unknown_sampler_or_default_is_named() {
        for (defaults, message) in [(r#"{"sampler": "plms"}"#, "`plms`"), (r#"{"cfg": 3}"#, "`cfg`")] {
            let text = format!(r#"{{"schema_version": 1, "defaults": {defaults}}}"#);
            let error = serde_json::from_str::<ModelCard>(&text).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
