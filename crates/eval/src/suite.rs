//! The evaluation itself: every section's cases, in batches, through the editor and the metrics.

use std::time::Instant;

use byteedit_data::World;
use byteedit_edit::{Canvas, Sampling};
use byteedit_image::{UnitImage, fill};

use crate::bootstrap::nine_digits;
use crate::case::{Case, Cases};
use crate::config::EvalConfig;
use crate::editor::{Editor, finish};
use crate::error::{EvalError, Result};
use crate::figures::summarized;
use crate::gallery::{Gallery, sheet};
use crate::measure::{Answers, Measured, asks_for_color, measure, measure_reconstruction};
use crate::metric::psnr;
use crate::progress::Progress;
use crate::report::{Autoencoder, Evaluation, Report, SectionReport, Sheet, Timing, WorldSummary};
use crate::section::Section;

/// Evaluates an editor on the mini world.
///
/// Every section asks `config.n_samples` questions of the split. The same editor, world and settings
/// give the same figures and sheets; only the seconds differ. Nothing is written: see
/// [`Evaluation::write`].
///
/// # Errors
/// [`EvalError::Config`] before anything is computed; [`EvalError::TooFewSamples`] where the split
/// does not show enough; whatever the editor or the world says.
pub fn eval_world(
    editor: &dyn Editor,
    world: &World,
    config: &EvalConfig,
    progress: &mut dyn FnMut(Progress),
) -> Result<Evaluation> {
    config.validate()?;
    let mut sections = Vec::new();
    let mut timing = Timing::default();
    let (mut photographs, mut composites) = (Vec::new(), Vec::new());
    let mut sheets = Vec::new();
    for section in Section::ALL {
        let mut run = SectionRun::new(section, config);
        let mut cases = Cases::new(world, section, config);
        loop {
            let batch = cases.by_ref().take(config.batch).collect::<Result<Vec<_>>>()?;
            if batch.is_empty() {
                break;
            }
            run.batch(editor, &batch)?;
            progress(Progress { section, n_done: run.measured.len(), n_cases: config.n_samples });
        }
        let seconds = nine_digits(run.seconds / run.measured.len() as f64);
        timing.seconds_per_picture.insert(section, seconds);
        // The truth of erasing is a bare photograph, that of an edit shows an object.
        match section {
            Section::Erase => photographs = std::mem::take(&mut run.reconstructed),
            Section::Edit => composites = std::mem::take(&mut run.reconstructed),
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
    let report = Report::new(editor.identity(), config.clone(), summary, sections, autoencoder, timing);
    Ok(Evaluation { report, sheets })
}

/// One section while it runs.
struct SectionRun<'a> {
    section: Section,
    config: &'a EvalConfig,
    sampling: Sampling,
    measured: Vec<Measured>,
    /// The same truths as whole pictures through the autoencoder.
    reconstructed: Vec<Measured>,
    gallery: Gallery,
    n_kept_changed: usize,
    /// Spent on painting and finishing results.
    seconds: f64,
}

impl<'a> SectionRun<'a> {
    fn new(section: Section, config: &'a EvalConfig) -> Self {
        Self {
            section,
            config,
            sampling: config.sampling(section),
            measured: Vec::new(),
            reconstructed: Vec::new(),
            gallery: Gallery::new(section, config.n_examples, config.n_samples, config.seed),
            n_kept_changed: 0,
            seconds: 0.0,
        }
    }

    fn batch(&mut self, editor: &dyn Editor, cases: &[Case]) -> Result<()> {
        let begin = Instant::now();
        let results = self.edited(editor, cases, |case| case.prompt.as_str())?;
        self.seconds += begin.elapsed().as_secs_f64();
        let asking: Vec<Case> =
            cases.iter().filter(|case| asks_for_color(self.section, case)).cloned().collect();
        let mut unprompted = self.edited(editor, &asking, |_| "")?.into_iter();

        let truths: Vec<&UnitImage> = cases.iter().map(|case| &case.truth).collect();
        let reconstructions = editor.reconstruct(&truths)?;
        check_count(reconstructions.len(), cases.len())?;
        for ((case, result), reconstruction) in cases.iter().zip(results).zip(&reconstructions) {
            let answers = Answers {
                truth_through_vae: finish(reconstruction, &case.input, &case.edit_mask)?,
                harmonic_fill: self.harmonic_fill(case)?,
                empty_prompt: if asks_for_color(self.section, case) { unprompted.next() } else { None },
                result,
            };
            self.measured.push(measure(self.section, case, &answers));
            self.reconstructed.push(measure_reconstruction(reconstruction, &case.truth));
            self.n_kept_changed += n_kept_changed(case, &answers.result);
            if let Some(score) = psnr(&answers.result, &case.truth, &case.edit_mask) {
                self.gallery.offer(case, &answers.result, nine_digits(score));
            }
        }
        Ok(())
    }

    /// Finished results of cases under some prompt.
    fn edited(
        &self,
        editor: &dyn Editor,
        cases: &[Case],
        prompt: fn(&Case) -> &str,
    ) -> Result<Vec<UnitImage>> {
        if cases.is_empty() {
            return Ok(Vec::new());
        }
        let canvases: Vec<Canvas<'_>> = cases
            .iter()
            .map(|case| Canvas {
                image: &case.input,
                edit_mask: &case.edit_mask,
                prompt: prompt(case),
                seed: case.seed,
            })
            .collect();
        let painted = editor.paint(&canvases, &self.sampling)?;
        check_count(painted.len(), cases.len())?;
        painted.iter().zip(cases).map(|(frame, case)| finish(frame, &case.input, &case.edit_mask)).collect()
    }

    fn harmonic_fill(&self, case: &Case) -> Result<Option<UnitImage>> {
        if self.section != Section::Erase {
            return Ok(None);
        }
        let filled = fill::harmonic(&case.input, &case.edit_mask)?;
        Ok(Some(UnitImage::from_picture(&filled.to_picture()?)))
    }

    fn finished(self) -> Result<(SectionReport, Option<Sheet>)> {
        let groups = self.gallery.into_groups();
        let sheet = sheet(&groups).map(|image| image.to_picture()).transpose()?;
        let report = SectionReport {
            section: self.section,
            n_samples: self.measured.len(),
            n_kept_changed: self.n_kept_changed,
            figures: summarized(&self.measured, self.config.seed),
            examples: groups.into_iter().flatten().map(|shown| shown.example).collect(),
        };
        let section = self.section;
        Ok((report, sheet.map(|picture| Sheet { section, picture })))
    }
}

/// Pixels outside the mask that are not the input's: 0, or the editing invariant is broken.
fn n_kept_changed(case: &Case, result: &UnitImage) -> usize {
    let pixels = result.data().chunks_exact(3).zip(case.input.data().chunks_exact(3));
    pixels.zip(case.edit_mask.repaints()).filter(|((new, old), repaint)| !repaint && new != old).count()
}

fn check_count(found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(EvalError::WrongCount { found, expected }) }
}
