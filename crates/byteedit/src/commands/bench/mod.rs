//! `byteedit bench`: what an edit costs, and that the photograph's size does not matter.

mod edit;
mod photograph;

use crate::args::{BenchArgs, BenchVerb};
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Runs one of the benchmarks.
///
/// # Errors
/// A model or device that cannot be used.
pub(super) fn run(args: BenchArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    match args.verb {
        BenchVerb::Edit(args) => edit::bench_edit(args, printer),
    }
}
