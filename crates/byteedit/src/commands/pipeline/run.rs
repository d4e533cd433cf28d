//! A stage as a process of this very program.

use std::fs::File;
use std::io;
use std::iter::once;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus as ProcessStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::exit::INTERRUPTED;
use crate::interrupt::stop_flag_with;
use crate::printer::Printer;

/// How often it is looked whether a stage has ended or is to be stopped.
const POLL: Duration = Duration::from_millis(20);

/// How a stage ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All is done.
    Done,
    /// Somebody stopped it; the same command goes on.
    Interrupted,
    /// It did not do its work; why, as far as its process tells.
    Failed(String),
}

/// What runs stages.
pub(super) struct Runner {
    program: PathBuf,
    is_quiet: bool,
    stop: &'static AtomicBool,
    running: Running,
}

impl Runner {
    /// Runs this program, until Ctrl-C: the first press asks the stage that runs to save and to end, the second ends it and
    /// this process at once.
    ///
    /// # Errors
    /// A system that does not say where the program lies, or that tells of no Ctrl-C.
    pub(super) fn new(printer: &Printer) -> anyhow::Result<Self> {
        let program =
            std::env::current_exe().context("this program does not find itself to run the stages")?;
        let running = Running::default();
        let stage = running.clone();
        let stop = stop_flag_with(printer, move || stage.end())?;
        Ok(Self { program, is_quiet: printer.is_quiet(), stop, running })
    }

    /// Whether the user wants it to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Runs a command to its end, its standard output into a file, and says how long it took.
    ///
    /// # Errors
    /// A file that cannot be written, or a process that cannot be started or waited for.
    pub(super) fn run(&self, args: &[String], stdout: &Path) -> anyhow::Result<(Ended, Duration)> {
        let file = File::create(stdout).with_context(|| {
            format!("{} cannot be written; choose another folder with --out", stdout.display())
        })?;
        let mut command = Command::new(&self.program);
        command.args(self.is_quiet.then_some("--quiet")).args(args).stdin(Stdio::null()).stdout(file);
        set_apart(&mut command);
        let begin = Instant::now();
        let started = self.running.start(&mut command, self.stop);
        if !started.with_context(|| format!("{} cannot be started", self.program.display()))? {
            return Ok((Ended::Interrupted, begin.elapsed()));
        }
        let status = self.wait().context("the end of a stage cannot be waited for")?;
        Ok((ended(status, self.is_stopped()), begin.elapsed()))
    }

    fn wait(&self) -> io::Result<ProcessStatus> {
        let mut is_asked = false;
        loop {
            if let Some(status) = self.running.status()? {
                return Ok(status);
            }
            if self.is_stopped() && !is_asked {
                self.running.ask_to_stop();
                is_asked = true;
            }
            std::thread::sleep(POLL);
        }
    }
}

/// The process of the stage that runs, which whoever hears of Ctrl-C can end too.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<Option<Child>>>);

impl Running {
    /// Starts a process; not if `stop` is set, so that none begins behind the back of [`Running::end`]. Whether it did.
    fn start(&self, command: &mut Command, stop: &AtomicBool) -> io::Result<bool> {
        let mut child = self.child();
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        *child = Some(command.spawn()?);
        Ok(true)
    }

    /// How it ended, if it has.
    fn status(&self) -> io::Result<Option<ProcessStatus>> {
        self.child().as_mut().map_or(Ok(None), Child::try_wait)
    }

    fn ask_to_stop(&self) {
        if let Some(child) = self.child().as_ref() {
            ask_to_stop(child);
        }
    }

    /// Ends it at once, and returns when it has gone: then the same command can be given again.
    fn end(&self) {
        if let Some(child) = self.child().as_mut() {
            // It may have ended by itself.
            let _ = child.kill().and_then(|()| child.wait());
        }
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the end of a process means. Verbs that do not listen to a signal are ended by it.
fn ended(status: ProcessStatus, is_stopped: bool) -> Ended {
    match status.code() {
        Some(0) => Ended::Done,
        Some(code) if code == i32::from(INTERRUPTED) => Ended::Interrupted,
        Some(code) => Ended::Failed(format!("exit code {code}")),
        None if is_stopped => Ended::Interrupted,
        None => Ended::Failed(status.to_string()),
    }
}

/// A terminal sends Ctrl-C to all of a group. A stage ends at once when it hears of it twice, so that it is to hear of
/// it from here alone.
#[cfg(unix)]
fn set_apart(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    command.process_group(0);
}

/// Elsewhere the console tells both.
#[cfg(not(unix))]
fn set_apart(_command: &mut Command) {}

/// Asks a stage to save and to end.
#[cfg(unix)]
fn ask_to_stop(child: &Child) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    // It may have ended by itself. Not SIGINT, which what a script starts in the background ignores.
    let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
}

/// Elsewhere the console has told it.
#[cfg(not(unix))]
fn ask_to_stop(_child: &Child) {}

/// A command as one can paste it into a shell.
pub(super) fn command_line(program: &str, args: &[String]) -> String {
    let words = || once(program).chain(args.iter().map(String::as_str));
    // Only what no process can be given has no quoted form.
    shlex::try_join(words()).unwrap_or_else(|_| words().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        let args = ["edit", "a b.png", "--set", "x=[1]"].map(str::to_owned);
        let line = command_line("bin/byteedit", &args);
        assert!(line.starts_with("bin/byteedit edit 'a b.png' --set "), "{line}");
        let words = shlex::split(&line).unwrap();
        assert_eq!(words[1..], args);
    }

    #[test]
    #[cfg(unix)]
    fn what_runs_can_be_ended_and_nothing_begins_after_it() {
        let (running, stop) = (Running::default(), AtomicBool::new(false));
        assert!(running.start(Command::new("sleep").arg("600"), &stop).unwrap());
        assert_eq!(running.status().unwrap(), None);
        running.clone().end();
        let status = running.status().unwrap().expect("it has ended");
        assert_eq!(ended(status, true), Ended::Interrupted);
        stop.store(true, Ordering::Relaxed);
        assert!(!running.start(Command::new("sleep").arg("600"), &stop).unwrap());
        running.end();
    }

    #[test]
    #[cfg(unix)]
    fn the_end_of_a_process_is_told_apart() {
        use std::os::unix::process::ExitStatusExt;

        let code = |code: i32| ProcessStatus::from_raw(code << 8);
        assert_eq!(ended(code(0), false), Ended::Done);
        assert_eq!(ended(code(0), true), Ended::Done);
        assert_eq!(ended(code(130), false), Ended::Interrupted);
        assert_eq!(ended(code(2), true), Ended::Failed("exit code 2".to_owned()));
        let killed = ProcessStatus::from_raw(9);
        assert_eq!(ended(killed, true), Ended::Interrupted);
        let Ended::Failed(why) = ended(killed, false) else { panic!("it was killed") };
        assert!(why.contains("signal: 9"), "{why}");
    }
}
