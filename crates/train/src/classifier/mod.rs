//! Training of classifiers of the world's concepts, whatever their network.
//!
//! They are shown pictures of the world, composites, backgrounds and decoys, cut out around edit masks as an evaluation
//! cuts what a model has painted, and nothing that a model has painted.

mod config;
mod exam;
mod objective;

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use byteedit_data::{GlimpseSpec, Photos, Renderings, World};
use byteedit_models::classifier::{Classifier, NOTHING};
use byteedit_models::store::{Precision, load_component, save_component};
use byteedit_nn::Init;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use sha2::{Digest, Sha256};

pub use config::{ClassifierLossConfig, ClassifierRunConfig, GlimpseConfig};

use self::exam::{Exam, accuracy, accuracy_by_label, glimpses, label_of};
use self::objective::Naming;
use crate::files::{hex, write_json};
use crate::optim::{AdamWConfig, Decay, EmaConfig, LrSchedule};
use crate::progress::Outcome;
use crate::run::{Checkpoint, RunFolder};
use crate::training::{ReportConfig, Trained, Training, TrainingConfig};
use crate::{Result, RunContext, Source, TrainError};

/// What makes a classifier independent of the other: no configuration changes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    /// Of the folder that holds the trained component.
    pub(crate) name: &'static str,
    /// The half of the training photographs that it learns from.
    pub(crate) photos: Photos,
    /// The renderings that it learns from.
    pub(crate) renderings: Renderings,
}

/// Trains a classifier in the context's folder, going on where an earlier run with the same configuration
/// stopped. At the end the averaged weights lie in `folder/NAME` as a component, and `accuracy.json` tells
/// how often it is right on photographs of the validation split.
pub(crate) fn train<C: Classifier>(
    config: &ClassifierRunConfig<C::Config>,
    source: &Source,
    role: Role,
    context: RunContext<'_>,
) -> Result<Outcome>
where
    C::Config: Serialize + DeserializeOwned,
{
    let RunContext { folder, device, progress, stop } = context;
    let world = world_of(source)?;
    let network = C::config_for(&config.network, labels_to_learn::<C>(&config.network, world)?);
    let mut config = ClassifierRunConfig { network, ..config.clone() };
    config::validate::<C>(&config)?;
    let spec = config.training_spec(C::side(&config.network), role);
    config.data_sha256 = fingerprint(world, &spec)?;
    let run = RunFolder::open(folder, &config)?;
    let model = C::from_config(&config.network, &mut Init::seeded(device, config.training.seed));
    let objective = Naming::<C>::new(&config, role, world, device)?;
    let training = Training::start(config.training, &run, progress, objective, model, device)?;
    let Trained { outcome, averaged } = training.run(stop)?;
    if outcome == Outcome::Finished {
        let out = folder.join(role.name);
        save_component(&averaged, &out, Precision::F16, &making(&config, role, config.training.n_steps))?;
        // What is used is what was saved, in 16 bits.
        let saved: C = load_component(&out, device)?;
        let record = final_accuracy(&saved, &spec, config.n_validation, world, device)?;
        write_json(&folder.join("accuracy.json"), &record)?;
    }
    Ok(outcome)
}

/// Writes the averaged weights of the newest checkpoint of a run as a component into `out`.
pub(crate) fn export<C: Classifier>(role: Role, folder: &Path, out: &Path, device: &Device) -> Result<()>
where
    C::Config: Serialize + DeserializeOwned,
{
    let config = ClassifierRunConfig::<C::Config>::of_run(folder)?;
    let state = Checkpoint::newest_of_run(folder, device)?;
    let blank = C::from_config(&config.network, &mut Init::blank(device));
    let making = making(&config, role, state.header.step);
    Ok(save_component(&state.averaged(blank, folder)?, out, Precision::F16, &making)?)
}

/// How a component was made, for the header of its weights.
fn making<N>(config: &ClassifierRunConfig<N>, role: Role, n_steps: u64) -> BTreeMap<String, String> {
    let training = json!({
        "data_sha256": config.data_sha256,
        "n_images": n_steps * config.training.images_per_step(),
        "n_steps": n_steps,
        "p_nothing": config.glimpses.p_nothing,
        "photographs": role.photos,
        "renderings": role.renderings,
        "seed": config.training.seed,
    });
    BTreeMap::from([("training".to_owned(), training.to_string())])
}

/// A loop that suits the small classifiers.
pub(crate) fn mini_training(seed: u64, n_steps: u64) -> TrainingConfig {
    TrainingConfig {
        seed,
        n_steps,
        batch_size: 64,
        n_accumulate: 1,
        learning_rate: LrSchedule { peak: 2e-3, warmup_steps: 50, decay: Decay::Cosine { floor: 0.02 } },
        optimizer: AdamWConfig::default(),
        muon: None,
        max_grad_norm: 1.0,
        ema: EmaConfig { decay: 0.99 },
        report: ReportConfig {
            log_every: 10,
            validate_every: 200,
            sample_every: 1000,
            checkpoint_every: 100,
        },
    }
}

fn world_of(source: &Source) -> Result<&World> {
    match source {
        Source::World(world) => Ok(world),
        Source::Folder(_) => {
            let limit = "the mini world: a folder of pictures does not say what is where; leave --data out";
            Err(TrainError::config("data", "a folder", limit))
        }
    }
}

/// The world's concepts and "nothing": all that there is to learn, so a configuration may say nothing else.
fn labels_to_learn<C: Classifier>(network: &C::Config, world: &World) -> Result<Vec<String>> {
    let concepts = world.concepts().iter().map(|concept| concept.name.clone());
    let labels: Vec<String> = concepts.chain([NOTHING.to_owned()]).collect();
    let given = C::labels(network);
    if given.is_empty() || given == labels {
        return Ok(labels);
    }
    let limit = "left out: what can be said are the world's concepts and nothing";
    Err(TrainError::config("network.labels", format!("a list of {}", given.len()), limit))
}

/// A hash that differs between runs which are shown other glimpses.
fn fingerprint(world: &World, spec: &GlimpseSpec) -> Result<String> {
    /// Glimpses that are looked at: enough for some of every kind to be among them.
    const N_GLIMPSES: u64 = 64;
    let mut hasher = Sha256::new();
    for glimpse in glimpses(world, spec, 0..N_GLIMPSES)? {
        hasher.update(&glimpse.picture.data);
        hasher.update((label_of(&glimpse, world) as u64).to_le_bytes());
    }
    Ok(hex(&hasher.finalize()))
}

/// Accuracy by renderings, and by label; of objects alone and of backgrounds alone.
#[derive(Debug, Serialize)]
struct FinalAccuracy {
    photographs: Photos,
    renderings: Renderings,
    n: usize,
    all: f64,
    objects: f64,
    nothing: f64,
    by_label: BTreeMap<String, f64>,
}

/// Accuracy on the validation split. The test split is left to `eval world`.
fn final_accuracy<C: Classifier>(
    model: &C,
    spec: &GlimpseSpec,
    n: usize,
    world: &World,
    device: &Device,
) -> Result<Vec<FinalAccuracy>> {
    let labels = C::labels(model.config());
    let nothing = world.concepts().len();
    let usual = (spec.renderings, Exam::usual(world, spec, n)?);
    let held_out = Exam::held_out(world, spec, n)?.map(|exam| (Renderings::HeldOut, exam));
    let exams = [usual].into_iter().chain(held_out);
    let record = exams.map(|(renderings, exam)| {
        let answers = exam.answered(model, device);
        let of = |is_nothing: bool| answers.iter().filter(move |a| (a.right == nothing) == is_nothing);
        FinalAccuracy {
            photographs: Photos::Validation,
            renderings,
            n: answers.len(),
            all: accuracy(&answers),
            objects: accuracy(of(false)),
            nothing: accuracy(of(true)),
            by_label: accuracy_by_label(&answers, labels),
        }
    });
    Ok(record.collect())
}
