//! What a base run starts from: a configuration completed by the autoencoder and the vocabulary, and
//! fresh weights or those of an earlier model.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use byteedit_models::Component;
use byteedit_models::store::load_component;
use byteedit_models::text::CLIPTextModel;
use byteedit_models::tokenizer::{ClipTokenizer, TokenizerFiles};
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::Init;
use serde_json::Value;

use super::{BaseInputs, BaseModel, BaseRunConfig};
use crate::files::{copy_files, file_sha256, hex, write_files};
use crate::vocabulary::train_vocabulary;
use crate::{Result, TrainError};

/// The files of a tokenizer folder.
const TOKENIZER_FILES: [&str; 3] = ["vocab.json", "merges.txt", "tokenizer_config.json"];

/// Everything that is fixed before the first step.
pub(super) struct Start {
    pub(super) config: BaseRunConfig,
    pub(super) model: BaseModel,
    pub(super) tokenizer: ClipTokenizer,
    files: TokenizerFiles,
}

impl Start {
    /// Completes the configuration and builds the networks.
    pub(super) fn prepare(
        config: &BaseRunConfig,
        inputs: &BaseInputs<'_>,
        vae: &AutoencoderKL,
        folder: &Path,
        device: &Device,
    ) -> Result<Self> {
        let mut config = config.clone();
        let files = tokenizer_files(&config, inputs, folder)?;
        let tokenizer = ClipTokenizer::from_files(&files)?;
        let mut warm = None;
        if let Some(init) = inputs.init {
            let unet: UNet2DConditionModel = load_component(&init.join("unet"), device)?;
            let text_encoder: CLIPTextModel = load_component(&init.join("text_encoder"), device)?;
            config.unet = unet.config().clone();
            config.text_encoder = text_encoder.config().clone();
            let weights = init.join("unet").join(UNet2DConditionModel::WEIGHTS_FILE);
            config.provenance.init_unet_sha256 = Some(file_sha256(&weights)?);
            warm = Some(BaseModel { unet, text_encoder });
        }
        let wanted = config.unet.clone();
        config.fit_to(vae.config());
        if warm.is_some() && config.unet.in_channels != wanted.in_channels {
            let limit = format!(
                "{} for an autoencoder of {} channels",
                config.unet.in_channels, config.unet.out_channels
            );
            return Err(TrainError::config("unet.in_channels of the warm start", wanted.in_channels, limit));
        }
        if warm.is_none() {
            fit_text_encoder(&mut config, &files, &tokenizer)?;
        }
        config.provenance.vae_sha256 = file_sha256(&inputs.vae.join(AutoencoderKL::WEIGHTS_FILE))?;
        config.provenance.data_sha256 = hex(&inputs.source.fingerprint(&config.data)?);
        config.validate(vae.config())?;
        let seed = config.training.seed;
        let model = warm.unwrap_or_else(|| BaseModel::new(&config, &mut Init::seeded(device, seed)));
        Ok(Self { config, model, tokenizer, files })
    }

    /// Puts autoencoder and tokenizer beside the run, so that it can be exported by itself.
    pub(super) fn copy_parts(&self, vae: &Path, folder: &Path) -> Result<()> {
        copy_files(vae, &folder.join("vae"), &["config.json", AutoencoderKL::WEIGHTS_FILE])?;
        let TokenizerFiles { vocab_json, merges_txt, tokenizer_config_json } = &self.files;
        let contents = [vocab_json, merges_txt, tokenizer_config_json].map(String::as_str);
        write_files(&folder.join("tokenizer"), TOKENIZER_FILES.into_iter().zip(contents))
    }
}

/// The run's own, the warm start's, or ones learned from the captions.
fn tokenizer_files(config: &BaseRunConfig, inputs: &BaseInputs<'_>, folder: &Path) -> Result<TokenizerFiles> {
    let own = folder.join("tokenizer");
    let existing = if own.join(TOKENIZER_FILES[2]).exists() {
        Some(own)
    } else {
        inputs.init.map(|init| init.join("tokenizer"))
    };
    let Some(existing) = existing else {
        let captions = inputs.source.captions();
        return train_vocabulary(captions.iter().map(String::as_str), &config.vocabulary);
    };
    let read = |name: &str| {
        let path = existing.join(name);
        fs::read_to_string(&path).map_err(TrainError::io("reading", &path))
    };
    let [vocab, merges, tokenizer] = TOKENIZER_FILES;
    Ok(TokenizerFiles {
        vocab_json: read(vocab)?,
        merges_txt: read(merges)?,
        tokenizer_config_json: read(tokenizer)?,
    })
}

/// Gives the text encoder one row for each token and position of the vocabulary.
fn fit_text_encoder(
    config: &mut BaseRunConfig,
    files: &TokenizerFiles,
    tokenizer: &ClipTokenizer,
) -> Result<()> {
    let json = |source| TrainError::Json { what: "vocab.json".to_owned(), source };
    let vocab: BTreeMap<String, u32> = serde_json::from_str(&files.vocab_json).map_err(json)?;
    let text_encoder = &mut config.text_encoder;
    text_encoder.vocab_size = vocab.values().max().map_or(0, |&id| id as usize + 1);
    text_encoder.max_position_embeddings = tokenizer.max_length();
    // An empty text is begin and end alone.
    if let [begin, end] = tokenizer.encode("")[..] {
        text_encoder.eos_token_id = i64::from(end);
        text_encoder.extra.insert("bos_token_id".to_owned(), Value::from(begin));
        text_encoder.extra.insert("pad_token_id".to_owned(), Value::from(end));
    }
    Ok(())
}
