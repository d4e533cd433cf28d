//! `byteedit data candidates`: several answers to each task.

use byteedit_train::RunContext;
use byteedit_train::feedback::{self, CandidatesConfig};

use crate::args::DataCandidatesArgs;
use crate::commands::train::{Observer, report};
use crate::exit::ExitStatus;
use crate::interrupt::stop_flag;
use crate::model;
use crate::printer::Printer;
use crate::settings::{device, overlaid, world};

/// Makes a collection, or goes on with it.
///
/// # Errors
/// A model, a world, a configuration or a folder that cannot be used.
pub(super) fn candidates(args: DataCandidatesArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let DataCandidatesArgs { model: chosen, also, out, config, set, world: pack, json } = args;
    let device = device(chosen.device.as_deref())?;
    let world = world(pack.as_deref())?;
    let mut models = vec![model::load(&chosen.model, &device)?];
    let preset = CandidatesConfig::mini(&models[0].info().defaults());
    for name in &also {
        models.push(model::load(name, &device)?);
    }
    let config = overlaid(preset, config.as_deref(), &set)?;
    let mut observer = Observer::new(printer);
    let context =
        RunContext { folder: &out, device: &device, progress: &mut observer, stop: stop_flag(printer)? };
    let outcome = feedback::collect(&config, &world, &models, context)?;
    drop(observer);
    report(outcome, &out, "tasks.jsonl", json, printer)
}
