//! `byteedit train pefl` and `byteedit train accelerate`.

use std::path::Path;

use anyhow::{Context, bail};
use burn::tensor::Device;
use byteedit_models::Component;
use byteedit_models::classifier::Annotator;
use byteedit_models::store::{component_from_bytes, load_component};
use byteedit_nn::Init;
use byteedit_reward::{CoherentNetwork, Reward};
use byteedit_train::Source;
use byteedit_train::feedback::Simulated;
use byteedit_train::pefl::{self, HeldOut, PeflInputs, PeflRunConfig};
use byteedit_train::reward::coherent::CoherentRunConfig;

use super::{parts, trained};
use crate::args::{ANNOTATOR, TrainAccelerateArgs, TrainPeflArgs};
use crate::exit::ExitStatus;
use crate::model::BUILT_IN;
use crate::printer::Printer;
use crate::settings::FeedbackSettings;
use crate::{annotator, reward};

/// What `--held-out` calls the annotator of the mini world.
const HELD_OUT_ANNOTATOR: &str = "annotator";

/// Teaches an editor by rewards.
///
/// # Errors
/// Those of [`pefl::train`], and models or rewards that cannot be used.
pub(crate) fn train_pefl(args: TrainPeflArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let settings = FeedbackSettings::resolve(args.feedback, "pefl", |preset| preset)?;
    taught(&settings, None, printer)
}

/// The same with an adversary, at fewer steps.
///
/// # Errors
/// As [`train_pefl`].
pub(crate) fn train_accelerate(args: TrainAccelerateArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let TrainAccelerateArgs { feedback, coherent } = args;
    let settings = FeedbackSettings::resolve(feedback, "accelerate", PeflRunConfig::accelerating)?;
    let run = &settings.run;
    let network = coherent_network(&coherent, run.config.training.seed, &run.device)?;
    taught(&settings, Some((coherent, network)), printer)
}

fn taught(
    settings: &FeedbackSettings,
    coherent: Option<(String, CoherentNetwork)>,
    printer: &Printer,
) -> anyhow::Result<ExitStatus> {
    let FeedbackSettings { run, init, aesthetic, alignment, vgg, held_out } = settings;
    let device = &run.device;
    printer.note(format_args!("run folder: {}", run.folder.display()));
    let init = parts::init_folder(init, &run.folder)?;
    let annotator = match held_out.as_deref() {
        Some(HELD_OUT_ANNOTATOR) => Some(annotator::open(ANNOTATOR, device)?),
        _ => None,
    };
    let held_out_reward = held_out.as_deref().filter(|name| *name != HELD_OUT_ANNOTATOR);
    let held_out = match &annotator {
        Some(network) => Some(annotating(&run.source, network, device)?),
        None => held_out_reward.map(|name| reward::open(name, device)).transpose()?.map(HeldOut::Reward),
    };
    let names = named([
        ("aesthetic", aesthetic.as_deref()),
        ("alignment", alignment.as_deref()),
        ("coherent", coherent.as_ref().map(|(name, _)| name.as_str())),
        ("held out", settings.held_out.as_deref()),
    ]);
    let inputs = PeflInputs {
        source: &run.source,
        init: &init,
        aesthetic: ranking_reward(aesthetic.as_deref(), "aesthetic", device)?,
        alignment: ranking_reward(alignment.as_deref(), "alignment", device)?,
        coherent: coherent.map(|(_, network)| network),
        features: vgg.as_deref().map(|folder| load_component(folder, device)).transpose()?,
        held_out,
        names,
    };
    trained(run, "model", printer, |context| pefl::train(&run.config, inputs, context))
}

/// The annotator as what is never optimised.
fn annotating<'a>(
    source: &'a Source,
    network: &'a Annotator,
    device: &'a Device,
) -> anyhow::Result<HeldOut<'a>> {
    match source {
        Source::World(world) => Ok(HeldOut::Annotator(Simulated::new(world, network, device)?, world)),
        Source::Folder(_) => bail!(
            "the annotator knows the mini world alone, but --data names a folder; name a reward with --held-out, or none"
        ),
    }
}

/// The reward called `name`, which of the built-in ones is `built_in`.
fn ranking_reward(
    name: Option<&str>,
    built_in: &str,
    device: &Device,
) -> anyhow::Result<Option<Box<dyn Reward>>> {
    let name = name.map(|name| if name == BUILT_IN { built_in } else { name });
    name.map(|name| reward::open(name, device)).transpose()
}

/// The coherent reward that the adversary begins as.
fn coherent_network(name: &str, seed: u64, device: &Device) -> anyhow::Result<CoherentNetwork> {
    match name {
        "random" => {
            let config = CoherentRunConfig::mini().network;
            Ok(CoherentNetwork::from_config(&config, &mut Init::seeded(device, seed)))
        }
        BUILT_IN => {
            let file = |name| {
                byteedit_mini::file(byteedit_mini::COHERENT, name)
                    .context("no coherent reward was built into this program; name a folder with --coherent")
            };
            let config = CoherentNetwork::parse_config(std::str::from_utf8(file("config.json")?)?)?;
            let path = Path::new("coherent").join(CoherentNetwork::WEIGHTS_FILE);
            let weights = file(CoherentNetwork::WEIGHTS_FILE)?;
            Ok(component_from_bytes(&config, weights, &path, device)?)
        }
        folder if Path::new(folder).join("config.json").is_file() => {
            Ok(load_component(Path::new(folder), device)?)
        }
        _ => bail!("there is no coherent reward {name}; name its folder, or choose mini or random"),
    }
}

/// What is written down of the rewards: `ROLE: NAME`.
fn named(rewards: [(&str, Option<&str>); 4]) -> Vec<String> {
    let given = rewards.into_iter().filter_map(|(role, name)| Some(format!("{role}: {}", name?)));
    given.collect()
}
