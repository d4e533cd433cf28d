//! `byteedit eval guidance`.

use anyhow::bail;
use byteedit_data::Split;
use byteedit_eval::compare::{Arm, GuidanceConfig, check_distinct, tune_guidance};

use super::arms::{Models, Teller};
use super::{opened, told};
use crate::args::EvalGuidanceArgs;
use crate::exit::ExitStatus;
use crate::files;
use crate::printer::Printer;
use crate::settings::device;

/// Chooses the guidance of models.
///
/// # Errors
/// Arms or a grid that nothing can be chosen for, the test split, a model, a judge or a world that cannot be used, or a folder
/// that cannot be written.
pub(super) fn guidance(args: EvalGuidanceArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let EvalGuidanceArgs { arm: asked, grid, split, samples, exam, out, device: device_name, json } = args;
    let split = Split::from(split);
    // What needs no model to be refused is refused before one is loaded.
    if let Some(arm) = asked.iter().find(|arm| arm.guidance.is_some()) {
        bail!("the arm {} has a guidance, which is to be chosen; leave out what follows its colon", arm.name);
    }
    let names: Vec<&str> = asked.iter().map(|arm| arm.name.as_str()).collect();
    check_distinct(&names)?;
    let config =
        GuidanceConfig { grid, n_samples: samples as usize, seed: exam.seed, ..GuidanceConfig::new(split) };
    config.validate()?;
    let device = device(device_name.as_deref())?;
    let (world, judge) = opened(&exam, &device)?;
    let models = Models::load(&asked, &out, &device)?;
    // Last, so that a name which is none leaves no folder behind.
    files::create_folder(&out)?;
    let config = GuidanceConfig { picture_size: models.picture_size(&asked[0], split), ..config };
    let arms: Vec<Arm<'_>> = asked.iter().map(|arm| models.arm(arm, split)).collect();
    let mut teller = Teller::new(printer);
    let report = tune_guidance(&arms, &judge, &world, &config, Some(&out), &mut |event| teller.hear(event))?;
    drop(teller);
    let text = if json { report.to_json() } else { report.to_markdown() };
    told(&report.write(&out)?, &text, printer)
}
