//! CLIP with its tokenizer: how well a picture fits a text.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use byteedit_models::Component;
use byteedit_models::clip::CLIPModel;
use byteedit_models::tokenizer::ClipTokenizer;

use crate::error::{Result, RewardError};
use crate::preprocess::Preprocessing;
use crate::reward::Shown;

/// Both encoders and what they take.
#[derive(Debug, Clone)]
pub(crate) struct ClipPair {
    pub(crate) network: CLIPModel,
    tokenizer: ClipTokenizer,
    preprocessing: Preprocessing,
}

impl ClipPair {
    /// # Errors
    /// [`RewardError::Tokenizer`] if it gives ids or lengths that the network does not know.
    pub(crate) fn new(network: CLIPModel, tokenizer: ClipTokenizer) -> Result<Self> {
        let text = &network.config().text_config;
        for (what, found, limit) in [
            ("ids", tokenizer.n_ids(), text.vocab_size),
            ("lengths", tokenizer.max_length(), text.max_position_embeddings),
        ] {
            if found > limit {
                return Err(RewardError::Tokenizer { what, found, limit });
            }
        }
        let preprocessing = Preprocessing::clip(network.config().vision_config.image_size);
        Ok(Self { network, tokenizer, preprocessing })
    }

    /// `network` with the tokenizer whose files lie in `folder`.
    ///
    /// # Errors
    /// Those of the tokenizer's files, and [`ClipPair::new`]'s.
    pub(crate) fn with_tokenizer_in(folder: &Path, network: CLIPModel) -> Result<Self> {
        Self::new(network, ClipTokenizer::from_dir(folder)?)
    }

    /// Cosines of each picture with its prompt, from -1 to 1.
    ///
    /// # Shapes
    /// - returns `[batch]`
    pub(crate) fn cosines(&self, shown: &Shown) -> Tensor<1> {
        let pixels = shown.pixels();
        let ids = self.ids(shown.prompts(), &pixels.device().inner());
        let pictures = self.network.image_features(self.preprocessing.forward(pixels));
        let batch = pictures.dims()[0];
        (pictures * self.network.text_features(ids)).sum_dim(1).reshape([batch])
    }

    fn ids(&self, prompts: &[String], device: &Device) -> Tensor<2, Int> {
        let ids = prompts.iter().flat_map(|prompt| self.tokenizer.encode_padded(prompt));
        let ids: Vec<i64> = ids.map(i64::from).collect();
        Tensor::from_data(TensorData::new(ids, [prompts.len(), self.tokenizer.max_length()]), device)
    }
}
