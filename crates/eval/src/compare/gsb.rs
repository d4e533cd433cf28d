//! Good, same, bad: how often one arm is better than another, and the two figures that the paper makes of it.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Estimate, nine_digits};

/// A comparison in which more of the cases than this are ties says little: the band is wide beside what is compared.
pub const MAX_SAME_SHARE: f64 = 0.4;

/// Cases in which the first of two arms is better than the other, the same, or worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// `G`: better by more than the tie band.
    pub good: usize,
    /// `S`: within the band.
    pub same: usize,
    /// `B`: worse by more than the band.
    pub bad: usize,
}

/// Everything that is said of two arms by one score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gsb {
    /// The cases.
    pub counts: Counts,
    /// `S / (G + S + B)`, from 0 to 1.
    pub same_share: f64,
    /// Whether that is at most [`MAX_SAME_SHARE`].
    pub has_few_ties: bool,
    /// [`Counts::superiority`], 1 at parity; `None` where it, or the upper end of its interval, is not finite: hardly any
    /// case is the same or bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superiority: Option<Estimate>,
    /// [`Counts::win_rate`], from 0 to 1, 0.5 at parity.
    pub win_rate: Estimate,
}

impl Counts {
    /// Of differences of scores, first arm minus second, of which those of at most `band` are ties.
    pub fn of(differences: &[f64], band: f64) -> Self {
        let mut counts = Self::default();
        for &difference in differences {
            let count = match Outcome::of(difference, band) {
                Outcome::Good => &mut counts.good,
                Outcome::Same => &mut counts.same,
                Outcome::Bad => &mut counts.bad,
            };
            *count += 1;
        }
        counts
    }

    /// All cases.
    pub const fn n(self) -> usize {
        self.good + self.same + self.bad
    }

    /// `(G + S) / (S + B)`, which the paper gives in percent (Ren et al. 2024, Section 4.3): 1 at parity, and not defined
    /// where nothing is the same or bad.
    pub fn superiority(self) -> Option<f64> {
        let Self { good, same, bad } = self;
        (same + bad > 0).then(|| (good + same) as f64 / (same + bad) as f64)
    }

    /// `(G + S) / ((G + S) + (S + B))`, the win rate of the paper's ablation (Ren et al. 2024, Section 4.4): one half at
    /// parity; that of the other arm is the rest. Not defined without cases.
    pub fn win_rate(self) -> Option<f64> {
        let Self { good, same, bad } = self;
        (self.n() > 0).then(|| (good + same) as f64 / (good + 2 * same + bad) as f64)
    }
}

/// What became of one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Good,
    Same,
    Bad,
}

impl Outcome {
    fn of(difference: f64, band: f64) -> Self {
        if difference > band {
            Self::Good
        } else if difference < -band {
            Self::Bad
        } else {
            Self::Same
        }
    }

    /// What the case adds to both sides of the fraction that the win rate is.
    const fn terms(self) -> [f64; 2] {
        match self {
            Self::Good => [1.0, 1.0],
            Self::Same => [1.0, 2.0],
            Self::Bad => [0.0, 1.0],
        }
    }
}

impl Gsb {
    /// Of differences of scores, first arm minus second, one for each case; `None` without cases. Intervals are percentiles
    /// over resampled cases; the superiority `w / (1 - w)` grows with the win rate `w`, and so has the same percentiles.
    pub fn of(differences: &[f64], band: f64, seed: u64) -> Option<Self> {
        let counts = Counts::of(differences, band);
        let terms: Vec<[f64; 2]> =
            differences.iter().map(|&difference| Outcome::of(difference, band).terms()).collect();
        let win_rate = Estimate::of_quotient(&terms, seed)?;
        let same_share = counts.same as f64 / counts.n() as f64;
        Some(Self {
            counts,
            same_share: nine_digits(same_share),
            has_few_ties: same_share <= MAX_SAME_SHARE,
            superiority: superiority(counts, &win_rate),
            win_rate,
        })
    }
}

fn superiority(counts: Counts, win_rate: &Estimate) -> Option<Estimate> {
    let [low, high] = [win_rate.low, win_rate.high].map(|share| share / (1.0 - share));
    let mean = counts.superiority().filter(|_| win_rate.high < 1.0)?;
    Some(Estimate::rounded([mean, low, high], win_rate.n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() < tolerance, "{found} instead of {expected}");
    }

    #[test]
    fn a_case_is_good_same_or_bad_by_the_band() {
        // The band itself is a tie on both sides.
        let counts = Counts::of(&[3.0, 1.0, 0.5, 0.0, -1.0, -1.5], 1.0);
        assert_eq!(counts, Counts { good: 1, same: 4, bad: 1 });
        let exact = Counts::of(&[1e-9, 0.0, -1e-9], 0.0);
        assert_eq!(exact, Counts { good: 1, same: 1, bad: 1 });
    }

    /// The counts of ByteEdit against Adobe.
    #[test]
    fn published_counts_have_their_superiorities() {
        for (good, same, bad, percent) in
            [(5413, 3034, 4478, 112.45), (5605, 3295, 3448, 131.99), (4766, 2679, 4355, 105.84)]
        {
            let counts = Counts { good, same, bad };
            close(100.0 * counts.superiority().unwrap(), percent, 0.005);
            let rate = counts.win_rate().unwrap();
            close(rate / (1.0 - rate), percent / 100.0, 5e-5);
        }
    }

    #[test]
    fn all_ties_are_parity() {
        let ties = Gsb::of(&[0.0; 9], 0.0, 1).unwrap();
        assert_eq!(ties.counts, Counts { good: 0, same: 9, bad: 0 });
        close(ties.win_rate.mean, 0.5, 1e-12);
        close(ties.win_rate.high - ties.win_rate.low, 0.0, 1e-12);
        close(ties.superiority.unwrap().mean, 1.0, 1e-12);
        assert!(!ties.has_few_ties);
        // As many good as bad is parity too.
        let even: Vec<f64> = (0..20).map(|case| if case % 2 == 0 { 2.0 } else { -2.0 }).collect();
        let even = Gsb::of(&even, 1.0, 1).unwrap();
        close(even.win_rate.mean, 0.5, 1e-12);
        close(even.superiority.unwrap().mean, 1.0, 1e-12);
        assert!(even.has_few_ties && even.win_rate.low < 0.5 && even.win_rate.high > 0.5);
    }

    #[test]
    fn figures_are_fractions_and_the_other_arm_has_the_rest() {
        // G = 6, S = 2, B = 2.
        let differences = [5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 0.0, 0.0, -5.0, -5.0];
        let gsb = Gsb::of(&differences, 1.0, 3).unwrap();
        close(gsb.win_rate.mean, 8.0 / 12.0, 1e-8);
        close(gsb.superiority.unwrap().mean, 2.0, 1e-8);
        close(gsb.same_share, 0.2, 1e-12);
        let turned = Gsb::of(&differences.map(|difference| -difference), 1.0, 3).unwrap();
        close(turned.win_rate.mean, 1.0 - gsb.win_rate.mean, 1e-8);
        // The same cases are drawn, so the ends change places.
        close(turned.win_rate.low, 1.0 - gsb.win_rate.high, 1e-8);
        assert!(gsb.win_rate.low < gsb.win_rate.mean && gsb.win_rate.mean < gsb.win_rate.high);
    }

    #[test]
    fn where_all_is_good_the_superiority_has_no_end() {
        let good = Gsb::of(&[1.0; 5], 0.5, 1).unwrap();
        close(good.win_rate.mean, 1.0, 1e-12);
        assert_eq!((good.superiority, good.counts.superiority()), (None, None));
        let bad = Gsb::of(&[-1.0; 5], 0.5, 1).unwrap();
        close(bad.win_rate.mean, 0.0, 1e-12);
        close(bad.superiority.unwrap().mean, 0.0, 1e-12);
        assert_eq!((Gsb::of(&[], 0.5, 1), Counts::default().win_rate()), (None, None));
    }
}
