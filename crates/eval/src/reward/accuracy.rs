//! How often an order of candidates is the one that was judged: over pairs, with an interval over tasks.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::judged::Case;
use crate::bootstrap::Estimate;

/// Seed of the resamples. It is always the same, so that a file has one report, and figures about the same tasks move
/// together.
const SEED: u64 = 0;

/// A share of pairs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// The share, with percentiles over resampled tasks; its `n` is the number of tasks that have a pair.
    pub share: Estimate,
    /// Number of pairs.
    pub n_pairs: usize,
}

/// 1 if the better candidate has the higher score, 0 if the worse one has, a half if they are equal.
pub(super) fn rightness(scores: &[f64], [better, worse]: [usize; 2]) -> f64 {
    match scores[better].partial_cmp(&scores[worse]) {
        Some(Ordering::Greater) => 1.0,
        Some(Ordering::Equal) => 0.5,
        Some(Ordering::Less) | None => 0.0,
    }
}

/// How right the scores of some cases are about their pairs; `None` without pairs.
pub(super) fn accuracy<'a>(scored: impl IntoIterator<Item = (&'a Case, &'a [f64])>) -> Option<Accuracy> {
    let of_case = |(case, scores): (&'a Case, &'a [f64])| {
        case.pairs.iter().map(move |&pair| (case.task, rightness(scores, pair)))
    };
    scored.into_iter().flat_map(of_case).collect::<ByTask>().accuracy()
}

/// Values, of pairs or of pictures, whose tasks are known: for each task their sum and number.
#[derive(Clone, Debug, Default)]
pub(super) struct ByTask(BTreeMap<usize, [f64; 2]>);

impl ByTask {
    /// The mean over all values; `None` if there is none.
    pub(super) fn estimate(&self) -> Option<Estimate> {
        let tasks: Vec<[f64; 2]> = self.0.values().copied().collect();
        Estimate::of_quotient(&tasks, SEED)
    }

    /// The mean of values of pairs.
    pub(super) fn accuracy(&self) -> Option<Accuracy> {
        let n_pairs = self.0.values().map(|[_, n]| *n as usize).sum();
        Some(Accuracy { share: self.estimate()?, n_pairs })
    }
}

impl Extend<(usize, f64)> for ByTask {
    fn extend<I: IntoIterator<Item = (usize, f64)>>(&mut self, values: I) {
        for (task, value) in values {
            let [sum, n] = self.0.entry(task).or_default();
            *sum += value;
            *n += 1.0;
        }
    }
}

impl FromIterator<(usize, f64)> for ByTask {
    fn from_iter<I: IntoIterator<Item = (usize, f64)>>(values: I) -> Self {
        let mut by_task = Self::default();
        by_task.extend(values);
        by_task
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reward::judged::tests::case;

    #[test]
    #[expect(clippy::float_cmp, reason = "ones, zeros and halves are exact")]
    fn a_pair_is_right_wrong_or_half_right() {
        let scores = [1.0, 3.0, 3.0];
        assert_eq!([[1, 0], [0, 1], [1, 2]].map(|pair| rightness(&scores, pair)), [1.0, 0.0, 0.5]);
        assert_eq!(rightness(&[0.0, -0.0], [0, 1]), 0.5);
    }

    #[test]
    fn accuracy_counts_pairs_and_its_interval_tasks() {
        // Three pairs of one task are right, the one of another is wrong: 3 of 4.
        let cases = [case(0, &[1, 2, 3]), case(1, &[1, 2])];
        let scores: [&[f64]; 2] = [&[0.9, 0.5, 0.1], &[0.1, 0.9]];
        let found = accuracy(cases.iter().zip(scores)).unwrap();
        assert!((found.share.mean - 0.75).abs() < 1e-12);
        assert_eq!((found.n_pairs, found.share.n), (4, 2));
        // A resample of two tasks holds only one of them in half of the cases.
        assert!(found.share.low < 1e-12 && found.share.high > 1.0 - 1e-12, "{found:?}");
        assert_eq!(accuracy([]), None);
    }

    #[test]
    fn several_annotators_of_a_task_are_one_sample() {
        let cases = [case(7, &[1, 2]), case(7, &[2, 1])];
        let scores: [&[f64]; 2] = [&[0.9, 0.1]; 2];
        let found = accuracy(cases.iter().zip(scores)).unwrap();
        assert_eq!((found.n_pairs, found.share.n), (2, 1));
        assert!((found.share.mean - 0.5).abs() < 1e-12);
    }
}
