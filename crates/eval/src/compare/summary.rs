//! From what was measured of many cases to figures.

use std::collections::{BTreeMap, BTreeSet};

use super::answered::{Answered, Scores};
use super::band::tie_band;
use super::gsb::Gsb;
use super::report::{ArmFigures, PairFigures};
use super::score::Score;
use crate::bootstrap::Estimate;
use crate::figures::{compared, mean_of};
use crate::metric::Metric;

/// An arm's name with what was measured of its answers, case by case.
pub(super) type Measurements<'a> = (&'a str, &'a [Answered]);

/// The tie band of each score, from the reference's answers and its scores from the second seeds.
pub(super) fn bands(reference: &[Answered], repeated: &[Scores]) -> BTreeMap<Score, f64> {
    let of = |score: Score| {
        let at = score as usize;
        let seeds = reference.iter().zip(repeated);
        Some((score, tie_band(seeds.map(|(first, second)| [first.scores[at], second[at]]))?))
    };
    Score::ALL.into_iter().filter_map(of).collect()
}

/// Means of one arm.
pub(super) fn arm_figures((name, answered): Measurements<'_>, seed: u64) -> ArmFigures {
    let score = |score: Score| {
        let values: Vec<f64> = answered.iter().map(|answered| answered.scores[score as usize]).collect();
        Some((score, Estimate::of(&values, seed)?))
    };
    let figure = |metric: Metric| {
        let values: Vec<f64> = answered.iter().filter_map(|answered| value(answered, metric)).collect();
        Some((metric, mean_of(metric, &values, seed)?))
    };
    ArmFigures {
        arm: name.to_owned(),
        scores: Score::ALL.into_iter().filter_map(score).collect(),
        figures: metrics(answered).into_iter().filter_map(figure).collect(),
    }
}

/// How the first of two arms does beside the second.
pub(super) fn pair_figures(
    [first, second]: [Measurements<'_>; 2],
    bands: &BTreeMap<Score, f64>,
    seed: u64,
) -> PairFigures {
    let both = || first.1.iter().zip(second.1);
    let gsb = |(&score, &band): (&Score, &f64)| {
        let at = score as usize;
        let differences: Vec<f64> = both().map(|(one, other)| one.scores[at] - other.scores[at]).collect();
        Some((score, Gsb::of(&differences, band, seed)?))
    };
    let difference = |metric: Metric| {
        let values = both().filter_map(|(one, other)| Some([value(one, metric)?, value(other, metric)?]));
        Some((metric, compared(metric, values, seed)?))
    };
    PairFigures {
        first: first.0.to_owned(),
        second: second.0.to_owned(),
        scores: bands.iter().filter_map(gsb).collect(),
        differences: metrics(first.1).into_iter().filter_map(difference).collect(),
    }
}

fn value(answered: &Answered, metric: Metric) -> Option<f64> {
    answered.metrics.get(&metric).copied()
}

/// Everything that was measured of at least one case.
fn metrics(answered: &[Answered]) -> BTreeSet<Metric> {
    answered.iter().flat_map(|answered| answered.metrics.keys().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(structure: f64, is_right: Option<f64>) -> Answered {
        let metrics = is_right.map(|value| (Metric::JudgeTop1, value)).into_iter().collect();
        Answered { scores: [structure, -1.0], metrics }
    }

    #[test]
    fn pairs_are_compared_within_a_case() {
        // Cases differ by far more than the arms do, and the second is right in half of those that both answered.
        let hardness = || (0..8).map(|case| -10.0 * f64::from(case));
        let better: Vec<Answered> = hardness().map(|score| answered(score, Some(1.0))).collect();
        let verdict = |case: i32| (case > 3).then_some(f64::from(case % 2));
        let cases = (0..8).zip(hardness());
        let worse: Vec<Answered> = cases.map(|(case, score)| answered(score - 1.0, verdict(case))).collect();
        let repeated: Vec<Scores> = worse.iter().map(|case| [case.scores[0] - 0.5, -1.0]).collect();
        let bands = bands(&worse, &repeated);
        assert_eq!(bands, BTreeMap::from([(Score::Structure, 0.5), (Score::Coherence, 0.0)]));
        let pair = pair_figures([("better", better.as_slice()), ("worse", worse.as_slice())], &bands, 1);
        assert_eq!(pair.scores[&Score::Structure].counts.good, 8);
        assert_eq!(pair.scores[&Score::Coherence].counts.same, 8);
        let top1 = pair.differences[&Metric::JudgeTop1];
        assert!((top1.mean - 0.5).abs() < 1e-12 && top1.n == 4, "{top1:?}");
        let figures = arm_figures(("worse", &worse), 1);
        assert_eq!((figures.figures[&Metric::JudgeTop1].n, figures.scores[&Score::Structure].n), (4, 8));
    }
}
