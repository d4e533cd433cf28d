//! The network with its tokenizer, as a reward.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use byteedit_models::Component;
use byteedit_models::store::{component_from_file, load_component};
use byteedit_models::tokenizer::BertTokenizer;

use super::{ImageRewardConfig, ImageRewardNetwork};
use crate::error::{Result, RewardError};
use crate::region::Region;
use crate::reward::{Reward, Shown};

/// How people would rank a picture among others of its prompt: 0 is the middle, a deviation is 1.
#[derive(Debug, Clone)]
pub struct ImageReward {
    network: ImageRewardNetwork,
    tokenizer: BertTokenizer,
}

impl ImageReward {
    /// Reads a folder of ours: `config.json`, the weights, and `vocab.txt`.
    ///
    /// # Errors
    /// Missing, broken or unfitting files.
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        Self::new(load_component(folder, device)?, BertTokenizer::from_dir(folder)?)
    }

    /// Reads `ImageReward-v1.0` as published: `ImageReward.pt`, with the `vocab.txt` of `bert-base-uncased` beside it.
    ///
    /// # Errors
    /// Missing, broken or unfitting files.
    pub fn load_published(folder: &Path, device: &Device) -> Result<Self> {
        let weights = folder.join("ImageReward.pt");
        let network = component_from_file(&ImageRewardConfig::v1_0(), &weights, device)?;
        Self::new(network, BertTokenizer::from_dir(folder)?)
    }

    /// The reward of a loaded network.
    ///
    /// # Errors
    /// [`RewardError::Tokenizer`] if the tokenizer gives ids that the network does not know.
    pub fn new(network: ImageRewardNetwork, tokenizer: BertTokenizer) -> Result<Self> {
        let (found, limit) = (tokenizer.n_ids(), network.config().blip_config.text_config.vocab_size);
        if found > limit {
            return Err(RewardError::Tokenizer { what: "ids", found, limit });
        }
        Ok(Self { network, tokenizer })
    }

    /// The network, to be trained.
    pub fn network(&self) -> &ImageRewardNetwork {
        &self.network
    }

    /// Ids of prompts, and which are padding, as the network takes them.
    ///
    /// # Shapes
    /// - returns two of `[batch, max_length]`
    pub fn tokens(&self, prompts: &[String], device: &Device) -> (Tensor<2, Int>, Tensor<2, Bool>) {
        tokens(&self.tokenizer, prompts, self.network.config().max_length, device)
    }

    /// Scores before they are standardised.
    ///
    /// # Shapes
    /// - returns `[batch]`
    ///
    /// # Errors
    /// As [`Reward::score`].
    pub fn raw_score(&self, shown: &Shown) -> Result<Tensor<1>> {
        let pixels = shown.pixels();
        let (ids, is_padding) = self.tokens(shown.prompts(), &pixels.device().inner());
        let network = &self.network;
        let picture = network.picture_tokens(network.preprocess(pixels, shown.edit_mask())?);
        Ok(network.mlp.forward(network.features(&picture, ids, is_padding)))
    }
}

/// Ids of texts at a fixed length, and which are padding.
///
/// # Shapes
/// - returns two of `[batch, length]`
pub fn tokens(
    tokenizer: &BertTokenizer,
    texts: &[String],
    length: usize,
    device: &Device,
) -> (Tensor<2, Int>, Tensor<2, Bool>) {
    let (mut ids, mut is_padding) = (Vec::<i64>::new(), Vec::new());
    for text in texts {
        let text = tokenizer.encode_padded(text, length);
        ids.extend(text.ids.into_iter().map(i64::from));
        is_padding.extend(text.is_padding);
    }
    let shape = [texts.len(), length];
    let ids = Tensor::from_data(TensorData::new(ids, shape), device);
    (ids, Tensor::from_data(TensorData::new(is_padding, shape), device))
}

impl Reward for ImageReward {
    fn name(&self) -> &'static str {
        "image_reward"
    }

    fn sees_prompt(&self) -> bool {
        true
    }

    fn sees_mask(&self) -> bool {
        self.network.config().region == Region::Mask
    }

    fn n_parameters(&self) -> usize {
        self.network.num_params()
    }

    fn log_odds_scale(&self) -> f64 {
        self.network.config().standardisation.std
    }

    fn cuts_after(&self, prompt: &str) -> Option<usize> {
        let limit = self.network.config().max_length;
        (self.tokenizer.encode(prompt).len() > limit).then_some(limit)
    }

    fn score(&self, shown: &Shown) -> Result<Tensor<1>> {
        Ok(self.network.config().standardisation.apply(self.raw_score(shown)?))
    }
}
