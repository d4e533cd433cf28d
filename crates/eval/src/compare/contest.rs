//! One section while it runs: batches of cases through every arm, then to the scores and the judge.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use byteedit_image::UnitImage;

use super::answered::{Answered, Scores, Yardsticks};
use super::arm::Arm;
use super::config::CompareConfig;
use super::report::{CompareSheet, SectionComparison, ShownCase};
use super::sheet::sheet;
use super::summary::{Measurements, arm_figures, bands, pair_figures};
use crate::bootstrap::nine_digits;
use crate::case::Case;
use crate::error::Result;
use crate::gallery::{drawn, with_hole};
use crate::judging::diversity;
use crate::painter::Painter;
use crate::section::Section;

/// The arm that the tie bands come from.
const REFERENCE: usize = 0;

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
    /// Spent on painting and finishing results.
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

    /// Cases measured so far.
    pub(super) fn n_done(&self) -> usize {
        self.repeated.len()
    }

    /// Has all arms paint the next cases, and measures them.
    pub(super) fn batch(&mut self, cases: &[Case]) -> Result<()> {
        let Self { section, yardsticks, .. } = *self;
        let first = self.n_done();
        let mut pictures = Vec::with_capacity(self.arms.len());
        for arm in &mut self.arms {
            let begin = Instant::now();
            let painted = arm.painter.with_seeds(cases, 0)?;
            arm.seconds += begin.elapsed().as_secs_f64();
            arm.answered.extend(yardsticks.answered(section, cases, &painted));
            pictures.push(painted);
        }
        let repeated = self.arms[REFERENCE].painter.with_seeds(cases, 1)?;
        let scores = cases.iter().zip(&repeated);
        self.repeated.extend(scores.map(|(case, picture)| yardsticks.scores(section, case, picture)));
        if section == Section::Edit {
            self.add_diversity(first, cases, &pictures, &repeated)?;
        }
        self.show(first, cases, &pictures);
        Ok(())
    }

    /// Has all arms paint the cases that count for it from further seeds, and measures how much their answers differ.
    fn add_diversity(
        &mut self,
        first: usize,
        cases: &[Case],
        pictures: &[Vec<UnitImage>],
        repeated: &[UnitImage],
    ) -> Result<()> {
        let n_seeds = self.config.n_seeds as u64;
        let n_cases = self.config.n_diverse.saturating_sub(first);
        for (at, case) in cases.iter().enumerate().take(n_cases) {
            for (place, (arm, pictures)) in self.arms.iter_mut().zip(pictures).enumerate() {
                let mut answers = vec![pictures[at].clone()];
                // The reference has painted from its second seed already.
                answers.extend((place == REFERENCE).then(|| repeated[at].clone()));
                let n_painted = answers.len() as u64;
                answers.extend(arm.painter.again(case, n_painted..n_seeds)?);
                let values = diversity(self.yardsticks.judge, case, &answers);
                arm.answered[first + at].metrics.extend(values);
            }
        }
        Ok(())
    }

    /// Keeps what the sheet shows.
    fn show(&mut self, first: usize, cases: &[Case], pictures: &[Vec<UnitImage>]) {
        for (at, case) in cases.iter().enumerate() {
            if !self.drawn.contains(&(first + at)) {
                continue;
            }
            let asked = with_hole(&case.input, &case.edit_mask);
            let answers = pictures.iter().map(|of_arm| of_arm[at].clone());
            self.rows.push([asked].into_iter().chain(answers).chain([case.truth.clone()]).collect());
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
