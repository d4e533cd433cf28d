//! `PickScore`: CLIP trained on what users of a web application picked (Kirstain et al. 2023, arXiv 2305.01569).

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use byteedit_models::clip::CLIPModel;
use byteedit_models::store::load_component;
use byteedit_models::tokenizer::ClipTokenizer;

use crate::clip_pair::ClipPair;
use crate::error::Result;
use crate::reward::{Reward, Shown};

/// `exp(logit_scale) cos(picture, prompt)`: for the published weights, about 16 to 24. Differences of two are log odds.
#[derive(Debug, Clone)]
pub struct PickScore(ClipPair);

impl PickScore {
    /// Reads a folder as `yuvalkirstain/PickScore_v1` is published: transformers' `CLIPModel`, with its tokenizer's
    /// files.
    ///
    /// # Errors
    /// Missing, broken or unfitting files.
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        Ok(Self(ClipPair::with_tokenizer_in(folder, load_component(folder, device)?)?))
    }

    /// The reward of a loaded network.
    ///
    /// # Errors
    /// [`crate::RewardError::Tokenizer`] if the tokenizer is that of another network.
    pub fn new(network: CLIPModel, tokenizer: ClipTokenizer) -> Result<Self> {
        Ok(Self(ClipPair::new(network, tokenizer)?))
    }
}

impl Reward for PickScore {
    fn name(&self) -> &'static str {
        "pick_score"
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
        Ok(self.0.cosines(shown) * self.0.network.scale())
    }
}
