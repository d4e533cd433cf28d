//! One section while it runs: batches of cases through every arm, then to the scores and the judge, but for answers that
//! were kept.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;
use std::time::Instant;

use byteedit_image::UnitImage;

use super::answered::{Answered, Scores, Yardsticks};
use super::arm::{Arm, REFERENCE};
use super::config::CompareConfig;
use super::kept::{Answer, Kept};
use super::report::{CompareSheet, SectionComparison, ShownCase};
use super::sheet::sheet;
use super::summary::{Measurements, arm_figures, bands, pair_figures};
use crate::bootstrap::nine_digits;
use crate::case::Case;
use crate::error::Result;
use crate::gallery::{drawn, with_hole};
use crate::judging::diversity;
use crate::kept::KeptPicture;
use crate::metric::Metric;
use crate::painter::Painter;
use crate::section::Section;

/// Everything that a section has gathered of all arms.
pub(super) struct Contest<'a> {
    section: Section,
    config: &'a CompareConfig,
    yardsticks: Yardsticks<'a>,
    arms: Vec<Contestant<'a>>,
    /// Of the reference's answers from the second seeds.
    repeated: Vec<Scores>,
    /// Positions of the cases that are shown.
    drawn: BTreeSet<usize>,
    shown: Vec<ShownCase>,
    /// What is shown of them.
    rows: Vec<Vec<UnitImage>>,
}

/// An arm with what was measured of it.
struct Contestant<'a> {
    name: &'a str,
    painter: Painter<'a>,
    answered: Vec<Answered>,
    /// Spent on painting and finishing results, whenever that was.
    seconds: f64,
}

impl<'a> Contest<'a> {
    /// Nothing asked yet. There must be an arm.
    pub(super) fn new(
        section: Section,
        arms: &'a [Arm<'a>],
        config: &'a CompareConfig,
        yardsticks: Yardsticks<'a>,
    ) -> Self {
        let contestant = |arm: &'a Arm<'a>| Contestant {
            name: &arm.name,
            painter: Painter::new(arm.editor, section, &config.for_arm(&arm.settings)),
            answered: Vec::new(),
            seconds: 0.0,
        };
        Self {
            section,
            config,
            yardsticks,
            arms: arms.iter().map(contestant).collect(),
            repeated: Vec::new(),
            drawn: drawn(section, config.n_examples, config.n_samples, config.seed),
            shown: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Cases that all arms have answered so far.
    pub(super) fn n_done(&self) -> usize {
        self.repeated.len()
    }

    /// Has all arms answer the next cases, but for what they have answered before.
    pub(super) fn batch(&mut self, cases: &[Case], kept: &mut Kept) -> Result<()> {
        let keys: Vec<String> = cases.iter().map(Case::key).collect();
        let mut answers = Vec::with_capacity(self.arms.len());
        for place in 0..self.arms.len() {
            let mut of_arm = if let Some(of_arm) = kept.answers(place, self.section, &keys) {
                of_arm
            } else {
                let of_arm = self.painted(place, cases)?;
                kept.add(place, self.section, &keys, &of_arm)?;
                of_arm
            };
            // Of more samples others are drawn for the sheet, which may have been measured without a picture.
            for at in (0..cases.len()).filter(|&at| self.is_shown(at)) {
                if of_arm[at].picture.is_none() {
                    let case = slice::from_ref(&cases[at]);
                    of_arm[at].picture = self.arms[place].painter.with_seeds(case, 0)?.pop().map(KeptPicture);
                    kept.add(place, self.section, &keys[at..=at], &of_arm[at..=at])?;
                }
            }
            answers.push(of_arm);
        }
        self.show(cases, &answers);
        for (arm, answers) in self.arms.iter_mut().zip(answers) {
            for Answer { answered, repeated, seconds, picture: _ } in answers {
                arm.answered.push(answered);
                arm.seconds += seconds;
                self.repeated.extend(repeated);
            }
        }
        Ok(())
    }

    /// Has one arm paint the next cases, and measures what it painted; the reference paints them from a second seed too.
    fn painted(&self, place: usize, cases: &[Case]) -> Result<Vec<Answer>> {
        let Self { section, yardsticks, .. } = *self;
        let painter = &self.arms[place].painter;
        let begin = Instant::now();
        let pictures = painter.with_seeds(cases, 0)?;
        let seconds = begin.elapsed().as_secs_f64() / cases.len() as f64;
        let again = if place == REFERENCE { painter.with_seeds(cases, 1)? } else { Vec::new() };
        let answered = yardsticks.answered(section, cases, &pictures);
        let mut answers = Vec::with_capacity(cases.len());
        for (at, (mut answered, picture)) in answered.into_iter().zip(pictures).enumerate() {
            let (case, again) = (&cases[at], again.get(at));
            if section == Section::Edit && self.n_done() + at < self.config.n_diverse {
                answered.metrics.extend(self.diversity(painter, case, &picture, again)?);
            }
            let repeated = again.map(|picture| yardsticks.scores(section, case, picture).map(nine_digits));
            let picture = self.is_shown(at).then_some(KeptPicture(picture));
            answers.push(Answer { answered: answered.rounded(), repeated, seconds, picture });
        }
        Ok(answers)
    }

    /// How much an arm's answers to a case from several seeds differ, of which it has painted one, or the second `again`.
    fn diversity(
        &self,
        painter: &Painter<'_>,
        case: &Case,
        picture: &UnitImage,
        again: Option<&UnitImage>,
    ) -> Result<Vec<(Metric, f64)>> {
        let mut answers = vec![picture.clone()];
        answers.extend(again.cloned());
        let n_painted = answers.len() as u64;
        answers.extend(painter.again(case, n_painted..self.config.n_seeds as u64)?);
        Ok(diversity(self.yardsticks.judge, case, &answers))
    }

    /// Whether the sheet shows one of the next cases.
    fn is_shown(&self, at: usize) -> bool {
        self.drawn.contains(&(self.n_done() + at))
    }

    /// Keeps what the sheet shows of the next cases.
    fn show(&mut self, cases: &[Case], answers: &[Vec<Answer>]) {
        for (at, case) in cases.iter().enumerate() {
            if !self.is_shown(at) {
                continue;
            }
            let asked = with_hole(&case.input, &case.edit_mask);
            let pictures = answers.iter().filter_map(|of_arm| of_arm[at].picture.as_ref());
            let pictures = pictures.map(|KeptPicture(picture)| picture.clone());
            self.rows.push([asked].into_iter().chain(pictures).chain([case.truth.clone()]).collect());
            self.shown.push(ShownCase { sample: case.index, prompt: case.prompt.clone() });
        }
    }

    /// Seconds that each arm took for a picture, by its name.
    pub(super) fn seconds_per_picture(&self) -> BTreeMap<String, f64> {
        let seconds = |arm: &Contestant<'_>| nine_digits(arm.seconds / arm.answered.len() as f64);
        self.arms.iter().map(|arm| (arm.name.to_owned(), seconds(arm))).collect()
    }

    /// The section's figures, and its contact sheet unless no case is to be shown. `pairs` are places of arms.
    pub(super) fn finished(self, pairs: &[[usize; 2]]) -> Result<(SectionComparison, Option<CompareSheet>)> {
        let Self { section, arms, repeated, shown, rows, .. } = self;
        let seed = self.config.seed;
        let bands = bands(&arms[REFERENCE].answered, &repeated);
        let measured: Vec<Measurements<'_>> =
            arms.iter().map(|arm| (arm.name, arm.answered.as_slice())).collect();
        let of_pair = |pair: &[usize; 2]| pair_figures(pair.map(|place| measured[place]), &bands, seed);
        let pairs = pairs.iter().map(of_pair).collect();
        let arms = measured.iter().map(|&arm| arm_figures(arm, seed)).collect();
        let picture = sheet(&rows).map(|image| image.to_picture()).transpose()?;
        let comparison = SectionComparison { section, n_samples: repeated.len(), bands, arms, pairs, shown };
        Ok((comparison, picture.map(|picture| CompareSheet { section, picture })))
    }
}
