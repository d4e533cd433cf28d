//! What a network's raw output means, and how one meaning becomes another.
//!
//! With `x_t = α x_0 + σ ε`, any two of `x_t, x_0, ε, v` give the others, and every conversion is
//! `target = a x_t + b output` with two numbers that depend on the level alone.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::level::NoiseLevel;
use crate::linear::{weighted_sum, weighted_sum_per_item};

/// The quantity that a network predicts; the names are those of diffusers' `prediction_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The noise `ε` (Ho et al. 2020). Says nothing about `x_0` where `α = 0`.
    #[default]
    Epsilon,
    /// The velocity `v = α ε − σ x_0` (Salimans and Ho 2022, Appendix D).
    #[serde(rename = "v_prediction")]
    V,
    /// The clean latent `x_0` itself.
    Sample,
}

impl Prediction {
    /// `(a, b)` such that `target = a x_t + b output`, from this prediction to another.
    ///
    /// At `α = 0` an epsilon output and at `σ = 0` a sample output do not determine the others, and
    /// the numbers are then infinite; schedules and grids never lead there.
    pub fn coefficients(self, to: Self, level: NoiseLevel) -> (f64, f64) {
        let (alpha, sigma) = (level.alpha(), level.sigma());
        match (self, to) {
            (Self::Epsilon, Self::Epsilon) | (Self::V, Self::V) | (Self::Sample, Self::Sample) => (0.0, 1.0),
            (Self::Epsilon, Self::Sample) => (1.0 / alpha, -sigma / alpha),
            (Self::Epsilon, Self::V) => (-sigma / alpha, 1.0 / alpha),
            (Self::V, Self::Sample) => (alpha, -sigma),
            (Self::V, Self::Epsilon) => (sigma, alpha),
            (Self::Sample, Self::Epsilon) => (1.0 / sigma, -alpha / sigma),
            (Self::Sample, Self::V) => (alpha / sigma, -1.0 / sigma),
        }
    }

    /// Expresses an output of this kind as another kind.
    ///
    /// # Shapes
    /// - `output`, `x_t`, result: `[batch, channels, height, width]`
    pub fn convert(self, to: Self, output: Tensor<4>, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        let (a, b) = self.coefficients(to, level);
        weighted_sum(a, x_t, b, output)
    }

    /// The clean latent that an output stands for; shapes as in [`convert`](Self::convert).
    pub fn x_0(self, output: Tensor<4>, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        self.convert(Self::Sample, output, x_t, level)
    }

    /// The noise that an output stands for; shapes as in [`convert`](Self::convert).
    pub fn epsilon(self, output: Tensor<4>, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        self.convert(Self::Epsilon, output, x_t, level)
    }

    /// The velocity that an output stands for; shapes as in [`convert`](Self::convert).
    pub fn v(self, output: Tensor<4>, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        self.convert(Self::V, output, x_t, level)
    }

    /// [`x_0`](Self::x_0) for a batch whose items stand at different levels.
    ///
    /// # Shapes
    /// - `output`, `x_t`, result: `[batch, channels, height, width]`, with one level for each item
    ///
    /// # Panics
    /// If there is not exactly one level for each item of the batch.
    pub fn x_0_per_item(self, output: Tensor<4>, x_t: Tensor<4>, levels: &[NoiseLevel]) -> Tensor<4> {
        weighted_sum_per_item(x_t, output, levels, |level| self.coefficients(Self::Sample, level))
    }

    /// What a network with this prediction should output for latents `α x_0 + σ noise`.
    ///
    /// # Shapes
    /// - `x_0`, `noise`, result: `[batch, channels, height, width]`, with one level for each item
    ///
    /// # Panics
    /// If there is not exactly one level for each item of the batch.
    pub fn target(self, x_0: Tensor<4>, noise: Tensor<4>, levels: &[NoiseLevel]) -> Tensor<4> {
        match self {
            Self::Epsilon => noise,
            Self::Sample => x_0,
            Self::V => weighted_sum_per_item(x_0, noise, levels, |level| (-level.sigma(), level.alpha())),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, Tensor};
    use proptest::prelude::*;

    use super::Prediction;
    use crate::level::NoiseLevel;

    const ALL: [Prediction; 3] = [Prediction::Epsilon, Prediction::V, Prediction::Sample];

    fn item(value: f64) -> Tensor<4> {
        Tensor::full([1, 1, 1, 1], value, (&Device::default(), DType::F64))
    }

    fn value(tensor: Tensor<4>) -> f64 {
        tensor.into_data().as_slice::<f64>().unwrap()[0]
    }

    proptest! {
        #[test]
        fn outputs_of_the_truth_convert_to_the_truth(
            alpha_bar in 0.001..0.999_f64, x_0 in -3.0..3.0_f64, noise in -3.0..3.0_f64,
        ) {
            let level = NoiseLevel { timestep: 0.0, alpha_bar };
            let x_t = level.alpha() * x_0 + level.sigma() * noise;
            let truth = |p: Prediction| value(p.target(item(x_0), item(noise), &[level]));
            for from in ALL {
                for to in ALL {
                    let converted = value(from.convert(to, item(truth(from)), item(x_t), level));
                    prop_assert!((converted - truth(to)).abs() < 1e-10, "{from:?} to {to:?}: {converted}");
                }
                let per_item = value(from.x_0_per_item(item(truth(from)), item(x_t), &[level]));
                prop_assert!((per_item - x_0).abs() < 1e-10);
            }
        }

        #[test]
        fn conversions_invert_each_other(alpha_bar in 0.001..0.999_f64, output in -3.0..3.0_f64) {
            let level = NoiseLevel { timestep: 0.0, alpha_bar };
            let x_t = item(0.7);
            for from in ALL {
                for to in ALL {
                    let there = from.convert(to, item(output), x_t.clone(), level);
                    let back = value(to.convert(from, there, x_t.clone(), level));
                    prop_assert!((back - output).abs() < 1e-9, "{from:?} to {to:?}");
                }
            }
        }
    }

    #[test]
    fn v_and_sample_are_finite_at_zero_snr() {
        let level = NoiseLevel { timestep: 999.0, alpha_bar: 0.0 };
        // There x_t is the noise and v = −x_0.
        for (prediction, output) in [(Prediction::V, -0.25), (Prediction::Sample, 0.25)] {
            let x_0 = value(prediction.x_0(item(output), item(1.5), level));
            let epsilon = value(prediction.epsilon(item(output), item(1.5), level));
            assert_eq!((x_0, epsilon), (0.25, 1.5), "{prediction:?}");
        }
    }

    #[test]
    fn the_names_are_those_of_diffusers() {
        for (prediction, name) in ALL.iter().zip(["epsilon", "v_prediction", "sample"]) {
            assert_eq!(serde_json::to_value(prediction).unwrap(), name);
        }
    }
}
