//! `byteedit data`: what rewards learn from.

use std::path::Path;

use anyhow::{Context, bail};
use burn::tensor::Device;
use byteedit_data::preference;
use byteedit_models::Component;
use byteedit_models::classifier::Annotator;
use byteedit_models::store::{component_from_bytes, load_component};
use byteedit_train::RunContext;
use byteedit_train::feedback::{self, AnnotateConfig, CandidatesConfig, Simulated};
use serde_json::json;

use super::train::{Observer, report};
use crate::args::{ANNOTATOR, DataAnnotateArgs, DataArgs, DataCandidatesArgs, DataCheckArgs, DataVerb};
use crate::exit::ExitStatus;
use crate::interrupt::stop_flag;
use crate::model;
use crate::printer::Printer;
use crate::settings::{device, overlaid, world};

/// Runs one of the verbs.
///
/// # Errors
/// Models, worlds, collections or folders that cannot be used.
pub(super) fn run(args: DataArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    match args.verb {
        DataVerb::Candidates(args) => candidates(args, printer),
        DataVerb::Annotate(args) => annotate(args, printer),
        DataVerb::Check(args) => check(args, printer),
    }
}

fn candidates(args: DataCandidatesArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let DataCandidatesArgs { model: chosen, out, config, set, world: pack, json } = args;
    let device = device(chosen.device.as_deref())?;
    let world = world(pack.as_deref())?;
    let model = model::load(&chosen.model, &device)?;
    let preset = CandidatesConfig::mini(&model.info().defaults());
    let config = overlaid(preset, config.as_deref(), &set)?;
    let mut observer = Observer::new(printer);
    let context =
        RunContext { folder: &out, device: &device, progress: &mut observer, stop: stop_flag(printer)? };
    let outcome = feedback::collect(&config, &world, &model, context)?;
    drop(observer);
    report(outcome, &out, "tasks.jsonl", json, printer)
}

fn annotate(args: DataAnnotateArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let DataAnnotateArgs {
        collection,
        noise,
        tie_band,
        seed,
        annotator,
        world: pack,
        device: device_name,
        json,
    } = args;
    let device = device(device_name.as_deref())?;
    let world = world(pack.as_deref())?;
    let network = network(&annotator, &device)?;
    let annotator = Simulated::new(&world, &network, &device)?;
    let config = AnnotateConfig { noise, tie_band, seed };
    // It takes seconds and writes whole files at its end, so Ctrl-C may simply end it.
    feedback::annotate(&config, &world, &annotator, &collection, &mut Observer::new(printer))?;
    printer.note("these are the opinions of a program that knows the right answers, not of people");
    if json {
        printer.json(&json!({ "status": "finished", "output": collection }))?;
    } else {
        printer.result(collection.display())?;
    }
    Ok(ExitStatus::Done)
}

fn check(args: DataCheckArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let DataCheckArgs { file, axis, json } = args;
    let report = preference::validate(&file, axis.into())?;
    if json {
        printer.json(&serde_json::to_value(&report)?)?;
    } else {
        printer.result(&report)?;
    }
    if report.is_sound() {
        Ok(ExitStatus::Done)
    } else {
        bail!("{} cannot be trained on as it is", file.display())
    }
}

/// The built-in annotator, or the one in a folder.
fn network(name: &str, device: &Device) -> anyhow::Result<Annotator> {
    if name != ANNOTATOR {
        let folder = Path::new(name);
        if !folder.join(Annotator::WEIGHTS_FILE).is_file() {
            bail!(
                "{name} is no annotator: it has no {}; name a folder that `train annotator` wrote",
                Annotator::WEIGHTS_FILE
            );
        }
        return Ok(load_component(folder, device)?);
    }
    let file = |name| {
        byteedit_mini::file(byteedit_mini::ANNOTATOR, name)
            .context("no annotator was built into this program; name a folder with --annotator")
    };
    let config = Annotator::parse_config(std::str::from_utf8(file("config.json")?)?)?;
    let path = Path::new(ANNOTATOR).join(Annotator::WEIGHTS_FILE);
    Ok(component_from_bytes(&config, file(Annotator::WEIGHTS_FILE)?, &path, device)?)
}
