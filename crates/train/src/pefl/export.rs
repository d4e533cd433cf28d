//! The best weights as a model folder: the one that the run started from, with another U-Net.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use byteedit_models::store::{Precision, save_component};
use byteedit_models::text::CLIPTextModel;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;
use byteedit_models::{Component, lora};
use byteedit_reward::CoherentNetwork;
use serde_json::{Value, json};

use super::config::PeflRunConfig;
use super::origin;
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
        let parts = origin::parts(run);
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
            let names: Vec<_> =
                names.iter().map(String::as_str).filter(|name| ![CARD, INDEX].contains(name)).collect();
            copy_files(&self.parts.join(folder), &out.join(folder), &names)?;
        }
        let making = BTreeMap::from([(KEY.to_owned(), self.making().to_string())]);
        save_component(&self.unet(student)?, &out.join("unet"), Precision::F16, &making)?;
        save_component(&student.base.text_encoder, &out.join("text_encoder"), Precision::F16, &making)?;
        self.write_index(&out)?;
        self.write_card(&out)?;
        if let Some(network) = &student.coherent {
            save_component::<CoherentNetwork>(network, &self.run.join("coherent"), Precision::F16, &making)?;
        }
        Ok(())
    }

    /// The U-Net as whoever loads the model is to have it; its branches, if it has any, go into a file of their own.
    fn unet(&self, student: &Student) -> Result<UNet2DConditionModel> {
        let unet = &student.base.unet;
        if self.config.lora.is_none() {
            return Ok(unet.clone());
        }
        let file = self.run.join("lora").join(lora::FILE_NAME);
        lora::save(&lora::branches(lora::Network::Unet, unet), lora::Form::Diffusers, &file)?;
        Ok(lora::merged(unet.clone()))
    }

    /// What diffusers reads first, without the parts that a run does not copy, such as a safety checker.
    fn write_index(&self, out: &Path) -> Result<()> {
        let path = self.parts.join(INDEX);
        if !path.exists() {
            return Ok(());
        }
        let mut index = read_json(&path)?;
        let parts = index.as_object_mut().into_iter().flatten();
        for (_, class) in parts.filter(|(name, class)| class.is_array() && !out.join(name).is_dir()) {
            *class = json!([null, null]);
        }
        write_json(&out.join(INDEX), &index)
    }

    /// The card of the model that the run started from, if it had one, with the run's settings as its defaults.
    fn write_card(&self, out: &Path) -> Result<()> {
        let path = self.parts.join(CARD);
        if !path.exists() {
            return Ok(());
        }
        let mut card = read_json(&path)?;
        let samples = &self.config.samples;
        for (key, value) in [
            ("n_steps", json!(samples.n_steps)),
            ("guidance_scale", json!(samples.guidance_scale)),
            ("temperature", json!(samples.temperature)),
            ("erase_temperature", json!(samples.erase_temperature)),
            ("outpaint_temperature", json!(samples.outpaint_temperature)),
            ("sampler", json!(samples.sampler)),
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
            "lora": self.config.lora,
            "provenance": provenance,
            "seed": training.seed,
        })
    }
}

/// Says of which parts a model consists.
const INDEX: &str = "model_index.json";
/// Says what a model of this project was taught.
const CARD: &str = "byteedit.json";
/// Folders of a model whose files are kept as they are; the first is the model's own.
const KEPT: [&str; 4] = ["", "vae", "tokenizer", "scheduler"];
/// Those of the weights that a run trains.
const TRAINED: [&str; 2] = ["unet", "text_encoder"];

fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).map_err(TrainError::io("reading", path))?;
    serde_json::from_str(&text)
        .map_err(|source| TrainError::Json { what: path.display().to_string(), source })
}

/// Names of the files right in a folder that a model needs, in order: all that are text, and its weights once.
fn files_in(folder: &Path) -> Result<Vec<String>> {
    const WEIGHTS: [&str; 2] = [AutoencoderKL::WEIGHTS_FILE, CLIPTextModel::WEIGHTS_FILE];
    const TEXT: [&str; 2] = [".json", ".txt"];
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(TrainError::io("listing", folder))? {
        let entry = entry.map_err(TrainError::io("listing", folder))?;
        // Those of a hub's cache are links.
        if entry.path().is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.retain(|name| WEIGHTS.contains(&name.as_str()) || TEXT.iter().any(|end| name.ends_with(end)));
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use byteedit_diffusion::SamplerKind;
    use byteedit_edit::{Defaults, EditModel};
    use byteedit_models::store::load_component;
    use byteedit_testing::{assert_close, tol};

    use super::*;
    use crate::base::SamplesConfig;
    use crate::named::{parameters_of, with_parameters};
    use crate::pefl::toys;

    /// Taught from a model folder that is gone when the best weights are written.
    fn exported(folder: &Path, config: &PeflRunConfig, change: impl FnOnce(&Path)) -> EditModel {
        let (init, run) = (folder.join("init"), folder.join("run"));
        toys::write_model(&init);
        change(&init);
        Exporter::new(&run, Some(&init), config).unwrap();
        fs::remove_dir_all(&init).unwrap();
        Exporter::new(&run, None, config).unwrap().write(&toys::student()).unwrap();
        EditModel::load(&run.join("model"), &Device::default()).unwrap()
    }

    #[test]
    fn what_is_written_is_a_whole_model_that_says_what_it_was_taught() {
        let folder = tempfile::tempdir().unwrap();
        let samples = SamplesConfig {
            n_per_task: 1,
            sampler: "euler".to_owned(),
            n_steps: 7,
            guidance_scale: 1.5,
            temperature: 0.75,
            erase_temperature: 0.875,
            outpaint_temperature: 0.625,
        };
        let config = PeflRunConfig { samples, ..toys::accelerating() };
        let model = exported(folder.path(), &config, |_| ());
        let defaults = Defaults {
            n_steps: 7,
            guidance_scale: 1.5,
            temperature: 0.75,
            erase_temperature: 0.875,
            outpaint_temperature: 0.625,
            sampler: SamplerKind::Euler,
            ..Defaults::default()
        };
        assert_eq!(model.info().defaults(), defaults);
        // What it was taught before stays.
        let card = model.info().card.as_ref().unwrap();
        assert!(card.keeps_unmasked && card.concepts.len() == 1 && card.words.len() == 4);
        let weight = |model: &crate::base::BaseModel| model.unet.conv_out.weight.val();
        assert_close(&model.parts().unet.conv_out.weight.val(), &weight(&toys::base()), tol::f16_net());

        let run = folder.path().join("run");
        let card = fs::read_to_string(run.join("model").join(CARD)).unwrap();
        let card: Value = serde_json::from_str(&card).unwrap();
        assert_eq!(card[KEY]["phases"], json!(config.phases));
        assert_eq!(card[KEY]["loss"], json!(config.loss));
        assert!(card[KEY]["adversary"].is_object() && card[KEY]["provenance"].is_object());
        let network: CoherentNetwork = load_component(&run.join("coherent"), &Device::default()).unwrap();
        let before = toys::coherent(toys::SIDE).head.fc2.weight.val();
        assert_close(&network.head.fc2.weight.val(), &before, tol::f16_net());
    }

    #[test]
    fn branches_are_a_file_of_their_own_and_in_the_weights_of_the_model() {
        let folder = tempfile::tempdir().unwrap();
        let (init, run, device) = (folder.path().join("init"), folder.path().join("run"), Device::default());
        let config = PeflRunConfig { lora: Some(lora::LoraConfig::of_attention(2)), ..toys::config() };
        let student = crate::pefl::as_it_learns(&config, toys::student(), &device).unwrap();
        let mut learned = parameters_of(&student);
        for (_, value) in learned.iter_mut().filter(|(name, _)| name.ends_with("low_rank.b")) {
            *value = value.clone() + 0.25;
        }
        toys::write_model(&init);
        let exporter = Exporter::new(&run, Some(&init), &config).unwrap();
        exporter.write(&with_parameters(student, &learned)).unwrap();

        let (before, mut unet) = (toys::base().unet, toys::base().unet);
        let file = lora::Lora::read(&run.join("lora").join(lora::FILE_NAME)).unwrap();
        file.merge(&mut unet, None, 1.0).unwrap();
        let model = EditModel::load(&run.join("model"), &device).unwrap();
        let to_q = |unet: &UNet2DConditionModel| {
            unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_q.weight.val()
        };
        assert_close(&to_q(&model.parts().unet), &to_q(&unet), tol::f16_net());
        assert!((to_q(&unet) - to_q(&before)).abs().max().into_scalar::<f32>() > 0.01);
    }

    #[test]
    fn a_model_from_elsewhere_stays_without_a_card() {
        let folder = tempfile::tempdir().unwrap();
        let without_card = |init: &Path| fs::remove_file(init.join(CARD)).unwrap();
        let model = exported(folder.path(), &toys::config(), without_card);
        assert!(model.info().card.is_none());
    }
}
