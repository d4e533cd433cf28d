//! `byteedit completions`.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Prints the completion script of a shell.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn completions(args: CompletionsArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let CompletionsArgs { shell } = args;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "byteedit", &mut script);
    printer.result(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitStatus::Done)
}
