//! Whether a difference of scores means the probability that it stands for.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Estimate, nine_digits};

/// Bins of the probability from 0 to 1.
const N_BINS: usize = 10;

/// What was predicted beside what was judged. A reward that learns from pairs takes `σ(s - s')` of its raw scores for the
/// probability that the candidate of score `s` is preferred to that of `s'`; standardised ones are scaled back first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The distance of predicted and observed, averaged over pairs: the expected calibration error.
    pub expected_error: f64,
    /// The bins that have pairs.
    pub bins: Vec<Bin>,
}

/// Pairs of about one predicted probability that the candidate with the smaller number is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// Lower and upper end; the lower one belongs to it.
    pub ends: [f64; 2],
    /// Mean of the predicted probabilities.
    pub predicted: f64,
    /// The share of pairs in which it is preferred, with Wilson's interval, which takes pairs for independent.
    pub observed: Estimate,
}

/// Of pairs, each with the score of the one minus that of the other and whether the one was preferred.
pub(super) fn calibration(pairs: impl IntoIterator<Item = (f64, bool)>) -> Calibration {
    let mut bins: [Vec<(f64, f64)>; N_BINS] = Default::default();
    let mut n_pairs = 0_usize;
    for (difference, is_preferred) in pairs {
        let probability = sigmoid(difference);
        let bin = ((probability * N_BINS as f64) as usize).min(N_BINS - 1);
        bins[bin].push((probability, f64::from(u8::from(is_preferred))));
        n_pairs += 1;
    }
    let (mut error, mut filled) = (0.0, Vec::new());
    for (at, pairs) in bins.iter().enumerate() {
        let outcomes: Vec<f64> = pairs.iter().map(|(_, outcome)| *outcome).collect();
        let Some(observed) = Estimate::of_share(&outcomes) else { continue };
        let predicted = pairs.iter().map(|(probability, _)| probability).sum::<f64>() / pairs.len() as f64;
        error += (predicted - observed.mean).abs() * pairs.len() as f64 / n_pairs as f64;
        let ends = [at, at + 1].map(|end| end as f64 / N_BINS as f64);
        filled.push(Bin { ends, predicted: nine_digits(predicted), observed });
    }
    Calibration { expected_error: nine_digits(error), bins: filled }
}

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reward_that_knows_its_doubt_has_no_error() {
        // ln 3 stands for three of four.
        let pairs = (0..40).map(|at| (3.0_f64.ln(), at % 4 != 0));
        let found = calibration(pairs);
        assert!(found.expected_error < 1e-8, "{found:?}");
        let [bin] = found.bins.as_slice() else { panic!("{found:?}") };
        assert!((bin.predicted - 0.75).abs() < 1e-8 && (bin.observed.mean - 0.75).abs() < 1e-8);
        assert_eq!((bin.ends.map(|end| (10.0 * end) as usize), bin.observed.n), ([7, 8], 40));
    }

    #[test]
    fn errors_are_weighted_by_pairs() {
        // Sure and wrong: an error of 1 for one pair of four; a half that is a half has none.
        let found = calibration([(50.0, false), (0.0, true), (0.0, false), (-50.0, false)]);
        assert!((found.expected_error - 0.25).abs() < 1e-8, "{found:?}");
        assert_eq!(found.bins.iter().map(|bin| bin.observed.n).collect::<Vec<_>>(), [1, 2, 1]);
        assert!(calibration([]).bins.is_empty());
    }
}
