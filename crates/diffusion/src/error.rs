//! What can go wrong between a configuration and a finished latent.

use thiserror::Error;

/// Errors of this crate. Each message names the value, the limit and the remedy.
#[derive(Debug, Error)]
pub enum DiffusionError {
    /// A `scheduler_config.json` that is not JSON, lacks a key or has one that nobody knows.
    #[error(
        "the scheduler configuration cannot be read: {0}; compare it with a scheduler_config.json of diffusers"
    )]
    Config(#[from] serde_json::Error),

    /// A configuration that asks for mathematics which this crate does not have.
    #[error("`{key}` is {value}, but only {supported} is supported; change it or use another checkpoint")]
    Unsupported {
        /// Key in `scheduler_config.json`.
        key: &'static str,
        /// The value that was found, as JSON.
        value: String,
        /// What would be accepted.
        supported: &'static str,
    },

    /// A number outside its range.
    #[error("`{name}` is {value}, but it must be {range}")]
    OutOfRange {
        /// Name of the setting.
        name: &'static str,
        /// The value that was given.
        value: f64,
        /// The accepted range, in words.
        range: &'static str,
    },

    /// More sampling steps than the schedule has places for, or none.
    #[error("{n_steps} sampling steps were asked for, but this schedule and sampler allow 1 to {limit}")]
    Steps {
        /// The number of steps that was asked for.
        n_steps: usize,
        /// The largest number possible.
        limit: usize,
    },

    /// A strength so small that no step is left.
    #[error(
        "strength {strength} of {n_steps} steps leaves no step to run; raise one of them to make \
         steps x strength at least 1"
    )]
    NoSteps {
        /// Share of the schedule to run, from 0 to 1.
        strength: f64,
        /// Number of steps of the whole schedule.
        n_steps: usize,
    },

    /// A part of the levels that is empty or reaches beyond them.
    #[error(
        "steps {start}..{end} are no part of a schedule of {n_steps} steps; ask for a non-empty range within it"
    )]
    Segment {
        /// First step of the range.
        start: usize,
        /// One past the last step of the range.
        end: usize,
        /// Number of steps there are.
        n_steps: usize,
    },

    /// Noise levels that do not fall, so that a step would go nowhere or backwards.
    #[error(
        "noise level {index} has alpha_bar {alpha_bar} after {previous}, but it must rise towards 1 at \
         every step; use fewer steps or another timestep spacing"
    )]
    NotDescending {
        /// Position of the offending level.
        index: usize,
        /// Its `ᾱ`.
        alpha_bar: f64,
        /// `ᾱ` of the level before it.
        previous: f64,
    },

    /// A sampler name that is not known.
    #[error("there is no sampler `{name}`; choose one of {known}")]
    UnknownSampler {
        /// The name that was given.
        name: String,
        /// All the names there are.
        known: String,
    },

    /// Tensors whose shapes do not go together.
    #[error("{what} has shape {actual:?}, but {expected:?} is needed")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// Its shape.
        actual: Vec<usize>,
        /// The shape that would fit.
        expected: Vec<usize>,
    },

    /// The caller's flag asked the loop to stop.
    #[error("cancelled after {done} of {n_steps} steps; run it again for a whole result")]
    Cancelled {
        /// Steps that were completed.
        done: usize,
        /// Steps that were planned.
        n_steps: usize,
    },
}
