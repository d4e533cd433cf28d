//! `byteedit run`: many edits from a manifest, gone on with where it stopped.

mod journal;

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;

use self::journal::Journal;
use super::paint::{PaintReport, Painter, Prepared};
use crate::args::RunArgs;
use crate::exit::{ExitStatus, is_cancellation, one_line};
use crate::printer::Printer;
use crate::settings::{Job, ManifestSettings};

/// What became of one line.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Outcome {
    Done(Box<PaintReport>),
    Skipped { outputs: Vec<String> },
    Failed { error: String },
}

/// One line of the JSON output.
#[derive(Debug, Serialize)]
struct LineReport<'a> {
    line: usize,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// Does every line that is not done yet. A line that fails does not stop the others.
///
/// # Errors
/// A manifest or a model that cannot be used at all.
pub(super) fn run(args: RunArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let settings = ManifestSettings::resolve(args)?;
    let jobs = settings.jobs()?;
    let doubles = doubles(&jobs);
    let painter = Painter::load(&settings.model, settings.device.as_deref(), printer)?;
    let painter = painter.with_loras(&settings.loras)?;
    let mut journal = Journal::open(&settings, &painter.model.identity())?;
    let (n_jobs, mut n_failed, mut n_skipped) = (jobs.len(), 0, 0);
    for (line, job) in jobs {
        let done = match doubles.get(&line) {
            Some(first) => {
                Err(anyhow::anyhow!("it writes the same file as line {first}; give it an `out` of its own"))
            }
            None => job.and_then(|job| do_line(job, &painter, &mut journal, printer)),
        };
        let outcome = match done {
            Ok(outcome) => outcome,
            Err(error) if is_cancellation(&error) => {
                printer.note(format_args!("stopped in line {line}; the same command goes on from there"));
                return Ok(ExitStatus::Interrupted);
            }
            Err(error) => Outcome::Failed { error: one_line(&error) },
        };
        n_failed += usize::from(matches!(outcome, Outcome::Failed { .. }));
        n_skipped += usize::from(matches!(outcome, Outcome::Skipped { .. }));
        tell(line, &outcome, settings.json, printer)?;
    }
    let n_done = n_jobs - n_failed - n_skipped;
    printer.note(format_args!("{n_done} done, {n_skipped} done before, {n_failed} failed"));
    Ok(if n_failed == 0 { ExitStatus::Done } else { ExitStatus::SomeFailed })
}

fn do_line(
    mut job: Job,
    painter: &Painter<'_>,
    journal: &mut Journal,
    printer: &Printer,
) -> anyhow::Result<Outcome> {
    let key = journal.key(&job)?;
    let outputs = job.target.paths(job.options.count);
    if journal.is_done(&key, &outputs) {
        let outputs = outputs.iter().map(|path| path.display().to_string()).collect();
        return Ok(Outcome::Skipped { outputs });
    }
    // What this manifest made before may be made anew.
    job.target.force |= outputs.iter().filter(|path| path.exists()).all(|path| journal.has_made(path));
    let prepared = Prepared::new(&job, printer)?;
    let report = painter.paint(&job, prepared, &mut |path| journal.begin(&key, path))?;
    journal.finish(&key, &outputs)?;
    Ok(Outcome::Done(Box::new(report)))
}

/// Lines that write a file which an earlier line writes, with the number of that line.
fn doubles(jobs: &[(usize, anyhow::Result<Job>)]) -> HashMap<usize, usize> {
    let mut first: HashMap<PathBuf, usize> = HashMap::new();
    let mut doubles = HashMap::new();
    for (line, job) in jobs {
        for path in job.iter().flat_map(|job| job.target.paths(job.options.count)) {
            let writer = *first.entry(path).or_insert(*line);
            if writer != *line {
                doubles.insert(*line, writer);
            }
        }
    }
    doubles
}

fn tell(line: usize, outcome: &Outcome, json: bool, printer: &Printer) -> anyhow::Result<()> {
    if let Outcome::Failed { error } = outcome {
        printer.failure(format_args!("line {line}: {error}"));
    }
    if json {
        return printer.json_line(&LineReport { line, outcome });
    }
    match outcome {
        Outcome::Done(report) => {
            printer.note(format_args!("line {line}: {}", report.summary()));
            report.paths().try_for_each(|path| printer.result(path))
        }
        Outcome::Skipped { outputs } => outputs.iter().try_for_each(|path| printer.result(path)),
        Outcome::Failed { .. } => Ok(()),
    }
}
