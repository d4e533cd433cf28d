//! A stage as a process of this very program.

use std::fs::File;
use std::io;
use std::iter::once;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus as ProcessStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::exit::INTERRUPTED;

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
pub(super) struct Runner<'a> {
    program: PathBuf,
    is_quiet: bool,
    stop: &'a AtomicBool,
}

impl<'a> Runner<'a> {
    /// Runs this program, until `stop` is set.
    ///
    /// # Errors
    /// A system that does not say where the program lies.
    pub(super) fn new(is_quiet: bool, stop: &'a AtomicBool) -> anyhow::Result<Self> {
        let program =
            std::env::current_exe().context("this program does not find itself to run the stages")?;
        Ok(Self { program, is_quiet, stop })
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
        let mut child =
            command.spawn().with_context(|| format!("{} cannot be started", self.program.display()))?;
        let status = self.wait(&mut child).context("the end of a stage cannot be waited for")?;
        Ok((ended(status, self.is_stopped()), begin.elapsed()))
    }

    fn wait(&self, child: &mut Child) -> io::Result<ProcessStatus> {
        let mut is_asked = false;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if self.is_stopped() && !is_asked {
                ask_to_stop(child);
                is_asked = true;
            }
            std::thread::sleep(POLL);
        }
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
