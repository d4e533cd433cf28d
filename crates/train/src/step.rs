//! One optimiser step: gradients over micro-batches, clipping, update, average.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use byteedit_nn::parameters::{ParameterMapper, map_parameters};

use crate::optim::{Ema, Gradients, LrSchedule, Optimizer, StepSize};
use crate::training::TrainingConfig;
use crate::{Result, TrainError};

/// Loss of a micro-batch with its named parts, each `[1]`.
pub(crate) struct Loss {
    /// What is differentiated.
    pub(crate) total: Tensor<1>,
    /// What it consists of, for the log.
    pub(crate) parts: Vec<(&'static str, Tensor<1>)>,
}

/// A part of the model that learns beside the rest and against it: at its own rate, with its own gradient norm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opponent {
    /// What its parameters' names begin with.
    pub(crate) prefix: &'static str,
    /// Its learning rate by the step of the run.
    pub(crate) learning_rate: LrSchedule,
    /// Its gradient norm is scaled down to this.
    pub(crate) max_grad_norm: f64,
    /// Steps of the rest for each of its own, 1 or more.
    pub(crate) every: u64,
}

/// Everything that one step hands to the next.
pub(crate) struct Learner<M> {
    /// On a gradient tape.
    pub(crate) model: M,
    pub(crate) optimizer: Optimizer,
    pub(crate) ema: Ema,
    /// Steps made.
    pub(crate) step: u64,
    opponent: Option<Opponent>,
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
        Self { model: model.train(), optimizer, ema, step: 0, opponent: None }
    }

    /// The same without a gradient for the parameters that are frozen by name.
    #[must_use]
    pub(crate) fn freezing(mut self, is_frozen: impl Fn(&str) -> bool) -> Self {
        self.model = map_parameters(self.model, &mut Freezer(is_frozen));
        self
    }

    /// The same with a part that learns against the rest.
    #[must_use]
    pub(crate) fn opposed_by(self, opponent: Option<Opponent>) -> Self {
        Self { opponent, ..self }
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
        let (mut gradients, mut values) = self.gradients(config.n_accumulate, loss)?;
        let (step, loss) = (self.step, values["loss"]);
        let mut size = |gradients: &Gradients, name: &str, max_norm: f64, learning_rate: f64| {
            let (grad_norm, gradient_scale) = gradients.clipping(max_norm);
            if !(loss.is_finite() && grad_norm.is_finite()) {
                return Err(TrainError::Diverged { step, loss, grad_norm, learning_rate });
            }
            values.insert(name.to_owned(), grad_norm);
            Ok(StepSize { learning_rate, gradient_scale })
        };
        let theirs = self.opponent.map(|opponent| (opponent, gradients.take_under(opponent.prefix)));
        let own = size(&gradients, "grad_norm", config.max_grad_norm, learning_rate)?;
        let mut opposed = None;
        if let Some((opponent, theirs)) = theirs {
            let Opponent { prefix, learning_rate, max_grad_norm, every } = opponent;
            let rate = learning_rate.at(step, config.n_steps);
            let size = size(&theirs, "grad_norm_opponent", max_grad_norm, rate)?;
            opposed = Some((prefix, step.is_multiple_of(every).then_some(size)));
            gradients.join(theirs);
        }
        let sizes = |name: &str| match opposed {
            Some((prefix, size)) if name.starts_with(prefix) => size,
            _ => Some(own),
        };
        self.model = self.optimizer.step_by(&sizes, self.model, gradients, &mut self.ema)?;
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
