//! Where text goes: results to standard output, notes and warnings to standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;

/// The style of words that want attention; shown only where the terminal has colours and `NO_COLOR` is
/// not set.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();

/// The two streams. Clones share the progress bars, so that a note never lands inside one.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    bars: MultiProgress,
    quiet: bool,
}

impl Printer {
    /// A printer that leaves out notes and progress if `quiet`; warnings and results always appear.
    pub(crate) fn new(quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        Self { bars: MultiProgress::with_draw_target(target), quiet }
    }

    /// Whether notes and progress are left out.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Where progress bars are drawn.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Whether progress is shown as a bar that moves, rather than as lines.
    pub(crate) fn is_live(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// One line of results. A reader that closed its end, such as `head`, has all it wanted: the work goes on
    /// untold.
    ///
    /// # Errors
    /// When standard output cannot be written for another reason.
    pub(crate) fn result(&self, line: impl Display) -> anyhow::Result<()> {
        self.write(|out| writeln!(out, "{line}"))
    }

    /// A result as one indented JSON value.
    ///
    /// # Errors
    /// As [`Printer::result`].
    pub(crate) fn json(&self, value: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(value).context("the result has no JSON form")?;
        self.result(text)
    }

    /// A result as one line of JSON, for streams of many.
    ///
    /// # Errors
    /// As [`Printer::result`].
    pub(crate) fn json_line(&self, value: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string(value).context("the result has no JSON form")?;
        self.result(text)
    }

    /// A result as indented JSON if it is asked for, else as lines for people.
    ///
    /// # Errors
    /// As [`Printer::result`].
    pub(crate) fn answer(
        &self,
        json: bool,
        value: &impl Serialize,
        lines: impl IntoIterator<Item: Display>,
    ) -> anyhow::Result<()> {
        if json {
            return self.json(value);
        }
        lines.into_iter().try_for_each(|line| self.result(line))
    }

    /// Something good to know.
    pub(crate) fn note(&self, message: impl Display) {
        if !self.quiet {
            self.aside(|out| writeln!(out, "{message}"));
        }
    }

    /// Something that the user probably did not intend.
    pub(crate) fn warn(&self, message: impl Display) {
        self.aside(|out| writeln!(out, "{WARN}warning{WARN:#}: {message}"));
    }

    /// One of many jobs failed, and the others go on.
    pub(crate) fn failure(&self, message: impl Display) {
        let style = WARN.bold();
        self.aside(|out| writeln!(out, "{style}error{style:#}: {message}"));
    }

    fn write(&self, text: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
        let written = self.bars.suspend(|| {
            let mut out = anstream::stdout().lock();
            text(&mut out).and_then(|()| out.flush())
        });
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context("standard output cannot be written"),
        }
    }

    /// A closed standard error is no reason to stop working.
    fn aside(&self, text: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        let _ = self.bars.suspend(|| text(&mut anstream::stderr().lock()));
    }
}
