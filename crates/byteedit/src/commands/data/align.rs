//! `byteedit data align`: captions by a program that names what it sees.

use byteedit_train::feedback::{self, AlignConfig, Simulated};
use serde_json::json;

use crate::annotator;
use crate::args::DataAlignArgs;
use crate::commands::train::Observer;
use crate::exit::ExitStatus;
use crate::printer::Printer;
use crate::settings::{device, world};

/// Describes the edits of a collection.
///
/// # Errors
/// A collection, a world or an annotator that cannot be used.
pub(super) fn align(args: DataAlignArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let DataAlignArgs {
        collection,
        min_confidence,
        n_wrong,
        annotator: name,
        world: pack,
        device: device_name,
        json,
    } = args;
    let device = device(device_name.as_deref())?;
    let world = world(pack.as_deref())?;
    let network = annotator::open(&name, &device)?;
    let annotator = Simulated::new(&world, &network, &device)?;
    let config = AlignConfig { min_confidence, n_wrong };
    // As for annotating, Ctrl-C may simply end it.
    let report = feedback::align(config, &world, &annotator, &collection, &mut Observer::new(printer))?;
    printer.note(format_args!(
        "{} pictures show what was asked for, {} another thing, {} were left out as unsure; a program says so, no person",
        report.n_matching, report.n_mismatched, report.n_unsure
    ));
    let path = collection.join("align.jsonl");
    printer.answer(json, &json!({ "output": path, "report": report }), [path.display()])?;
    Ok(ExitStatus::Done)
}
