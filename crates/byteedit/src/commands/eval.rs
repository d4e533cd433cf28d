//! `byteedit eval`: figures with exact answers behind them.

use std::path::Path;

use anyhow::{Context, bail};
use burn::tensor::Device;
use byteedit_eval::{EvalConfig, GuidanceScales, TrainedJudge, eval_world};
use byteedit_models::Component;
use byteedit_models::classifier::Judge;

use crate::args::{EvalArgs, EvalVerb, EvalWorldArgs, JUDGE};
use crate::exit::ExitStatus;
use crate::files;
use crate::model;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::{device, world};

/// Runs one of the evaluations.
///
/// # Errors
/// A model or a world that cannot be used, or a folder that cannot be written.
pub(super) fn run(args: EvalArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    match args.verb {
        EvalVerb::World(args) => on_world(args, printer),
    }
}

fn on_world(args: EvalWorldArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let EvalWorldArgs {
        model: chosen,
        judge: judge_name,
        steps,
        sampler,
        guidance,
        temperature,
        split,
        samples,
        diverse,
        examples,
        seed,
        out,
        world: pack,
        json,
    } = args;
    let device = device(chosen.device.as_deref())?;
    let world = world(pack.as_deref())?;
    let judge = judge(&judge_name, &device)?;
    let model = model::load(&chosen.model, &device)?;
    // Last, so that a name which is none leaves no folder behind.
    files::create_folder(&out)?;
    let suited = EvalConfig::for_model(split.into(), &model);
    let config = EvalConfig {
        n_samples: samples as usize,
        seed,
        n_steps: steps as usize,
        sampler: sampler.unwrap_or(suited.sampler),
        guidance: GuidanceScales {
            edit: guidance.unwrap_or(suited.guidance.edit),
            outpaint: guidance.unwrap_or(suited.guidance.outpaint),
            ..suited.guidance
        },
        temperature: temperature.unwrap_or(suited.temperature),
        n_diverse: diverse as usize,
        n_examples: examples as usize,
        ..suited
    };
    let mut progress = None;
    let evaluation = eval_world(&model, &judge, &world, &config, &mut |report| {
        let progress = progress
            .get_or_insert_with(|| Progress::start(printer, "samples", report.n_cases_in_all() as u64));
        progress.set(report.n_done_in_all() as u64, || report.section.name().to_owned());
    })?;
    drop(progress);
    for (section, seconds) in &evaluation.timing.seconds_per_picture {
        printer.note(format_args!("{}: {seconds:.3} s for each picture", section.name()));
    }
    let written = evaluation.write(&out)?;
    for path in &written {
        printer.note(format_args!("wrote {}", path.display()));
    }
    let text = if json { evaluation.report.to_json() } else { evaluation.report.to_markdown() };
    printer.result(text.trim_end())?;
    Ok(ExitStatus::Done)
}

/// The built-in judge, or the one in a folder.
fn judge(name: &str, device: &Device) -> anyhow::Result<TrainedJudge> {
    if name != JUDGE {
        let folder = Path::new(name);
        if !folder.join(Judge::WEIGHTS_FILE).is_file() {
            bail!(
                "{name} is no judge: it has no {}; name a folder that `train judge` wrote",
                Judge::WEIGHTS_FILE
            );
        }
        return Ok(TrainedJudge::load(folder, device)?);
    }
    let file = |name| {
        byteedit_mini::file(byteedit_mini::JUDGE, name)
            .context("no judge was built into this program; name a folder with --judge")
    };
    Ok(TrainedJudge::from_bytes(JUDGE, file("config.json")?, file(Judge::WEIGHTS_FILE)?, device)?)
}
