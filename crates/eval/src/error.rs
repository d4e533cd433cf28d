//! What can go wrong in an evaluation.

use std::error::Error;
use std::path::{Path, PathBuf};

use byteedit_data::DataError;
use byteedit_diffusion::DiffusionError;
use byteedit_image::{ImageError, Size};
use byteedit_models::ModelError;
use thiserror::Error;

/// Errors of this crate. Each names the value, the limit and the remedy.
#[derive(Debug, Error)]
pub enum EvalError {
    /// A number of the configuration is out of its range.
    #[error("`{key}` is {value}, but it must be {limit}")]
    Config {
        /// The key.
        key: &'static str,
        /// The value given.
        value: String,
        /// The values allowed, in words.
        limit: &'static str,
    },
    /// The split shows too few pictures of the kind that is wanted.
    #[error(
        "only {found} of {wanted} samples for {section} are among the first {tried} drawn; ask for fewer"
    )]
    TooFewSamples {
        /// The part of the evaluation.
        section: &'static str,
        /// Samples found.
        found: usize,
        /// Samples asked for.
        wanted: usize,
        /// Samples looked at.
        tried: u64,
    },
    /// An editor answered with another number of pictures than it was asked for.
    #[error(
        "the editor returned {found} pictures for {expected} questions; it must return one for each, in order"
    )]
    WrongCount {
        /// Pictures returned.
        found: usize,
        /// Pictures asked for.
        expected: usize,
    },
    /// An editor answered with a picture of another size.
    #[error("the editor returned a picture of {found} px for one of {expected} px; it must keep the size")]
    WrongSize {
        /// Size returned.
        found: Size,
        /// Size asked for.
        expected: Size,
    },
    /// A judge that was taught other words than the world has.
    #[error(
        "the judge `{judge}` has no label `{label}`: it was taught another world; name another with --judge, or \
         leave out --world"
    )]
    Labels {
        /// The judge.
        judge: String,
        /// The concept's name.
        label: String,
    },
    /// Arms that cannot be compared.
    #[error("{reason}")]
    Arms {
        /// What is wrong with them, and what would be right.
        reason: String,
    },
    /// A file of preferences on which nothing can be measured.
    #[error("{}: {reason}", path.display())]
    Preferences {
        /// The file.
        path: PathBuf,
        /// What is wrong with it as a whole.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The model under evaluation failed.
    #[error("the editor failed: {0}")]
    Editor(#[source] Box<dyn Error + Send + Sync>),
    /// The judge could not be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The world could not be drawn from, or a record is not usable.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A picture could not be made or encoded.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A sampler or schedule refused its settings.
    #[error(transparent)]
    Diffusion(#[from] DiffusionError),
}

impl EvalError {
    /// A configuration value outside its range.
    pub(crate) fn config(key: &'static str, value: impl ToString, limit: &'static str) -> Self {
        Self::Config { key, value: value.to_string(), limit }
    }

    /// For `map_err` after working on `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Result of this crate's fallible functions.
pub type Result<T, E = EvalError> = std::result::Result<T, E>;
