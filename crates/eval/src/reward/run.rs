//! The evaluation itself: every record's pictures read once, scored by the reward and by scorers that know nothing.

use std::collections::BTreeSet;

use byteedit_image::{Mask, UnitImage};
use byteedit_models::Component;
use byteedit_reward::{RewardError, roc_auc};

use super::accuracy::{ByTask, rightness};
use super::judged::{Case, Judged};
use super::pictures::Pictures;
use super::plot::calibration_svg;
use super::report::{
    PixelFigures, RankedCandidate, RecordsSummary, RewardEvaluation, RewardIdentity, RewardReport, Row,
    SCHEMA_VERSION,
};
use super::scorer::Scorer;
use super::sheet::{SheetRow, sheet};
use super::summary::{Scored, Scores};
use super::trivial::Trivial;
use crate::bootstrap::nine_digits;
use crate::error::Result;

/// Records on the contact sheet.
const N_ROWS: usize = 20;

/// Evaluates a reward on judged preferences.
///
/// The same reward and the same file give the same report. `progress` is told how many records are scored, and how many
/// there are. Nothing is written: see [`RewardEvaluation::write`].
///
/// # Errors
/// [`EvalError::Io`](crate::EvalError::Io) and [`EvalError::Data`](crate::EvalError::Data) for a record whose pictures
/// cannot be read, do not fit each other, or have no score.
pub fn eval_reward(
    judged: &Judged,
    scorer: &Scorer<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<RewardEvaluation> {
    let mut run = Run::new(judged, scorer);
    let n_cases = judged.cases.len();
    for at in 0..n_cases {
        run.score(at)?;
        progress(at + 1, n_cases);
    }
    run.finished()
}

/// Everything that was gathered so far.
struct Run<'a> {
    judged: &'a Judged,
    scorer: &'a Scorer<'a>,
    /// For each case those that are scored with its pictures too.
    borrowers: Vec<Vec<usize>>,
    /// Cases of the contact sheet.
    shown: BTreeSet<usize>,
    own: Vec<Vec<f64>>,
    shuffled: Vec<Option<Vec<f64>>>,
    trivial: Vec<[Vec<f64>; Trivial::ALL.len()]>,
    /// The areas under the ROC curves of pictures, if the reward sees pixels.
    pixels: Option<[ByTask; 2]>,
    rows: Vec<Row>,
    sheet: Vec<SheetRow>,
}

impl<'a> Run<'a> {
    fn new(judged: &'a Judged, scorer: &'a Scorer<'a>) -> Self {
        let n_cases = judged.cases.len();
        let mut borrowers = vec![Vec::new(); n_cases];
        for (at, donor) in judged.donors().into_iter().enumerate() {
            if let Some(donor) = donor {
                borrowers[donor].push(at);
            }
        }
        let n_rows = N_ROWS.min(n_cases);
        Self {
            judged,
            scorer,
            borrowers,
            shown: (0..n_rows).map(|row| row * n_cases / n_rows).collect(),
            own: Vec::with_capacity(n_cases),
            shuffled: vec![None; n_cases],
            trivial: Vec::with_capacity(n_cases),
            pixels: None,
            rows: Vec::new(),
            sheet: Vec::new(),
        }
    }

    /// Scores the next case, and lends its pictures.
    fn score(&mut self, at: usize) -> Result<()> {
        let judged = self.judged;
        let case = &judged.cases[at];
        let pictures = Pictures::read(judged, case)?;
        let prompt = &case.record.prompt;
        let own = self.scores(case, &pictures, prompt)?;
        for &borrower in &self.borrowers[at] {
            let lent = if self.scorer.reward.sees_prompt() {
                self.scores(case, &pictures, &judged.cases[borrower].record.prompt)?
            } else {
                own.clone()
            };
            self.shuffled[borrower] = Some(lent);
        }
        let source = pictures.source.as_ref();
        let of = |trivial: Trivial| {
            let score =
                |(picture, edit_mask): (&UnitImage, &Mask)| trivial.score(picture, edit_mask, source, prompt);
            pictures.masked().map(score).collect::<Vec<f64>>()
        };
        self.trivial.push(Trivial::ALL.map(of));
        let maps = self.pixel_scores(case, &pictures)?;
        if self.shown.contains(&at) {
            let order = best_first(&own);
            self.sheet.push(SheetRow::new(&pictures, &order, maps.as_deref())?);
            self.rows.push(row(case, &own, &order));
        }
        self.own.push(own);
        Ok(())
    }

    /// The reward's scores under a prompt, each of them a number.
    fn scores(&self, case: &Case, pictures: &Pictures, prompt: &str) -> Result<Vec<f64>> {
        let refuse = |reason: String| self.judged.refusal(case, reason);
        let scores = self.scorer.scores(pictures, prompt).map_err(|error| refuse(error.to_string()))?;
        if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
            let (path, score) = (&case.record.candidates[at].path, scores[at]);
            return Err(refuse(format!(
                "the reward gives {path} the score {score}, which is no number to compare"
            )));
        }
        Ok(scores)
    }

    /// Measures how well pixels are told apart, and returns what is thought of them.
    fn pixel_scores(&mut self, case: &Case, pictures: &Pictures) -> Result<Option<Vec<Vec<f32>>>> {
        let Self { judged, scorer, .. } = *self;
        let refuse = |error: RewardError| judged.refusal(case, error);
        let prompt = &case.record.prompt;
        let Some(maps) = scorer.pixel_scores(pictures, prompt, None).map_err(refuse)? else {
            return Ok(None);
        };
        let [naive, through_vae] = self.pixels.get_or_insert_default();
        naive.extend(areas(case, pictures, &maps));
        if let Some(vae) = scorer.vae {
            check_sizes(judged, case, pictures, vae.config().downscale())?;
            let decoded = scorer.pixel_scores(pictures, prompt, Some(vae)).map_err(refuse)?;
            through_vae.extend(areas(case, pictures, &decoded.unwrap_or_default()));
        }
        Ok(Some(maps))
    }

    /// The report and the contact sheet.
    fn finished(self) -> Result<RewardEvaluation> {
        let Self { judged, scorer, own, shuffled, trivial, pixels, rows, sheet: sheet_rows, .. } = self;
        let scores: Vec<Scores> = own
            .into_iter()
            .zip(shuffled)
            .zip(trivial)
            .map(|((own, shuffled), trivial)| Scores { own, shuffled, trivial })
            .collect();
        let scored = Scored { cases: &judged.cases, scores: &scores };
        let pixels = pixels.map(|[naive, through_vae]| PixelFigures {
            auc_naive: naive.estimate(),
            auc_through_vae: through_vae.estimate(),
        });
        let report = report(judged, scorer, scored).map(|report| RewardReport { pixels, rows, ..report });
        let report = report.expect("a file without a pair was refused when it was read; this is a bug");
        let calibration = calibration_svg(scorer.name, &report.calibration.bins);
        let sheet = sheet(&sheet_rows).map(|image| image.to_picture()).transpose()?;
        Ok(RewardEvaluation { report, calibration, sheet })
    }
}

/// What follows from scores alone; `None` without a pair.
fn report(judged: &Judged, scorer: &Scorer<'_>, scored: Scored<'_>) -> Option<RewardReport> {
    let cases = &judged.cases;
    let accuracy = scored.accuracy()?;
    let trivial = scored.trivial()?;
    let best = trivial.iter().copied().reduce(|best, other| {
        if other.accuracy.share.mean > best.accuracy.share.mean { other } else { best }
    })?;
    let n_tasks = cases.iter().map(|case| case.task).collect::<BTreeSet<_>>().len();
    Some(RewardReport {
        schema_version: SCHEMA_VERSION,
        suite: "reward".to_owned(),
        reward: RewardIdentity {
            name: scorer.name.to_owned(),
            kind: scorer.reward.name().to_owned(),
            sees_prompt: scorer.reward.sees_prompt(),
            sees_mask: scorer.reward.sees_mask(),
        },
        records: RecordsSummary {
            hash: judged.hash.clone(),
            axis: judged.axis,
            n_records: cases.len(),
            n_tasks,
            n_pairs: accuracy.n_pairs,
            n_ties: cases.iter().map(|case| case.n_ties).sum(),
            n_skipped: judged.skipped().len(),
        },
        accuracy,
        best_trivial: best.scorer,
        margin: scored.margin(&best)?,
        trivial,
        shuffled: scored.shuffled(),
        true_orders: scored.true_orders(),
        kinds: scored.kinds(),
        places: scored.places(),
        prompts: judged.is_split.then(|| scored.prompts()),
        calibration: scored.calibration(scorer.reward.log_odds_scale()),
        pixels: None,
        rows: Vec::new(),
    })
}

/// For each picture that has kept and repainted pixels how well scores tell them apart, with the case's task.
fn areas(case: &Case, pictures: &Pictures, maps: &[Vec<f32>]) -> Vec<(usize, f64)> {
    let of_picture = |(scores, edit_mask): (&Vec<f32>, &Mask)| {
        let of = |kind: bool| {
            let pixels = scores.iter().zip(edit_mask.repaints()).filter(|(_, repaint)| *repaint == kind);
            pixels.map(|(score, _)| *score).collect::<Vec<f32>>()
        };
        Some((case.task, roc_auc(&of(false), &of(true))?))
    };
    maps.iter().zip(&pictures.edit_masks).filter_map(of_picture).collect()
}

/// # Errors
/// [`EvalError::Data`](crate::EvalError::Data) for candidates that an autoencoder does not take.
fn check_sizes(judged: &Judged, case: &Case, pictures: &Pictures, multiple: usize) -> Result<()> {
    for (picture, candidate) in pictures.candidates.iter().zip(&case.record.candidates) {
        let size = picture.size();
        if !(size.width.is_multiple_of(multiple) && size.height.is_multiple_of(multiple)) {
            let path = &candidate.path;
            let reason = format!(
                "{path} is {size} px, but the autoencoder takes sides that are multiples of {multiple}; evaluate \
                 without one, or scale the pictures"
            );
            return Err(judged.refusal(case, reason));
        }
    }
    Ok(())
}

/// Numbers of the candidates by their scores, the highest first; equal ones in the order of the record.
fn best_first(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

fn row(case: &Case, scores: &[f64], order: &[usize]) -> Row {
    let ranked = |&candidate: &usize| RankedCandidate { candidate, score: nine_digits(scores[candidate]) };
    Row {
        task_id: case.record.task_id.clone(),
        kind: case.kind().to_owned(),
        prompt: case.record.prompt.clone(),
        candidates: order.iter().map(ranked).collect(),
        // A sum of none would begin at -0.
        n_right: case.pairs.iter().fold(0.0, |sum, &pair| sum + rightness(scores, pair)),
        n_pairs: case.pairs.len(),
    }
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;

    use super::*;
    use crate::metric::tests::boxed;
    use crate::reward::judged::tests::case;

    #[test]
    fn kept_pixels_are_told_from_repainted_ones_picture_by_picture() {
        let size = Size::new(2, 2);
        let edit_masks = vec![boxed(size, 0, 0, 2, 1), Mask::filled(size, 255), boxed(size, 0, 0, 2, 1)];
        let candidates = vec![UnitImage::filled(size, [0.5; 3]); 3];
        let pictures = Pictures { source: None, candidates, edit_masks };
        // The upper two are repainted: one pair of four is wrong and one equal; then nothing was kept; then all are right.
        let maps = [vec![0.1, 0.3, 0.2, 0.3], vec![0.5; 4], vec![-2.0, -1.0, 1.0, 2.0]];
        let found = areas(&case(4, &[1, 2, 3]), &pictures, &maps);
        let [(first, one), (second, other)] = found[..] else { panic!("{found:?}") };
        assert_eq!((first, second), (4, 4));
        assert!((one - 2.5 / 4.0).abs() < 1e-12 && (other - 1.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn the_best_comes_first_and_equals_stay_in_order() {
        assert_eq!(best_first(&[0.5, 2.0, -1.0, 2.0]), [1, 3, 0, 2]);
        let row = row(&case(0, &[1, 2, 2]), &[1.0, 1.0, 0.0], &[0, 1, 2]);
        assert!((row.n_right - 1.5).abs() < 1e-12 && row.n_pairs == 2, "{row:?}");
        assert_eq!(row.candidates.iter().map(|ranked| ranked.candidate).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
