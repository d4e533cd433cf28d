//! A run as a model that others can load: a diffusers folder with averaged weights in f16, and beside
//! it `byteedit.json`, which says what the model knows and how it was made.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use byteedit_edit::{Concept, Defaults, Hole};
use byteedit_models::Component;
use byteedit_models::store::{Precision, save_component};
use byteedit_models::text::CLIPTextModel;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::Init;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::{BaseModel, BaseRunConfig, Provenance, SamplesConfig};
use crate::files::{copy_files, hex, write_files, write_json};
use crate::run::Checkpoint;
use crate::vocabulary::words_of;
use crate::{Result, Source, TrainError};

/// `byteedit.json`: what a model was taught. The editor reads a part of it,
/// [`byteedit_edit::ModelCard`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Layout of this file.
    pub schema_version: u32,
    /// Side of the pictures it was trained on, in pixels.
    pub picture_size: usize,
    /// The named things it was shown, in the order of their groups.
    pub concepts: Vec<Concept>,
    /// Every word of its captions, in alphabetical order.
    pub words: Vec<String>,
    /// Settings that suit it: those of the run's sample grids.
    pub defaults: Defaults,
    /// Whether kept latents are to be blended in: where errors outside of the mask weighed less.
    #[serde(default)]
    pub keeps_unmasked: bool,
    /// What it was shown inside the mask.
    #[serde(default)]
    pub hole: Hole,
    /// Pictures trained on.
    pub n_images: u64,
    /// Optimiser steps made.
    pub n_steps: u64,
    /// What it was made from.
    pub provenance: Provenance,
}

/// Writes the averaged weights of a base run's newest checkpoint into `out`. The run itself may still
/// be going on.
///
/// # Errors
/// A folder without a usable run, a source that it was not trained on, or an `out` that cannot be written.
pub fn export_base(run: &Path, source: &Source, out: &Path, device: &Device) -> Result<ModelCard> {
    let config = BaseRunConfig::of_run(run)?;
    let is_its_source = match (source.fingerprint(&config.data), source) {
        // The world has not every size that a folder may be trained at.
        (Err(_), Source::World(_)) => false,
        (found, _) => hex(&found?) == config.provenance.data_sha256,
    };
    if !is_its_source {
        return Err(TrainError::OtherData { folder: run.to_owned() });
    }
    let state = Checkpoint::newest_of_run(run, device)?;
    let blank = BaseModel::new(&config, &mut Init::blank(device));
    let BaseModel { unet, text_encoder } = state.averaged(blank, run)?;
    let none = BTreeMap::new();
    save_component(&unet, &out.join("unet"), Precision::F16, &none)?;
    save_component(&text_encoder, &out.join("text_encoder"), Precision::F16, &none)?;
    copy_files(&run.join("vae"), &out.join("vae"), &["config.json", AutoencoderKL::WEIGHTS_FILE])?;
    let tokenizer = ["vocab.json", "merges.txt", "tokenizer_config.json"];
    copy_files(&run.join("tokenizer"), &out.join("tokenizer"), &tokenizer)?;
    let scheduler = config.schedule.to_json()?;
    write_files(&out.join("scheduler"), [("scheduler_config.json", scheduler.as_str())])?;
    write_json(&out.join("model_index.json"), &model_index())?;
    let card = model_card(&config, &state, source)?;
    write_json(&out.join("byteedit.json"), &card)?;
    Ok(card)
}

fn model_card(config: &BaseRunConfig, state: &Checkpoint, source: &Source) -> Result<ModelCard> {
    let captions = source.captions();
    let SamplesConfig {
        n_per_task: _,
        n_steps,
        guidance_scale,
        temperature,
        erase_temperature,
        outpaint_temperature,
        ref sampler,
    } = config.samples;
    Ok(ModelCard {
        schema_version: 1,
        picture_size: config.data.picture_size,
        concepts: source.concepts().into_iter().map(|(name, group)| Concept { name, group }).collect(),
        words: words_of(captions.iter().map(String::as_str)).into_iter().collect(),
        defaults: Defaults {
            n_steps,
            guidance_scale,
            sampler: sampler.parse()?,
            temperature,
            erase_temperature,
            outpaint_temperature,
            box_share: config.data.box_share,
        },
        keeps_unmasked: config.loss.keeps_unmasked(),
        hole: config.hole,
        n_images: state.header.n_images,
        n_steps: state.header.step,
        provenance: config.provenance.clone(),
    })
}

/// What diffusers reads first: the pipeline and the class of each part.
fn model_index() -> Value {
    json!({
        "_class_name": "StableDiffusionInpaintPipeline",
        // diffusers does not load a folder that does not say which of its versions it is for.
        "_diffusers_version": "0.42.1",
        "feature_extractor": [null, null],
        "image_encoder": [null, null],
        "requires_safety_checker": false,
        "safety_checker": [null, null],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": [CLIPTextModel::LIBRARY, CLIPTextModel::CLASS],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": [UNet2DConditionModel::LIBRARY, UNet2DConditionModel::CLASS],
        "vae": [AutoencoderKL::LIBRARY, AutoencoderKL::CLASS],
    })
}
