//! The network with its tokenizer, as a reward.

use std::path::Path;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use byteedit_models::Component;
use byteedit_models::store::{component_from_file, load_component};
use byteedit_models::tokenizer::BertTokenizer;

use super::{ImageRewardConfig, ImageRewardNetwork};
use crate::error::{Result, RewardError};
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
        let length = self.network.config().max_length;
        let texts = prompts.iter().map(|prompt| self.tokenizer.encode_padded(prompt, length));
        let (mut ids, mut is_padding) = (Vec::<i64>::new(), Vec::new());
        for text in texts {
            ids.extend(text.ids.into_iter().map(i64::from));
            is_padding.extend(text.is_padding);
        }
        let shape = [prompts.len(), length];
        let ids = Tensor::from_data(TensorData::new(ids, shape), device);
        (ids, Tensor::from_data(TensorData::new(is_padding, shape), device))
    }

    /// Scores before they are standardised.
    ///
    /// # Shapes
    /// - returns `[batch]`
    pub fn raw_score(&self, shown: &Shown) -> Tensor<1> {
        let pixels = shown.pixels();
        let (ids, is_padding) = self.tokens(shown.prompts(), &pixels.device().inner());
        self.network.forward(pixels, ids, is_padding)
    }
}

impl Reward for ImageReward {
    fn name(&self) -> &'static str {
        "image_reward"
    }

    fn sees_prompt(&self) -> bool {
        true
    }

    fn sees_mask(&self) -> bool {
        false
    }

    fn score(&self, shown: &Shown) -> Result<Tensor<1>> {
        Ok(self.network.config().standardisation.apply(self.raw_score(shown)))
    }
}
