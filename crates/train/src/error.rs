//! What can go wrong in a training run.

use std::path::{Path, PathBuf};

use byteedit_data::DataError;
use byteedit_diffusion::DiffusionError;
use byteedit_edit::EditError;
use byteedit_image::ImageError;
use byteedit_models::ModelError;
use byteedit_reward::RewardError;
use thiserror::Error;

/// Errors of the trainer. Each names the value, the limit and the remedy.
#[derive(Debug, Error)]
pub enum TrainError {
    /// A file of the run could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A run configuration that is not JSON, lacks a key or has one that nobody knows.
    #[error("{what} is not a valid configuration: {source}")]
    Json {
        /// Which configuration.
        what: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A number of a configuration is out of its range.
    #[error("`{key}` is {value}, but it must be {limit}")]
    Config {
        /// The key, as a path into the JSON.
        key: &'static str,
        /// The value given.
        value: String,
        /// The values allowed, in words.
        limit: String,
    },
    /// The folder holds a run of another configuration.
    #[error(
        "{} holds a run with another configuration; it differs in {}; choose another folder or restore the old values",
        folder.display(), first_of(differences)
    )]
    OtherRun {
        /// The run folder.
        folder: PathBuf,
        /// One entry for each key that differs, with both values.
        differences: Vec<String>,
    },
    /// A run is to be exported with other pictures than it was trained on.
    #[error(
        "{} was trained on other pictures; name their folder with --data, or leave it out for the mini \
         world of the program that trained it",
        folder.display()
    )]
    OtherData {
        /// The run folder.
        folder: PathBuf,
    },
    /// Another process trains in this folder.
    #[error("{} is in use by another process; stop it or choose another folder", folder.display())]
    Locked {
        /// The run folder.
        folder: PathBuf,
    },
    /// A checkpoint cannot be used.
    #[error("{} is not a usable checkpoint: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A file that a run takes weights from has others than those that the run began with.
    #[error(
        "{} has other weights than the run in {} began with (SHA-256 {}, not {}); {}",
        path.display(), folder.display(), beginning_of(found), beginning_of(expected), role.remedy()
    )]
    OtherWeights {
        /// The file.
        path: PathBuf,
        /// What it is to the run.
        role: WeightsRole,
        /// The run folder.
        folder: PathBuf,
        /// The hash that it had.
        expected: String,
        /// The hash that it has.
        found: String,
    },
    /// A step needs more memory than there is.
    #[error(
        "a step is foretold to need {:.2} GB for weights, what learns and tapes, but {:.2} GB are all that there is; \
         {remedy}",
        *needed_bytes as f64 / 1e9,
        *limit_bytes as f64 / 1e9
    )]
    Memory {
        /// What a step needs at its peak, the program and holes between tensors left out.
        needed_bytes: u64,
        /// What the process can have at most.
        limit_bytes: u64,
        /// What would help this run.
        remedy: String,
    },
    /// A trainable parameter took no part in the loss, so it would never learn.
    #[error("parameter `{name}` received no gradient: it took no part in the loss; freeze it or use it")]
    NoGradient {
        /// Name of the parameter.
        name: String,
    },
    /// The loss or the gradient is not a number any more.
    #[error(
        "step {step}: loss {loss}, gradient norm {grad_norm}: training diverged; the last checkpoint is whole, \
         start a new run with a lower learning_rate.peak than {learning_rate}"
    )]
    Diverged {
        /// The step that failed.
        step: u64,
        /// Its loss.
        loss: f64,
        /// Its gradient norm before clipping.
        grad_norm: f64,
        /// Learning rate of the step.
        learning_rate: f64,
    },
    /// A term of a feedback loss is not a number any more.
    #[error(
        "the term `{name}` of the loss is {value} with a gradient of {gradient_norm} at the pixels: its reward cannot \
         judge what the editor paints; the last checkpoint is whole; begin another run without it (a weight of 0) or with \
         another reward"
    )]
    Term {
        /// Which one.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The norm of its gradient.
        gradient_norm: f64,
    },
    /// A curve could not be drawn.
    #[error("cannot draw `{key}`: {reason}")]
    Plot {
        /// The value to be drawn.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// A model could not be read, built or written.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A reward refused what it was shown.
    #[error(transparent)]
    Reward(#[from] RewardError),
    /// Training data could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The editor refused the model in training.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// A picture or mask has the wrong form.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A noise schedule or sampler refused its settings.
    #[error(transparent)]
    Diffusion(#[from] DiffusionError),
}

/// What a file of weights is to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightsRole {
    /// In the run's own copy of what it began with.
    Kept,
    /// In that copy, when it has just been made.
    Copied,
    /// In the model that is named when the run goes on.
    Named,
}

impl WeightsRole {
    /// What to do where they are others than they were.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::Kept => "put the file back, or begin another run in another folder",
            Self::Copied => "the model was replaced while the run began: begin it again",
            Self::Named => {
                "name the model that it began with, or leave --init out: the run has a copy of its own"
            }
        }
    }
}

/// As many entries as one reads, and how many more there are.
fn first_of(differences: &[String]) -> String {
    const N_SHOWN: usize = 5;
    let shown = differences[..differences.len().min(N_SHOWN)].join(", ");
    match differences.len().saturating_sub(N_SHOWN) {
        0 => shown,
        n_more => format!("{shown} and {n_more} more"),
    }
}

/// As much of a hash as tells it from another.
fn beginning_of(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

impl TrainError {
    /// For `map_err` after working on `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// A configuration value outside its range.
    pub(crate) fn config(key: &'static str, value: impl ToString, limit: impl Into<String>) -> Self {
        Self::Config { key, value: value.to_string(), limit: limit.into() }
    }
}

/// Result of this crate's fallible functions.
pub type Result<T, E = TrainError> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_differences_are_told() {
        let message = |n: usize| {
            let differences = (0..n).map(|i| format!("`k{i}`")).collect();
            TrainError::OtherRun { folder: PathBuf::from("run"), differences }.to_string()
        };
        assert!(message(2).contains("differs in `k0`, `k1`; choose"), "{}", message(2));
        assert!(message(8).contains("`k3`, `k4` and 3 more; choose"), "{}", message(8));
    }
}
