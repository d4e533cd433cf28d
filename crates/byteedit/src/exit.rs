//! How the process ends: one line for an error, one number for the caller.

use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;

use byteedit_edit::EditError;
use byteedit_train::TrainError;

use crate::printer::WARN;

/// The exit codes, as the top of `--help` and the README state them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    a line of a manifest or a stage of a pipeline failed, or the program itself
  2    bad input or bad usage; nothing was written
  130  interrupted; the same command goes on where it can";

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// All is done.
    Done,
    /// Some of many jobs failed; the others are done. Or one of a chain, which ended there.
    SomeFailed,
    /// The user stopped it, and what can go on later was saved.
    Interrupted,
}

impl ExitStatus {
    const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::SomeFailed => FAILURE,
            Self::Interrupted => INTERRUPTED,
        }
    }
}

/// The program's own failure.
const FAILURE: u8 = 1;
/// The user can mend it.
const BAD_INPUT: u8 = 2;
/// What shells give a process that Ctrl-C ended: 128 + SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// Runs a command and turns its end into an exit code; an error becomes one line on standard error.
pub(crate) fn code_of(command: impl FnOnce() -> anyhow::Result<ExitStatus> + panic::UnwindSafe) -> ExitCode {
    panic::set_hook(Box::new(|info| {
        print_error(&joined(&format!("internal failure, please report it: {info}")));
    }));
    let number = match panic::catch_unwind(command) {
        Ok(Ok(status)) => status.number(),
        Ok(Err(error)) => {
            let (number, message) = verdict(&error);
            print_error(&message);
            number
        }
        Err(_) => FAILURE,
    };
    ExitCode::from(number)
}

/// The exit code of an error, and what to say of it.
fn verdict(error: &anyhow::Error) -> (u8, String) {
    if is_cancellation(error) {
        return (INTERRUPTED, "interrupted; nothing more was written".to_owned());
    }
    let number = if error.chain().any(is_own_failure) { FAILURE } else { BAD_INPUT };
    (number, one_line(error))
}

/// Whether the user's own Ctrl-C is behind it.
pub(crate) fn is_cancellation(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref().is_some_and(EditError::is_cancelled))
}

/// Failures that no other input would have avoided.
fn is_own_failure(cause: &(dyn std::error::Error + 'static)) -> bool {
    let is_disk_full =
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull);
    is_disk_full
        || matches!(
            cause.downcast_ref(),
            Some(TrainError::Diverged { .. } | TrainError::NoGradient { .. } | TrainError::Term { .. })
        )
}

/// The chain of causes in one line. Libraries that already quote their cause do not have it repeated.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    joined(&line)
}

/// The text without line breaks.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn print_error(message: &str) {
    let style = WARN.bold();
    // Nothing is left to be told if standard error itself is closed.
    let _ = writeln!(anstream::stderr(), "{style}error{style:#}: {message}");
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};
    use byteedit_diffusion::DiffusionError;

    use super::*;

    #[test]
    fn causes_are_joined_once() {
        let quoted = anyhow!("no such file").context("reading a.png: no such file");
        assert_eq!(one_line(&quoted), "reading a.png: no such file");
        let plain = Err::<(), _>(anyhow!("expected a\n  number")).context("line 3").unwrap_err();
        assert_eq!(one_line(&plain), "line 3: expected a number");
    }

    #[test]
    fn codes_follow_the_cause() {
        assert_eq!(verdict(&anyhow!("a bad mask")), (BAD_INPUT, "a bad mask".to_owned()));
        let cancelled = EditError::from(DiffusionError::Cancelled { done: 1, n_steps: 2 });
        assert_eq!(verdict(&anyhow::Error::from(cancelled).context("photo.png")).0, INTERRUPTED);
        let diverged = TrainError::Diverged { step: 1, loss: f64::NAN, grad_norm: 1.0, learning_rate: 1.0 };
        assert_eq!(verdict(&diverged.into()).0, FAILURE);
        let full = TrainError::Io {
            action: "writing",
            path: "state.safetensors".into(),
            source: io::ErrorKind::StorageFull.into(),
        };
        assert_eq!(verdict(&full.into()).0, FAILURE);
    }
}
