//! Scores of mean 0 and deviation 1. `-log σ(R)` has the gradient `-σ(-R)`: of rewards on other scales one saturates or
//! drowns the others.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::{Result, RewardError};
use crate::reward::{Reward, Shown};

/// `(raw - mean) / std`. It belongs to the weights and is stored with them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standardisation {
    /// Mean of raw scores.
    pub mean: f64,
    /// Their standard deviation, above 0.
    pub std: f64,
}

impl Standardisation {
    /// Leaves scores as they are.
    pub const NONE: Self = Self { mean: 0.0, std: 1.0 };

    /// Mean and standard deviation (of a sample, `n - 1`) of raw scores of pictures that the reward has not learned
    /// from.
    ///
    /// # Errors
    /// [`RewardError::Spread`] if there are fewer than two, all are equal or one is not finite.
    pub fn of_scores(raw: &[f64]) -> Result<Self> {
        let n = raw.len() as f64;
        let mean = raw.iter().sum::<f64>() / n;
        let std = (raw.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let standardisation = Self { mean, std };
        if standardisation.is_valid() {
            return Ok(standardisation);
        }
        Err(RewardError::Spread { n_scores: raw.len(), std })
    }

    /// Whether both numbers are finite and the deviation is above 0.
    pub fn is_valid(self) -> bool {
        self.mean.is_finite() && self.std.is_finite() && self.std > 0.0
    }

    /// # Shapes
    /// - `raw`, result: `[batch]`
    pub fn apply(self, raw: Tensor<1>) -> Tensor<1> {
        (raw - self.mean) / self.std
    }
}

/// A reward whose scores are standardised.
#[derive(Debug, Clone)]
pub struct Standardised<R> {
    reward: R,
    standardisation: Standardisation,
}

impl<R: Reward> Standardised<R> {
    /// `reward`, its scores brought to mean 0 and deviation 1.
    pub fn new(reward: R, standardisation: Standardisation) -> Self {
        Self { reward, standardisation }
    }
}

impl<R: Reward> Reward for Standardised<R> {
    fn name(&self) -> &'static str {
        self.reward.name()
    }

    fn sees_prompt(&self) -> bool {
        self.reward.sees_prompt()
    }

    fn sees_mask(&self) -> bool {
        self.reward.sees_mask()
    }

    fn n_parameters(&self) -> usize {
        self.reward.n_parameters()
    }

    fn log_odds_scale(&self) -> f64 {
        self.standardisation.std * self.reward.log_odds_scale()
    }

    fn cuts_after(&self, prompt: &str) -> Option<usize> {
        self.reward.cuts_after(prompt)
    }

    fn score(&self, shown: &Shown) -> Result<Tensor<1>> {
        Ok(self.standardisation.apply(self.reward.score(shown)?))
    }

    fn pixel_scores(&self, shown: &Shown) -> Option<Tensor<4>> {
        self.reward.pixel_scores(shown)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// The mean of the pixels.
    struct Brightness;

    impl Reward for Brightness {
        fn name(&self) -> &'static str {
            "brightness"
        }

        fn sees_prompt(&self) -> bool {
            false
        }

        fn sees_mask(&self) -> bool {
            false
        }

        fn n_parameters(&self) -> usize {
            0
        }

        fn score(&self, shown: &Shown) -> Result<Tensor<1>> {
            let [batch, channels, height, width] = shown.pixels().dims();
            Ok(shown.pixels().reshape([batch, channels * height * width]).mean_dim(1).reshape([batch]))
        }
    }

    #[test]
    fn standardised_scores_have_mean_0_and_deviation_1() {
        let device = Device::flex();
        let pixels = Tensor::<1>::from_data([0.25, 0.75], &device).reshape([2, 1, 1, 1]).expand([2, 3, 4, 4]);
        let shown = Shown::new(pixels, Tensor::zeros([2, 1, 4, 4], &device), vec![String::new(); 2]).unwrap();
        let standardisation = Standardisation::of_scores(&[0.25, 0.75]).unwrap();
        let scores = Standardised::new(Brightness, standardisation).score(&shown).unwrap();
        let half = 0.5_f32.sqrt();
        scores
            .into_data()
            .assert_approx_eq::<f32>(&TensorData::from([-half, half]), burn::tensor::Tolerance::default());
    }

    #[test]
    fn scores_without_a_spread_are_refused() {
        for raw in [&[][..], &[1.5], &[2.0, 2.0, 2.0], &[1.0, f64::NAN], &[1.0, f64::INFINITY]] {
            let message = Standardisation::of_scores(raw).unwrap_err().to_string();
            assert!(message.contains(&format!("{} scores", raw.len())), "{message}");
        }
    }
}
