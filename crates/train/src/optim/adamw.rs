//! Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101, Algorithm 2).

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use byteedit_nn::kernels::{AdamWNumbers, AdamWState, adamw};
use byteedit_nn::parameters::{ParameterMapper, map_parameters};
use serde::{Deserialize, Serialize};

use super::{Ema, Gradients};
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

/// How far one step goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepSize {
    /// The learning rate.
    pub learning_rate: f64,
    /// The gradients are multiplied by this first, see [`Gradients::clipping`].
    pub gradient_scale: f64,
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

    /// One update of every trainable parameter and of its moving average.
    ///
    /// # Errors
    /// [`TrainError::NoGradient`] for a trainable parameter without a gradient.
    pub fn step<M: Module>(
        &mut self,
        size: StepSize,
        module: M,
        gradients: Gradients,
        ema: &mut Ema,
    ) -> Result<M> {
        let average_decay = ema.config.decay_at(self.step);
        self.step += 1;
        let AdamWConfig { beta_1, beta_2, epsilon, weight_decay } = self.config;
        let StepSize { learning_rate, gradient_scale } = size;
        let t = self.step;
        let numbers = AdamWNumbers {
            beta_1,
            beta_2,
            epsilon,
            weight_decay,
            learning_rate,
            gradient_scale,
            t,
            average_decay,
        };
        let mut update = Update { moments: &mut self.moments, ema, numbers, gradients, missing: None };
        let module = map_parameters(module, &mut update);
        match update.missing {
            Some(name) => Err(TrainError::NoGradient { name }),
            None => Ok(module),
        }
    }
}

/// Lines 6 to 12 of the algorithm, parameter by parameter.
struct Update<'a> {
    moments: &'a mut BTreeMap<String, Moments>,
    ema: &'a mut Ema,
    numbers: AdamWNumbers,
    gradients: Gradients,
    missing: Option<String>,
}

impl Update<'_> {
    fn updated(&mut self, name: &str, weight: Tensor<1>, gradient: Tensor<1>, rank: usize) -> Tensor<1> {
        let decays = rank > 1;
        let weight_decay = if decays { self.numbers.weight_decay } else { 0.0 };
        let numbers = AdamWNumbers { weight_decay, ..self.numbers };
        let zeros = || weight.zeros_like();
        // What is replaced is taken out first: with no other owner, its memory is written in place.
        let Moments { first, second } =
            self.moments.remove(name).unwrap_or_else(|| Moments { first: zeros(), second: zeros() });
        let average = self.ema.shadow.remove(name).unwrap_or_else(|| weight.clone());
        let state = adamw(AdamWState { weight, first, second, average }, gradient, &numbers);
        let AdamWState { weight, first, second, average } = state;
        self.moments.insert(name.to_owned(), Moments { first, second });
        self.ema.shadow.insert(name.to_owned(), average);
        weight
    }
}

impl ParameterMapper for Update<'_> {
    fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.val().is_require_grad() {
            return param;
        }
        let Some(gradient) = self.gradients.remove(name) else {
            self.missing.get_or_insert_with(|| name.to_owned());
            return param;
        };
        let shape = param.lazy_shape();
        let n_elements = shape.num_elements();
        param.map(|old| {
            let weight = old.without_autodiff().reshape([n_elements]);
            self.updated(name, weight, gradient, D).reshape(shape).autodiff().require_grad()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::module::ParamId;
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::optim::EmaConfig;

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

    const DECAY: f64 = 0.9;

    /// One step with unclipped gradients.
    fn step(optimizer: &mut AdamW, learning_rate: f64, module: Two, gradients: Gradients) -> Result<Two> {
        let mut ema = Ema::new(EmaConfig { decay: DECAY }, &module);
        optimizer.step(StepSize { learning_rate, gradient_scale: 1.0 }, module, gradients, &mut ema)
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
        let module = step(&mut optimizer, 0.1, two(), gradients([1.0, -1.0, 1e-4, 5.0], -2.0)).unwrap();
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
            module = step(&mut optimizer, 0.01, module, gradients([g; 4], g)).unwrap();
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
    fn a_gradient_scale_is_as_good_as_scaled_gradients() {
        let run = |scale: f32, gradient_scale: f64| {
            let mut optimizer = AdamW::new(AdamWConfig::default());
            let mut ema = Ema::new(EmaConfig { decay: DECAY }, &two());
            let size = StepSize { learning_rate: 0.1, gradient_scale };
            let gradients = gradients([scale, -scale, 3.0 * scale, 0.0], 2.0 * scale);
            let module = optimizer.step(size, two(), gradients, &mut ema).unwrap();
            let second = optimizer.moments["weight"].second.clone().into_data();
            (values(&module), second.as_slice::<f32>().unwrap().to_vec())
        };
        assert_eq!(run(0.5, 1.0), run(2.0, 0.25));
    }

    #[test]
    fn a_missing_gradient_is_named() {
        let mut gradients = gradients([0.0; 4], 0.0);
        gradients.remove("bias");
        let error = step(&mut AdamW::new(AdamWConfig::default()), 0.1, two(), gradients).unwrap_err();
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
