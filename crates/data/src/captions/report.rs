//! What a file of captions holds, and what is wrong with it.

use std::fmt;

use serde::Serialize;

use crate::problem::{self, Problem};

/// What a file holds, and everything that is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The file.
    pub path: String,
    /// Lines that are records, sound ones and others.
    pub n_records: usize,
    /// Pictures that they are of.
    pub n_pictures: usize,
    /// Of the records, those that say where the picture was edited.
    pub n_masked: usize,
    /// Pairs of a better and a worse caption of one picture.
    pub n_pairs: usize,
    /// Annotators with a name.
    pub n_annotators: usize,
    /// What is wrong, in the order of the lines, then what concerns the file.
    pub problems: Vec<Problem>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether nothing is wrong but for at most `limit` bad lines, which may be skipped.
    pub fn is_sound_but_for(&self, limit: usize) -> bool {
        problem::are_lines_up_to(limit, &self.problems)
    }
}

impl fmt::Display for Report {
    /// The counts, then one line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(
            f,
            "{}: {} records of {} pictures, {} with a mask",
            self.path, self.n_records, self.n_pictures, self.n_masked
        )?;
        writeln!(
            f,
            "{} pairs of a better and a worse caption, {} annotators",
            self.n_pairs, self.n_annotators
        )?;
        problem::list(f, &self.path, &self.problems)
    }
}
