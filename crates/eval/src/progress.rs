//! What an evaluation says while it runs.

use crate::section::Section;

/// How far an evaluation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The part that is running.
    pub section: Section,
    /// Cases of this part that are measured.
    pub n_done: usize,
    /// Cases of each part.
    pub n_cases: usize,
    /// Cases of all parts that were measured by an evaluation before; those that are to come count as long as nothing has turned
    /// out to be asked otherwise.
    pub n_kept: usize,
}

impl Progress {
    /// Cases measured in all parts.
    pub const fn n_done_in_all(&self) -> usize {
        self.section as usize * self.n_cases + self.n_done
    }

    /// Cases of all parts.
    pub const fn n_cases_in_all(&self) -> usize {
        Section::ALL.len() * self.n_cases
    }
}
