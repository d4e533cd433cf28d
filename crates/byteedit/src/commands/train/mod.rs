//! `byteedit train`: runs that can be stopped and gone on with, and their export.

mod feedback;
mod observer;
mod parts;
mod plot;
mod reward;

use std::path::Path;

use anyhow::bail;
use burn::tensor::Device;
use byteedit_train::annotator::{self, AnnotatorRunConfig};
use byteedit_train::base::{self, BaseInputs};
use byteedit_train::decoder::{self, DecoderInputs};
use byteedit_train::export::export_base;
use byteedit_train::judge::{self, JudgeRunConfig};
use byteedit_train::vae::{self, VaeInputs};
use byteedit_train::{Outcome, Result as TrainResult, RunContext};
use serde_json::json;

pub(crate) use self::feedback::{train_accelerate, train_pefl};
pub(super) use self::observer::Observer;
pub(super) use self::parts::named_vae_folder;
pub(crate) use self::plot::train_plot;
pub(crate) use self::reward::train_reward;
use crate::args::TrainExportArgs;
use crate::exit::ExitStatus;
use crate::interrupt::stop_flag;
use crate::printer::Printer;
use crate::settings::{
    BaseSettings, DecoderSettings, RunKind, RunSettings, VaeSettings, device, run_kind, source,
};

/// Trains an autoencoder.
///
/// # Errors
/// Those of [`vae::train`].
pub(crate) fn train_vae(settings: VaeSettings, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let VaeSettings { run, init } = settings;
    printer.note(format_args!("run folder: {}", run.folder.display()));
    let init = init.map(|init| parts::init_vae_folder(&init, &run.folder)).transpose()?;
    let inputs = VaeInputs { source: &run.source, init: init.as_deref() };
    trained(&run, "vae", printer, |context| vae::train(&run.config, &inputs, context))
}

/// Trains an autoencoder's decoder.
///
/// # Errors
/// Those of [`decoder::train`], and a folder without an autoencoder.
pub(crate) fn train_decoder(settings: DecoderSettings, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let DecoderSettings { run, vae } = settings;
    printer.note(format_args!("run folder: {}", run.folder.display()));
    let vae = parts::init_vae_folder(&vae, &run.folder)?;
    let inputs = DecoderInputs { source: &run.source, vae: &vae };
    trained(&run, "vae", printer, |context| decoder::train(&run.config, &inputs, context))
}

/// Trains a base model.
///
/// # Errors
/// Those of [`base::train`], and an autoencoder that is nowhere to be found.
pub(crate) fn train_base(settings: BaseSettings, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let BaseSettings { run, vae, init } = settings;
    printer.note(format_args!("run folder: {}", run.folder.display()));
    let init = init.map(|init| parts::init_folder(&init, &run.folder)).transpose()?;
    let vae = parts::vae_folder(vae, init.as_deref(), &run.folder)?;
    printer.note(format_args!("autoencoder: {}", vae.display()));
    let inputs = BaseInputs { source: &run.source, vae: &vae, init: init.as_deref() };
    trained(&run, "model", printer, |context| base::train(&run.config, &inputs, context))
}

/// Trains the judge.
///
/// # Errors
/// Those of [`judge::train`].
pub(crate) fn train_judge(run: RunSettings<JudgeRunConfig>, printer: &Printer) -> anyhow::Result<ExitStatus> {
    printer.note(format_args!("run folder: {}", run.folder.display()));
    trained(&run, "judge", printer, |context| judge::train(&run.config, &run.source, context))
}

/// Trains the annotator.
///
/// # Errors
/// Those of [`annotator::train`].
pub(crate) fn train_annotator(
    run: RunSettings<AnnotatorRunConfig>,
    printer: &Printer,
) -> anyhow::Result<ExitStatus> {
    printer.note(format_args!("run folder: {}", run.folder.display()));
    trained(&run, "annotator", printer, |context| annotator::train(&run.config, &run.source, context))
}

/// Starts a trainer with a progress line and Ctrl-C, and says how it ended; `made` is what it leaves in its folder.
fn trained<C>(
    run: &RunSettings<C>,
    made: &str,
    printer: &Printer,
    train: impl FnOnce(RunContext<'_>) -> TrainResult<Outcome>,
) -> anyhow::Result<ExitStatus> {
    let outcome = observed(&run.folder, &run.device, printer, train)?;
    report(outcome, &run.folder, made, run.json, printer)
}

/// Trains in a folder with a progress line and Ctrl-C.
fn observed(
    folder: &Path,
    device: &Device,
    printer: &Printer,
    train: impl FnOnce(RunContext<'_>) -> TrainResult<Outcome>,
) -> anyhow::Result<Outcome> {
    let mut observer = Observer::new(printer);
    Ok(train(RunContext { folder, device, progress: &mut observer, stop: stop_flag(printer)? })?)
}

/// Says how a run ended: where what it made lies, or that it can be gone on with.
pub(super) fn report(
    outcome: Outcome,
    folder: &Path,
    made: &str,
    json: bool,
    printer: &Printer,
) -> anyhow::Result<ExitStatus> {
    let made = folder.join(made);
    match outcome {
        Outcome::Finished if json => {
            printer.json(&json!({ "status": "finished", "run": folder, "output": made }))?;
            Ok(ExitStatus::Done)
        }
        Outcome::Finished => {
            printer.result(made.display())?;
            Ok(ExitStatus::Done)
        }
        Outcome::Interrupted { step } => {
            if json {
                printer.json(&json!({ "status": "interrupted", "run": folder, "step": step }))?;
            }
            printer.note(format_args!("saved at step {step}; the same command goes on from there"));
            Ok(ExitStatus::Interrupted)
        }
    }
}

/// Writes a run's averaged weights as a model folder, or an autoencoder's as a component folder.
///
/// # Errors
/// A folder that holds no run with a state, an output that holds a run or cannot be written.
pub(crate) fn train_export(args: TrainExportArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let TrainExportArgs { run, out, data, device: device_name, json } = args;
    let kind = run_kind(&run)?;
    if run_kind(&out).is_ok() {
        bail!(
            "{} is the folder of a run, whose config.json the export would replace; name another with --out",
            out.display()
        );
    }
    if let (RunKind::Judge | RunKind::Annotator, Some(data)) = (kind, &data) {
        bail!(
            "{} holds a classifier, which learns from the mini world; leave --data {} out",
            run.display(),
            data.display()
        );
    }
    let device = device(device_name.as_deref())?;
    let source = source(data.as_deref())?;
    let facts = match kind {
        RunKind::Vae => {
            let channel_rms = vae::export(&run, &source, &out, &device)?.channel_rms();
            let shown: Vec<_> = channel_rms.iter().map(|rms| format!("{rms:.3}")).collect();
            printer.note(format_args!(
                "latents brought to a mean variance of 1 from deviations of {}",
                shown.join(" ")
            ));
            json!({ "kind": "vae", "output": out, "channel_rms": channel_rms })
        }
        RunKind::Decoder => bail!(
            "{} is a run of `train decoder`: its encoder is elsewhere; when it ends, its vae/ is whole",
            run.display()
        ),
        RunKind::Judge => {
            judge::export(&run, &out, &device)?;
            json!({ "kind": "judge", "output": out })
        }
        RunKind::Annotator => {
            annotator::export(&run, &out, &device)?;
            json!({ "kind": "annotator", "output": out })
        }
        RunKind::Reward => {
            bail!("{} is a run of `train reward`: its best weights lie in it already", run.display())
        }
        RunKind::Feedback => {
            bail!("{} is a run by feedback: its best weights lie in its model/ already", run.display())
        }
        RunKind::Base => {
            let card = export_base(&run, &source, &out, &device)?;
            printer.note(format_args!("{} steps, {} pictures", card.n_steps, card.n_images));
            json!({ "kind": "base", "output": out, "n_steps": card.n_steps, "n_images": card.n_images })
        }
    };
    printer.answer(json, &facts, [out.display()])?;
    Ok(ExitStatus::Done)
}
