//! `byteedit data`: what rewards learn from.

mod align;
mod annotate;
mod candidates;
mod exchange;
mod prompts;

use std::fmt::Display;

use anyhow::bail;
use byteedit_data::captions;
use byteedit_data::preference::{self, Axis};
use serde::Serialize;

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
    let is_sound = if captions::is_of_captions(&file)? {
        if axis.is_some() {
            bail!("--axis is for scores, but {} holds captions; leave it out", file.display());
        }
        let report = captions::validate(&file)?;
        tell(&report, json, printer)?;
        report.is_sound_but_for(skip_bad)
    } else {
        let report = preference::validate(&file, axis.map_or(Axis::Structure, Axis::from))?;
        tell(&report, json, printer)?;
        report.is_sound_but_for(skip_bad)
    };
    if is_sound { Ok(ExitStatus::Done) } else { bail!("{} cannot be trained on as it is", file.display()) }
}

fn tell(report: &(impl Serialize + Display), json: bool, printer: &Printer) -> anyhow::Result<()> {
    if json { printer.json(&serde_json::to_value(report)?) } else { printer.result(report) }
}
