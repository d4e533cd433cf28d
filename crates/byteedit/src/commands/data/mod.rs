//! `byteedit data`: what rewards learn from.

mod align;
mod annotate;
mod candidates;
mod exchange;
mod prompts;

use anyhow::bail;
use byteedit_data::preference;

use crate::args::{DataArgs, DataCheckArgs, DataVerb};
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Runs one of the verbs.
///
/// # Errors
/// Models, worlds, collections, files or folders that cannot be used.
pub(super) fn run(args: DataArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    match args.verb {
        DataVerb::Prompts(args) => prompts::prompts(args, printer),
        DataVerb::Candidates(args) => candidates::candidates(args, printer),
        DataVerb::Annotate(args) => annotate::annotate(args, printer),
        DataVerb::Align(args) => align::align(args, printer),
        DataVerb::Import(args) => exchange::import(args, printer),
        DataVerb::Export(args) => exchange::export(args, printer),
        DataVerb::Check(args) => check(args, printer),
    }
}

fn check(args: DataCheckArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let DataCheckArgs { file, axis, skip_bad, json } = args;
    let report = preference::validate(&file, axis.into())?;
    if json {
        printer.json(&serde_json::to_value(&report)?)?;
    } else {
        printer.result(&report)?;
    }
    if report.is_sound_but_for(skip_bad) {
        Ok(ExitStatus::Done)
    } else {
        bail!("{} cannot be trained on as it is", file.display())
    }
}
