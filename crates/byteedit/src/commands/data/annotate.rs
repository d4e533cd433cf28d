//! `byteedit data annotate`: the opinions of a program that knows the right answers.

use std::path::Path;

use anyhow::{Context, bail};
use burn::tensor::Device;
use byteedit_models::Component;
use byteedit_models::classifier::Annotator;
use byteedit_models::store::{component_from_bytes, load_component};
use byteedit_train::feedback::{self, AnnotateConfig, Simulated};
use serde_json::json;

use crate::args::{ANNOTATOR, DataAnnotateArgs};
use crate::commands::train::Observer;
use crate::exit::ExitStatus;
use crate::printer::Printer;
use crate::settings::{device, world};

/// Ranks the candidates of a collection.
///
/// # Errors
/// A collection, a world or an annotator that cannot be used.
pub(super) fn annotate(args: DataAnnotateArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
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

/// The built-in annotator, or the one in a folder.
///
/// # Errors
/// A folder without an annotator, or a program without one.
pub(super) fn network(name: &str, device: &Device) -> anyhow::Result<Annotator> {
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
