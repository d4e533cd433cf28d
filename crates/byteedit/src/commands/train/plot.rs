//! `byteedit train plot`: the curves of a run as a picture.

use anyhow::bail;
use byteedit_train::plot::{Curve, curves_svg};
use byteedit_train::run::{LogRecord, read_log};

use crate::args::TrainPlotArgs;
use crate::exit::ExitStatus;
use crate::files;
use crate::printer::Printer;

/// Drawn unless other keys are asked for, as far as enough of them is logged.
const USUAL: [&str; 2] = ["loss", "validation/loss"];
/// Share of the running mean that each training step keeps; held-out figures are drawn as they are.
const SMOOTHING: f64 = 0.9;

/// Draws values of a run's log.
///
/// # Errors
/// A folder without a log, a value that it does not hold, or a file that cannot be written.
pub(crate) fn train_plot(args: TrainPlotArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let TrainPlotArgs { run, out, key: keys, force } = args;
    files::check_writable(&out, force)?;
    let log = run.join("log.jsonl");
    if !log.is_file() {
        bail!("{} holds no run: it has no log.jsonl; name the folder of a `train` run", run.display());
    }
    let records = read_log(&log)?;
    let keys = if keys.is_empty() { usual_keys(&records) } else { keys };
    if keys.is_empty() {
        bail!("{} has too few steps to draw; train longer", log.display());
    }
    let curves: Vec<_> = keys.into_iter().map(curve).collect();
    let title = run.file_name().unwrap_or(run.as_os_str()).to_string_lossy();
    files::write(&out, curves_svg(&records, &title, &curves)?.as_bytes())?;
    printer.result(out.display())?;
    Ok(ExitStatus::Done)
}

fn usual_keys(records: &[LogRecord]) -> Vec<String> {
    /// A line needs two ends.
    const MIN_VALUES: usize = 2;
    let n_values = |key: &str| records.iter().filter(|record| record.values.contains_key(key)).count();
    USUAL.into_iter().filter(|key| n_values(key) >= MIN_VALUES).map(str::to_owned).collect()
}

fn curve(key: String) -> Curve {
    let is_held_out = key.starts_with("validation/");
    Curve { label: key.clone(), key, smoothing: if is_held_out { 0.0 } else { SMOOTHING } }
}
