//! Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101, Algorithm 2).

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use byteedit_nn::parameters::{ParameterMapper, map_parameters};
use serde::{Deserialize, Serialize};

use super::Gradients;
use crate::named::replaced;
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

/// The optimiser with its state, keyed by parameter name.
#[derive(Clone, Debug)]
pub struct AdamW {
    /// Its numbers.
    pub config: AdamWConfig,
    /// State of each parameter that has been updated at least once.
    pub moments: BTreeMap<String, Moments>,
    /// Updates made so far, `t` in the paper.
    pub step: u64,
}

impl AdamW {
    /// An optimiser that has not made a step.
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, moments: BTreeMap::new(), step: 0 }
    }

    /// One update of every trainable parameter.
    ///
    /// # Errors
    /// [`TrainError::NoGradient`] for a trainable parameter without a gradient.
    pub fn step<M: Module>(&mut self, learning_rate: f64, module: M, gradients: Gradients) -> Result<M> {
        self.step += 1;
        let mut update = Update { optimizer: self, learning_rate, gradients, missing: None };
        let module = map_parameters(module, &mut update);
        match update.missing {
            Some(name) => Err(TrainError::NoGradient { name }),
            None => Ok(module),
        }
    }

    /// Lines 6 to 12 of the algorithm for one parameter; `decays` says whether line 12 shrinks it.
    fn updated(
        &mut self,
        name: &str,
        weight: Tensor<1>,
        gradient: Tensor<1>,
        learning_rate: f64,
        decays: bool,
    ) -> Tensor<1> {
        let AdamWConfig { beta_1, beta_2, epsilon, weight_decay } = self.config;
        let fresh = gradient.clone().mul_scalar(1.0 - beta_1);
        let fresh_square = gradient.square().mul_scalar(1.0 - beta_2);
        let (m, v) = match self.moments.remove(name) {
            Some(Moments { first, second }) => {
                (first.mul_scalar(beta_1) + fresh, second.mul_scalar(beta_2) + fresh_square)
            }
            None => (fresh, fresh_square),
        };
        let t = self.step as i32;
        let (correction_1, correction_2) = (1.0 - beta_1.powi(t), 1.0 - beta_2.powi(t));
        // m̂ / (√v̂ + ε), with both corrections folded into scalars.
        let denominator = v.clone().sqrt().mul_scalar(correction_2.sqrt().recip()).add_scalar(epsilon);
        let update = (m.clone() / denominator).mul_scalar(learning_rate / correction_1);
        self.moments.insert(name.to_owned(), Moments { first: m, second: v });
        let kept = if decays { 1.0 - learning_rate * weight_decay } else { 1.0 };
        weight.mul_scalar(kept) - update
    }
}

struct Update<'a> {
    optimizer: &'a mut AdamW,
    learning_rate: f64,
    gradients: Gradients,
    missing: Option<String>,
}

impl ParameterMapper for Update<'_> {
    fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = param.val();
        if !value.is_require_grad() {
            return param;
        }
        let Some(gradient) = self.gradients.remove(name) else {
            self.missing.get_or_insert_with(|| name.to_owned());
            return param;
        };
        let n_elements = value.shape().num_elements();
        let weight = value.without_autodiff().reshape([n_elements]);
        let weight = self.optimizer.updated(name, weight, gradient, self.learning_rate, D > 1);
        replaced(param, weight)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::module::ParamId;
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[derive(Module, Debug)]
    struct Two {
        weight: Param<Tensor<2>>,
        bias: Param<Tensor<1>>,
    }

    fn two() -> Two {
        let device = Device::default();
        let weight = Tensor::from_data([[1.0_f32, -2.0], [0.5, 3.0]], &device);
        let bias = Tensor::from_data([4.0_f32], &device);
        Two {
            weight: Param::initialized(ParamId::new(), weight).set_require_grad(true),
            bias: Param::initialized(ParamId::new(), bias).set_require_grad(true),
        }
        .train()
    }

    fn gradients(weight: [f32; 4], bias: f32) -> Gradients {
        let device = Device::default();
        let flat = |values: Vec<f32>| {
            let n = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [n]), &device)
        };
        let named = [("weight", flat(weight.to_vec())), ("bias", flat(vec![bias]))];
        Gradients::from(
            named.map(|(name, value)| (name.to_owned(), value)).into_iter().collect::<BTreeMap<_, _>>(),
        )
    }

    fn values(module: &Two) -> Vec<f32> {
        let read = |tensor: Tensor<1>| tensor.into_data().as_slice::<f32>().unwrap().to_vec();
        crate::named::parameters_of(module).into_values().flat_map(read).collect()
    }

    /// The algorithm for one number, in f64.
    fn reference(mut weight: f64, gradients: &[f64], learning_rate: f64, decay: f64) -> f64 {
        let (mut m, mut v) = (0.0, 0.0);
        for (index, gradient) in gradients.iter().enumerate() {
            m = 0.9 * m + 0.1 * gradient;
            v = 0.999 * v + 0.001 * gradient * gradient;
            let t = index as i32 + 1;
            let (m_hat, v_hat) = (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.999_f64.powi(t)));
            weight -= learning_rate * (m_hat / (v_hat.sqrt() + 1e-8) + decay * weight);
        }
        weight
    }

    #[test]
    fn the_first_step_has_the_size_of_the_learning_rate() {
        let mut optimizer = AdamW::new(AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() });
        let module = optimizer.step(0.1, two(), gradients([1.0, -1.0, 1e-4, 5.0], -2.0)).unwrap();
        // m̂ / √v̂ is the gradient's sign, whatever its size. Bias first, in name order.
        for (value, expected) in values(&module).iter().zip([4.1, 0.9, -1.9, 0.4, 2.9]) {
            assert!((value - expected).abs() < 1e-4, "{value} instead of {expected}");
        }
    }

    #[test]
    fn several_steps_agree_with_the_algorithm_and_biases_do_not_decay() {
        let mut optimizer = AdamW::new(AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() });
        let mut module = two();
        let series = [0.3, -0.7, 1.1, 0.05, -0.2];
        for &g in &series {
            module = optimizer.step(0.01, module, gradients([g; 4], g)).unwrap();
        }
        let series = series.map(f64::from);
        let expected = [(4.0, 0.0), (1.0, 0.1), (-2.0, 0.1), (0.5, 0.1), (3.0, 0.1)]
            .map(|(start, decay)| reference(start, &series, 0.01, decay));
        for (value, expected) in values(&module).iter().zip(expected) {
            assert!((f64::from(*value) - expected).abs() < 1e-5, "{value} instead of {expected}");
        }
        assert_eq!((optimizer.step, optimizer.moments.len()), (5, 2));
    }

    #[test]
    fn a_missing_gradient_is_named() {
        let mut gradients = gradients([0.0; 4], 0.0);
        gradients.remove("bias");
        let error = AdamW::new(AdamWConfig::default()).step(0.1, two(), gradients).unwrap_err();
        assert!(error.to_string().contains("`bias` received no gradient"), "{error}");
    }

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
