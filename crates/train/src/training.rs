//! The loop that every trainer shares: steps, reports, checkpoints.
//!
//! What step `k` computes depends on the configuration and on `k` alone, and the state that goes from
//! one step to the next is exactly what a checkpoint holds. A run stopped anywhere therefore resumes
//! to the same weights, bit for bit.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::early_stop::EarlyStop;
use crate::named::{parameters_of, with_parameters, with_some_parameters};
use crate::optim::{AdamWConfig, EmaConfig, LrSchedule, MuonConfig, ParameterState};
use crate::progress::{Outcome, Progress, StepReport};
use crate::run::{Checkpoint, LogRecord, RunFolder, StateHeader};
use crate::step::{Learner, Loss, Opponent};
use crate::{Result, TrainError};

/// Most held-out pictures of a kind, and longest side of a picture in pixels: all are held in memory.
pub(crate) const MAX_HELD_OUT: usize = 65_536;
/// See [`MAX_HELD_OUT`].
pub(crate) const MAX_SIDE: usize = 4096;
/// Most pictures in a micro-batch, and most micro-batches in a step.
const MAX_BATCH: usize = 4096;

/// The numbers of the loop, the same for every trainer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Decides the first weights, the data of every step and all noise.
    pub seed: u64,
    /// Optimiser steps. May be changed between two starts of a run whose learning rate does not decay.
    pub n_steps: u64,
    /// Pictures in each micro-batch, at most 4096.
    pub batch_size: usize,
    /// Micro-batches whose gradients are averaged for one step, at most 4096.
    pub n_accumulate: usize,
    /// Learning rate by step.
    pub learning_rate: LrSchedule,
    /// `AdamW`.
    pub optimizer: AdamWConfig,
    /// Updates hidden matrices in its place, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muon: Option<MuonConfig>,
    /// The global gradient norm is scaled down to this; not for what Muon updates.
    pub max_grad_norm: f64,
    /// Moving average of the weights, which is what is validated and exported.
    pub ema: EmaConfig,
    /// How often things are reported. May be changed between two starts of a run.
    pub report: ReportConfig,
}

/// Intervals in steps; 0 switches a report off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportConfig {
    /// Between two lines of the log.
    pub log_every: u64,
    /// Between two validations.
    pub validate_every: u64,
    /// Between two sample grids.
    pub sample_every: u64,
    /// Between two checkpoints.
    pub checkpoint_every: u64,
}

impl TrainingConfig {
    /// Checks every number.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        for (key, n) in
            [("training.batch_size", self.batch_size), ("training.n_accumulate", self.n_accumulate)]
        {
            if !(1..=MAX_BATCH).contains(&n) {
                return Err(TrainError::config(key, n, format!("from 1 to {MAX_BATCH}")));
            }
        }
        if !(self.max_grad_norm > 0.0 && self.max_grad_norm.is_finite()) {
            return Err(TrainError::config(
                "training.max_grad_norm",
                self.max_grad_norm,
                "a positive number",
            ));
        }
        self.learning_rate.validate()?;
        self.optimizer.validate()?;
        self.muon.map_or(Ok(()), |muon| muon.validate())?;
        self.ema.validate()
    }

    /// Pictures of one optimiser step.
    pub fn images_per_step(&self) -> u64 {
        (self.batch_size * self.n_accumulate) as u64
    }
}

/// The caller's wish to stop.
#[derive(Clone, Copy)]
pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Stop<'_> {
    pub(crate) fn is_asked(self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How a training ended, with the averaged model, without a gradient tape.
pub(crate) struct Trained<M> {
    pub(crate) outcome: Outcome,
    pub(crate) averaged: M,
}

/// What is trained and on what.
pub(crate) trait Objective {
    /// The trained module.
    type Model: Module;

    /// Makes ready what the steps after `n_images` pictures need; may end early once asked to stop.
    fn prepare(&mut self, n_images: u64, progress: &mut dyn Progress, stop: Stop<'_>) -> Result<()> {
        let _ = (n_images, progress, stop);
        Ok(())
    }

    /// The loss of the micro-batch whose pictures have the indices `first .. first + batch_size`, in
    /// the step that begins after `n_images` pictures.
    fn loss(&mut self, model: &Self::Model, n_images: u64, first: u64) -> Result<Loss>;

    /// Named figures on held-out data, of a model without a gradient tape.
    fn validate(&self, model: &Self::Model) -> Result<BTreeMap<String, f64>>;

    /// Writes a grid of pictures made by a model without a gradient tape.
    fn sample(&self, model: &Self::Model, path: &Path) -> Result<()>;

    /// Billions of floating-point operations that training spends on one picture.
    fn gflop_per_image(&self) -> f64;

    /// Whether a parameter stays as it is.
    fn is_frozen(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Whether a frozen parameter is the same whenever the run begins or goes on, from where it was found at first: then a
    /// state holds nothing of it.
    fn is_found_again(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// What of the model learns against the rest.
    fn opponent(&self) -> Option<Opponent> {
        None
    }

    /// After how many validations in a row without a better `loss` the run ends; `None` makes all of its steps.
    fn patience(&self) -> Option<u64> {
        None
    }

    /// Keeps a model without a gradient tape that is better than all before it, in a run with patience.
    fn keep(&self, model: &Self::Model) -> Result<()> {
        let _ = model;
        Ok(())
    }
}

/// The loop with everything that changes from step to step.
pub(crate) struct Training<'a, O: Objective> {
    config: TrainingConfig,
    folder: &'a RunFolder,
    progress: &'a mut dyn Progress,
    objective: O,
    learner: Learner<O::Model>,
    early_stop: Option<EarlyStop>,
    /// Time spent on steps by this process, and steps made.
    spent: (Duration, u64),
}

impl<'a, O: Objective> Training<'a, O> {
    /// Starts from the folder's newest state, or from `model` where there is none.
    pub(crate) fn start(
        config: TrainingConfig,
        folder: &'a RunFolder,
        progress: &'a mut dyn Progress,
        objective: O,
        model: O::Model,
        device: &Device,
    ) -> Result<Self> {
        let values = parameters_of(&model);
        let n_parameters = values.values().map(|value| value.dims()[0]).sum();
        // Laid out in memory as a checkpoint's are: a transposed matrix, as a loaded one may be, has other last bits in its
        // products, and one that is never updated would keep them until the run is resumed.
        let model = with_parameters(model, &values);
        let learner = Learner::new(&config, model)
            .freezing(|name| objective.is_frozen(name))
            .opposed_by(objective.opponent());
        let (early_stop, spent) = (None, (Duration::ZERO, 0));
        let mut training = Self { config, folder, progress, objective, learner, early_stop, spent };
        if let Some((state, damage)) = Checkpoint::load_newest(folder.root(), device)? {
            if let Some(damage) = damage {
                training.progress.on_warning(&format!("{damage}; going on from the one before it"));
            }
            training = training.resumed(state)?;
        }
        let step = training.learner.step;
        let log = crate::run::truncate_log(&folder.log_path(), step)?;
        training.early_stop = training.objective.patience().map(|patience| EarlyStop::new(patience, &log));
        training.progress.on_start(step, config.n_steps, n_parameters);
        Ok(training)
    }

    fn resumed(mut self, state: Checkpoint) -> Result<Self> {
        let bad = |reason| TrainError::Checkpoint { path: self.folder.root().to_owned(), reason };
        let Checkpoint { header, model, states, mut ema } = state;
        if header.config_hash != self.folder.config_hash() || header.seed != self.config.seed {
            return Err(bad("its state belongs to another configuration than its config.json".to_owned()));
        }
        for (name, value) in parameters_of(&self.learner.model) {
            let [n] = value.dims();
            let fits = |tensor: Option<&Tensor<1>>| tensor.is_some_and(|tensor| tensor.dims() == [n]);
            let is_frozen = self.objective.is_frozen(&name);
            let state_fits = match states.get(&name) {
                Some(ParameterState::AdamW(moments)) => {
                    fits(Some(&moments.first)) && fits(Some(&moments.second))
                }
                Some(ParameterState::Muon(sum)) => fits(Some(sum)),
                None => header.step == 0 || is_frozen,
            };
            let weights = model.get(&name);
            let weights_fit = fits(weights) || (weights.is_none() && self.objective.is_found_again(&name));
            if !(weights_fit && (is_frozen || fits(ema.get(&name))) && state_fits) {
                return Err(bad(format!("weights, moments or average of `{name}` are missing or misshapen")));
            }
        }
        // States of earlier programs have averages of what does not learn.
        ema.retain(|name, _| !self.objective.is_frozen(name));
        let learner = &mut self.learner;
        learner.optimizer.states = states;
        learner.optimizer.step = header.step;
        learner.ema.shadow = ema;
        learner.step = header.step;
        self.learner.model = with_some_parameters(self.learner.model, &model);
        Ok(self)
    }

    /// Runs to the last step, or until `stop` is set.
    pub(crate) fn run(mut self, stop: &AtomicBool) -> Result<Trained<O::Model>> {
        self.objective.prepare(self.n_images(), self.progress, Stop(stop))?;
        if self.learner.step == 0 && self.config.report.sample_every > 0 && !Stop(stop).is_asked() {
            self.write_samples()?;
        }
        let mut saved = self.learner.step;
        while self.learner.step < self.config.n_steps && !self.early_stop.is_some_and(|stop| stop.is_over()) {
            if Stop(stop).is_asked() {
                self.save()?;
                return Ok(self.ended(Outcome::Interrupted { step: self.learner.step }));
            }
            self = self.advance()?;
            if self.is_due(self.config.report.checkpoint_every) {
                self.save()?;
                saved = self.learner.step;
            }
        }
        if saved != self.learner.step || self.learner.step == 0 {
            self.save()?;
        }
        Ok(self.ended(Outcome::Finished))
    }

    fn ended(&self, outcome: Outcome) -> Trained<O::Model> {
        Trained { outcome, averaged: self.learner.ema.averaged(&self.learner.model) }
    }

    /// Pictures seen.
    fn n_images(&self) -> u64 {
        self.learner.step * self.config.images_per_step()
    }

    /// One optimiser step and the reports that are due after it.
    fn advance(mut self) -> Result<Self> {
        let started = Instant::now();
        let (n_images, batch_size) = (self.n_images(), self.config.batch_size as u64);
        let learning_rate = self.config.learning_rate.at(self.learner.step, self.config.n_steps);
        let (learner, mut values) = self.learner.advance(&self.config, learning_rate, |model, micro| {
            self.objective.loss(model, n_images, n_images + micro * batch_size)
        })?;
        self.learner = learner;
        self.spent = (self.spent.0 + started.elapsed(), self.spent.1 + 1);

        let report = self.report(&values);
        values.insert("learning_rate".to_owned(), learning_rate);
        values.insert("images_per_second".to_owned(), report.images_per_second);
        values.insert("gflop_per_second".to_owned(), report.gflop_per_second);
        self.progress.on_step(&report);
        let validates = self.is_due(self.config.report.validate_every);
        if validates {
            let averaged = self.learner.ema.averaged(&self.learner.model);
            let figures = self.objective.validate(&averaged)?;
            if let Some(stop) = &mut self.early_stop
                && stop.is_best(figures["loss"])
            {
                self.objective.keep(&averaged)?;
            }
            self.progress.on_validation(self.learner.step, &figures);
            values.extend(figures.into_iter().map(|(name, value)| (format!("validation/{name}"), value)));
        }
        if validates || self.is_due(self.config.report.log_every) {
            let record = LogRecord { step: self.learner.step, n_images: self.n_images(), note: None, values };
            crate::run::append_log(&self.folder.log_path(), &record)?;
        }
        if self.is_due(self.config.report.sample_every) {
            self.write_samples()?;
        }
        Ok(self)
    }

    fn report(&self, values: &BTreeMap<String, f64>) -> StepReport {
        let (time, n_steps) = self.spent;
        let seconds_per_step = time.as_secs_f64() / n_steps.max(1) as f64;
        let images_per_second = self.config.images_per_step() as f64 / seconds_per_step.max(1e-9);
        let left = (self.config.n_steps - self.learner.step) as f64 * seconds_per_step;
        StepReport {
            step: self.learner.step,
            n_steps: self.config.n_steps,
            loss: values["loss"],
            grad_norm: values["grad_norm"],
            learning_rate: self.config.learning_rate.at(self.learner.step - 1, self.config.n_steps),
            images_per_second,
            gflop_per_second: images_per_second * self.objective.gflop_per_image(),
            eta: Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX),
        }
    }

    /// Whether a report with this interval follows the step just made; the last step reports all.
    fn is_due(&self, every: u64) -> bool {
        every > 0 && (self.learner.step.is_multiple_of(every) || self.learner.step == self.config.n_steps)
    }

    fn write_samples(&mut self) -> Result<()> {
        let path = self.folder.sample_path(self.learner.step);
        self.objective.sample(&self.learner.ema.averaged(&self.learner.model), &path)?;
        self.progress.on_sample(&path);
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        let mut model = parameters_of(&self.learner.model);
        model.retain(|name, _| !self.objective.is_found_again(name));
        let state = Checkpoint {
            header: StateHeader::new(
                self.learner.step,
                self.n_images(),
                self.config.seed,
                self.folder.config_hash(),
            ),
            model,
            states: self.learner.optimizer.states.clone(),
            ema: self.learner.ema.shadow.clone(),
        };
        let path = state.save(self.folder.root())?;
        self.progress.on_checkpoint(&path);
        Ok(())
    }
}
