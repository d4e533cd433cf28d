//! Training of classifiers of the world's concepts, whatever their network.
//!
//! They are shown true composites and true backgrounds, cut out around edit masks as an evaluation cuts
//! what a model has painted, and nothing that a model has painted.

mod config;
mod exam;
mod objective;

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use byteedit_data::{GlimpseSpec, Photos, Renderings, World};
use byteedit_models::classifier::{Classifier, NOTHING};
use byteedit_models::store::{Precision, save_component};
use byteedit_nn::Init;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use config::{ClassifierLossConfig, ClassifierRunConfig, GlimpseConfig};

use self::exam::{Exam, accuracy, accuracy_by_label};
use self::objective::Naming;
use crate::files::{hex, write_json};
use crate::named::with_parameters;
use crate::optim::{AdamWConfig, Decay, EmaConfig, LrSchedule};
use crate::progress::Outcome;
use crate::run::{Checkpoint, RunFolder};
use crate::source::PairConfig;
use crate::training::{ReportConfig, Trained, Training, TrainingConfig};
use crate::{Result, RunContext, Source, TrainError};

/// Trains a classifier in the context's folder, going on where an earlier run with the same configuration
/// stopped. At the end the averaged weights lie in `folder/name` as a component, and `accuracy.json` tells
/// how often it is right on photographs that it was never shown.
pub(crate) fn train<C: Classifier>(
    config: &ClassifierRunConfig<C::Config>,
    source: &Source,
    name: &str,
    context: RunContext<'_>,
) -> Result<Outcome>
where
    C::Config: Serialize + DeserializeOwned,
{
    let RunContext { folder, device, progress, stop } = context;
    let world = world_of(source)?;
    let config = ClassifierRunConfig {
        network: C::config_for(&config.network, labels(world)),
        data_sha256: hex(&source.fingerprint(&PairConfig::mini())?),
        ..config.clone()
    };
    config::validate::<C>(&config)?;
    let run = RunFolder::open(folder, &config)?;
    let model = C::from_config(&config.network, &mut Init::seeded(device, config.training.seed));
    let objective = Naming::<C>::new(&config, world, device)?;
    let training = Training::start(config.training, &run, progress, objective, model, device)?;
    let Trained { outcome, averaged } = training.run(stop)?;
    if outcome == Outcome::Finished {
        save_component(&averaged, &folder.join(name), Precision::F16, &BTreeMap::new())?;
        let record = final_accuracy(&averaged, &config, world, device)?;
        write_json(&folder.join("accuracy.json"), &record)?;
    }
    Ok(outcome)
}

/// Writes the averaged weights of the newest checkpoint of a run as a component into `out`.
pub(crate) fn export<C: Classifier>(folder: &Path, out: &Path, device: &Device) -> Result<()>
where
    C::Config: Serialize + DeserializeOwned,
{
    let config = ClassifierRunConfig::<C::Config>::of_run(folder)?;
    let state = Checkpoint::newest_of_run(folder, device)?;
    let blank = C::from_config(&config.network, &mut Init::blank(device));
    Ok(save_component(&with_parameters(blank, &state.ema), out, Precision::F16, &BTreeMap::new())?)
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

fn labels(world: &World) -> Vec<String> {
    let concepts = world.concepts().iter().map(|concept| concept.name.clone());
    concepts.chain([NOTHING.to_owned()]).collect()
}

/// Accuracy by split and renderings, and by label; of objects alone and of backgrounds alone.
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

/// The only measurement on the test split, made once, after the last step.
fn final_accuracy<C: Classifier>(
    model: &C,
    config: &ClassifierRunConfig<C::Config>,
    world: &World,
    device: &Device,
) -> Result<Vec<FinalAccuracy>> {
    let labels = C::labels(&config.network);
    let nothing = world.concepts().len();
    let kinds = [Photos::Validation, Photos::Test]
        .into_iter()
        .flat_map(|photos| [Renderings::Seen, Renderings::HeldOut].map(|renderings| (photos, renderings)));
    kinds
        .map(|(photographs, renderings)| {
            let spec = config.training_spec(C::side(&config.network));
            let spec = GlimpseSpec { photos: photographs, renderings, ..spec };
            let answers = Exam::draw(world, &spec, config.n_validation)?.answered(model, device);
            let of = |is_nothing: bool| answers.iter().filter(move |a| (a.right == nothing) == is_nothing);
            Ok(FinalAccuracy {
                photographs,
                renderings,
                n: answers.len(),
                all: accuracy(&answers),
                objects: accuracy(of(false)),
                nothing: accuracy(of(true)),
                by_label: accuracy_by_label(&answers, labels),
            })
        })
        .collect()
}
