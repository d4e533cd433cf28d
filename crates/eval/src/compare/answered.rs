//! What is measured of an arm's answers.

use std::collections::BTreeMap;

use byteedit_data::World;
use byteedit_image::{UnitImage, seam};
use serde::{Deserialize, Serialize};

use super::score::Score;
use crate::bootstrap::nine_digits;
use crate::case::Case;
use crate::judge::{Judge, Labels, Opinion};
use crate::judging::{Opinions, add_verdicts, opinions_of};
use crate::measure::{Measured, Subject};
use crate::metric::{self, Metric, gradient_energy};
use crate::section::Section;

/// One of each of [`Score::ALL`].
pub(super) type Scores = [f64; Score::ALL.len()];

/// What was measured of an answer to one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    pub(super) scores: Scores,
    /// As far as they are defined.
    pub(super) metrics: BTreeMap<Metric, f64>,
}

impl Answered {
    /// The same to nine digits. A file gives these back as they were, so that of two arms that do the same neither is better
    /// because it was measured earlier.
    pub(super) fn rounded(self) -> Self {
        let metrics = self.metrics.into_iter().map(|(metric, value)| (metric, nine_digits(value)));
        Self { scores: self.scores.map(nine_digits), metrics: metrics.collect() }
    }
}

/// By what answers are measured.
#[derive(Clone, Copy)]
pub(super) struct Yardsticks<'a> {
    pub(super) world: &'a World,
    pub(super) judge: &'a dyn Judge,
    pub(super) labels: &'a Labels,
}

impl Yardsticks<'_> {
    /// Everything that is measured of one answer to each case.
    pub(super) fn answered(&self, section: Section, cases: &[Case], pictures: &[UnitImage]) -> Vec<Answered> {
        let mut opinions = self.opinions(section, cases, pictures).into_iter();
        let of_case = |(case, picture): (&Case, &UnitImage)| {
            let mut metrics = metrics(section, case, picture);
            metrics.extend(
                opinions.next().into_iter().flat_map(|opinion| self.verdicts(section, case, opinion)),
            );
            Answered { scores: self.scores(section, case, picture), metrics }
        };
        cases.iter().zip(pictures).map(of_case).collect()
    }

    /// The scores of an answer.
    pub(super) fn scores(&self, section: Section, case: &Case, picture: &UnitImage) -> Scores {
        Score::ALL.map(|score| score.of(self.world, section, case, picture))
    }

    /// What the judge thinks of each answer; of outpaintings it is not asked.
    fn opinions(&self, section: Section, cases: &[Case], pictures: &[UnitImage]) -> Vec<Opinion> {
        match section {
            Section::Edit | Section::Erase => opinions_of(self.judge, section, cases, pictures),
            Section::OutpaintPrompt | Section::OutpaintFree => Vec::new(),
        }
    }

    fn verdicts(&self, section: Section, case: &Case, opinion: Opinion) -> Vec<(Metric, f64)> {
        let mut measured = Measured::new();
        let opinions: Opinions = vec![(Subject::Result, opinion)];
        add_verdicts(&mut measured, section, case, &opinions, self.labels, None);
        measured.into_iter().map(|((metric, _), value)| (metric, value)).collect()
    }
}

/// What needs no judge. Only erasing has one right answer, so only there are pictures compared pixel by pixel.
fn metrics(section: Section, case: &Case, picture: &UnitImage) -> BTreeMap<Metric, f64> {
    let Case { truth, edit_mask, .. } = case;
    let has_one_answer = section == Section::Erase;
    let values = [
        (Metric::Psnr, has_one_answer.then(|| metric::psnr(picture, truth, edit_mask)).flatten()),
        (Metric::SeamStep, seam::step(picture, edit_mask)),
        (Metric::GradientEnergy, gradient_energy(picture, truth, edit_mask)),
    ];
    values.into_iter().filter_map(|(metric, value)| Some((metric, value?))).collect()
}
