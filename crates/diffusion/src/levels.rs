//! The noise levels that a trajectory visits, checked once so that samplers need not.

use std::ops::Range;

use crate::error::DiffusionError;
use crate::level::NoiseLevel;

/// `n + 1` noise levels for `n` steps, from the noisiest down to where the trajectory ends.
///
/// `ᾱ` rises at every step; only the last level may equal the one before it, which happens where a
/// schedule ends at training timestep 0 and that was its last step already.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels(Vec<NoiseLevel>);

impl Levels {
    /// Takes levels in the order in which they are visited.
    ///
    /// # Errors
    /// [`DiffusionError::NoSteps`] for fewer than two levels; [`DiffusionError::OutOfRange`] for an
    /// `ᾱ` outside 0 to 1 or a first level without noise; [`DiffusionError::NotDescending`] where the
    /// noise does not fall.
    pub fn new(levels: Vec<NoiseLevel>) -> Result<Self, DiffusionError> {
        if levels.len() < 2 {
            return Err(DiffusionError::NoSteps { strength: 1.0, n_steps: 0 });
        }
        for level in &levels {
            if !(0.0..=1.0).contains(&level.alpha_bar) {
                let range = "from 0 (noise alone) to 1 (clean)";
                return Err(DiffusionError::OutOfRange { name: "alpha_bar", value: level.alpha_bar, range });
            }
        }
        if levels[0].alpha_bar >= 1.0 {
            let range = "below 1 at the first level, or there is nothing to denoise";
            return Err(DiffusionError::OutOfRange { name: "alpha_bar", value: 1.0, range });
        }
        for (i, pair) in levels.windows(2).enumerate() {
            let (previous, alpha_bar) = (pair[0].alpha_bar, pair[1].alpha_bar);
            let is_last = i + 2 == levels.len();
            if alpha_bar < previous || (alpha_bar <= previous && !is_last) {
                return Err(DiffusionError::NotDescending { index: i + 1, alpha_bar, previous });
            }
        }
        Ok(Self(levels))
    }

    /// Number of steps, one less than the number of levels.
    pub fn n_steps(&self) -> usize {
        self.0.len() - 1
    }

    /// Where the trajectory starts.
    pub fn start(&self) -> NoiseLevel {
        self.0[0]
    }

    /// Where it ends.
    pub fn end(&self) -> NoiseLevel {
        self.0[self.n_steps()]
    }

    /// All `n + 1` levels in order.
    pub fn as_slice(&self) -> &[NoiseLevel] {
        &self.0
    }

    /// The last `int(n · strength)` steps, for a start that keeps something of a source picture.
    ///
    /// The rounding is diffusers'. A strength above 1 counts as 1.
    ///
    /// # Errors
    /// [`DiffusionError::OutOfRange`] for a strength that is negative or not a number;
    /// [`DiffusionError::NoSteps`] if no step is left, as for strength 0, where the source itself is
    /// the result and there is nothing to run.
    pub fn truncated(&self, strength: f64) -> Result<Self, DiffusionError> {
        if strength.is_nan() || strength < 0.0 {
            let range = "from 0 (keep everything) to 1 (start from noise)";
            return Err(DiffusionError::OutOfRange { name: "strength", value: strength, range });
        }
        let n_steps = self.n_steps();
        let kept = ((n_steps as f64 * strength) as usize).min(n_steps);
        if kept == 0 {
            return Err(DiffusionError::NoSteps { strength, n_steps });
        }
        self.segment(n_steps - kept..n_steps)
    }

    /// The levels of some consecutive steps, counted from the noisiest; step `k` leads from level
    /// `k` to level `k + 1`.
    ///
    /// # Errors
    /// [`DiffusionError::Segment`] if the range is empty or reaches beyond the last step.
    pub fn segment(&self, steps: Range<usize>) -> Result<Self, DiffusionError> {
        let (start, end, n_steps) = (steps.start, steps.end, self.n_steps());
        if start >= end || end > n_steps {
            return Err(DiffusionError::Segment { start, end, n_steps });
        }
        Ok(Self(self.0[start..=end].to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Levels;
    use crate::level::NoiseLevel;

    fn levels(alpha_bars: &[f64]) -> Result<Levels, String> {
        let level = |&alpha_bar| NoiseLevel { timestep: 0.0, alpha_bar };
        Levels::new(alpha_bars.iter().map(level).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_noise_must_fall() {
        assert_eq!(levels(&[0.0, 0.5, 1.0]).unwrap().n_steps(), 2);
        assert!(levels(&[0.1, 0.5, 0.5]).is_ok(), "a last step that goes nowhere is allowed");
        assert!(levels(&[0.1, 0.1, 0.5]).unwrap_err().contains("noise level 1 has alpha_bar 0.1 after 0.1"));
        assert!(levels(&[0.5, 0.4]).unwrap_err().contains("fewer steps"));
        for bad in [&[0.5][..], &[f64::NAN, 1.0], &[-0.1, 1.0], &[0.1, 1.1], &[1.0, 1.0]] {
            assert!(levels(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn strength_keeps_the_last_steps() {
        let all = levels(&[0.1, 0.2, 0.3, 0.4, 1.0]).unwrap();
        assert_eq!(all.truncated(0.75).unwrap(), levels(&[0.2, 0.3, 0.4, 1.0]).unwrap());
        assert_eq!(all.truncated(0.74).unwrap().n_steps(), 2);
        assert_eq!(all.truncated(1.0).unwrap(), all);
        assert_eq!(all.truncated(7.0).unwrap(), all);
        let error = all.truncated(0.2).unwrap_err().to_string();
        assert!(error.contains("strength 0.2 of 4 steps leaves no step"), "{error}");
        assert!(all.truncated(f64::NAN).is_err() && all.truncated(-0.5).is_err());
        // 50 · 0.58 is 28.999… in floating point, and diffusers runs 28 steps.
        let fifty: Vec<f64> = (0..=50).map(|i| f64::from(i) / 50.0).collect();
        assert_eq!(levels(&fifty).unwrap().truncated(0.58).unwrap().n_steps(), 28);
    }

    proptest! {
        #[test]
        fn segments_join_to_the_whole(n in 2_usize..20, cut in 1_usize..19) {
            prop_assume!(cut < n);
            let all = levels(&(0..=n).map(|i| i as f64 / n as f64).collect::<Vec<_>>()).unwrap();
            let (head, tail) = (all.segment(0..cut).unwrap(), all.segment(cut..n).unwrap());
            prop_assert_eq!(head.end(), tail.start());
            prop_assert_eq!(head.n_steps() + tail.n_steps(), n);
            prop_assert!(all.segment(cut..cut).is_err() && all.segment(cut..n + 1).is_err());
        }
    }
}
