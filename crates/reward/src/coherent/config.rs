//! What a coherent reward is built with.

use byteedit_models::ModelError;
use byteedit_models::component::unsupported;
use byteedit_models::dinov2::Dinov2Config;
use serde::{Deserialize, Serialize};

/// The largest side of a picture that the network is shown, in pixels.
const MAX_SIDE: usize = 4096;

/// `config.json` of a coherent reward.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoherentConfig {
    /// `CoherentReward`, where a file says so.
    #[serde(rename = "_class_name", default, skip_serializing)]
    pub class_name: Option<String>,
    /// The body, as transformers configures it.
    pub dinov2_config: Dinov2Config,
    /// Side in pixels of the square that the body sees, a multiple of its `patch_size`. Where it is not the body's
    /// `image_size`, positions are interpolated.
    pub side: usize,
}

impl CoherentConfig {
    /// Checks what the types leave open.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`], which names the key, its value and what is accepted.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.dinov2_config.validate()?;
        let patch_size = self.dinov2_config.patch_size;
        if (1..=MAX_SIDE).contains(&self.side) && self.side.is_multiple_of(patch_size) {
            return Ok(());
        }
        let remedy = format!("but it must be a multiple of patch_size {patch_size}, and at most {MAX_SIDE}");
        Err(unsupported("CoherentReward", "side", self.side, remedy))
    }
}
