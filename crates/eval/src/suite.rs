//! The evaluation itself: every section's cases, in batches, through the editor, the judge and the metrics.

use byteedit_data::World;

use crate::case::Cases;
use crate::config::EvalConfig;
use crate::editor::Editor;
use crate::error::Result;
use crate::figures::summarized;
use crate::judge::{Judge, Labels};
use crate::kept::{Keep, KeptBatches};
use crate::progress::Progress;
use crate::report::{Autoencoder, Evaluation, Report, Timing, WorldSummary};
use crate::section::Section;
use crate::section_run::{Parties, SectionRun};

/// Evaluates an editor on the mini world.
///
/// Each of `config.sections` asks `config.n_samples` questions of the split. The same editor, judge, world and settings give the same
/// figures and sheets; only the seconds differ. The report is written by [`Evaluation::write`].
///
/// What was measured is kept where `keep` says, if it does, below `answers`, in a file for whatever it depends on, so that
/// other settings lose none: the same call goes on after the last batch that was measured, whenever it was stopped.
///
/// # Errors
/// [`EvalError::Config`](crate::EvalError::Config) and [`EvalError::Labels`](crate::EvalError::Labels) before
/// anything is computed; [`EvalError::TooFewSamples`](crate::EvalError::TooFewSamples) where the split does
/// not show enough; [`DataError::Held`](byteedit_data::DataError::Held) and
/// [`DataError::Io`](byteedit_data::DataError::Io) where nothing can be kept; whatever the editor or the world says.
pub fn eval_world(
    editor: &dyn Editor,
    judge: &dyn Judge,
    world: &World,
    config: &EvalConfig,
    keep: Option<&Keep<'_>>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Evaluation> {
    config.validate()?;
    let labels = &Labels::new(judge, world)?;
    let parties = Parties { editor, judge, labels, world, config };
    let mut kept = match keep {
        Some(keep) => KeptBatches::open(keep, editor, judge, config)?,
        None => KeptBatches::default(),
    };
    let mut sections = Vec::new();
    let mut timing = Timing::default();
    let (mut photographs, mut composites) = (Vec::new(), Vec::new());
    let mut sheets = Vec::new();
    for (place, &section) in config.sections.iter().enumerate() {
        let mut run = SectionRun::new(section, parties)?;
        let mut cases = Cases::new(world, section, config);
        loop {
            let batch = cases.by_ref().take(config.batch).collect::<Result<Vec<_>>>()?;
            if batch.is_empty() {
                break;
            }
            run.batch(&batch, &mut kept)?;
            progress(Progress {
                section,
                n_done: place * config.n_samples + run.n_done(),
                n_cases: config.sections.len() * config.n_samples,
                n_kept: kept.n_cases(),
            });
        }
        timing.seconds_per_picture.insert(section, run.seconds_per_picture());
        // The truth of erasing is a bare photograph, that of an edit shows an object.
        match section {
            Section::Erase => photographs = run.take_reconstructed(),
            Section::Edit => composites = run.take_reconstructed(),
            Section::OutpaintPrompt | Section::OutpaintFree => {}
        }
        let (report, sheet) = run.finished()?;
        sections.push(report);
        sheets.extend(sheet);
    }
    let autoencoder = Autoencoder {
        photographs: summarized(&photographs, config.seed),
        composites: summarized(&composites, config.seed),
    };
    let summary = WorldSummary { n_concepts: world.concepts().len(), n_photos: world.n_photos(config.split) };
    let report = Report {
        model: editor.identity(),
        judge: judge.identity(),
        settings: config.clone(),
        world: summary,
        sections,
        autoencoder,
        ..Report::of_the_world()
    };
    Ok(Evaluation { report, timing, sheets })
}
