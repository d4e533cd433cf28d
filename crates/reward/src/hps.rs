//! The Human Preference Score, versions 2 and 2.1 (Wu et al. 2023, arXiv 2306.09341): CLIP trained on preferences
//! between pictures of one prompt.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use byteedit_models::Component;
use byteedit_models::clip::CLIPModel;
use byteedit_models::store::{clip_from_open_clip, read_text};
use byteedit_models::tokenizer::ClipTokenizer;

use crate::clip_pair::ClipPair;
use crate::error::Result;
use crate::reward::{Reward, Shown};

/// `cos(picture, prompt)`: for the published weights, about 0.2 to 0.35.
#[derive(Debug, Clone)]
pub struct Hps(ClipPair);

impl Hps {
    /// Reads the published weights, which have `open_clip`'s names and no configuration, such as
    /// `HPS_v2.1_compressed.pt`. Configuration and tokenizer are those of the CLIP that they were trained from:
    /// `folder` is one as `laion/CLIP-ViT-H-14-laion2B-s32B-b79K` is published.
    ///
    /// # Errors
    /// Missing, broken or unfitting files.
    pub fn load(folder: &Path, weights: &Path, device: &Device) -> Result<Self> {
        let json = read_text(&folder.join("config.json"))?;
        let network = clip_from_open_clip(&CLIPModel::parse_config(&json)?, weights, device)?;
        Ok(Self(ClipPair::with_tokenizer_in(folder, network)?))
    }

    /// The reward of a loaded network.
    ///
    /// # Errors
    /// [`crate::RewardError::Tokenizer`] if the tokenizer is that of another network.
    pub fn new(network: CLIPModel, tokenizer: ClipTokenizer) -> Result<Self> {
        Ok(Self(ClipPair::new(network, tokenizer)?))
    }
}

impl Reward for Hps {
    fn name(&self) -> &'static str {
        "hps"
    }

    fn sees_prompt(&self) -> bool {
        true
    }

    fn sees_mask(&self) -> bool {
        false
    }

    fn n_parameters(&self) -> usize {
        self.0.network.num_params()
    }

    fn cuts_after(&self, prompt: &str) -> Option<usize> {
        self.0.cuts_after(prompt)
    }

    fn score(&self, shown: &Shown) -> Result<Tensor<1>> {
        Ok(self.0.cosines(shown))
    }
}
