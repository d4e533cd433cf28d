//! The project's own checks, in Rust so that they run wherever the project builds.
//!
//! - `cargo xtask check` is what has to pass before a change is merged, here and in CI: tidiness,
//!   format, lints, documentation links, tests;
//! - `cargo xtask tidy` is its first part alone, the rules that no compiler knows. The tests run it too.

mod check;
mod rust_source;
mod summary;
mod tidy;
mod workspace;

use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  check   everything that has to pass before a change is merged: tidy, format, lints, links, tests
  tidy    the rules that no compiler knows (see ARCHITECTURE.md)

Exit codes: 0 all is well, 1 a check failed, 2 wrong usage or a check could not be made.
";

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    match run(&mut out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to be done where even stderr is closed.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether the command given on the command line found nothing to complain of.
fn run(out: &mut impl Write) -> anyhow::Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["check"] => check::run(&workspace::root(), out),
        ["tidy"] => tidy::run(&workspace::root(), out),
        ["help" | "-h" | "--help"] => {
            write!(out, "{USAGE}")?;
            Ok(true)
        }
        [] => anyhow::bail!("which command?\n\n{USAGE}"),
        _ => anyhow::bail!("there is no command `{}`\n\n{USAGE}", words.join(" ")),
    }
}
