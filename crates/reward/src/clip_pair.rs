//! CLIP with its tokenizer: how well a picture fits a text.

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use byteedit_models::Component;
use byteedit_models::clip::CLIPModel;
use byteedit_models::tokenizer::ClipTokenizer;

use crate::error::{Result, RewardError};
use crate::open::load_network;
use crate::preprocess::Preprocessing;
use crate::reward::Shown;

/// Both encoders and what they take. The cosine of a picture and a text is what the paper calls their `CLIPScore` (Ren et al.
/// 2024, Section 3.2), as far as its figures tell.
#[derive(Debug, Clone)]
pub struct ClipPair {
    pub(crate) network: CLIPModel,
    tokenizer: ClipTokenizer,
    preprocessing: Preprocessing,
}

impl ClipPair {
    /// Reads a folder as `openai/clip-vit-large-patch14` is published: transformers' `CLIPModel`, with its tokenizer's
    /// files.
    ///
    /// # Errors
    /// Missing, broken or unfitting files, and those of [`load_network`].
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        Self::with_tokenizer_in(folder, load_network(folder, device)?)
    }

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
    pub fn cosines(&self, shown: &Shown) -> Tensor<1> {
        let pixels = shown.pixels();
        let texts = self.text_features(shown.prompts(), &pixels.device().inner());
        let pictures = self.picture_features(self.preprocess(pixels));
        let batch = pictures.dims()[0];
        (pictures * texts).sum_dim(1).reshape([batch])
    }

    /// Pictures as the image encoder takes them.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, height, width]`, from 0 to 1, of any size
    /// - returns `[batch, 3, image_size, image_size]`
    pub fn preprocess(&self, pixels: Tensor<4>) -> Tensor<4> {
        self.preprocessing.forward(pixels)
    }

    /// Features of pictures as [`ClipPair::preprocess`] returns them, each of length 1.
    ///
    /// # Shapes
    /// - `seen`: `[batch, 3, image_size, image_size]`
    /// - returns `[batch, projection_dim]`
    pub fn picture_features(&self, seen: Tensor<4>) -> Tensor<2> {
        self.network.image_features(seen)
    }

    /// Features of texts, each of length 1. Longer ones than [`ClipPair::cuts_after`] says lose their end.
    ///
    /// # Shapes
    /// - returns `[batch, projection_dim]`
    pub fn text_features(&self, texts: &[String], device: &Device) -> Tensor<2> {
        self.network.text_features(self.ids(texts, device))
    }

    /// How many tokens of a text are read, if this one has more.
    pub fn cuts_after(&self, text: &str) -> Option<usize> {
        (self.tokenizer.n_truncated(text) > 0).then(|| self.tokenizer.max_length())
    }

    fn ids(&self, prompts: &[String], device: &Device) -> Tensor<2, Int> {
        let ids = prompts.iter().flat_map(|prompt| self.tokenizer.encode_padded(prompt));
        let ids: Vec<i64> = ids.map(i64::from).collect();
        Tensor::from_data(TensorData::new(ids, [prompts.len(), self.tokenizer.max_length()]), device)
    }
}
