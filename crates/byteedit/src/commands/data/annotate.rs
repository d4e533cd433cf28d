//! `byteedit data annotate`: the opinions of a program that knows the right answers.

use byteedit_train::feedback::{self, AnnotateConfig, Simulated};
use serde_json::json;

use crate::annotator;
use crate::args::DataAnnotateArgs;
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
        annotator: name,
        world: pack,
        device: device_name,
        json,
    } = args;
    let device = device(device_name.as_deref())?;
    let world = world(pack.as_deref())?;
    let network = annotator::open(&name, &device)?;
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
