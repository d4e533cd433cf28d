//! `byteedit pipeline`: a chain of this program's own commands, each run only where its result is not current.
//!
//! A stage is a process of this very program, since every verb can be stopped and gone on with already. What is kept
//! of a stage is a stamp of what its result depends on ([`stamp`]); results themselves are never looked into.

mod config;
mod exhibit;
mod report;
mod run;
mod stamp;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::{Value, json};

use self::config::{PipelineConfig, Stage};
use self::run::{Ended, Runner, command_line};
use self::stamp::{Stamp, Stamps};
use crate::args::PipelineArgs;
use crate::exit::ExitStatus;
use crate::files;
use crate::printer::Printer;

/// The program in commands that are shown.
const PROGRAM: &str = "byteedit";
/// The page, in the folder of the results.
const REPORT: &str = "report.html";

/// What became of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// It was done before, from the same.
    Current,
    /// It was done now.
    Ran,
    /// It did not do its work.
    Failed,
    /// It was stopped.
    Interrupted,
    /// It is to be run.
    Waiting,
}

impl State {
    /// In words.
    const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Ran => "ran",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Waiting => "not run",
        }
    }
}

/// A stage and what is known of it.
#[derive(Debug)]
struct Entry<'a> {
    stage: &'a Stage,
    /// What its result depends on.
    key: String,
    state: State,
    /// How long its last call took, if that is known.
    seconds: Option<f64>,
}

impl<'a> Entry<'a> {
    /// What the stamps say of a stage, whose needs are among the `earlier` ones.
    fn of(stage: &'a Stage, earlier: &[Entry<'_>], stamps: &Stamps) -> anyhow::Result<Self> {
        let needed = earlier.iter().filter(|entry| stage.needs.contains(&entry.stage.name));
        let needs: Vec<_> = needed.map(|entry| entry.key.as_str()).collect();
        let key = stamps.key(stage, &needs)?;
        let stamp = stamps.read(&stage.name).filter(|stamp| stamp.is_current(&key, stamps.out()));
        let state = if stamp.is_some() { State::Current } else { State::Waiting };
        Ok(Self { stage, key, state, seconds: stamp.map(|stamp| stamp.seconds) })
    }

    /// For JSON.
    fn facts(&self) -> Value {
        let command = command_line(PROGRAM, &self.stage.args);
        json!({ "name": self.stage.name, "state": self.state, "seconds": self.seconds, "command": command })
    }
}

/// Runs the stages that are not current and writes the page; a stage that fails stops it.
///
/// # Errors
/// A file of stages that cannot be run as it is, an unknown stage, one whose needs are not there, and a folder that
/// cannot be written.
pub(super) fn pipeline(args: PipelineArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let PipelineArgs { config: path, out, only, from, list, json } = args;
    // `./runs/a/` is `runs/a`, and the arguments made of it are to be the same.
    let out: PathBuf = out.components().filter(|part| *part != Component::CurDir).collect();
    let config = PipelineConfig::read(&path, &out)?;
    let chosen = chosen(&config.stages, only.as_deref(), from.as_deref())?;
    let stamps = Stamps::of(&out);
    let mut entries = survey(&config.stages, &stamps)?;
    if list {
        listed(&entries, json, printer)?;
        return Ok(ExitStatus::Done);
    }
    check_needs(&entries, &chosen)?;
    files::create_folder(&out)?;
    let _lock = stamps.lock()?;
    let runner = Runner::new(printer)?;
    let status = Work { stamps: &stamps, runner, printer }.all(&mut entries, chosen)?;
    let report = out.join(REPORT);
    files::write(&report, report::page(&config, &entries, &stamps).as_bytes())?;
    told(&entries, &report, status, json, printer)?;
    Ok(status)
}

/// What the stamps say of every stage.
fn survey<'a>(stages: &'a [Stage], stamps: &Stamps) -> anyhow::Result<Vec<Entry<'a>>> {
    let mut entries = Vec::with_capacity(stages.len());
    for stage in stages {
        let entry = Entry::of(stage, &entries, stamps)?;
        entries.push(entry);
    }
    Ok(entries)
}

/// The stages that the user asks for.
fn chosen(stages: &[Stage], only: Option<&str>, from: Option<&str>) -> anyhow::Result<Range<usize>> {
    let place = |name: &str| {
        stages.iter().position(|stage| stage.name == name).with_context(|| {
            let names: Vec<_> = stages.iter().map(|stage| stage.name.as_str()).collect();
            format!("there is no stage `{name}`; choose one of {}", names.join(", "))
        })
    };
    Ok(match (only, from) {
        (Some(name), _) => {
            let place = place(name)?;
            place..place + 1
        }
        (None, Some(name)) => place(name)?..stages.len(),
        (None, None) => 0..stages.len(),
    })
}

/// What chosen stages need of those before has to be there.
fn check_needs(entries: &[Entry<'_>], chosen: &Range<usize>) -> anyhow::Result<()> {
    let (before, rest) = entries.split_at(chosen.start);
    for Entry { stage, .. } in &rest[..chosen.len()] {
        let lacking = before.iter().filter(|entry| entry.state != State::Current);
        if let Some(need) = lacking.map(|entry| &entry.stage.name).find(|need| stage.needs.contains(need)) {
            let name = &stage.name;
            bail!(
                "stage `{name}` needs `{need}`, which is not current; begin with --from {need}, or leave it out"
            );
        }
    }
    Ok(())
}

/// Prints what would be run.
fn listed(entries: &[Entry<'_>], json: bool, printer: &Printer) -> anyhow::Result<()> {
    let facts: Vec<_> = entries.iter().map(Entry::facts).collect();
    let line = |entry: &Entry<'_>| {
        let command = command_line(PROGRAM, &entry.stage.args);
        format!("{}\t{}\t{command}", entry.stage.name, entry.state.name())
    };
    printer.answer(json, &facts, entries.iter().map(line))
}

/// Prints what was done and where the page lies.
fn told(
    entries: &[Entry<'_>],
    report: &Path,
    status: ExitStatus,
    json: bool,
    printer: &Printer,
) -> anyhow::Result<()> {
    let status = match status {
        ExitStatus::Done => "finished",
        ExitStatus::SomeFailed => "failed",
        ExitStatus::Interrupted => "interrupted",
    };
    let stages: Vec<_> = entries.iter().map(Entry::facts).collect();
    printer.answer(json, &json!({ "status": status, "report": report, "stages": stages }), [report.display()])
}

/// What running stages takes.
struct Work<'a> {
    stamps: &'a Stamps,
    runner: Runner,
    printer: &'a Printer,
}

impl Work<'_> {
    /// Runs the chosen stages that are not current, until one does not end well.
    fn all(&self, entries: &mut [Entry<'_>], chosen: Range<usize>) -> anyhow::Result<ExitStatus> {
        let n_stages = entries.len();
        for index in chosen {
            let (earlier, rest) = entries.split_at_mut(index);
            let entry = &mut rest[0];
            let stage = entry.stage;
            // An earlier stage may have written a file that this one names.
            *entry = Entry::of(stage, earlier, self.stamps)?;
            if entry.state == State::Current {
                self.printer.note(format_args!("stage {} of {n_stages}, {}: current", index + 1, stage.name));
                continue;
            }
            if !self.runner.is_stopped() {
                self.printer.note(format_args!("stage {} of {n_stages}, {}: running", index + 1, stage.name));
                self.one(entry)?;
            }
            match entry.state {
                State::Failed => return Ok(ExitStatus::SomeFailed),
                State::Interrupted | State::Waiting => {
                    let name = &stage.name;
                    self.printer
                        .note(format_args!("stopped at stage `{name}`; the same command goes on from there"));
                    return Ok(ExitStatus::Interrupted);
                }
                State::Current | State::Ran => {}
            }
        }
        Ok(ExitStatus::Done)
    }

    /// Runs a stage; its stamp is written only if it ends well.
    fn one(&self, entry: &mut Entry<'_>) -> anyhow::Result<()> {
        let (stage, out) = (entry.stage, self.stamps.out());
        let begun = stage.folder(out).filter(|folder| folder.exists());
        let (ended, time) = self.runner.run(&stage.args, &self.stamps.stdout_path(&stage.name))?;
        self.stamps.forget();
        let seconds = time.as_secs_f64();
        entry.seconds = Some(seconds);
        entry.state = match ended {
            Ended::Done => {
                self.stamps.write(&stage.name, &Stamp::new(entry.key.clone(), seconds, stage, out))?;
                State::Ran
            }
            Ended::Interrupted => State::Interrupted,
            Ended::Failed(why) => {
                self.failed(stage, &why, begun);
                State::Failed
            }
        };
        Ok(())
    }

    /// Names the stage, its command, and the folder that was there before, which may be of other settings.
    fn failed(&self, stage: &Stage, why: &str, begun: Option<&Path>) {
        let remedy = begun.map_or_else(String::new, |folder| {
            let folder = folder.display();
            format!(" If its settings have changed and it refuses what is there, remove {folder}.")
        });
        let program = std::env::args_os().next();
        let program = program.as_deref().map_or(Cow::Borrowed(PROGRAM), OsStr::to_string_lossy);
        self.printer.failure(format_args!(
            "stage `{}` failed, {why}; once it is mended, the same command goes on from there.{remedy} It was: {}",
            stage.name,
            command_line(&program, &stage.args)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages() -> Vec<Stage> {
        let stage = |name: &str, needs: &[&str]| Stage {
            name: name.to_owned(),
            about: String::new(),
            args: vec!["world".to_owned(), "concepts".to_owned()],
            needs: needs.iter().map(|&need| need.to_owned()).collect(),
            show: Vec::new(),
        };
        vec![stage("a", &[]), stage("b", &["a"]), stage("c", &["b"])]
    }

    #[test]
    fn stages_are_chosen_by_name() {
        let stages = stages();
        let range = |only, from| chosen(&stages, only, from).unwrap();
        assert_eq!(range(None, None), 0..3);
        assert_eq!(range(Some("b"), None), 1..2);
        assert_eq!(range(None, Some("b")), 1..3);
        let message = chosen(&stages, Some("d"), None).unwrap_err().to_string();
        assert!(message.contains("no stage `d`; choose one of a, b, c"), "{message}");
    }

    #[test]
    fn what_is_left_out_has_to_be_current() {
        let folder = tempfile::tempdir().unwrap();
        let stamps = Stamps::of(folder.path());
        let _lock = stamps.lock().unwrap();
        let stages = stages();
        let entries = survey(&stages, &stamps).unwrap();
        check_needs(&entries, &(0..3)).unwrap();
        let message = check_needs(&entries, &(1..3)).unwrap_err().to_string();
        assert!(message.contains("`b` needs `a`") && message.contains("--from a"), "{message}");
        let stamp = Stamp::new(entries[0].key.clone(), 0.0, &stages[0], folder.path());
        stamps.write("a", &stamp).unwrap();
        let entries = survey(&stages, &stamps).unwrap();
        assert_eq!([entries[0].state, entries[1].state], [State::Current, State::Waiting]);
        check_needs(&entries, &(1..3)).unwrap();
        assert!(check_needs(&entries, &(2..3)).is_err());
    }

    #[test]
    fn a_change_reaches_all_that_follows_from_it() {
        let stamps = Stamps::of(Path::new("nowhere"));
        let keys = |stages: &[Stage]| -> Vec<String> {
            survey(stages, &stamps).unwrap().into_iter().map(|entry| entry.key).collect()
        };
        let before = keys(&stages());
        let mut changed = stages();
        changed[0].args.push("--json".to_owned());
        let after = keys(&changed);
        assert!(before.iter().zip(&after).all(|(before, after)| before != after));
        let mut changed = stages();
        changed[1].args.push("--json".to_owned());
        let after = keys(&changed);
        assert!(before[0] == after[0] && before[1] != after[1] && before[2] != after[2]);
    }
}
