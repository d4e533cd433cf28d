//! The comparison itself: section by section, in batches, through every arm.

use std::path::Path;

use byteedit_data::World;

use super::answered::Yardsticks;
use super::arm::{Arm, pairs};
use super::config::CompareConfig;
use super::contest::Contest;
use super::kept::{Kept, KeptArm};
use super::report::{ArmReport, CompareReport, CompareTiming, Comparison, SCHEMA_VERSION};
use crate::case::Cases;
use crate::error::Result;
use crate::judge::{Judge, Labels};
use crate::report::{NOTE, WorldSummary};
use crate::section::Section;

/// What a comparison tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompareEvent {
    /// What there is of an arm from before; told of each before anything is painted, if answers are kept.
    Kept(KeptArm),
    /// Every arm has answered some more cases.
    Answered(CompareProgress),
}

/// How far a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompareProgress {
    /// The part that is running.
    pub section: Section,
    /// Cases of all parts that every arm has answered.
    pub n_done: usize,
    /// Cases of all parts.
    pub n_cases: usize,
}

/// Compares arms on the mini world.
///
/// Every arm answers the same `config.n_samples` questions of each section from the same noise, its own model's way of
/// seeing boxes included; the first arm, the reference, answers them once more from other noise, for the tie bands. The same
/// arms, judge, world and settings give the same figures and sheets; only the seconds differ.
///
/// What was measured of an arm's answers is kept in `folder`, if there is one, below `answers`, in a file for each arm and
/// whatever its answers depend on, so that other settings lose none: the same call goes on after what was measured, whenever
/// it was stopped, and one with another arm or more samples measures only batches with something new in them. Of what a sheet
/// shows and did not show before, the first answer alone is painted once more. The report itself is written by
/// [`Comparison::write`].
///
/// # Errors
/// [`EvalError::Config`](crate::EvalError::Config), [`EvalError::Arms`](crate::EvalError::Arms) and
/// [`EvalError::Labels`](crate::EvalError::Labels) before anything is computed;
/// [`EvalError::TooFewSamples`](crate::EvalError::TooFewSamples) where the split does not show enough;
/// [`DataError::Held`](byteedit_data::DataError::Held) and [`DataError::Io`](byteedit_data::DataError::Io) where nothing can
/// be kept; whatever an editor or the world says.
pub fn eval_compare(
    arms: &[Arm<'_>],
    judge: &dyn Judge,
    world: &World,
    config: &CompareConfig,
    folder: Option<&Path>,
    tell: &mut dyn FnMut(CompareEvent),
) -> Result<Comparison> {
    config.validate()?;
    let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
    let pairs = pairs(&names, &config.pairs)?;
    arms.iter().try_for_each(|arm| config.for_arm(&arm.settings).validate())?;
    let labels = &Labels::new(judge, world)?;
    let yardsticks = Yardsticks { world, judge, labels };
    let mut kept = Kept::default();
    if let Some(folder) = folder {
        let (files, arms) = Kept::open(folder, arms, judge, config)?;
        kept = files;
        arms.into_iter().map(CompareEvent::Kept).for_each(&mut *tell);
    }
    let n_cases = config.sections.len() * config.n_samples;
    let (mut sections, mut sheets, mut timing) = (Vec::new(), Vec::new(), CompareTiming::default());
    for (place, &section) in config.sections.iter().enumerate() {
        let mut contest = Contest::new(section, arms, config, yardsticks);
        // The questions depend on what all arms have in common alone.
        let mut cases = Cases::new(world, section, &config.for_arm(&arms[0].settings));
        loop {
            let batch = cases.by_ref().take(config.batch).collect::<Result<Vec<_>>>()?;
            if batch.is_empty() {
                break;
            }
            contest.batch(&batch, &mut kept)?;
            let n_done = place * config.n_samples + contest.n_done();
            tell(CompareEvent::Answered(CompareProgress { section, n_done, n_cases }));
        }
        timing.seconds_per_picture.insert(section, contest.seconds_per_picture());
        let (comparison, sheet) = contest.finished(&pairs)?;
        sections.push(comparison);
        sheets.extend(sheet);
    }
    let arm = |arm: &Arm<'_>| ArmReport {
        name: arm.name.clone(),
        model: arm.editor.identity(),
        settings: arm.settings.clone(),
    };
    let report = CompareReport {
        schema_version: SCHEMA_VERSION,
        suite: "compare".to_owned(),
        note: NOTE.to_owned(),
        judge: judge.identity(),
        world: WorldSummary { n_concepts: world.concepts().len(), n_photos: world.n_photos(config.split) },
        settings: config.clone(),
        arms: arms.iter().map(arm).collect(),
        sections,
    };
    Ok(Comparison { report, timing, sheets })
}
