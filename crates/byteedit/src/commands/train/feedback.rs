//! `byteedit train pefl` and `byteedit train accelerate`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
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
use sha2::{Digest, Sha256};

use super::{parts, trained};
use crate::args::{ANNOTATOR, TrainAccelerateArgs, TrainPeflArgs};
use crate::exit::ExitStatus;
use crate::model::BUILT_IN;
use crate::printer::Printer;
use crate::settings::FeedbackSettings;
use crate::{annotator, memory, reward};

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
    let critics = fingerprints([
        ("aesthetic", aesthetic.as_deref()),
        ("alignment", alignment.as_deref()),
        ("coherent", coherent.as_ref().map(|(name, _)| name.as_str())),
        ("vgg", vgg.as_deref().and_then(Path::to_str)),
        ("held out", settings.held_out.as_deref()),
    ])?;
    let optimised = ["aesthetic", "alignment"].map(|role| critics.get(role));
    if let (Some(name), held_out @ Some(_)) = (&settings.held_out, critics.get("held out"))
        && optimised.contains(&held_out)
    {
        bail!("--held-out {name} is what is optimised; name another reward, annotator, or none");
    }
    let inputs = PeflInputs {
        source: &run.source,
        init: &init,
        aesthetic: ranking_reward(aesthetic.as_deref(), "aesthetic", device)?,
        alignment: ranking_reward(alignment.as_deref(), "alignment", device)?,
        coherent: coherent.map(|(_, network)| network),
        features: vgg.as_deref().map(|folder| load_component(folder, device)).transpose()?,
        held_out,
        critics,
        memory_bytes: memory::reachable_bytes(),
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

/// SHA-256 of the weights of everybody who judges, by role, so that a run goes on with the same.
fn fingerprints(roles: [(&str, Option<&str>); 5]) -> anyhow::Result<BTreeMap<String, String>> {
    let given = roles.into_iter().filter_map(|(role, name)| Some((role, name?)));
    given.map(|(role, name)| Ok((role.to_owned(), fingerprint(role, name)?))).collect()
}

/// Of the weight files in a folder, or of those that are built in.
fn fingerprint(role: &str, name: &str) -> anyhow::Result<String> {
    /// How files of weights end.
    const ENDS: [&str; 4] = [".safetensors", ".bin", ".pt", ".pth"];
    let is_weights = |name: &str| ENDS.iter().any(|end| name.ends_with(end));
    let mut hash = Sha256::new();
    if !Path::new(name).is_dir() {
        let built_in = match (role, name) {
            ("held out", HELD_OUT_ANNOTATOR) => byteedit_mini::ANNOTATOR,
            ("aesthetic", BUILT_IN) | (_, "aesthetic") => byteedit_mini::AESTHETIC,
            ("alignment", BUILT_IN) | (_, "alignment") => byteedit_mini::ALIGNMENT,
            ("coherent", BUILT_IN) | (_, "coherent") => byteedit_mini::COHERENT,
            _ => return Ok(name.to_owned()),
        };
        built_in.iter().filter(|(name, _)| is_weights(name)).for_each(|(_, content)| hash.update(content));
        return Ok(format!("{:x}", hash.finalize()));
    }
    let entries = fs::read_dir(name).with_context(|| format!("{name} cannot be listed"))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| path.is_file() && path.to_str().is_some_and(is_weights));
    paths.sort();
    for path in paths {
        let mut file = File::open(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        io::copy(&mut file, &mut hash).with_context(|| format!("{} cannot be read", path.display()))?;
    }
    Ok(format!("{:x}", hash.finalize()))
}
