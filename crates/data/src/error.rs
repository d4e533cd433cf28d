//! What can go wrong when data is read, built or configured.

use std::path::{Path, PathBuf};

/// Errors of the `data` crate. Each names the value, the limit and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Bytes are not a picture this crate can decode, or a picture could not be encoded.
    #[error("{name} is not a usable picture: {reason}")]
    Picture {
        /// File name, or the entry's name inside a pack.
        name: String,
        /// What the decoder says.
        reason: String,
    },
    /// A world pack is damaged, or of another version.
    #[error("the world pack is not usable: {reason}; rebuild it with `byteedit world build`")]
    Pack {
        /// What is wrong with it.
        reason: String,
    },
    /// A source of `world build` is missing or not as expected.
    #[error(
        "cannot use the source {}: {reason}; fetch it again with scripts/fetch-world-sources.sh",
        path.display()
    )]
    Source {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A line of `metadata.jsonl` is not usable.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The metadata file.
        path: PathBuf,
        /// Line number, counted from 1.
        line: usize,
        /// What is wrong with the line.
        reason: String,
    },
    /// A number of a configuration is out of its range.
    #[error("{field} is {value}, but must be {limit}")]
    Config {
        /// Path of the field, such as `masks.p_global`.
        field: &'static str,
        /// The value given.
        value: f32,
        /// The values allowed.
        limit: &'static str,
    },
    /// An index beyond the end of a dataset.
    #[error("item {index} does not exist: the dataset holds {len}")]
    Index {
        /// The index asked for.
        index: usize,
        /// Number of items.
        len: usize,
    },
    /// A picture side outside what the generator can compose.
    #[error("a side of {size} px is not supported: choose {min} to {max} px")]
    Size {
        /// The side asked for.
        size: usize,
        /// Smallest side.
        min: usize,
        /// Largest side.
        max: usize,
    },
}

impl DataError {
    /// For `map_err` after reading `path`.
    pub(crate) fn reading(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { action: "read", path: path.to_owned(), source }
    }

    /// For `map_err` after writing `path`.
    pub(crate) fn writing(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { action: "write", path: path.to_owned(), source }
    }

    /// A damaged or foreign pack.
    pub(crate) fn pack(reason: impl ToString) -> Self {
        Self::Pack { reason: reason.to_string() }
    }

    /// A source package that is not as expected.
    pub(crate) fn source(path: &Path, reason: impl ToString) -> Self {
        Self::Source { path: path.to_owned(), reason: reason.to_string() }
    }
}
