//! Progress: a bar on a terminal, a line now and then elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::printer::Printer;

/// Least time between two lines where no bar can be drawn.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// The progress of one piece of work with a known number of steps.
pub(crate) struct Progress {
    printer: Printer,
    bar: Option<ProgressBar>,
    what: String,
    n_steps: u64,
    started: Instant,
    /// When the last line was printed.
    last_line: Option<Instant>,
}

impl Progress {
    /// Begins `what`, of `n_steps` steps.
    pub(crate) fn start(printer: &Printer, what: impl Into<String>, n_steps: u64) -> Self {
        let what = what.into();
        let bar = printer.is_live().then(|| {
            let bar = printer.bars().add(ProgressBar::new(n_steps).with_style(style()));
            bar.set_prefix(what.clone());
            bar
        });
        let (printer, started) = (printer.clone(), Instant::now());
        Self { printer, bar, what, n_steps, started, last_line: None }
    }

    /// `n_done` steps are done; `detail` says more, such as the loss.
    pub(crate) fn set(&mut self, n_done: u64, detail: impl FnOnce() -> String) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(n_done);
                bar.set_message(detail());
            }
            None if self.is_line_due(n_done) => {
                self.last_line = Some(Instant::now());
                let (what, n_steps, detail) = (&self.what, self.n_steps, detail());
                let gap = if detail.is_empty() { "" } else { ", " };
                self.printer.note(format_args!("{what}: {n_done} of {n_steps}{gap}{detail}"));
            }
            None => {}
        }
    }

    /// The last step always gets its line; others wait until some time has passed.
    fn is_line_due(&self, n_done: u64) -> bool {
        n_done >= self.n_steps || self.last_line.unwrap_or(self.started).elapsed() >= LINE_EVERY
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A duration as people say it: "8 s", "12 min", "3.4 h".
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 100.0 {
        format!("{seconds:.0} s")
    } else if seconds < 6000.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_two_digits() {
        let say = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!([say(8), say(720), say(12_240)], ["8 s", "12 min", "3.4 h"]);
    }

    #[test]
    fn the_last_step_is_always_told() {
        let progress = Progress::start(&Printer::new(true), "work", 3);
        assert!(progress.is_line_due(3) && !progress.is_line_due(2));
    }
}
