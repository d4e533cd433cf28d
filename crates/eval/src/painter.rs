//! Whoever answers the cases of a section, and how: batches through the editor, finished as a user gets them.

use std::ops::Range;

use byteedit_edit::{Canvas, Sampling};
use byteedit_image::UnitImage;

use crate::case::Case;
use crate::config::EvalConfig;
use crate::editor::{Editor, finish};
use crate::error::{EvalError, Result};
use crate::section::Section;

/// Between the seeds from which one case is painted. Neighbouring cases have neighbouring seeds.
const SEED_STEP: u64 = 1 << 32;

/// An editor with the settings of a section.
pub(crate) struct Painter<'a> {
    editor: &'a dyn Editor,
    box_share: Option<f64>,
    sampling: Sampling,
    /// Pictures edited at once.
    batch: usize,
}

impl<'a> Painter<'a> {
    pub(crate) fn new(editor: &'a dyn Editor, section: Section, config: &EvalConfig) -> Self {
        Self {
            editor,
            box_share: config.box_share.filter(|_| section == Section::Edit),
            sampling: config.sampling(section),
            batch: config.batch,
        }
    }

    /// How large the boxes of the section are on the model's canvas.
    pub(crate) const fn box_share(&self) -> Option<f64> {
        self.box_share
    }

    /// Finished answers to cases, each under a prompt and from a seed that `ask` gives by its position.
    pub(crate) fn answers<'b>(
        &self,
        cases: &'b [Case],
        ask: impl Fn(usize) -> (&'b str, u64),
    ) -> Result<Vec<UnitImage>> {
        let canvas = |(at, case): (usize, &'b Case)| {
            let (prompt, seed) = ask(at);
            Canvas { image: &case.input, edit_mask: &case.edit_mask, prompt, seed }
        };
        let canvases: Vec<Canvas<'_>> = cases.iter().enumerate().map(canvas).collect();
        let painted = self.editor.paint(self.box_share, &canvases, &self.sampling)?;
        check_count(painted.len(), cases.len())?;
        painted.iter().zip(cases).map(|(frame, case)| finish(frame, &case.input, &case.edit_mask)).collect()
    }

    /// Finished answers to cases under their own prompts, each from its `nth` seed, counted from 0.
    pub(crate) fn with_seeds(&self, cases: &[Case], nth: u64) -> Result<Vec<UnitImage>> {
        self.answers(cases, |at| (cases[at].prompt.as_str(), seed(&cases[at], nth)))
    }

    /// Finished answers to one case from several of its seeds.
    pub(crate) fn again(&self, case: &Case, seeds: Range<u64>) -> Result<Vec<UnitImage>> {
        let seeds: Vec<u64> = seeds.map(|nth| seed(case, nth)).collect();
        let mut answers = Vec::with_capacity(seeds.len());
        for chunk in seeds.chunks(self.batch) {
            let cases = vec![case.clone(); chunk.len()];
            answers.extend(self.answers(&cases, |at| (case.prompt.as_str(), chunk[at]))?);
        }
        Ok(answers)
    }
}

/// The `nth` seed of a case; 0 is its own.
const fn seed(case: &Case, nth: u64) -> u64 {
    case.seed.wrapping_add(nth.wrapping_mul(SEED_STEP))
}

/// # Errors
/// [`EvalError::WrongCount`] unless there is a picture for each question.
pub(crate) fn check_count(found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(EvalError::WrongCount { found, expected }) }
}
