//! Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101, Algorithm 2).

use burn::tensor::Tensor;
use byteedit_nn::kernels::{AdamWNumbers, AdamWState, adamw};
use serde::{Deserialize, Serialize};

use super::optimizer::{Step, Weight};
use crate::{Result, TrainError};

/// The numbers of `AdamW`; the defaults are those of the field's diffusion trainers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// Decay of the mean of the gradients, in [0, 1).
    pub beta_1: f64,
    /// Decay of the mean of their squares, in [0, 1).
    pub beta_2: f64,
    /// Added to the root of the second moment, positive.
    pub epsilon: f64,
    /// Share of a weight that is taken away at learning rate 1, not negative. It acts on weights of
    /// rank 2 and more: shrinking a bias or a norm's scale limits what the network can express and
    /// regularises nothing.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 1e-2 }
    }
}

impl AdamWConfig {
    /// Checks every number.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        for (key, beta) in [("optimizer.beta_1", self.beta_1), ("optimizer.beta_2", self.beta_2)] {
            if !(0.0..1.0).contains(&beta) {
                return Err(TrainError::config(key, beta, "at least 0 and below 1"));
            }
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(TrainError::config("optimizer.epsilon", self.epsilon, "a positive number"));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return Err(TrainError::config("optimizer.weight_decay", self.weight_decay, "0 or more"));
        }
        Ok(())
    }
}

/// Running means of one parameter's gradient, both `[n_elements]`.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Of the gradient, `m` in the paper.
    pub first: Tensor<1>,
    /// Of its square, `v` in the paper.
    pub second: Tensor<1>,
}

impl AdamWConfig {
    /// Lines 6 to 12 of the algorithm for one parameter, `[n_elements]`; without moments from zeros.
    pub(super) fn update(
        &self,
        at: &Step,
        Weight { value: weight, average, decays }: Weight,
        moments: Option<Moments>,
        gradient: Tensor<1>,
    ) -> (Weight, Moments) {
        let numbers = AdamWNumbers {
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon,
            weight_decay: if decays { self.weight_decay } else { 0.0 },
            learning_rate: at.size.learning_rate,
            gradient_scale: at.size.gradient_scale,
            t: at.t,
            average_decay: at.average_decay,
        };
        let zeros = || weight.zeros_like();
        let Moments { first, second } =
            moments.unwrap_or_else(|| Moments { first: zeros(), second: zeros() });
        let state = adamw(AdamWState { weight, first, second, average }, gradient, &numbers);
        let AdamWState { weight, first, second, average } = state;
        (Weight { value: weight, average, decays }, Moments { first, second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_named() {
        let good = AdamWConfig::default();
        for (bad, key) in [
            (AdamWConfig { beta_1: 1.0, ..good }, "optimizer.beta_1"),
            (AdamWConfig { beta_2: -0.1, ..good }, "optimizer.beta_2"),
            (AdamWConfig { epsilon: 0.0, ..good }, "optimizer.epsilon"),
            (AdamWConfig { weight_decay: f64::NAN, ..good }, "optimizer.weight_decay"),
        ] {
            assert!(bad.validate().unwrap_err().to_string().contains(key));
        }
        assert!(good.validate().is_ok());
    }
}
