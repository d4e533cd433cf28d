//! What was measured before, from which work that was stopped goes on: files of lines, to which only is added.

mod batches;
mod measured_case;
mod picture;

pub use batches::Keep;
pub(crate) use batches::KeptBatches;
pub(crate) use measured_case::MeasuredCase;
pub(crate) use picture::KeptPicture;

/// To be raised with every change after which the same question, weights and settings are painted, finished or measured
/// otherwise (a sampler, a mask, a score, a metric), or a line is laid out otherwise: lines of before are then not used.
pub(crate) const KEPT_VERSION: u32 = 2;
/// The folder of the files, within that of the reports.
pub(crate) const ANSWERS: &str = "answers";
