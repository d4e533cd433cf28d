//! The best weights as a model folder: the one that the run started from, with another U-Net.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use byteedit_models::store::{Precision, save_component};
use byteedit_reward::CoherentNetwork;
use serde_json::{Value, json};

use super::config::PeflRunConfig;
use super::student::Student;
use crate::files::{copy_files, write_json};
use crate::{Result, TrainError};

/// What says how a model came to be: this key of `byteedit.json`, and of the weights' headers.
const KEY: &str = "feedback_learning";

/// Where the best weights go.
pub(super) struct Exporter<'a> {
    /// The run folder.
    run: &'a Path,
    /// A copy of what the run started from.
    parts: PathBuf,
    config: &'a PeflRunConfig,
}

impl<'a> Exporter<'a> {
    /// Copies into the run folder what the exported model takes from the one in `init`, so that this need not be there
    /// when the run goes on.
    pub(super) fn new(run: &'a Path, init: Option<&Path>, config: &'a PeflRunConfig) -> Result<Self> {
        let parts = run.join("parts");
        if let Some(init) = init {
            for folder in KEPT.into_iter().chain(TRAINED) {
                let names = files_in(&init.join(folder))?;
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                copy_files(&init.join(folder), &parts.join(folder), &names)?;
            }
        }
        Ok(Self { run, parts, config })
    }

    /// Puts a student's weights in the place of those before.
    pub(super) fn write(&self, student: &Student) -> Result<()> {
        let out = self.run.join("model");
        for folder in KEPT {
            let names = files_in(&self.parts.join(folder))?;
            let names: Vec<_> = names.iter().map(String::as_str).filter(|name| *name != CARD).collect();
            copy_files(&self.parts.join(folder), &out.join(folder), &names)?;
        }
        let making = BTreeMap::from([(KEY.to_owned(), self.making().to_string())]);
        save_component(&student.base.unet, &out.join("unet"), Precision::F16, &making)?;
        save_component(&student.base.text_encoder, &out.join("text_encoder"), Precision::F16, &making)?;
        self.write_card(&out)?;
        if let Some(network) = &student.coherent {
            save_component::<CoherentNetwork>(network, &self.run.join("coherent"), Precision::F16, &making)?;
        }
        Ok(())
    }

    /// The card of the model that the run started from, if it had one, with the run's settings as its defaults.
    fn write_card(&self, out: &Path) -> Result<()> {
        let path = self.parts.join(CARD);
        if !path.exists() {
            return Ok(());
        }
        let text = fs::read_to_string(&path).map_err(TrainError::io("reading", &path))?;
        let json = |source| TrainError::Json { what: path.display().to_string(), source };
        let mut card: Value = serde_json::from_str(&text).map_err(json)?;
        let samples = &self.config.samples;
        for (key, value) in [
            ("n_steps", json!(samples.n_steps)),
            ("guidance_scale", json!(samples.guidance_scale)),
            ("temperature", json!(samples.temperature)),
        ] {
            card["defaults"][key] = value;
        }
        card[KEY] = self.making();
        write_json(&out.join(CARD), &card)
    }

    fn making(&self) -> Value {
        let PeflRunConfig { phases, loss, provenance, training, .. } = self.config;
        json!({
            "method": "perceptual feedback learning (arXiv 2404.04860)",
            "phases": phases,
            "loss": loss,
            "adversary": self.config.adversary,
            "provenance": provenance,
            "seed": training.seed,
        })
    }
}

/// Says what a model of this project was taught.
const CARD: &str = "byteedit.json";
/// Folders of a model whose files are kept as they are; the first is the model's own.
const KEPT: [&str; 4] = ["", "vae", "tokenizer", "scheduler"];
/// Those of the weights that a run trains.
const TRAINED: [&str; 2] = ["unet", "text_encoder"];

/// Names of the files right in a folder, in order.
fn files_in(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(TrainError::io("listing", folder))? {
        let entry = entry.map_err(TrainError::io("listing", folder))?;
        if entry.file_type().map_err(TrainError::io("listing", folder))?.is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
