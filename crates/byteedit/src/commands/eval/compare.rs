//! `byteedit eval compare`.

use std::collections::BTreeMap;

use burn::tensor::Device;
use byteedit_data::Split;
use byteedit_edit::EditModel;
use byteedit_eval::compare::{Arm, ArmSettings, CompareConfig, eval_compare, pairs};
use byteedit_eval::{EvalConfig, GuidanceScales};

use super::{judge, told};
use crate::args::{ArmArg, EvalCompareArgs};
use crate::exit::ExitStatus;
use crate::files;
use crate::model;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::{device, world};

/// Compares models, or settings of one, on the mini world.
///
/// # Errors
/// Arms that cannot be compared, a model, a judge or a world that cannot be used, or a folder that cannot be written.
pub(super) fn compare(args: EvalCompareArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let EvalCompareArgs {
        arm: asked,
        pair,
        split,
        samples,
        sections,
        diverse,
        seeds,
        judge: judge_name,
        seed,
        out,
        world: pack,
        device: device_name,
        json,
    } = args;
    let split = Split::from(split);
    let config = CompareConfig {
        sections: sections.into_iter().map(Into::into).collect(),
        pairs: pair.into_iter().map(|pair| pair.0).collect(),
        n_samples: samples as usize,
        seed,
        n_diverse: diverse as usize,
        n_seeds: seeds as usize,
        ..CompareConfig::new(split)
    };
    // What needs no model to be refused is refused before one is loaded.
    let names: Vec<&str> = asked.iter().map(|arm| arm.name.as_str()).collect();
    pairs(&names, &config.pairs)?;
    config.validate()?;
    let device = device(device_name.as_deref())?;
    let world = world(pack.as_deref())?;
    let judge = judge(&judge_name, &device)?;
    let models = models(&asked, &device)?;
    // Last, so that a name which is none leaves no folder behind.
    files::create_folder(&out)?;
    let suited = |arm: &ArmArg| EvalConfig::for_model(split, &models[arm.model.as_str()]);
    // All arms are shown frames of the reference's size.
    let config = CompareConfig { picture_size: suited(&asked[0]).picture_size, ..config };
    let arm = |arm: &ArmArg| Arm {
        name: arm.name.clone(),
        editor: &models[arm.model.as_str()],
        settings: settings(arm, &suited(arm)),
    };
    let arms: Vec<Arm<'_>> = asked.iter().map(arm).collect();
    let mut progress = None;
    let comparison = eval_compare(&arms, &judge, &world, &config, &mut |report| {
        let progress =
            progress.get_or_insert_with(|| Progress::start(printer, "samples", report.n_cases as u64));
        progress.set(report.n_done as u64, || report.section.name().to_owned());
    })?;
    drop(progress);
    for (section, arms) in &comparison.timing.seconds_per_picture {
        for (name, seconds) in arms {
            printer.note(format_args!("{}, {name}: {seconds:.3} s for each picture", section.name()));
        }
    }
    let text = if json { comparison.report.to_json() } else { comparison.report.to_markdown() };
    told(&comparison.write(&out)?, &text, printer)
}

/// Every model that an arm names, once.
fn models(arms: &[ArmArg], device: &Device) -> anyhow::Result<BTreeMap<String, EditModel>> {
    let mut models = BTreeMap::new();
    for ArmArg { model: name, .. } in arms {
        if !models.contains_key(name) {
            models.insert(name.clone(), model::load(name, device)?);
        }
    }
    Ok(models)
}

/// What suits the model, but for what the arm says.
fn settings(arm: &ArmArg, suited: &EvalConfig) -> ArmSettings {
    let suited = ArmSettings::from(suited);
    ArmSettings {
        n_steps: arm.n_steps.unwrap_or(suited.n_steps),
        guidance: GuidanceScales {
            edit: arm.guidance.unwrap_or(suited.guidance.edit),
            outpaint: arm.guidance.unwrap_or(suited.guidance.outpaint),
            ..suited.guidance
        },
        ..suited
    }
}
