//! Momentum made orthogonal, for the matrices between a network's first and last layer (Jordan et al. 2024).
//!
//! A gradient's few large singular values hide its many small ones; here every direction that the
//! gradient names is stepped in by the same length. Scaled as in Liu et al. 2025, arXiv 2502.16982, so that
//! learning rate and weight decay of `AdamW` suit it.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::optimizer::{Step, Weight};
use crate::{Result, TrainError};

/// Coefficients `a, b, c` of the polynomial that is iterated, steep at 0 (Jordan et al. 2024).
const QUINTIC: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// How often.
const ITERATIONS: usize = 5;
/// Root mean square of an update at learning rate 1, about that of `AdamW` (Liu et al. 2025, Eq. 4).
const UPDATE_RMS: f64 = 0.2;

/// The numbers of Muon.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MuonConfig {
    /// Share of the running sum of gradients that each step keeps, in [0, 1).
    pub momentum: f64,
    /// Share of a weight that is taken away at learning rate 1, not negative.
    pub weight_decay: f64,
}

impl Default for MuonConfig {
    fn default() -> Self {
        Self { momentum: 0.95, weight_decay: 1e-2 }
    }
}

/// Whether Muon updates the parameter: a matrix, or a convolution read as one, that is neither where
/// pixels, latents, words or timesteps come in nor where the result goes out.
pub(super) fn takes(name: &str, shape: &[usize]) -> bool {
    const ENDS: [&str; 5] = ["conv_in", "conv_out", "embedding", "time_emb_proj", "quant_conv"];
    shape.len() > 1 && !name.split('.').any(|part| ENDS.iter().any(|end| part.ends_with(end)))
}

impl MuonConfig {
    /// Checks both numbers.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(TrainError::config("muon.momentum", self.momentum, "at least 0 and below 1"));
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return Err(TrainError::config("muon.weight_decay", self.weight_decay, "0 or more"));
        }
        Ok(())
    }

    /// The direction of a parameter's step.
    ///
    /// # Shapes
    /// - `sum`, `gradient`: `[n_elements]`
    pub(super) fn direction(&self, sum: Tensor<1>, gradient: Tensor<1>, shape: &[usize]) -> Direction {
        let [n_elements] = gradient.dims();
        let sum = sum.mul_scalar(self.momentum) + gradient.clone();
        // Nesterov's look ahead. Gradients are not clipped: what their scale has in common cancels.
        let ahead = gradient + sum.clone().mul_scalar(self.momentum);
        let direction = orthogonalized(ahead.reshape([shape[0], n_elements / shape[0]]));
        Direction { sum, direction: direction.reshape([n_elements]) }
    }

    /// A step of a parameter of `shape`.
    ///
    /// # Shapes
    /// - `direction`: `[n_elements]`
    pub(super) fn update(
        &self,
        at: &Step,
        Weight { value: weight, average, decays }: Weight,
        direction: Tensor<1>,
        shape: &[usize],
    ) -> Weight {
        let (rows, columns) = (shape[0], weight.dims()[0] / shape[0]);
        let rate = at.size.learning_rate;
        let length = rate * UPDATE_RMS * (rows.max(columns) as f64).sqrt();
        let shrink = if decays { rate * self.weight_decay } else { 0.0 };
        let value = weight.mul_scalar(1.0 - shrink) - direction.mul_scalar(length);
        let decay = at.average_decay;
        let average = average.mul_scalar(decay) + value.clone().mul_scalar(1.0 - decay);
        Weight { value, average, decays }
    }
}

/// What a step starts from, `[n_elements]` each.
pub(super) struct Direction {
    /// Of the gradients so far.
    pub(super) sum: Tensor<1>,
    /// With singular values of about 1.
    pub(super) direction: Tensor<1>,
}

/// About `U Vᵀ` of `x = U S Vᵀ`: singular values become about 1, between 0.68 and 1.14 where they were at
/// least a hundredth of the root of the sum of their squares.
///
/// Newton and Schulz's iteration `X <- (a + b X Xᵀ + c (X Xᵀ)²) X`. Every iterate is a polynomial of
/// `G = X Xᵀ` times the first `X`, so the iteration runs on the small side alone.
///
/// # Shapes
/// - `x`: `[rows, columns]`
/// - returns `[rows, columns]`; zeros of zeros
fn orthogonalized(x: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = x.dims();
    if rows > columns {
        return orthogonalized(x.transpose()).transpose();
    }
    let [a, b, c] = QUINTIC;
    let norm = x.clone().square().sum().sqrt().add_scalar(f32::MIN_POSITIVE.sqrt()).unsqueeze();
    let x = x / norm;
    let gram = x.clone().matmul(x.clone().transpose());
    let identity = Tensor::<2>::eye(rows, &x.device());
    let step = |square: Tensor<2>| {
        identity.clone().mul_scalar(a)
            + square.clone().mul_scalar(b)
            + square.clone().matmul(square).mul_scalar(c)
    };
    let mut polynomial = step(gram.clone());
    for _ in 1..ITERATIONS {
        let square = polynomial.clone().matmul(gram.clone()).matmul(polynomial.clone());
        polynomial = step(square).matmul(polynomial);
    }
    polynomial.matmul(x)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use nalgebra::DMatrix;

    use super::*;
    use crate::optim::StepSize;
    use crate::random::{Use, stream};

    fn random(rows: usize, columns: usize) -> DMatrix<f64> {
        let mut draws = stream(3, Use::Items, 0);
        DMatrix::from_fn(rows, columns, |_, _| f64::from(draws.uniform(-0.5, 0.5)))
    }

    fn tensor(matrix: &DMatrix<f64>) -> Tensor<2> {
        let values: Vec<f32> = matrix.transpose().iter().map(|&value| value as f32).collect();
        Tensor::from_data(TensorData::new(values, [matrix.nrows(), matrix.ncols()]), &Device::default())
    }

    fn matrix(tensor: Tensor<2>) -> DMatrix<f64> {
        let [rows, columns] = tensor.dims();
        let data = tensor.into_data();
        DMatrix::from_row_iterator(
            rows,
            columns,
            data.as_slice::<f32>().unwrap().iter().map(|&value| f64::from(value)),
        )
    }

    #[test]
    fn directions_stay_and_lengths_become_one() {
        for (rows, columns) in [(24, 24), (8, 90), (90, 8)] {
            let before = random(rows, columns).svd(true, true);
            let after = matrix(orthogonalized(tensor(&random(rows, columns))));
            let (u, v) = (before.u.unwrap(), before.v_t.unwrap());
            let turned = u.transpose() * &after * v.transpose();
            let norm = before.singular_values.norm();
            for row in 0..turned.nrows() {
                for column in 0..turned.ncols() {
                    let value = turned[(row, column)];
                    if row != column {
                        assert!(value.abs() < 1e-3, "{rows} x {columns}: {value} off the diagonal");
                    } else if before.singular_values[row] > 0.01 * norm {
                        assert!((0.68..1.14).contains(&value), "{rows} x {columns}: {value}");
                    }
                }
            }
        }
    }

    /// On one singular value the iteration is that of a number, in f64.
    #[test]
    fn a_matrix_of_rank_one_follows_the_polynomial() {
        let [a, b, c] = QUINTIC;
        let expected = (0..ITERATIONS).fold(1.0_f64, |s, _| a * s + b * s.powi(3) + c * s.powi(5));
        let (u, v) = (random(6, 1), random(1, 11));
        let after = matrix(orthogonalized(tensor(&(&u * &v))));
        let unit = &u * &v / (u.norm() * v.norm());
        assert!((after - unit * expected).norm() < 1e-4);
    }

    #[test]
    fn zeros_stay_zeros() {
        assert!(matrix(orthogonalized(tensor(&DMatrix::zeros(3, 5)))).iter().all(|value| *value == 0.0));
    }

    #[test]
    fn the_size_of_a_step_is_the_learning_rate_s_and_not_the_gradient_s() {
        let flat = |matrix: &DMatrix<f64>| tensor(matrix).reshape([40 * 60]);
        let at =
            Step { size: StepSize { learning_rate: 0.1, gradient_scale: 1.0 }, t: 1, average_decay: 0.5 };
        let config = MuonConfig { weight_decay: 0.0, ..MuonConfig::default() };
        let step = |scale: f64| {
            let zeros = || flat(&DMatrix::zeros(40, 60));
            let gradient = flat(&(random(40, 60) * scale));
            let Direction { direction, .. } = config.direction(zeros(), gradient, &[40, 60]);
            let weight = Weight { value: zeros(), average: zeros(), decays: true };
            let Weight { value, average, .. } = config.update(&at, weight, direction, &[40, 60]);
            (matrix(value.reshape([40, 60])), matrix(average.reshape([40, 60])))
        };
        let ((one, average), (thousand, _)) = (step(1.0), step(1000.0));
        assert!((&one - thousand).norm() < 1e-4 * one.norm());
        // 0.2 of the learning rate in every element, as far as singular values are 1.
        let rms = one.norm() / (40.0_f64 * 60.0).sqrt();
        assert!((0.8..1.2).contains(&(rms / (0.1 * UPDATE_RMS))), "{rms}");
        assert!((average - one * 0.5).norm() < 1e-6);
    }

    #[test]
    fn ends_of_the_network_and_vectors_are_left_to_adamw() {
        for (name, shape, taken) in [
            ("unet.down_blocks.0.resnets.0.conv1.weight", &[96, 96, 3, 3][..], true),
            ("unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight", &[128, 192], true),
            ("unet.down_blocks.0.resnets.0.conv1.bias", &[96], false),
            ("unet.conv_in.weight", &[96, 25, 3, 3], false),
            ("unet.conv_out.weight", &[12, 96, 3, 3], false),
            ("unet.time_embedding.linear_1.weight", &[96, 384], false),
            ("unet.down_blocks.0.resnets.0.time_emb_proj.weight", &[384, 96], false),
            ("text_encoder.text_model.embeddings.token_embedding.weight", &[808, 128], false),
        ] {
            assert_eq!(takes(name, shape), taken, "{name}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let good = MuonConfig::default();
        for (bad, key) in [
            (MuonConfig { momentum: 1.0, ..good }, "muon.momentum"),
            (MuonConfig { weight_decay: f64::NAN, ..good }, "muon.weight_decay"),
        ] {
            assert!(bad.validate().unwrap_err().to_string().contains(key));
        }
        assert!(good.validate().is_ok());
    }
}
