//! What a base run starts from: a configuration completed by the autoencoder and the vocabulary, and
//! fresh weights or those of an earlier model.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use byteedit_edit::{Hole, ModelCard};
use byteedit_models::Component;
use byteedit_models::store::load_component;
use byteedit_models::tokenizer::{ClipTokenizer, TokenizerFiles};
use byteedit_models::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::Init;
use byteedit_nn::parameters::{ParameterVisitor, visit_parameters};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{BaseInputs, BaseModel, BaseRunConfig, Provenance};
use crate::files::{copy_files, file_sha256, hex, write_files};
use crate::run::{Checkpoint, warm_start_note};
use crate::vocabulary::train_vocabulary;
use crate::{Result, TrainError};

/// The files of a tokenizer folder.
const TOKENIZER_FILES: [&str; 3] = ["vocab.json", "merges.txt", "tokenizer_config.json"];

/// Everything that is fixed before the first step.
pub(super) struct Start {
    pub(super) config: BaseRunConfig,
    pub(super) model: BaseModel,
    pub(super) tokenizer: ClipTokenizer,
    /// Says which weights were loaded; nothing where the run has a state, or begins at random.
    pub(super) note: Option<String>,
    /// What the user may not expect.
    pub(super) warnings: Vec<String>,
    files: TokenizerFiles,
}

impl Start {
    /// Completes the configuration, checks it and builds the networks. A run that has a state goes on with
    /// the architecture that its warm start gave it: what is named as its start may have changed since.
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
        config.provenance = Provenance {
            vae_sha256: file_sha256(&inputs.vae.join(AutoencoderKL::WEIGHTS_FILE))?,
            init_unet_sha256: None,
            tokenizer_sha256: tokenizer_sha256(&files),
            data_sha256: hex(&inputs.source.fingerprint(&config.data)?),
        };
        let (mut warm, mut note, mut warnings) = (None, None, Vec::new());
        if let Some(init) = inputs.init {
            if let Some(earlier) = warm_run(folder)? {
                config.unet = earlier.unet;
                config.text_encoder = earlier.text_encoder;
                config.provenance.init_unet_sha256 = earlier.provenance.init_unet_sha256;
            } else {
                let (model, sha256) = (load_model(init, device)?, unet_sha256(init)?);
                config.unet = model.unet.config().clone();
                config.text_encoder = model.text_encoder.config().clone();
                note = Some(warm_start_note(init, &sha256));
                config.provenance.init_unet_sha256 = Some(sha256);
                warnings.extend(other_autoencoder(init, vae, device));
                warm = Some(model);
            }
        }
        warnings.extend(config.fit_hole_to(vae.config()));
        if let (Some(init), true) = (inputs.init, warm.is_some()) {
            warnings.extend(other_hole(init, config.hole));
        }
        if config.loss.caption_dropout == 0.0 && !inputs.source.has_empty_captions(&config.data) {
            warnings.push(
                "no caption is empty and none is dropped, so the model will not learn to erase, and guidance has nothing \
                 to push away from; --set loss.caption_dropout=0.1 drops some"
                    .to_owned(),
            );
        }
        let channels = config.unet.in_channels;
        let changes = config.fit_to(vae.config());
        if inputs.init.is_some() {
            if !changes.is_empty() {
                let UNet2DConditionConfig { in_channels, out_channels, .. } = &config.unet;
                let limit = format!("{in_channels} for an autoencoder of {out_channels} channels");
                return Err(TrainError::config("unet.in_channels of the warm start", channels, limit));
            }
        } else {
            warnings.extend(changes);
            fit_text_encoder(&mut config, &files, &tokenizer)?;
        }
        config.validate(vae.config())?;
        let seed = config.training.seed;
        let model = warm.unwrap_or_else(|| BaseModel::new(&config, &mut Init::seeded(device, seed)));
        Ok(Self { config, model, tokenizer, note, warnings, files })
    }

    /// Puts autoencoder and tokenizer beside the run, so that it can be exported by itself.
    pub(super) fn copy_parts(&self, vae: &Path, folder: &Path) -> Result<()> {
        copy_files(vae, &folder.join("vae"), &["config.json", AutoencoderKL::WEIGHTS_FILE])?;
        let TokenizerFiles { vocab_json, merges_txt, tokenizer_config_json } = &self.files;
        let contents = [vocab_json, merges_txt, tokenizer_config_json].map(String::as_str);
        write_files(&folder.join("tokenizer"), TOKENIZER_FILES.into_iter().zip(contents))
    }
}

/// The configuration of the run in `folder`, if it has a state and started warm.
fn warm_run(folder: &Path) -> Result<Option<BaseRunConfig>> {
    if !Checkpoint::exists_in(folder) {
        return Ok(None);
    }
    Ok(Some(BaseRunConfig::of_run(folder)?).filter(|earlier| earlier.provenance.init_unet_sha256.is_some()))
}

/// The networks of a model folder.
pub(crate) fn load_model(folder: &Path, device: &Device) -> Result<BaseModel> {
    Ok(BaseModel {
        unet: load_component(&folder.join("unet"), device)?,
        text_encoder: load_component(&folder.join("text_encoder"), device)?,
    })
}

/// SHA-256 of the U-Net's weight file in a model folder.
fn unet_sha256(folder: &Path) -> Result<String> {
    file_sha256(&folder.join("unet").join(UNet2DConditionModel::WEIGHTS_FILE))
}

/// A warning if the model in `init` was trained on other latents than those of `vae`, whose decoder may be another.
fn other_autoencoder(init: &Path, vae: &AutoencoderKL, device: &Device) -> Option<String> {
    let its: AutoencoderKL = load_component(&init.join("vae"), device).ok()?;
    (latents_sha256(&its) != latents_sha256(vae)).then(|| {
        format!(
            "the model in {} was trained on the latents of another autoencoder and has to learn these anew; name its \
             own with --vae",
            init.display()
        )
    })
}

/// Over everything that latents are made with.
fn latents_sha256(vae: &AutoencoderKL) -> String {
    struct Hashing(Sha256);

    impl ParameterVisitor for Hashing {
        fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
            self.0.update(name.as_bytes());
            self.0.update(param.val().into_data().convert::<f32>().as_bytes());
        }
    }

    let mut hashing = Hashing(Sha256::new());
    visit_parameters(&vae.encoder, &mut hashing);
    visit_parameters(&vae.quant_conv, &mut hashing);
    hashing.0.update(vae.config().scaling_factor.to_le_bytes());
    hashing.0.update((vae.config().norm_num_groups as u64).to_le_bytes());
    hex(&hashing.0.finalize())
}

/// A warning if the model in `init` was shown something else in the hole.
fn other_hole(init: &Path, hole: Hole) -> Option<String> {
    let card = fs::read_to_string(init.join("byteedit.json")).ok()?;
    let ModelCard { hole: its, .. } = serde_json::from_str(&card).ok()?;
    (its != hole).then(|| {
        format!(
            "the model in {} was trained with `hole` {}, not {}, and has to learn this anew; --set hole={} keeps it",
            init.display(),
            its.name(),
            hole.name(),
            its.name()
        )
    })
}

/// Over all files, each with its length.
fn tokenizer_sha256(files: &TokenizerFiles) -> String {
    let TokenizerFiles { vocab_json, merges_txt, tokenizer_config_json } = files;
    let mut hasher = Sha256::new();
    for text in [vocab_json, merges_txt, tokenizer_config_json] {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hex(&hasher.finalize())
}

/// The run's own, the warm start's, or ones learned from the captions.
fn tokenizer_files(config: &BaseRunConfig, inputs: &BaseInputs<'_>, folder: &Path) -> Result<TokenizerFiles> {
    let own = folder.join("tokenizer");
    // Those of a start that failed may not fit what is asked for now.
    let existing = if Checkpoint::exists_in(folder) && own.join(TOKENIZER_FILES[2]).exists() {
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
