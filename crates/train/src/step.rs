//! One optimiser step: gradients over micro-batches, clipping, update, average.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use byteedit_nn::parameters::{ParameterMapper, map_parameters};

use crate::optim::{Ema, Gradients, Optimizer, StepSize};
use crate::training::TrainingConfig;
use crate::{Result, TrainError};

/// Loss of a micro-batch with its named parts, each `[1]`.
pub(crate) struct Loss {
    /// What is differentiated.
    pub(crate) total: Tensor<1>,
    /// What it consists of, for the log.
    pub(crate) parts: Vec<(&'static str, Tensor<1>)>,
}

/// Everything that one step hands to the next.
pub(crate) struct Learner<M> {
    /// On a gradient tape.
    pub(crate) model: M,
    pub(crate) optimizer: Optimizer,
    pub(crate) ema: Ema,
    /// Steps made.
    pub(crate) step: u64,
}

/// Takes parameters off the tape by their names.
struct Freezer<F>(F);

impl<F: Fn(&str) -> bool> ParameterMapper for Freezer<F> {
    fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if (self.0)(name) { param.set_require_grad(false) } else { param }
    }
}

impl<M: Module> Learner<M> {
    /// Puts `model` on a gradient tape.
    pub(crate) fn new(config: &TrainingConfig, model: M) -> Self {
        // Parameters are initialised lazily; the average reads them before the tape starts, which fixes them.
        let ema = Ema::new(config.ema, &model);
        let optimizer = Optimizer::new(config.optimizer, config.muon);
        Self { model: model.train(), optimizer, ema, step: 0 }
    }

    /// The same without a gradient for the parameters that are frozen by name.
    #[must_use]
    pub(crate) fn freezing(mut self, is_frozen: impl Fn(&str) -> bool) -> Self {
        self.model = map_parameters(self.model, &mut Freezer(is_frozen));
        self
    }

    /// One step on the micro-batches whose losses `loss` gives by their number in the step. Also returns
    /// the mean loss, its parts and the gradient's norm by name.
    ///
    /// # Errors
    /// What `loss` returns, a parameter without a gradient, and [`TrainError::Diverged`].
    pub(crate) fn advance(
        mut self,
        config: &TrainingConfig,
        learning_rate: f64,
        loss: impl FnMut(&M, u64) -> Result<Loss>,
    ) -> Result<(Self, BTreeMap<String, f64>)> {
        let (gradients, mut values) = self.gradients(config.n_accumulate, loss)?;
        let (grad_norm, gradient_scale) = gradients.clipping(config.max_grad_norm);
        let loss = values["loss"];
        if !(loss.is_finite() && grad_norm.is_finite()) {
            return Err(TrainError::Diverged { step: self.step, loss, grad_norm, learning_rate });
        }
        values.insert("grad_norm".to_owned(), grad_norm);
        let size = StepSize { learning_rate, gradient_scale };
        self.model = self.optimizer.step(size, self.model, gradients, &mut self.ema)?;
        self.step += 1;
        Ok((self, values))
    }

    /// Mean gradients over `n` micro-batches, and the mean loss with its parts.
    fn gradients(
        &self,
        n: usize,
        mut loss: impl FnMut(&M, u64) -> Result<Loss>,
    ) -> Result<(Gradients, BTreeMap<String, f64>)> {
        let mut gradients = Gradients::default();
        let mut values: BTreeMap<String, f64> = BTreeMap::new();
        for micro in 0..n {
            let Loss { total, parts } = loss(&self.model, micro as u64)?;
            for (name, part) in parts.into_iter().chain([("loss", total.clone())]) {
                *values.entry(name.to_owned()).or_default() +=
                    f64::from(part.into_scalar::<f32>()) / n as f64;
            }
            gradients.accumulate(Gradients::of(total, &self.model)?);
        }
        if n > 1 {
            gradients.scale(1.0 / n as f64);
        }
        Ok((gradients, values))
    }
}
