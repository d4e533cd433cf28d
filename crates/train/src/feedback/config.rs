//! Every number of a collection of candidates.

use byteedit_data::{Split, Task};
use byteedit_diffusion::own_temperature;
use byteedit_edit::{Defaults, ModelInfo};
use serde::{Deserialize, Serialize};

use crate::{Result, SamplingConfig, TrainError};

/// Most candidates of one task.
const MAX_GENERATORS: usize = 16;
/// Most tasks painted at once.
const MAX_BATCH: usize = 1024;

/// Which tasks are asked, and of whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandidatesConfig {
    /// Which photographs and renderings are shown.
    pub split: Split,
    /// Seed of the tasks and of the noise.
    pub seed: u64,
    /// Tasks.
    pub n_tasks: u64,
    /// Probability of a task that asks for an object.
    pub p_edit: f32,
    /// Probability of one that removes an object.
    pub p_erase: f32,
    /// Probability of one that continues a picture.
    pub p_outpaint: f32,
    /// How it is answered: by each of these with each model, one candidate of every task, from noise of its own.
    pub generators: Vec<SamplingConfig>,
    /// Tasks painted at once: a matter of speed and memory.
    pub batch_size: usize,
    /// The model behind the generators: filled in, to be left out.
    #[serde(default)]
    pub model: ModelName,
    /// Other models behind the same generators: filled in, to be left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_models: Vec<ModelName>,
    /// Side of the pictures in pixels: filled in, to be left out; the model's own as far as the world has it.
    #[serde(default)]
    pub picture_size: usize,
    /// How large the boxes of edits are on the model's canvas: filled in, to be left out; as the model's card has it, and for
    /// other models theirs.
    #[serde(default)]
    pub box_share: Option<f64>,
}

/// Which weights painted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelName {
    /// The model's name, such as "mini" or that of its folder.
    pub name: String,
    /// The first digits of the hash of its weights.
    pub hash: String,
}

impl From<&ModelInfo> for ModelName {
    fn from(info: &ModelInfo) -> Self {
        Self { name: info.name.clone(), hash: info.hash.clone() }
    }
}

impl CandidatesConfig {
    /// Four answers to each of 2,000 tasks of the training split: at the model's own settings, without guidance at the
    /// schedule's temperature, in eight steps, and with twice the guidance.
    pub fn mini(defaults: &Defaults) -> Self {
        let usual = SamplingConfig::from(defaults);
        Self {
            split: Split::Train,
            // Not that of any trainer's preset: tasks are not to be what a base model was trained on.
            seed: 2404,
            n_tasks: 2000,
            p_edit: 0.6,
            p_erase: 0.2,
            p_outpaint: 0.2,
            generators: vec![
                SamplingConfig {
                    guidance_scale: 1.0,
                    temperature: own_temperature(),
                    erase_temperature: own_temperature(),
                    outpaint_temperature: own_temperature(),
                    ..usual.clone()
                },
                SamplingConfig { n_steps: 8, ..usual.clone() },
                SamplingConfig { guidance_scale: 2.0 * usual.guidance_scale, ..usual.clone() },
                usual,
            ],
            batch_size: 16,
            model: ModelName::default(),
            other_models: Vec::new(),
            picture_size: 0,
            box_share: None,
        }
    }

    /// How likely each task is, in the order of [`CandidatesConfig::TASKS`].
    pub(super) fn shares(&self) -> [f32; 3] {
        [self.p_edit, self.p_erase, self.p_outpaint]
    }

    /// All models, in the order of their candidates.
    pub(super) fn models(&self) -> impl Iterator<Item = &ModelName> {
        std::iter::once(&self.model).chain(&self.other_models)
    }

    /// Candidates of each task.
    pub(super) fn n_candidates(&self) -> usize {
        self.generators.len() * self.models().count()
    }

    pub(super) const TASKS: [Task; 3] = [Task::Edit, Task::Erase, Task::Outpaint];

    /// Checks every number once, at the door.
    ///
    /// # Errors
    /// [`TrainError::Config`] or a sampler's own error names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        let sum: f32 = self.shares().iter().sum();
        if self.shares().iter().any(|p| !(0.0..=1.0).contains(p)) || (sum - 1.0).abs() > 1e-4 {
            return Err(TrainError::config("p_edit + p_erase + p_outpaint", sum, "1 in sum, none negative"));
        }
        if !(2..=MAX_GENERATORS).contains(&self.n_candidates()) {
            let why = "over all models: a preference is between candidates";
            let limit = format!("from 2 to {MAX_GENERATORS} entries, {why}");
            return Err(TrainError::config("generators", self.n_candidates(), limit));
        }
        for (place, model) in self.models().enumerate() {
            if self.models().take(place).any(|earlier| earlier.hash == model.hash) {
                return Err(TrainError::config("a model", &model.name, "given once"));
            }
        }
        if !(1..=MAX_BATCH).contains(&self.batch_size) {
            return Err(TrainError::config("batch_size", self.batch_size, format!("from 1 to {MAX_BATCH}")));
        }
        if self.split == Split::Test {
            let limit = "train or validation: what is reported on must not be learned from";
            return Err(TrainError::config("split", "test", limit));
        }
        if self.n_tasks == 0 {
            return Err(TrainError::config("n_tasks", 0, "1 or more"));
        }
        self.generators.iter().try_for_each(|generator| generator.validate("generators[].n_steps"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_is_valid_and_survives_json() {
        let preset = CandidatesConfig::mini(&Defaults::default());
        preset.validate().unwrap();
        let text = serde_json::to_string(&preset).unwrap();
        assert_eq!(serde_json::from_str::<CandidatesConfig>(&text).unwrap(), preset);
    }

    fn named(number: u8) -> ModelName {
        ModelName { name: "model".to_owned(), hash: number.to_string() }
    }

    #[test]
    fn every_model_answers_by_every_generator() {
        let alone = CandidatesConfig::mini(&Defaults::default());
        // So collections of before there were others go on.
        assert!(!serde_json::to_string(&alone).unwrap().contains("other_models"));
        let one = CandidatesConfig { generators: alone.generators[..1].to_vec(), ..alone };
        let two = CandidatesConfig { other_models: vec![named(1)], ..one.clone() };
        assert!(one.validate().is_err() && two.validate().is_ok());
        assert_eq!((one.n_candidates(), two.n_candidates()), (1, 2));
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let message = |change: fn(&mut CandidatesConfig)| {
            let mut config = CandidatesConfig::mini(&Defaults::default());
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        for (message, named) in [
            (message(|c| c.p_edit = 0.9), "`p_edit + p_erase + p_outpaint` is 1.3"),
            (message(|c| c.generators.truncate(1)), "`generators` is 1"),
            (message(|c| c.batch_size = 0), "`batch_size` is 0"),
            (message(|c| c.n_tasks = 0), "`n_tasks` is 0"),
            (message(|c| c.split = Split::Test), "`split` is test"),
            (message(|c| c.generators[2].n_steps = 0), "`generators[].n_steps` is 0"),
            (message(|c| c.generators[1].sampler = "plms".to_owned()), "`plms`"),
            (message(|c| c.other_models = vec![ModelName::default()]), "`a model` is "),
            (message(|c| c.other_models = (0..4).map(named).collect()), "`generators` is 20"),
            (message(|c| c.generators[0].temperature = 7.0), "temperature"),
        ] {
            assert!(message.contains(named), "{message}");
        }
    }
}
