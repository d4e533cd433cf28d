//! Exponential moving average of the weights (Polyak & Juditsky 1992; as diffusion trainers use it),
//! with a warm-up of its decay so that the random start is forgotten quickly.

use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::named::{NamedTensors, parameters_of, with_some_parameters};
use crate::{Result, TrainError};

/// How slowly the average follows the weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmaConfig {
    /// Share of the old average that each step keeps once warm, in [0, 1).
    pub decay: f64,
}

impl EmaConfig {
    /// `min(decay, (1 + step) / (10 + step))`: the share that update `step`, counted from 0, keeps.
    pub fn decay_at(&self, step: u64) -> f64 {
        self.decay.min((1 + step) as f64 / (10 + step) as f64)
    }

    /// Checks the number.
    ///
    /// # Errors
    /// [`TrainError::Config`] if it is out of range.
    pub fn validate(&self) -> Result<()> {
        if (0.0..1.0).contains(&self.decay) {
            return Ok(());
        }
        Err(TrainError::config("ema.decay", self.decay, "at least 0 and below 1"))
    }
}

/// The averaged weights, f32, by parameter name. [`Optimizer::step`](super::Optimizer::step) moves those of the
/// parameters that it updates, while their weights are at hand: `shadow <- d shadow + (1 - d) weight` with
/// the decay `d` of that step.
#[derive(Clone, Debug)]
pub struct Ema {
    /// How it follows.
    pub config: EmaConfig,
    /// The averages, `[n_elements]` each, of the parameters that learn.
    pub shadow: NamedTensors,
}

impl Ema {
    /// Starts at the weights of `module`.
    pub fn new<M: Module>(config: EmaConfig, module: &M) -> Self {
        Self { config, shadow: parameters_of(module) }
    }

    /// `module` without a gradient tape and with the averaged weights; one without an average is as it is.
    pub fn averaged<M: Module>(&self, module: &M) -> M {
        with_some_parameters(module.valid(), &self.shadow)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::module::{Param, ParamId};
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::optim::{AdamWConfig, Gradients, Optimizer, StepSize};

    #[derive(Module, Debug)]
    struct One {
        weight: Param<Tensor<2>>,
    }

    fn one(value: f32) -> One {
        let weight = Tensor::from_data([[value]], &Device::default());
        One { weight: Param::initialized(ParamId::new(), weight).set_require_grad(true) }.train()
    }

    /// Moves the average of `module`, whose weight stays as it is, as in step `step`.
    fn update(ema: &mut Ema, module: One, step: u64) {
        let gradient = Tensor::<1>::from_data([1.0_f32], &Device::default());
        let gradients = Gradients::from(BTreeMap::from([("weight".to_owned(), gradient)]));
        let mut optimizer = Optimizer { step, ..Optimizer::new(AdamWConfig::default(), None) };
        let still = StepSize { learning_rate: 0.0, gradient_scale: 1.0 };
        optimizer.step(still, module, gradients, ema).unwrap();
    }

    fn value(module: &One) -> f32 {
        module.weight.val().into_scalar::<f32>()
    }

    #[test]
    fn without_decay_it_is_a_copy() {
        let mut ema = Ema::new(EmaConfig { decay: 0.0 }, &one(1.0));
        update(&mut ema, one(5.0), 1000);
        assert!((value(&ema.averaged(&one(9.0))) - 5.0).abs() < f32::EPSILON);
    }

    #[test]
    fn the_decay_warms_up_and_the_average_has_a_closed_form() {
        let config = EmaConfig { decay: 0.5 };
        let expected = [(0, 0.1), (1, 2.0 / 11.0), (7, 8.0 / 17.0), (8, 0.5), (9, 0.5), (1000, 0.5)];
        assert!(expected.iter().all(|(step, decay)| (config.decay_at(*step) - decay).abs() < 1e-12));
        // Constant weights 1 after a start at 0: the average lacks the product of the decays.
        let mut ema = Ema::new(config, &one(0.0));
        let mut lack = 1.0;
        for step in 0..12 {
            update(&mut ema, one(1.0), step);
            lack *= config.decay_at(step);
        }
        assert!((f64::from(value(&ema.averaged(&one(7.0)))) - (1.0 - lack)).abs() < 1e-6);
    }

    #[test]
    fn what_has_no_average_is_as_it_is() {
        let mut ema = Ema::new(EmaConfig { decay: 0.5 }, &one(1.0));
        ema.shadow.clear();
        let averaged = ema.averaged(&one(7.0));
        assert!((value(&averaged) - 7.0).abs() < f32::EPSILON && !averaged.weight.val().is_tracked());
    }

    #[test]
    fn the_averaged_module_is_off_the_tape_and_the_trained_one_stays_on_it() {
        let module = one(2.0);
        let averaged = Ema::new(EmaConfig { decay: 0.9 }, &module).averaged(&module);
        assert!(!averaged.weight.val().is_tracked() && module.weight.val().is_require_grad());
        assert!(
            EmaConfig { decay: 1.0 }.validate().is_err() && EmaConfig { decay: 0.999 }.validate().is_ok()
        );
    }
}
