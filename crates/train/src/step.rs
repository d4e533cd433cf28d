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
        if !(self.0)(name) {
            return param;
        }
        // Off the tape altogether, as it comes back from a checkpoint: on it, attention takes another way.
        param.set_require_grad(false).map(Tensor::without_autodiff)
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

    /// The same without a gradient and without an average for the parameters that are frozen by name.
    #[must_use]
    pub(crate) fn freezing(mut self, is_frozen: impl Fn(&str) -> bool) -> Self {
        self.ema.shadow.retain(|name, _| !is_frozen(name));
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

    /// Mean gradients over `n` micro-batches, the mean loss, and each part's mean over those that have it.
    fn gradients(
        &self,
        n: usize,
        mut loss: impl FnMut(&M, u64) -> Result<Loss>,
    ) -> Result<(Gradients, BTreeMap<String, f64>)> {
        let mut gradients = Gradients::default();
        let mut sums: BTreeMap<&str, (f64, u32)> = BTreeMap::new();
        for micro in 0..n {
            let Loss { total, parts } = loss(&self.model, micro as u64)?;
            for (name, part) in parts.into_iter().chain([("loss", total.clone())]) {
                let (sum, n) = sums.entry(name).or_default();
                *sum += f64::from(part.into_scalar::<f32>());
                *n += 1;
            }
            gradients.accumulate(Gradients::of(total, &self.model)?);
        }
        if n > 1 {
            gradients.scale(1.0 / n as f64);
        }
        let mean = |(name, (sum, n)): (&str, (f64, u32))| (name.to_owned(), sum / f64::from(n));
        Ok((gradients, sums.into_iter().map(mean).collect()))
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ParamId;
    use burn::tensor::Device;

    use super::*;
    use crate::base::BaseRunConfig;
    use crate::named::parameters_of;
    use crate::optim::{AdamWConfig, Decay, EmaConfig, ParameterState};

    #[derive(Module, Debug)]
    struct Sides {
        own: Param<Tensor<1>>,
        theirs: Param<Tensor<1>>,
    }

    /// Learning rate of the rest; the opponent's is another.
    const RATE: f64 = 0.1;

    fn sides() -> Sides {
        let zero = || Param::initialized(ParamId::new(), Tensor::zeros([1], &Device::default()));
        Sides { own: zero().set_require_grad(true), theirs: zero().set_require_grad(true) }
    }

    fn config() -> TrainingConfig {
        TrainingConfig {
            n_steps: 10,
            n_accumulate: 1,
            optimizer: AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() },
            muon: None,
            max_grad_norm: 1.0,
            ema: EmaConfig { decay: 0.5 },
            ..BaseRunConfig::mini().training
        }
    }

    fn opponent(every: u64) -> Opponent {
        let learning_rate = LrSchedule { peak: 0.5, warmup_steps: 0, decay: Decay::Constant };
        Opponent { prefix: "theirs", learning_rate, max_grad_norm: 2.0, every }
    }

    fn learner(opponent: Option<Opponent>) -> Learner<Sides> {
        Learner::new(&config(), sides()).opposed_by(opponent)
    }

    /// One step with a gradient of 3 for the one and 7 for the other.
    fn advanced(learner: Learner<Sides>) -> (Learner<Sides>, BTreeMap<String, f64>) {
        let loss = |model: &Sides, _| {
            Ok(Loss { total: model.own.val() * 3.0 + model.theirs.val() * 7.0, parts: Vec::new() })
        };
        learner.advance(&config(), RATE, loss).unwrap()
    }

    /// The parameter, its average and the mean of its gradients.
    fn known_of(learner: &Learner<Sides>, name: &str) -> [f32; 3] {
        let ParameterState::AdamW(moments) = &learner.optimizer.states[name] else {
            panic!("without Muon every parameter is updated by AdamW");
        };
        let value = parameters_of(&learner.model).remove(name).unwrap();
        [value, learner.ema.shadow[name].clone(), moments.first.clone()]
            .map(|number| number.into_scalar::<f32>())
    }

    #[track_caller]
    fn assert_near(actual: f32, expected: f32) {
        assert!((actual - expected).abs() < 1e-5, "{actual} for {expected}");
    }

    #[test]
    fn an_opponent_has_its_own_rate_and_its_own_norm() {
        let (learner, values) = advanced(learner(Some(opponent(1))));
        assert!(
            (values["grad_norm"] - 3.0).abs() < 1e-6 && (values["grad_norm_opponent"] - 7.0).abs() < 1e-6
        );
        // The first step has the size of the learning rate; the mean holds a tenth of the clipped gradient.
        for (name, rate, max_norm) in [("own", 0.1, 1.0), ("theirs", 0.5, 2.0)] {
            let [value, _, mean] = known_of(&learner, name);
            assert_near(value, -rate);
            assert_near(mean, 0.1 * max_norm);
        }
    }

    #[test]
    fn without_an_opponent_all_are_clipped_together() {
        let (learner, values) = advanced(learner(None));
        let norm = 58.0_f64.sqrt();
        assert!((values["grad_norm"] - norm).abs() < 1e-6 && !values.contains_key("grad_norm_opponent"));
        assert_near(known_of(&learner, "theirs")[0], -0.1);
        assert_near(known_of(&learner, "theirs")[2], 0.7 / norm as f32);
    }

    #[test]
    fn what_is_frozen_has_no_average_and_stays_in_the_averaged_model() {
        let frozen = learner(None).freezing(|name| name == "theirs");
        let (learner, values) = advanced(frozen);
        assert!((values["grad_norm"] - 3.0).abs() < 1e-6);
        assert!(learner.ema.shadow.keys().eq(["own"]) && learner.optimizer.states.keys().eq(["own"]));
        let averaged = parameters_of(&learner.ema.averaged(&learner.model));
        let number = |name: &str| averaged[name].clone().into_scalar::<f32>();
        assert_eq!(number("theirs").to_bits(), 0.0_f32.to_bits());
        // The first step's average keeps a tenth of what was, which is 0.
        assert_near(number("own"), -0.9 * RATE as f32);
    }

    #[test]
    fn an_opponent_rests_on_steps_that_are_not_its_own() {
        let mut learner = learner(Some(opponent(2)));
        let (mut own, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (next, values) = advanced(learner);
            // What it would have learned is told all the same.
            assert!((values["grad_norm_opponent"] - 7.0).abs() < 1e-6);
            own.push(known_of(&next, "own").map(f32::to_bits));
            theirs.push(known_of(&next, "theirs").map(f32::to_bits));
            learner = next;
        }
        assert!(own[0] != own[1] && own[1] != own[2]);
        assert!(theirs[0] == theirs[1], "it learned in a step of the rest");
        assert!(theirs[1] != theirs[2], "it did not learn in its own");
    }
}
