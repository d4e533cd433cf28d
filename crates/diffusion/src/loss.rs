//! Losses for training a denoiser: one mean squared error for each item, and how to weigh it.
//!
//! Everything is reduced for each item first. A mean over a whole large batch would be summed by Flex
//! in an order that varies from run to run, and a training run must repeat bit for bit.

use burn::tensor::Tensor;

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

/// `min(SNR, γ)`, as the weight of an error in the network's own output (Hang et al. 2023).
///
/// The paper weighs the squared error in `x_0`. A squared error in `ε` is `SNR` times the one in `x_0`
/// that it means, one in `v` `SNR + 1` times, so the weight is divided by that. `γ = 5` is the paper's
/// choice. With `v` the weight is 0 at zero SNR: that level has to be learned from its neighbours.
pub fn min_snr_weight(prediction: Prediction, level: NoiseLevel, gamma: f64) -> f64 {
    let snr = level.snr();
    match prediction {
        Prediction::Sample => snr.min(gamma),
        // min(SNR, γ) / SNR, without 0/0 at zero SNR.
        Prediction::Epsilon => (gamma / snr).min(1.0),
        Prediction::V => snr.min(gamma) / (snr + 1.0),
    }
}

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

    use super::{min_snr_weight, mse_per_item, weighted_mean, weighted_mse_per_item};
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
        fn the_weights_are_one_weight_on_x_0(alpha_bar in 0.0001..0.9999_f64, error in 0.1..2.0_f64) {
            let level = NoiseLevel { timestep: 0.0, alpha_bar };
            let on_x_0 = min_snr_weight(Prediction::Sample, level, 5.0) * error * error;
            for prediction in [Prediction::Epsilon, Prediction::V] {
                // An error of the output moves x_0 by the coefficient of the output.
                let (_, gain) = prediction.coefficients(Prediction::Sample, level);
                let weight = min_snr_weight(prediction, level, 5.0);
                prop_assert!((weight * (error / gain).powi(2) / on_x_0 - 1.0).abs() < 1e-9, "{prediction:?}");
            }
        }
    }

    #[test]
    fn weights_are_finite_at_both_ends() {
        for alpha_bar in [0.0, 1.0 - 1e-12] {
            let level = NoiseLevel { timestep: 0.0, alpha_bar };
            for prediction in [Prediction::Epsilon, Prediction::V, Prediction::Sample] {
                let weight = min_snr_weight(prediction, level, 5.0);
                assert!((0.0..=5.0).contains(&weight), "{prediction:?} at {alpha_bar}: {weight}");
            }
        }
    }
}
