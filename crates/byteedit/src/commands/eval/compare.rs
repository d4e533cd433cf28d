//! `byteedit eval compare`.

use std::path::Path;

use anyhow::Context;
use byteedit_data::Split;
use byteedit_eval::compare::{Arm, CompareConfig, GuidanceReport, eval_compare, pairs};

use super::arms::{Models, Teller};
use super::{opened, told};
use crate::args::EvalCompareArgs;
use crate::exit::ExitStatus;
use crate::files;
use crate::printer::Printer;
use crate::settings::device;

/// Compares models, or settings of one, on the mini world.
///
/// # Errors
/// Arms that cannot be compared, a model, a judge or a world that cannot be used, or a folder that cannot be written.
pub(super) fn compare(args: EvalCompareArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let EvalCompareArgs {
        arm: asked,
        guidance_from,
        pair,
        split,
        samples,
        sections,
        diverse,
        seeds,
        exam,
        out,
        device: device_name,
        json,
    } = args;
    let split = Split::from(split);
    let config = CompareConfig {
        sections: sections.into_iter().map(Into::into).collect(),
        pairs: pair.into_iter().map(|pair| pair.0).collect(),
        n_samples: samples as usize,
        seed: exam.seed,
        n_diverse: diverse as usize,
        n_seeds: seeds as usize,
        ..CompareConfig::new(split)
    };
    // What needs no model to be refused is refused before one is loaded.
    let names: Vec<&str> = asked.iter().map(|arm| arm.name.as_str()).collect();
    pairs(&names, &config.pairs)?;
    config.validate()?;
    let chosen = guidance_from.as_deref().map(chosen_guidance).transpose()?;
    if let Some(chosen) = &chosen {
        let without = asked.iter().filter(|arm| arm.guidance.is_none());
        let names: Vec<&str> = without.map(|arm| arm.name.as_str()).collect();
        chosen.check_serves(split, &names)?;
    }
    let device = device(device_name.as_deref())?;
    let (world, judge) = opened(&exam, &device)?;
    let models = Models::load(&asked, &out, &device)?;
    let mut arms: Vec<Arm<'_>> = asked.iter().map(|arm| models.arm(arm, split)).collect();
    if let Some(chosen) = chosen {
        for (arm, _) in arms.iter_mut().zip(&asked).filter(|(_, asked)| asked.guidance.is_none()) {
            arm.settings.guidance = arm.settings.guidance.of_prompts(chosen.scale_of(arm)?);
        }
    }
    // Last, so that a name which is none leaves no folder behind.
    files::create_folder(&out)?;
    // All arms are shown frames of the reference's size.
    let config = CompareConfig { picture_size: models.picture_size(&asked[0], split), ..config };
    let mut teller = Teller::new(printer);
    let comparison =
        eval_compare(&arms, &judge, &world, &config, Some(&out), &mut |event| teller.hear(event))?;
    drop(teller);
    for (section, arms) in &comparison.timing.seconds_per_picture {
        for (name, seconds) in arms {
            printer.note(format_args!("{}, {name}: {seconds:.3} s for each picture", section.name()));
        }
    }
    let text = if json { comparison.report.to_json() } else { comparison.report.to_markdown() };
    told(&comparison.write(&out)?, &text, printer)
}

/// What `eval guidance` wrote.
fn chosen_guidance(path: &Path) -> anyhow::Result<GuidanceReport> {
    let text = files::read_text(path)?;
    serde_json::from_str(&text).with_context(|| {
        format!("{} is no choice of guidance; name the guidance.json of `eval guidance`", path.display())
    })
}
