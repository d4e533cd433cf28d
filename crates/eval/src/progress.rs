//! What an evaluation says while it runs.

use crate::section::Section;

/// How far an evaluation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The part that is running.
    pub section: Section,
    /// Cases of all parts that are measured.
    pub n_done: usize,
    /// Cases of all parts.
    pub n_cases: usize,
    /// Cases of all parts that were measured by an evaluation before; those that are to come count as long as nothing has turned
    /// out to be asked otherwise.
    pub n_kept: usize,
}
