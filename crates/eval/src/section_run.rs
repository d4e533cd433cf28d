//! One section while it runs: batches of cases through the editor, the judge and the metrics, but for those that were
//! measured before.

use std::time::Instant;

use byteedit_data::{World, first_digits};
use byteedit_edit::Canvas;
use byteedit_image::{UnitImage, fill};
use sha2::{Digest, Sha256};

use crate::bootstrap::nine_digits;
use crate::breakdown::{Verdict, breakdowns};
use crate::case::{Case, Cases};
use crate::config::EvalConfig;
use crate::editor::{Editor, finish};
use crate::error::Result;
use crate::feature_sets::{FeatureSets, Features};
use crate::figures::summarized;
use crate::gallery::{Gallery, sheet};
use crate::judge::{Judge, Labels, Opinion};
use crate::judging::{Opinions, add_verdicts, distance_between_prompts, diversity, opinion_of, opinions};
use crate::kept::{KeptBatches, KeptPicture, MeasuredCase};
use crate::measure::{Answers, Measured, Subject, measure, measure_reconstruction};
use crate::metric::{Metric, psnr};
use crate::painter::{Painter, check_count};
use crate::report::{SectionReport, Sheet};
use crate::section::Section;
use crate::shuffle::lenders;

/// Whom a section asks, and about what.
#[derive(Clone, Copy)]
pub(crate) struct Parties<'a> {
    pub(crate) editor: &'a dyn Editor,
    pub(crate) judge: &'a dyn Judge,
    pub(crate) labels: &'a Labels,
    pub(crate) world: &'a World,
    pub(crate) config: &'a EvalConfig,
}

/// Everything that a section has gathered.
pub(crate) struct SectionRun<'a> {
    parties: Parties<'a>,
    section: Section,
    painter: Painter<'a>,
    /// For each case the prompt of another; empty where no case is lent one.
    lent: Vec<Lent>,
    measured: Vec<Measured>,
    /// The same truths as whole pictures through the autoencoder.
    reconstructed: Vec<Measured>,
    /// Of edits, each with the position of its case.
    verdicts: Vec<(usize, Verdict)>,
    features: FeatureSets,
    gallery: Gallery,
    n_kept_changed: usize,
    /// Spent on painting and finishing results, whenever that was.
    seconds: f64,
}

/// A prompt of another case.
struct Lent {
    prompt: String,
    /// The judge's label of what it asks for.
    label: Option<usize>,
}

impl<'a> SectionRun<'a> {
    pub(crate) fn new(section: Section, parties: Parties<'a>) -> Result<Self> {
        let config = parties.config;
        let lent = match section {
            Section::Edit => lent_prompts(parties)?,
            Section::Erase | Section::OutpaintPrompt | Section::OutpaintFree => Vec::new(),
        };
        Ok(Self {
            parties,
            section,
            painter: Painter::new(parties.editor, section, config),
            lent,
            measured: Vec::new(),
            reconstructed: Vec::new(),
            verdicts: Vec::new(),
            features: FeatureSets::default(),
            gallery: Gallery::new(section, config.n_examples, config.n_samples, config.seed),
            n_kept_changed: 0,
            seconds: 0.0,
        })
    }

    /// Cases measured so far.
    pub(crate) fn n_done(&self) -> usize {
        self.measured.len()
    }

    /// Seconds spent on painting a picture.
    pub(crate) fn seconds_per_picture(&self) -> f64 {
        nine_digits(self.seconds / self.measured.len() as f64)
    }

    /// What the autoencoder made of the truths.
    pub(crate) fn take_reconstructed(&mut self) -> Vec<Measured> {
        std::mem::take(&mut self.reconstructed)
    }

    /// Gathers what was measured of the next cases, or has it measured and keeps it.
    pub(crate) fn batch(&mut self, cases: &[Case], kept: &mut KeptBatches) -> Result<()> {
        let questions = self.questions(cases);
        if let Some(mut measured) = kept.take(self.section, &questions) {
            self.gather(cases, &mut measured);
            return Ok(());
        }
        let mut measured = self.measured_cases(cases)?;
        self.gather(cases, &mut measured);
        kept.add(self.section, questions, &measured)
    }

    /// What tells the next cases, and what they are lent, from all others.
    fn questions(&self, cases: &[Case]) -> String {
        let mut hash = Sha256::new();
        hash.update(self.section.name());
        for (at, case) in cases.iter().enumerate() {
            hash.update(case.key());
            // What colours are measured on.
            if let Some(object) = &case.object {
                hash.update(object.values());
            }
            if let Some(Lent { prompt, label }) = self.lent.get(self.n_done() + at) {
                hash.update(format!("{prompt} {label:?}\n"));
            }
        }
        first_digits(hash.finalize())
    }

    /// Has the next cases painted, judged and measured.
    fn measured_cases(&self, cases: &[Case]) -> Result<Vec<MeasuredCase>> {
        let reconstructions = self.reconstructions(cases, None)?;
        // What is compared with an answer was seen as the answer's canvas is.
        let seen_alike =
            self.painter.box_share().map(|share| self.reconstructions(cases, Some(share))).transpose()?;
        let begin = Instant::now();
        let results = self.painter.with_seeds(cases, 0)?;
        let seconds = begin.elapsed().as_secs_f64() / cases.len() as f64;
        let answers = self.answers(cases, results, seen_alike.as_ref().unwrap_or(&reconstructions))?;
        let opinions = opinions(self.parties.judge, self.section, cases, &answers);
        let mut measured = Vec::with_capacity(cases.len());
        for (((case, answers), opinions), reconstruction) in
            cases.iter().zip(answers).zip(&opinions).zip(&reconstructions)
        {
            let values = self.values(self.n_done() + measured.len(), case, &answers, opinions)?;
            let opinion = opinion_of(opinions, Subject::Result);
            measured.push(MeasuredCase {
                reconstructed: measure_reconstruction(reconstruction, &case.truth),
                n_kept_changed: n_kept_changed(case, &answers.result),
                said: opinion.map(Opinion::label),
                score: self.score(case, &answers.result, opinion, &values),
                features: match self.section {
                    Section::Edit | Section::Erase => None,
                    Section::OutpaintPrompt | Section::OutpaintFree => Features::of(opinions),
                },
                values,
                seconds,
                picture: Some(KeptPicture(answers.result)),
            });
        }
        Ok(measured)
    }

    /// What the autoencoder makes of the truths.
    fn reconstructions(&self, cases: &[Case], box_share: Option<f64>) -> Result<Vec<UnitImage>> {
        let truths: Vec<Canvas<'_>> = cases
            .iter()
            .map(|case| Canvas { image: &case.truth, edit_mask: &case.edit_mask, prompt: "", seed: 0 })
            .collect();
        let reconstructions = self.parties.editor.reconstruct(box_share, &truths)?;
        check_count(reconstructions.len(), cases.len())?;
        Ok(reconstructions)
    }

    /// The model's answers to the next cases, the `results`, with those under every other prompt, and what they are compared
    /// with.
    fn answers(
        &self,
        cases: &[Case],
        results: Vec<UnitImage>,
        reconstructions: &[UnitImage],
    ) -> Result<Vec<Answers>> {
        let (mut unprompted, mut shuffled) = (Vec::new().into_iter(), Vec::new().into_iter());
        if self.section == Section::Edit {
            unprompted = self.painter.answers(cases, |at| ("", cases[at].seed))?.into_iter();
        }
        if let Some(lent) = self.lent.get(self.n_done()..self.n_done() + cases.len()) {
            shuffled =
                self.painter.answers(cases, |at| (lent[at].prompt.as_str(), cases[at].seed))?.into_iter();
        }
        let cases = cases.iter().zip(results).zip(reconstructions);
        cases
            .map(|((case, result), reconstruction)| {
                Ok(Answers {
                    result,
                    truth_through_vae: finish(reconstruction, &case.input, &case.edit_mask)?,
                    harmonic_fill: self.harmonic_fill(case)?,
                    empty_prompt: unprompted.next(),
                    shuffled_prompt: shuffled.next(),
                })
            })
            .collect()
    }

    fn harmonic_fill(&self, case: &Case) -> Result<Option<UnitImage>> {
        if self.section != Section::Erase {
            return Ok(None);
        }
        let filled = fill::harmonic(&case.input, &case.edit_mask)?;
        Ok(Some(UnitImage::from_picture(&filled.to_picture()?)))
    }

    /// All values of the case at a position.
    fn values(
        &self,
        position: usize,
        case: &Case,
        answers: &Answers,
        opinions: &Opinions,
    ) -> Result<Measured> {
        let mut measured = measure(self.section, case, answers);
        let lent = self.lent.get(position).and_then(|lent| lent.label);
        add_verdicts(&mut measured, self.section, case, opinions, self.parties.labels, lent);
        if self.section == Section::Edit && position < self.parties.config.n_diverse {
            self.add_diversity(&mut measured, case, &answers.result)?;
            if let Some(distance) = distance_between_prompts(opinions) {
                measured.insert((Metric::DiversityJudge, Subject::ShuffledPrompt), distance);
            }
        }
        Ok(measured)
    }

    /// Paints a case from further seeds and measures how much the answers differ.
    fn add_diversity(&self, measured: &mut Measured, case: &Case, result: &UnitImage) -> Result<()> {
        let n_seeds = self.parties.config.n_seeds as u64;
        let mut answers = vec![result.clone()];
        answers.extend(self.painter.again(case, 1..n_seeds)?);
        let values = diversity(self.parties.judge, case, &answers);
        measured.extend(values.into_iter().map(|(metric, value)| ((metric, Subject::Result), value)));
        Ok(())
    }

    /// By what sheets put a case in order: see [`Order`](crate::gallery::Order).
    fn score(
        &self,
        case: &Case,
        result: &UnitImage,
        opinion: Option<&Opinion>,
        measured: &Measured,
    ) -> Option<f64> {
        let score = match self.section {
            Section::Edit => {
                let asked = self.parties.labels.of(case);
                asked.zip(opinion).map(|(asked, opinion)| f64::from(opinion.probabilities[asked]))
            }
            Section::Erase => psnr(result, &case.truth, &case.edit_mask),
            Section::OutpaintPrompt | Section::OutpaintFree => {
                measured.get(&(Metric::SeamColor, Subject::Result)).copied()
            }
        };
        score.map(nine_digits)
    }

    /// Takes what tables, sheets and distances between sets need of the next cases. Pictures that the sheet does not show by
    /// now go.
    fn gather(&mut self, cases: &[Case], measured: &mut [MeasuredCase]) {
        let Parties { judge, labels, .. } = self.parties;
        for (case, measured) in cases.iter().zip(measured) {
            let said = measured.said.filter(|&label| label < judge.labels().len());
            let seen = said.map(|label| judge.labels()[label].clone());
            let picture = measured.picture.as_ref().map(|KeptPicture(picture)| picture);
            let is_shown = measured.score.is_some_and(|score| self.gallery.offer(case, picture, score, seen));
            if !is_shown {
                measured.picture = None;
            }
            if let (Section::Edit, Some(concept), Some(said)) = (self.section, case.concept, said) {
                let is_right = labels.of(case) == Some(said);
                self.verdicts.push((self.n_done(), Verdict { concept, said, is_right }));
            }
            if let Some(features) = &measured.features {
                self.features.add(features);
            }
            self.n_kept_changed += measured.n_kept_changed;
            self.seconds += measured.seconds;
            self.reconstructed.push(measured.reconstructed.clone());
            self.measured.push(measured.values.clone());
        }
    }

    /// The section's report and its contact sheet.
    pub(crate) fn finished(self) -> Result<(SectionReport, Option<Sheet>)> {
        let Parties { judge, world, config, .. } = self.parties;
        let section = self.section;
        let blocks = self.gallery.into_groups();
        let sheet = sheet(&blocks).map(|image| image.to_picture()).transpose()?;
        let cases: Vec<_> =
            self.verdicts.into_iter().map(|(at, verdict)| (verdict, &self.measured[at])).collect();
        let [groups, concepts] = breakdowns(world, judge.labels(), &cases);
        let report = SectionReport {
            section,
            n_samples: self.measured.len(),
            n_kept_changed: self.n_kept_changed,
            figures: summarized(&self.measured, config.seed),
            frechet: self.features.frechet(config.seed),
            groups,
            concepts,
            examples: blocks.into_iter().flatten().map(|shown| shown.example).collect(),
        };
        Ok((report, sheet.map(|picture| Sheet { section, picture })))
    }
}

/// For each edit the prompt of another that asks for another concept; none if all ask for the same.
fn lent_prompts(parties: Parties<'_>) -> Result<Vec<Lent>> {
    let Parties { world, config, labels, .. } = parties;
    let mut prompts = Vec::new();
    let mut asked = Vec::new();
    for case in Cases::new(world, Section::Edit, config) {
        let case = case?;
        asked.push(labels.of(&case));
        prompts.push(case.prompt);
    }
    let lent = |from: usize| Lent { prompt: prompts[from].clone(), label: asked[from] };
    Ok(lenders(&asked, config.seed).into_iter().flatten().map(lent).collect())
}

/// Pixels outside the mask that are not the input's: 0, or the editing invariant is broken.
fn n_kept_changed(case: &Case, result: &UnitImage) -> usize {
    let pixels = result.data().chunks_exact(3).zip(case.input.data().chunks_exact(3));
    pixels.zip(case.edit_mask.repaints()).filter(|((new, old), repaint)| !repaint && new != old).count()
}
