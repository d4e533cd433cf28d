//! `byteedit eval`: figures with exact answers behind them, models beside each other, and those of rewards on judged
//! preferences.

mod arms;
mod compare;
mod guidance;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use burn::tensor::Device;
use byteedit_data::World;
use byteedit_data::preference::SkipBad;
use byteedit_eval::reward::{Judged, Scorer, eval_reward};
use byteedit_eval::{EvalConfig, GuidanceScales, Keep, Section, TrainedJudge, eval_world};
use byteedit_models::Component;
use byteedit_models::classifier::Judge;
use byteedit_models::store::{component_from_bytes, load_component};
use byteedit_models::vae::AutoencoderKL;

use super::train::named_vae_folder;
use crate::args::{EvalArgs, EvalRewardArgs, EvalVerb, EvalWorldArgs, ExamArgs, JUDGE};
use crate::exit::ExitStatus;
use crate::files;
use crate::fingerprint::{self, Known};
use crate::model::{self, BUILT_IN};
use crate::printer::Printer;
use crate::progress::Progress;
use crate::reward;
use crate::settings::{arithmetic, device, world};

/// Runs one of the evaluations.
///
/// # Errors
/// A model, a world, a reward or a file that cannot be used, or a folder that cannot be written.
pub(super) fn run(args: EvalArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    match args.verb {
        EvalVerb::World(args) => on_world(args, printer),
        EvalVerb::Compare(args) => compare::compare(args, printer),
        EvalVerb::Guidance(args) => guidance::guidance(args, printer),
        EvalVerb::Reward(args) => on_preferences(args, printer),
    }
}

fn on_world(args: EvalWorldArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let EvalWorldArgs {
        model: chosen,
        exam,
        steps,
        sampler,
        guidance,
        temperature,
        erase_temperature,
        outpaint_temperature,
        split,
        samples,
        sections,
        diverse,
        examples,
        out,
        json,
    } = args;
    let sections: Vec<Section> = sections.into_iter().map(Into::into).collect();
    // Before anything is loaded.
    EvalConfig { sections: sections.clone(), ..EvalConfig::new(split.into()) }.validate()?;
    let device = device(chosen.device.as_deref())?;
    let (world, judge) = opened(&exam, &device)?;
    let model = model::load(&chosen.model, &device)?;
    let keep = Keep {
        folder: &out,
        model: &model::fingerprint(&chosen.model, &out)?,
        world: &world_fingerprint(exam.world.as_deref())?,
        device: &arithmetic(&device),
    };
    let suited = EvalConfig::for_model(split.into(), &model);
    let config = EvalConfig {
        sections,
        n_samples: samples as usize,
        seed: exam.seed,
        n_steps: steps as usize,
        sampler: sampler.unwrap_or(suited.sampler),
        guidance: GuidanceScales {
            edit: guidance.unwrap_or(suited.guidance.edit),
            outpaint: guidance.unwrap_or(suited.guidance.outpaint),
            ..suited.guidance
        },
        temperature: temperature.unwrap_or(suited.temperature),
        erase_temperature: erase_temperature.unwrap_or(suited.erase_temperature),
        outpaint_temperature: outpaint_temperature.unwrap_or(suited.outpaint_temperature),
        n_diverse: diverse as usize,
        n_examples: examples as usize,
        ..suited
    };
    config.validate()?;
    // Last, so that a name which is none leaves no folder behind.
    files::create_folder(&out)?;
    let mut progress = None;
    let evaluation = eval_world(&model, &judge, &world, &config, Some(&keep), &mut |report| {
        let progress = progress.get_or_insert_with(|| {
            tell_kept(report.n_kept, report.n_cases, printer);
            Progress::start(printer, "samples", report.n_cases as u64)
        });
        progress.set(report.n_done as u64, || report.section.name().to_owned());
    })?;
    drop(progress);
    for (section, seconds) in &evaluation.timing.seconds_per_picture {
        printer.note(format_args!("{}: {seconds:.3} s for each picture", section.name()));
    }
    let text = if json { evaluation.report.to_json() } else { evaluation.report.to_markdown() };
    told(&evaluation.write(&out)?, &text, printer)
}

/// Says how many of an evaluation's samples were measured before.
fn tell_kept(n_kept: usize, n_samples: usize, printer: &Printer) {
    if n_kept == n_samples {
        printer.note(format_args!("all {n_samples} samples were measured before"));
    } else if n_kept > 0 {
        printer.note(format_args!("the evaluation goes on after {n_kept} samples"));
    }
}

fn on_preferences(args: EvalRewardArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let EvalRewardArgs {
        file,
        reward: name,
        axis,
        split_unseen,
        vae,
        skip_bad,
        out,
        device: device_name,
        json,
    } = args;
    let device = device(device_name.as_deref())?;
    let skip = SkipBad { limit: skip_bad };
    let mut judged = Judged::read(&file, axis.into(), skip)?;
    if let Some(trained_on) = split_unseen {
        judged = judged.split_by_prompts_of(&trained_on, skip)?;
    }
    for bad in judged.skipped() {
        printer.warn(format_args!("skipped {bad}"));
    }
    let vae = vae.map(|vae| autoencoder(&vae, &device)).transpose()?;
    let reward = reward::open(&name, &device)?;
    reward::warn_of_cut(reward.as_ref(), &name, judged.prompts(), printer);
    // Last, so that a name which is none leaves no folder behind.
    files::create_folder(&out)?;
    // A report names no path.
    let path = Path::new(&name);
    let own_name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let scorer = Scorer { name: &own_name, reward: reward.as_ref(), vae: vae.as_ref(), device: &device };
    let mut progress = None;
    let evaluation = eval_reward(&judged, &scorer, &mut |n_done, n_records| {
        let progress = progress.get_or_insert_with(|| Progress::start(printer, "records", n_records as u64));
        progress.set(n_done as u64, String::new);
    })?;
    drop(progress);
    if vae.is_some() && evaluation.report.pixels.is_none() {
        printer.warn(format_args!("--vae changes nothing: the reward {name} sees a picture as a whole"));
    }
    let text = if json { evaluation.report.to_json() } else { evaluation.report.to_markdown() };
    told(&evaluation.write(&out)?, &text, printer)
}

/// Says what was written, and prints the report.
fn told(written: &[PathBuf], report: &str, printer: &Printer) -> anyhow::Result<ExitStatus> {
    for path in written {
        printer.note(format_args!("wrote {}", path.display()));
    }
    printer.result(report.trim_end())?;
    Ok(ExitStatus::Done)
}

/// The built-in model's autoencoder, or the one in a folder.
fn autoencoder(name: &str, device: &Device) -> anyhow::Result<AutoencoderKL> {
    if name != BUILT_IN {
        return Ok(load_component(&named_vae_folder(Path::new(name))?, device)?);
    }
    model::check_built_in()?;
    let file = |name: &str| {
        byteedit_mini::file(byteedit_mini::MODEL, &format!("vae/{name}"))
            .with_context(|| format!("the built-in model has no vae/{name}; name a folder with --vae"))
    };
    let config = AutoencoderKL::parse_config(std::str::from_utf8(file("config.json")?)?)?;
    let path = Path::new(BUILT_IN).join("vae").join(AutoencoderKL::WEIGHTS_FILE);
    Ok(component_from_bytes(&config, file(AutoencoderKL::WEIGHTS_FILE)?, &path, device)?)
}

/// Where questions come from, and who looks at the answers.
fn opened(exam: &ExamArgs, device: &Device) -> anyhow::Result<(World, TrainedJudge)> {
    Ok((world(exam.world.as_deref())?, judge(&exam.judge, device)?))
}

/// What tells a world from all others: a hash of its pack.
fn world_fingerprint(pack: Option<&Path>) -> anyhow::Result<String> {
    match pack {
        Some(path) => Known::default().of_file(path),
        None => Ok(fingerprint::of_files(&[("world.pack", byteedit_mini::WORLD)])),
    }
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
