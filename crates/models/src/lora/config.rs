//! Which layers get branches, and how large ones.

use serde::{Deserialize, Serialize};

use crate::ModelError;
use crate::component::unsupported;

const CLASS: &str = "LoRA";
/// Larger ones are wider than any layer of Stable Diffusion.
const MAX_RANK: usize = 4096;
/// The projections of every attention: what is usual for Stable Diffusion.
const ATTENTION: [&str; 4] = ["to_q", "to_k", "to_v", "to_out.0"];

/// The numbers of a LoRA, by PEFT's names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraConfig {
    /// Rows of `A` and columns of `B`, from 1 to 4096; PEFT's `r`.
    pub rank: usize,
    /// `α`: a branch weighs `α / rank`. Above 0; PEFT's `lora_alpha`.
    pub alpha: f64,
    /// Ends of the names of the layers that get a branch, whole fields: the projections of attention unless others are
    /// named. There are also `proj_in`, `proj_out`, `ff.net.0.proj`, `ff.net.2`, `conv_shortcut`, `time_emb_proj`,
    /// `linear_1` and `linear_2` in a U-Net; `q_proj`, `k_proj`, `v_proj`, `out_proj`, `fc1` and `fc2` in a text encoder.
    #[serde(default = "attention")]
    pub target_modules: Vec<String>,
}

fn attention() -> Vec<String> {
    ATTENTION.map(String::from).to_vec()
}

impl LoraConfig {
    /// Branches of a rank beside the projections of attention, which weigh 1: `α` is the rank.
    pub fn of_attention(rank: usize) -> Self {
        Self { rank, alpha: rank as f64, target_modules: attention() }
    }

    /// Checks the numbers. Whether a network has the layers is known when it gets its branches.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] names the key that is out of range.
    pub fn validate(&self) -> Result<(), ModelError> {
        if !(1..=MAX_RANK).contains(&self.rank) {
            return Err(unsupported(
                CLASS,
                "rank",
                self.rank,
                format!("but it must be from 1 to {MAX_RANK}"),
            ));
        }
        if !(self.alpha > 0.0 && self.alpha.is_finite()) {
            return Err(unsupported(CLASS, "alpha", self.alpha, "but it must be a positive number"));
        }
        if self.target_modules.is_empty() {
            let remedy = "but it must name layers; leave it out for the projections of attention";
            return Err(unsupported(CLASS, "target_modules", &self.target_modules, remedy));
        }
        Ok(())
    }

    /// Those targets that name the layer, by its whole name or by an end of it.
    pub(super) fn targets_of(&self, path: &str) -> impl Iterator<Item = &str> {
        self.target_modules.iter().map(String::as_str).filter(move |target| is_named(path, target))
    }

    /// The error for a target that no layer has.
    pub(super) fn no_layer(target: &str) -> ModelError {
        let remedy = "but no linear map or 1x1 convolution of the network has a name that ends so";
        unsupported(CLASS, "target_modules", target, remedy)
    }
}

/// Whether `path` is `name` or ends with it, field by field.
pub(super) fn is_named(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_fields_at_the_end_name_a_layer() {
        let path = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0";
        for (name, is) in [("to_out.0", true), (path, true), ("0", true), ("out.0", false), ("to_out", false)]
        {
            assert_eq!(is_named(path, name), is, "{name}");
        }
        assert!(!is_named(path, ""));
    }

    #[test]
    fn attention_is_adapted_unless_layers_are_named() {
        let read = |json: &str| serde_json::from_str::<LoraConfig>(json);
        assert_eq!(read(r#"{"rank": 4, "alpha": 4}"#).unwrap(), LoraConfig::of_attention(4));
        assert_eq!(
            read(r#"{"rank": 4, "alpha": 4, "target_modules": ["ff.net.2"]}"#).unwrap().target_modules,
            ["ff.net.2"]
        );
        assert!(
            read(r#"{"rank": 4, "alpha": 4, "dropout": 0.1}"#).unwrap_err().to_string().contains("dropout")
        );
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let message = |change: fn(&mut LoraConfig)| {
            let mut config = LoraConfig::of_attention(4);
            config.validate().unwrap();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        for (message, says) in [
            (message(|config| config.rank = 0), "`rank` is 0, but it must be from 1 to 4096"),
            (message(|config| config.alpha = -1.0), "`alpha` is -1"),
            (message(|config| config.target_modules.clear()), "`target_modules` is []"),
        ] {
            assert!(message.contains(says), "{message}");
        }
    }
}
