//! From files to parts, and the proof that the parts belong together.

use std::collections::BTreeMap;

use burn::tensor::Device;
use byteedit_diffusion::{NoiseSchedule, NoiseScheduleConfig, check_temperature};
use byteedit_models::Component;
use byteedit_models::text::CLIPTextModel;
use byteedit_models::tokenizer::{ClipTokenizer, TokenizerFiles};
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::card::{Defaults, SCHEMA_VERSION};
use super::files::{ModelFiles, weights_file};
use super::{EditModel, ModelCard, ModelInfo, ModelParts};
use crate::error::{EditError, Result};
use crate::request::MAX_BOX_SHARE;

/// Digits of the hash that are shown, as A1111 shows them.
const HASH_DIGITS: usize = 10;

pub(super) fn load(name: &str, files: &ModelFiles<'_>, device: &Device) -> Result<EditModel> {
    check_index(name, files)?;
    let card = card(name, files)?;
    let unet: UNet2DConditionModel = files.component(name, "unet", device)?;
    let vae: AutoencoderKL = files.component(name, "vae", device)?;
    let text_encoder: CLIPTextModel = files.component(name, "text_encoder", device)?;
    let tokenizer = tokenizer(name, files, text_encoder.config().vocab_size)?;
    let scheduler = files.text(name, "scheduler/scheduler_config.json")?;
    let schedule = NoiseSchedule::new(NoiseScheduleConfig::from_json(&scheduler)?)?;
    let info = ModelInfo { name: name.to_owned(), hash: hash(name, files)?, card };
    EditModel::new(ModelParts { unet, vae, text_encoder, tokenizer, schedule }, info, device.clone())
}

/// Checks that the pipeline is made of the classes we have, and of no more.
fn check_index(name: &str, files: &ModelFiles<'_>) -> Result<()> {
    let file = "model_index.json";
    let index: BTreeMap<String, Value> = parse(name, file, &files.text(name, file)?)?;
    let class = |part: &str| Some(index.get(part)?.get(1)?.as_str()?.to_owned());
    for (part, ours) in [
        ("unet", UNet2DConditionModel::CLASS),
        ("vae", AutoencoderKL::CLASS),
        ("text_encoder", CLIPTextModel::CLASS),
    ] {
        let found = class(part).unwrap_or_else(|| "absent".to_owned());
        if found != ours {
            let value = format!("{part} {found}");
            return Err(EditModel::unfit(
                name,
                "the class in model_index.json",
                value,
                format!("{part} {ours}"),
            ));
        }
    }
    for part in ["text_encoder_2", "text_encoder_3", "transformer", "prior"] {
        if let Some(found) = class(part) {
            let (value, needed) =
                (format!("{part} {found}"), "absent: Stable Diffusion 1.x and 2.x have none");
            return Err(EditModel::unfit(name, "a part in model_index.json", value, needed));
        }
    }
    Ok(())
}

fn card(name: &str, files: &ModelFiles<'_>) -> Result<Option<ModelCard>> {
    let file = "byteedit.json";
    if files.find(file)?.is_none() {
        return Ok(None);
    }
    let card: ModelCard = parse(name, file, &files.text(name, file)?)?;
    if card.schema_version != SCHEMA_VERSION {
        let needed = format!("{SCHEMA_VERSION}; use the version of byteedit that made the model");
        return Err(EditModel::unfit(name, "schema_version in byteedit.json", card.schema_version, needed));
    }
    if let Some(share) = card.defaults.box_share.filter(|share| !(*share > 0.0 && *share <= MAX_BOX_SHARE)) {
        let needed = format!("above 0 and up to {MAX_BOX_SHARE}");
        return Err(EditModel::unfit(name, "defaults.box_share in byteedit.json", share, needed));
    }
    let Defaults { temperature, erase_temperature, outpaint_temperature, .. } = card.defaults;
    for (key, value) in [
        ("defaults.temperature in byteedit.json", temperature),
        ("defaults.erase_temperature in byteedit.json", erase_temperature),
        ("defaults.outpaint_temperature in byteedit.json", outpaint_temperature),
    ] {
        if check_temperature(key, value).is_err() {
            return Err(EditModel::unfit(name, key, value, "above 0 and up to 1"));
        }
    }
    Ok(Some(card))
}

/// The tokenizer, if all of its ids have a row in the text encoder's table.
fn tokenizer(name: &str, files: &ModelFiles<'_>, vocab_size: usize) -> Result<ClipTokenizer> {
    let vocab_file = "tokenizer/vocab.json";
    let vocab_json = files.text(name, vocab_file)?;
    let vocab: BTreeMap<String, usize> = parse(name, vocab_file, &vocab_json)?;
    if let Some((token, &id)) = vocab.iter().max_by_key(|(_, id)| **id).filter(|(_, id)| **id >= vocab_size) {
        let value = format!("{id} for `{token}`");
        let needed = format!("below the text encoder's vocab_size {vocab_size}");
        return Err(EditModel::unfit(name, "the largest token id", value, needed));
    }
    let mut tokenizer = TokenizerFiles {
        vocab_json,
        merges_txt: files.text(name, "tokenizer/merges.txt")?,
        tokenizer_config_json: files.text(name, "tokenizer/tokenizer_config.json")?,
    };
    let special_file = "tokenizer/special_tokens_map.json";
    if files.find(special_file)?.is_some() {
        tokenizer = tokenizer.with_special_tokens(&files.text(name, special_file)?)?;
    }
    Ok(ClipTokenizer::from_files(&tokenizer)?)
}

fn hash(name: &str, files: &ModelFiles<'_>) -> Result<String> {
    let mut hasher = Sha256::new();
    for file in [
        weights_file::<UNet2DConditionModel>("unet"),
        weights_file::<AutoencoderKL>("vae"),
        weights_file::<CLIPTextModel>("text_encoder"),
    ] {
        files.hash(name, &file, &mut hasher)?;
    }
    let first =
        hasher.finalize().iter().take(HASH_DIGITS / 2).fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
    Ok(format!("{first:0HASH_DIGITS$x}"))
}

fn parse<T: DeserializeOwned>(name: &str, file: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|source| EditError::Json {
        model: name.to_owned(),
        file: file.to_owned(),
        source,
    })
}

/// Checks every number by which one part touches another.
pub(super) fn check_fit(parts: &ModelParts, name: &str) -> Result<()> {
    let (unet, vae, text) = (parts.unet.config(), parts.vae.config(), parts.text_encoder.config());
    let require = |fits: bool, property, value: usize, needed: String| {
        if fits { Ok(()) } else { Err(EditModel::unfit(name, property, value, needed)) }
    };
    let latent = vae.latent_channels;
    require(
        unet.cross_attention_dim == text.hidden_size,
        "unet.cross_attention_dim",
        unet.cross_attention_dim,
        format!("the text encoder's hidden_size {}", text.hidden_size),
    )?;
    require(
        unet.out_channels == latent,
        "unet.out_channels",
        unet.out_channels,
        format!("the VAE's latent_channels {latent}"),
    )?;
    require(
        [latent, 2 * latent + 1].contains(&unet.in_channels),
        "unet.in_channels",
        unet.in_channels,
        format!("{} (an inpainting model) or {latent} (latent blending)", 2 * latent + 1),
    )?;
    for (property, channels) in [("vae.in_channels", vae.in_channels), ("vae.out_channels", vae.out_channels)]
    {
        require(channels == 3, property, channels, "3: red, green, blue".to_owned())?;
    }
    let multiple = unet.size_multiple();
    require(
        unet.sample_size > 0 && unet.sample_size.is_multiple_of(multiple),
        "unet.sample_size",
        unet.sample_size,
        format!("a multiple of {multiple}, one halving for each resolution of the U-Net but the first"),
    )?;
    require(
        parts.tokenizer.max_length() <= text.max_position_embeddings,
        "the tokenizer's model_max_length",
        parts.tokenizer.max_length(),
        format!("at most the text encoder's max_position_embeddings {}", text.max_position_embeddings),
    )
}
