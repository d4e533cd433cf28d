//! What can go wrong when data is read, built or configured.

use std::path::{Path, PathBuf};

/// Errors of the `data` crate. Each names the value, the limit and, where there is one, the remedy.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read`, `write` or `lock`.
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
    /// A line of a JSON Lines file is not usable.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line number, counted from 1.
        line: usize,
        /// What is wrong with the line.
        reason: String,
    },
    /// More lines of a file are bad than may be skipped.
    #[error("{first}; {limit} bad lines before it were skipped, as many as allowed: mend it or allow more")]
    TooManyBad {
        /// The first bad line that was one too many.
        first: Box<DataError>,
        /// How many may be skipped.
        limit: usize,
    },
    /// A file of another program's format is not usable, as a whole or at one entry.
    #[error("{}: {place}: {reason}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Which entry, such as `entry 3` or `row 17`, counted from 0, or `the file`.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A preference record says what cannot be, or what the format asked for cannot hold.
    #[error("task {task_id}: {reason}")]
    Record {
        /// The record's task.
        task_id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Embeddings of prompts that no distance can be computed from.
    #[error("embedding {index}: {reason}")]
    Embedding {
        /// Which one, counted from 0.
        index: usize,
        /// What is wrong with it.
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
    /// A file of what was kept that other work adds to.
    #[error("{} is being added to by another {work}; wait for it, or stop it", path.display())]
    Held {
        /// The file.
        path: PathBuf,
        /// What both are, such as "comparison".
        work: &'static str,
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
