//! How sampling steps are spread over the training timesteps (Lin et al. 2023, Table 2).
//!
//! Rounding follows diffusers to the last tie.

use serde::{Deserialize, Serialize};

/// How `n` timesteps are spread over the `T` trained ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestepSpacing {
    /// Multiples of `⌊T/n⌋` from 0 up, plus `steps_offset`; leaves out the noisiest timesteps.
    Leading,
    /// Multiples of `T/n` from `T` down, rounded, minus one; starts at the noisiest timestep.
    Trailing,
    /// Equally spaced from 0 to `T − 1`, both included. A single step is taken at `T − 1`, where
    /// diffusers takes it at 0.
    Linspace,
}

impl TimestepSpacing {
    /// `n` descending timesteps, `1 ≤ n ≤ T`; those of linspace are not rounded.
    pub(super) fn timesteps(self, n: usize, trained: usize, offset: usize) -> Vec<f64> {
        match self {
            Self::Leading => leading((0..n).rev(), trained / n, offset),
            Self::Trailing => trailing(n, trained),
            Self::Linspace => linspace(n, trained),
        }
    }

    /// The upper ends of `n` intervals that are spread down to 0, descending and whole;
    /// `1 ≤ n ≤ T`, and `n < T` except with trailing spacing.
    pub(super) fn interval_tops(self, n: usize, trained: usize, offset: usize) -> Vec<f64> {
        match self {
            Self::Leading => leading((1..=n).rev(), trained / (n + 1), offset),
            Self::Trailing => trailing(n, trained),
            Self::Linspace => linspace(n + 1, trained).iter().take(n).map(|t| t.round_ties_even()).collect(),
        }
    }
}

fn leading(multiples: impl Iterator<Item = usize>, ratio: usize, offset: usize) -> Vec<f64> {
    multiples.map(|i| (i * ratio) as f64 + offset as f64).collect()
}

/// `round(T − i T/n) − 1`, exactly `n` of them.
///
/// numpy's `arange` steps by the difference of its first two entries, and that rounding decides the
/// ties. It can also yield an entry too many, −1, as it does in diffusers for 61 steps of 1000.
fn trailing(n: usize, trained: usize) -> Vec<f64> {
    let top = trained as f64;
    let step = (top - top / n as f64) - top;
    (0..n).map(|i| (top + i as f64 * step).round_ties_even() - 1.0).collect()
}

fn linspace(n: usize, trained: usize) -> Vec<f64> {
    let last = (trained - 1) as f64;
    let step = last / (n.max(2) - 1) as f64;
    // Exact at the upper end, whatever the rounding of the step.
    (0..n).rev().map(|i| if i + 1 == n { last } else { step * i as f64 }).collect()
}

#[cfg(test)]
mod tests {
    use super::TimestepSpacing::{Leading, Linspace, Trailing};

    #[test]
    fn the_spacings_are_those_of_the_table() {
        assert_eq!(Leading.timesteps(4, 1000, 1), [751.0, 501.0, 251.0, 1.0]);
        assert_eq!(Trailing.timesteps(4, 1000, 1), [999.0, 749.0, 499.0, 249.0]);
        assert_eq!(Linspace.timesteps(3, 1000, 1), [999.0, 499.5, 0.0]);
        assert_eq!(Linspace.timesteps(1, 1000, 1), [999.0]);
        assert_eq!(Leading.interval_tops(3, 1000, 1), [751.0, 501.0, 251.0]);
        assert_eq!(Linspace.interval_tops(3, 1000, 1), [999.0, 666.0, 333.0]);
    }

    #[test]
    fn trailing_has_exactly_n_entries_for_every_n() {
        for n in 1..=1000 {
            let timesteps = Trailing.timesteps(n, 1000, 0);
            assert_eq!((timesteps.len(), timesteps[0]), (n, 999.0));
            assert!(timesteps[n - 1] >= 0.0 && timesteps.windows(2).all(|w| w[1] < w[0]), "{n}");
        }
    }

    #[test]
    fn the_steps_of_the_method_are_trailing_steps() {
        // Step k of T = 20 and of T = 8, counted down to 1; both phases start at the same level.
        for (total, k, t) in [(20, 15, 749.0), (20, 10, 499.0), (8, 6, 749.0), (8, 3, 374.0)] {
            assert_eq!(Trailing.timesteps(total, 1000, 0)[total - k..=total - k], [t]);
        }
    }
}
