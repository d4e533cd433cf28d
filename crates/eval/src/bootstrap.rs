//! Intervals: percentile bootstrap over samples (Efron 1979; Efron and Tibshirani 1993, section 13.3), and for
//! shares the score interval (Wilson 1927).

use byteedit_data::Stream;
use serde::{Deserialize, Serialize};

/// Resamples behind every interval.
pub const N_RESAMPLES: usize = 2000;

/// Ends of the interval, as shares of the resamples: 95 % lie between.
const ENDS: [f64; 2] = [0.025, 0.975];

/// Standard deviations from the middle to the ends of a normal's 95 %.
pub(crate) const Z: f64 = 1.96;

/// Keeps the draws apart from those of the samples themselves, which share the seed.
const DOMAIN: u64 = 0x626f_6f74;

/// A mean over samples and how sure it is, to nine significant digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// Mean over the samples.
    pub mean: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// Number of samples.
    pub n: usize,
}

impl Estimate {
    /// The mean of `values` and the 2.5th and 97.5th percentile of the means of [`N_RESAMPLES`]
    /// resamples of the same size, drawn with replacement; `None` without values. One value has an
    /// interval of no width, which says nothing of its certainty.
    ///
    /// The same seed draws the same samples for every list of that length, so that figures about the
    /// same samples move together.
    pub fn of(values: &[f64], seed: u64) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len();
        let mut draws = Stream::new([seed, DOMAIN, 0, 0]);
        let mut means: Vec<f64> = (0..N_RESAMPLES)
            .map(|_| (0..n).map(|_| values[draws.below(n)]).sum::<f64>() / n as f64)
            .collect();
        means.sort_by(f64::total_cmp);
        let [low, high] = ENDS.map(|share| quantile(&means, share));
        Some(Self::rounded([values.iter().sum::<f64>() / n as f64, low, high], n))
    }

    /// The share of ones among `values` of 0 and 1, with Wilson's score interval, whose width is right where
    /// all values are equal too: a bootstrap of none in `n` has no width, as if there could never be one.
    pub fn of_share(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len() as f64;
        let p = values.iter().sum::<f64>() / n;
        let (shrink, spread) = (1.0 + Z * Z / n, p * (1.0 - p) / n + Z * Z / (4.0 * n * n));
        let (middle, reach) = ((p + Z * Z / (2.0 * n)) / shrink, Z * spread.sqrt() / shrink);
        // Rounding must not leave the mean outside.
        let (low, high) = ((middle - reach).clamp(0.0, p), (middle + reach).clamp(p, 1.0));
        Some(Self::rounded([p, low, high], values.len()))
    }

    /// As [`Estimate::of`] with the geometric mean, for positive values that are ratios.
    pub fn of_ratios(values: &[f64], seed: u64) -> Option<Self> {
        let logarithms: Vec<f64> = values.iter().map(|value| value.ln()).collect();
        let Self { mean, low, high, n } = Self::of(&logarithms, seed)?;
        Some(Self::rounded([mean.exp(), low.exp(), high.exp()], n))
    }

    /// The quotient of the means of the first and of the second of each pair, with the percentiles of the
    /// quotients of resampled pairs; `None` without pairs, or where the second mean is not above 0, in the
    /// pairs or in a resample of them.
    pub fn of_quotient(pairs: &[[f64; 2]], seed: u64) -> Option<Self> {
        let n = pairs.len();
        let quotient = |sums: [f64; 2]| (sums[1] > 0.0).then(|| sums[0] / sums[1]);
        let add = |sums: [f64; 2], pair: [f64; 2]| [sums[0] + pair[0], sums[1] + pair[1]];
        let mean = quotient(pairs.iter().copied().fold([0.0; 2], add))?;
        let mut draws = Stream::new([seed, DOMAIN, 0, 0]);
        let mut quotients = Vec::with_capacity(N_RESAMPLES);
        for _ in 0..N_RESAMPLES {
            let sums = (0..n).map(|_| pairs[draws.below(n)]).fold([0.0; 2], add);
            quotients.push(quotient(sums)?);
        }
        quotients.sort_by(f64::total_cmp);
        let [low, high] = ENDS.map(|share| quantile(&quotients, share));
        Some(Self::rounded([mean, low, high], n))
    }

    pub(crate) fn rounded(values: [f64; 3], n: usize) -> Self {
        let [mean, low, high] = values.map(nine_digits);
        Self { mean, low, high, n }
    }
}

/// A number with at most nine significant digits: far more than any figure has, and few enough that
/// JSON gives it back as it was. What is left of sums that should be 0 becomes 0.
pub(crate) fn nine_digits(value: f64) -> f64 {
    /// Far below the last digit of any figure.
    const NOTHING: f64 = 1e-12;
    if value.abs() < NOTHING {
        return 0.0;
    }
    format!("{value:.8e}").parse().unwrap_or(value)
}

/// The middle of the values, or the mean of the two in the middle; `None` without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (!sorted.is_empty()).then(|| quantile(&sorted, 0.5))
}

/// The value below which `share` of a sorted list lies, between neighbours by linear interpolation,
/// as numpy's default does it.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_interpolate() {
        let values = [1.0, 2.0, 4.0, 8.0];
        for (share, expected) in [(0.0, 1.0), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile(&values, share) - expected).abs() < 1e-12, "{share}");
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[4.0, -1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), Some(3.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_coin_has_the_binomial_interval() {
        // 100 tosses, half heads: 2.5 % and 97.5 % points of Binomial(100, 1/2) are 40 and 60.
        let values: Vec<f64> = (0..100).map(|toss| f64::from(toss % 2)).collect();
        let Estimate { mean, low, high, n } = Estimate::of(&values, 1).unwrap();
        assert_eq!((mean, n), (0.5, 100));
        assert!((low - 0.40).abs() < 0.0151 && (high - 0.60).abs() < 0.0151, "{low} {high}");
    }

    #[test]
    fn the_interval_covers_the_truth_as_often_as_it_says() {
        let n_trials = 300;
        let covered = (0..n_trials)
            .filter(|&trial| {
                let mut draws = Stream::new([77, trial, 0, 0]);
                let values: Vec<f64> = (0..40).map(|_| f64::from(draws.unit())).collect();
                let Estimate { low, high, .. } = Estimate::of(&values, trial).unwrap();
                (low..=high).contains(&0.5)
            })
            .count();
        // 95 % less what a percentile interval of 40 values is known to lack, and four standard errors.
        let share = covered as f64 / n_trials as f64;
        assert!((0.88..0.99).contains(&share), "{share}");
    }

    #[test]
    fn nothing_has_no_mean_and_one_value_no_width() {
        assert_eq!(Estimate::of(&[], 0), None);
        assert_eq!(Estimate::of(&[3.5], 0), Some(Estimate { mean: 3.5, low: 3.5, high: 3.5, n: 1 }));
    }

    #[test]
    fn shares_have_wilsons_interval() {
        // None of n reaches up to z² / (n + z²), all of n down to the rest.
        for n in [1, 10, 1000] {
            let end = Z * Z / (f64::from(n) + Z * Z);
            let none = Estimate::of_share(&vec![0.0; n as usize]).unwrap();
            assert!((none.mean, none.low) == (0.0, 0.0) && (none.high - end).abs() < 1e-8, "{none:?}");
            let all = Estimate::of_share(&vec![1.0; n as usize]).unwrap();
            assert!((all.mean, all.high) == (1.0, 1.0) && (all.low - (1.0 - end)).abs() < 1e-8, "{all:?}");
        }
        // Newcombe 1998, Table I: 81 of 263.
        let values: Vec<f64> = (0..263).map(|at| f64::from(u8::from(at < 81))).collect();
        let Estimate { low, high, .. } = Estimate::of_share(&values).unwrap();
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5, "{low} {high}");
        assert_eq!(Estimate::of_share(&[]), None);
    }

    #[test]
    fn ratios_have_a_geometric_mean() {
        let Estimate { mean, low, high, .. } = Estimate::of_ratios(&[0.5, 2.0, 0.5, 2.0], 3).unwrap();
        assert!((mean - 1.0).abs() < 1e-12);
        assert!((low - 0.5).abs() < 1e-12 && (high - 2.0).abs() < 1e-12, "{low} {high}");
    }

    #[test]
    fn quotients_are_of_means_and_pairs_stay_together() {
        // 1/2, 4/8 and 2/4: in every resample the quotient is a half.
        let Estimate { mean, low, high, n } =
            Estimate::of_quotient(&[[1.0, 2.0], [4.0, 8.0], [2.0, 4.0]], 3).unwrap();
        assert_eq!((mean, low, high, n), (0.5, 0.5, 0.5, 3));
        let apart = Estimate::of_quotient(&[[1.0, 4.0], [3.0, 1.0], [2.0, 3.0]], 3).unwrap();
        assert!((apart.mean - 0.75).abs() < 1e-9 && apart.low < 0.75 && apart.high > 0.75);
        assert_eq!(Estimate::of_quotient(&[], 3), None);
        assert_eq!(Estimate::of_quotient(&[[1.0, 0.0]], 3), None);
    }

    #[test]
    fn numbers_survive_json() {
        for value in [std::f64::consts::PI, 1e-7 / 3.0, -2.0e5 / 7.0, 100.0, 0.0] {
            let short = nine_digits(value);
            assert!((short - value).abs() <= 5e-9 * value.abs());
            let json = serde_json::to_string(&short).unwrap();
            assert_eq!(serde_json::from_str::<f64>(&json).unwrap().to_bits(), short.to_bits());
        }
        assert!(nine_digits(5.107_025_91e-15).abs() < f64::MIN_POSITIVE);
        assert!(nine_digits(f64::NAN).is_nan());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn it_follows_scale_and_shift_and_repeats(
            values in prop::collection::vec(-5.0_f64..5.0, 1..30), seed in any::<u64>(),
        ) {
            let plain = Estimate::of(&values, seed).unwrap();
            prop_assert_eq!(Estimate::of(&values, seed), Some(plain));
            prop_assert!(plain.low <= plain.mean + 1e-7 && plain.mean <= plain.high + 1e-7);
            let moved: Vec<f64> = values.iter().map(|value| 3.0 * value + 2.0).collect();
            let moved = Estimate::of(&moved, seed).unwrap();
            for (found, expected) in [(moved.mean, plain.mean), (moved.low, plain.low), (moved.high, plain.high)] {
                prop_assert!((found - (3.0 * expected + 2.0)).abs() < 1e-6);
            }
        }
    }
}
