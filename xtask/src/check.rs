//! `cargo xtask check`: one command for everything, the same here and in CI.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::summary::Summary;
use crate::tidy;

/// One cargo command that has to succeed.
struct Step {
    what: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

/// What comes before the tests. One profile everywhere, so that dependencies are built once.
const STEPS: [Step; 3] = [
    Step { what: "format", arguments: &["fmt", "--all", "--check"], environment: &[] },
    Step {
        what: "lints",
        arguments: &["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"],
        environment: &[],
    },
    Step {
        what: "documentation links",
        arguments: &["doc", "--release", "--no-deps", "--workspace"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
];

/// Runs every step, and ends at the first that fails: what follows would be noise.
pub(crate) fn run(root: &Path, out: &mut impl Write) -> Result<bool> {
    writeln!(out, "== tidy")?;
    if !tidy::run(root, out)? {
        return Ok(false);
    }
    for Step { what, arguments, environment } in STEPS {
        writeln!(out, "== {what}: cargo {}", arguments.join(" "))?;
        out.flush()?;
        let mut command = cargo(root, arguments);
        let status = command.envs(environment.iter().copied()).status();
        if !status.with_context(|| format!("starting cargo {}", arguments.join(" ")))?.success() {
            writeln!(out, "== {what} failed")?;
            return Ok(false);
        }
    }
    run_tests(root, out)
}

/// The tests come last, and what is printed last is the sum of their results.
fn run_tests(root: &Path, out: &mut impl Write) -> Result<bool> {
    let arguments = ["test", "--release", "--workspace", "--no-fail-fast"];
    writeln!(out, "== tests: cargo {}", arguments.join(" "))?;
    out.flush()?;
    let mut child = cargo(root, &arguments).stdout(Stdio::piped()).spawn().context("starting the tests")?;
    let mut summary = Summary::default();
    let stdout = child.stdout.take().context("the tests' output was not piped; this is a bug")?;
    for line in BufReader::new(stdout).lines() {
        let line = line.context("reading the tests' output")?;
        writeln!(out, "{line}")?;
        summary.add(&line);
    }
    let status = child.wait().context("waiting for the tests")?;
    writeln!(out, "== all tests of the workspace")?;
    writeln!(out, "{}", summary.total(status.success()))?;
    Ok(status.success())
}

/// Cargo as this program was started by it, at the root of the workspace.
fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root).args(arguments);
    command
}
