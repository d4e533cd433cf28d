//! What a run reports, shown: a bar with loss, speed and time left, or lines.

use std::collections::BTreeMap;
use std::path::Path;

use byteedit_train::{Progress as TrainProgress, StepReport};

use crate::printer::Printer;
use crate::progress::{Progress, duration};

/// Shows a run.
pub(in crate::commands) struct Observer<'a> {
    printer: &'a Printer,
    n_steps: u64,
    /// Preparation under way: what, and its progress.
    preparing: Option<(String, Progress)>,
    steps: Option<Progress>,
}

impl<'a> Observer<'a> {
    /// Shows nothing yet.
    pub(in crate::commands) fn new(printer: &'a Printer) -> Self {
        Self { printer, n_steps: 0, preparing: None, steps: None }
    }
}

impl TrainProgress for Observer<'_> {
    fn on_start(&mut self, step: u64, n_steps: u64, n_parameters: usize) {
        self.n_steps = n_steps;
        let millions = n_parameters as f64 / 1e6;
        let from = if step == 0 { "starting".to_owned() } else { format!("going on after step {step}") };
        self.printer.note(format_args!("{from}; {n_steps} steps, {millions:.2} M parameters"));
    }

    fn on_memory(&mut self, foretold_bytes: u64, limit_bytes: Option<u64>) {
        let gigabytes = |bytes: u64| format!("{:.2} GB", bytes as f64 / 1e9);
        let limit = limit_bytes.map(|bytes| format!(", of {} that there are", gigabytes(bytes)));
        let (foretold, limit) = (gigabytes(foretold_bytes), limit.unwrap_or_default());
        self.printer.note(format_args!("memory: a step is foretold to take {foretold} at its peak{limit}"));
        if limit_bytes.is_some_and(|limit_bytes| foretold_bytes > limit_bytes) {
            self.printer.warn(
                "memory may not suffice; end other programs, or set recompute=true unless it is set already",
            );
        }
    }

    fn on_prepare(&mut self, what: &str, done: usize, total: usize) {
        if self.preparing.as_ref().is_none_or(|(current, _)| current != what) {
            self.preparing = Some((what.to_owned(), Progress::start(self.printer, what, total as u64)));
        }
        if let Some((_, progress)) = &mut self.preparing {
            progress.set(done as u64, String::new);
        }
        if done >= total {
            self.preparing = None;
        }
    }

    fn on_step(&mut self, report: &StepReport) {
        self.preparing = None;
        let (printer, n_steps) = (self.printer, self.n_steps);
        let progress = self.steps.get_or_insert_with(|| Progress::start(printer, "step", n_steps));
        progress.set(report.step, || describe(report));
    }

    fn on_validation(&mut self, step: u64, values: &BTreeMap<String, f64>) {
        let values: Vec<_> = values.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        self.printer.note(format_args!("step {step}, held out: {}", values.join(", ")));
    }

    fn on_sample(&mut self, path: &Path) {
        self.printer.note(format_args!("samples: {}", path.display()));
    }

    fn on_checkpoint(&mut self, path: &Path) {
        tracing::debug!(path = %path.display(), "checkpoint written");
    }

    fn on_warning(&mut self, message: &str) {
        self.printer.warn(message);
    }
}

fn describe(report: &StepReport) -> String {
    let StepReport { loss, images_per_second, gflop_per_second, eta, .. } = report;
    format!(
        "loss {loss:.4}, {images_per_second:.1} images/s, {gflop_per_second:.0} GFLOP/s, {} left",
        duration(*eta)
    )
}
