//! What a run reports while it goes. Libraries do not print: the caller decides what to show.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use burn::tensor::Device;

/// One optimiser step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Steps done, this one included.
    pub step: u64,
    /// Steps of the whole run.
    pub n_steps: u64,
    /// Training loss of the step.
    pub loss: f64,
    /// Global gradient norm before clipping.
    pub grad_norm: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Pictures per second since this process started, pauses for validation left out.
    pub images_per_second: f64,
    /// Billions of floating-point operations per second, counted from the configuration with two for
    /// each multiply-add.
    pub gflop_per_second: f64,
    /// Time left at this rate.
    pub eta: Duration,
}

/// Receives what happens; every method does nothing unless overridden.
pub trait Progress {
    /// The run starts at `step`: 0 or, resumed, the checkpoint's.
    fn on_start(&mut self, step: u64, n_steps: u64, n_parameters: usize) {
        let _ = (step, n_steps, n_parameters);
    }

    /// What a step is foretold to take at its peak, and what the process can have, in bytes, before anything is measured. A part
    /// of the former is only about right: if it is more than the latter, steps may fit or not.
    fn on_memory(&mut self, foretold_bytes: u64, limit_bytes: Option<u64>) {
        let _ = (foretold_bytes, limit_bytes);
    }

    /// Something must be ready before the first step, such as cached latents.
    fn on_prepare(&mut self, what: &str, done: usize, total: usize) {
        let _ = (what, done, total);
    }

    /// A step was made.
    fn on_step(&mut self, report: &StepReport) {
        let _ = report;
    }

    /// The model was measured on held-out data.
    fn on_validation(&mut self, step: u64, values: &BTreeMap<String, f64>) {
        let _ = (step, values);
    }

    /// A grid of samples was written.
    fn on_sample(&mut self, path: &Path) {
        let _ = path;
    }

    /// The state was saved.
    fn on_checkpoint(&mut self, path: &Path) {
        let _ = path;
    }

    /// Something the user should know, such as a damaged checkpoint that was passed over.
    fn on_warning(&mut self, message: &str) {
        let _ = message;
    }
}

/// Reports to nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}

/// Where and how a run takes place.
pub struct RunContext<'a> {
    /// The run folder; made if it is not there, resumed if it is.
    pub folder: &'a Path,
    /// Where tensors live.
    pub device: &'a Device,
    /// Hears what happens.
    pub progress: &'a mut dyn Progress,
    /// Set it to make the run save its state and return.
    pub stop: &'a AtomicBool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Finished,
    /// It was asked to stop; the state is saved and the same command goes on from there.
    Interrupted {
        /// Steps done.
        step: u64,
    },
}
