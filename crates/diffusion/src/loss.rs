//! Losses for training a denoiser: one mean squared error for each item, and how to weigh it.
//!
//! Everything is reduced for each item first. A mean over a whole large batch would be summed by Flex
//! in an order that varies from run to run, and a training run must repeat bit for bit.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::level::NoiseLevel;
use crate::prediction::Prediction;

/// Mean squared error of every item.
///
/// # Shapes
/// - `output`, `target`: `[batch, channels, height, width]`
/// - returns: `[batch]`
pub fn mse_per_item(output: Tensor<4>, target: Tensor<4>) -> Tensor<1> {
    let [batch, channels, height, width] = output.dims();
    let squares: Tensor<2> = (output - target).square().reshape([batch, channels * height * width]);
    squares.mean_dim(1).reshape([batch])
}

/// Mean squared error of every item, where some numbers count more than others: `Σ w e² / Σ w`.
///
/// # Shapes
/// - `output`, `target`: `[batch, channels, height, width]`
/// - `weights`: the same, 0 or more, and not all 0 in any item
/// - returns: `[batch]`
pub fn weighted_mse_per_item(output: Tensor<4>, target: Tensor<4>, weights: Tensor<4>) -> Tensor<1> {
    let [batch, channels, height, width] = output.dims();
    let mean = |numbers: Tensor<4>| {
        let flat: Tensor<2> = numbers.reshape([batch, channels * height * width]);
        flat.mean_dim(1).reshape([batch])
    };
    mean((output - target).square() * weights.clone()) / mean(weights)
}

/// How heavily a squared error counts at each noise level, whatever the network predicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossWeighting {
    /// The error of the network's own output, at all levels alike.
    #[default]
    Output,
    /// `min(SNR, γ)` on the error in `x_0` (Hang et al. 2023, whose choice is `γ = 5`). At zero SNR it is 0: that
    /// level has to be learned from its neighbours.
    MinSnr(f64),
    /// `min(SNR + 1, γ)` on the error in `x_0`: an error in `v` (Salimans & Ho 2022, Section 4), held down
    /// where there is hardly any noise and `v` says little of `x_0`.
    MinSnrPlusOne(f64),
}

impl LossWeighting {
    /// The limit `γ`, if there is one.
    pub fn gamma(self) -> Option<f64> {
        match self {
            Self::Output => None,
            Self::MinSnr(gamma) | Self::MinSnrPlusOne(gamma) => Some(gamma),
        }
    }

    /// The weight of a squared error in the network's own output. A squared error in `ε` is `SNR` times
    /// the one in `x_0` that it means, one in `v` `SNR + 1` times, so the weight on `x_0` is divided by that. At
    /// zero SNR an output `ε` says nothing of `x_0`, and an error in `v` would weigh infinitely: there it has
    /// the weight that it has at an SNR of [`MIN_SNR`].
    pub fn weight(self, prediction: Prediction, level: NoiseLevel) -> f64 {
        let snr = level.snr();
        let on_x_0 = match self {
            Self::Output => return 1.0,
            Self::MinSnr(gamma) => snr.min(gamma),
            Self::MinSnrPlusOne(gamma) => (snr + 1.0).min(gamma),
        };
        match (self, prediction) {
            (_, Prediction::Sample) => on_x_0,
            (_, Prediction::V) => on_x_0 / (snr + 1.0),
            // min(SNR, γ) / SNR, without 0/0 at zero SNR.
            (Self::MinSnr(gamma), Prediction::Epsilon) => (gamma / snr).min(1.0),
            (_, Prediction::Epsilon) => on_x_0 / snr.max(MIN_SNR),
        }
    }
}

/// The timestep at `position`, 0 to 1, of a schedule of `n_timesteps`, where noisy ones take more of the way: the map
/// `s u / (1 + (s - 1) u)` of \[0, 1\] onto itself by which Esser et al. 2024 (arXiv 2403.03206) move timesteps between
/// resolutions. A `shift` of 1 leaves them even.
pub fn timestep_at(position: f64, shift: f64, n_timesteps: usize) -> usize {
    let shifted = shift * position / (1.0 + (shift - 1.0) * position);
    ((shifted * n_timesteps as f64) as usize).min(n_timesteps - 1)
}

/// The SNR at which the weight of an error in `ε` stops growing.
pub const MIN_SNR: f64 = 1e-3;

/// `Σ weight_i loss_i / batch`, as a scalar that can be differentiated.
///
/// # Shapes
/// - `per_item`: `[batch]`, with one weight for each item
/// - returns: `[1]`
///
/// # Panics
/// If there is not exactly one weight for each item.
pub fn weighted_mean(per_item: Tensor<1>, weights: &[f64]) -> Tensor<1> {
    let [batch] = per_item.dims();
    assert_eq!(weights.len(), batch, "a batch of {batch} needs as many weights, not {}", weights.len());
    let weights = Tensor::<1>::from_data(weights, (&per_item.device(), per_item.dtype()));
    (per_item * weights).mean()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};
    use proptest::prelude::*;

    use super::{LossWeighting, MIN_SNR, mse_per_item, weighted_mean, weighted_mse_per_item};
    use crate::level::NoiseLevel;
    use crate::prediction::Prediction;

    fn read(tensor: Tensor<1>) -> Vec<f32> {
        tensor.into_data().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn items_do_not_mix() {
        let device = Device::default();
        let output = Tensor::<4>::from_data([[[[1.0_f32, 2.0]]], [[[0.0, 4.0]]]], &device);
        let losses = mse_per_item(output, Tensor::zeros([2, 1, 1, 2], &device));
        assert_eq!(read(losses.clone()), [2.5, 8.0]);
        assert_eq!(read(weighted_mean(losses, &[2.0, 0.5])), [4.5]);
    }

    #[test]
    fn heavy_numbers_count_more() {
        let device = Device::default();
        let output = Tensor::<4>::from_data([[[[1.0_f32, 2.0]], [[3.0, 0.0]]]], &device);
        let zeros = Tensor::zeros([1, 2, 1, 2], &device);
        let loss = |weights: [[[[f32; 2]; 1]; 2]; 1]| {
            let weights = Tensor::from_data(weights, &device);
            read(weighted_mse_per_item(output.clone(), zeros.clone(), weights))
        };
        assert_eq!(loss([[[[1.0, 1.0]], [[1.0, 1.0]]]]), read(mse_per_item(output.clone(), zeros.clone())));
        assert_eq!(loss([[[[1.0, 0.0]], [[1.0, 0.0]]]]), [5.0]);
        // (1 * 1 + 3 * 4) / 4
        assert_eq!(loss([[[[1.0, 3.0]], [[0.0, 0.0]]]]), [3.25]);
    }

    proptest! {
        #[test]
        fn the_weights_are_one_weight_on_x_0(alpha_bar in 0.002..0.9999_f64, error in 0.1..2.0_f64) {
            let level = NoiseLevel { timestep: 0.0, alpha_bar };
            for weighting in [LossWeighting::MinSnr(5.0), LossWeighting::MinSnrPlusOne(5.0)] {
                let on_x_0 = weighting.weight(Prediction::Sample, level) * error * error;
                for prediction in [Prediction::Epsilon, Prediction::V] {
                    // An error of the output moves x_0 by the coefficient of the output.
                    let (_, gain) = prediction.coefficients(Prediction::Sample, level);
                    let weight = weighting.weight(prediction, level);
                    let found = weight * (error / gain).powi(2) / on_x_0;
                    prop_assert!((found - 1.0).abs() < 1e-9, "{weighting:?} {prediction:?}");
                }
            }
        }
    }

    #[test]
    fn weights_are_finite_at_both_ends() {
        for alpha_bar in [0.0, 1.0 - 1e-12] {
            let level = NoiseLevel { timestep: 0.0, alpha_bar };
            for prediction in [Prediction::Epsilon, Prediction::V, Prediction::Sample] {
                let weight = LossWeighting::MinSnr(5.0).weight(prediction, level);
                assert!((0.0..=5.0).contains(&weight), "{prediction:?} at {alpha_bar}: {weight}");
                let weight = LossWeighting::MinSnrPlusOne(5.0).weight(prediction, level);
                assert!((0.0..=1.0 / MIN_SNR).contains(&weight), "{prediction:?} at {alpha_bar}: {weight}");
            }
        }
    }
}
