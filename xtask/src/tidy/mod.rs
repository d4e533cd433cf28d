//! The rules that no compiler knows, one file each.
//!
//! They run as `cargo xtask tidy` and, one test for each, under `cargo test`.

mod citations;
mod forbidden;
mod ignored;
mod judge;
mod ladder;
mod length;
mod links;
mod one_loop;
mod paper_map;
mod printing;
mod size;

use std::fmt;
use std::io::Write;
use std::path::Path;

use anyhow::Result;

use crate::workspace::Workspace;

/// Something that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, from the root.
    path: String,
    /// Counted from 1; none where the whole file is meant.
    line: Option<usize>,
    /// What is wrong and what to do.
    message: String,
}

impl Finding {
    fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: Some(line), message: message.into() }
    }

    fn in_file(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

/// What a check has to say.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// What breaks the rule.
    findings: Vec<Finding>,
    /// What was not looked at, and why.
    skipped: Vec<String>,
}

impl From<Vec<Finding>> for Verdict {
    fn from(findings: Vec<Finding>) -> Self {
        Self { findings, skipped: Vec::new() }
    }
}

/// A check by its name.
type Check = (&'static str, fn(&Workspace) -> Result<Verdict>);

const CHECKS: [Check; 10] = [
    ("dependency ladder", ladder::check),
    ("file length", length::check),
    ("size of the repository", size::check),
    ("citations", citations::check),
    ("links in documents", links::check),
    ("one denoise loop", one_loop::check),
    ("the judge is eval's alone", judge::check),
    ("forbidden words", forbidden::check),
    ("only the binary prints", printing::check),
    ("ignored tests", ignored::check),
];

/// Makes every check and prints what it found; whether that was nothing.
pub(crate) fn run(root: &Path, out: &mut impl Write) -> Result<bool> {
    let workspace = Workspace::load(root)?;
    let mut n_findings = 0;
    for (name, check) in CHECKS {
        let Verdict { mut findings, skipped } = check(&workspace)?;
        findings.sort();
        n_findings += findings.len();
        let state = if findings.is_empty() { "ok" } else { "FAILED" };
        writeln!(out, "{name}: {state}")?;
        for reason in skipped {
            writeln!(out, "  skipped: {reason}")?;
        }
        for finding in findings {
            writeln!(out, "  {finding}")?;
        }
    }
    Ok(n_findings == 0)
}

#[cfg(test)]
mod tests {
    use super::{Finding, Verdict, Workspace};

    fn assert_tidy(check: fn(&Workspace) -> anyhow::Result<Verdict>) {
        let workspace = Workspace::load(&crate::workspace::root()).unwrap();
        let Verdict { findings, .. } = check(&workspace).unwrap();
        let list: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "{} findings:\n  {}", list.len(), list.join("\n  "));
    }

    #[test]
    fn crates_depend_on_lower_lines_only() {
        assert_tidy(super::ladder::check);
    }

    #[test]
    fn files_are_short() {
        assert_tidy(super::length::check);
    }

    #[test]
    fn the_repository_is_small() {
        assert_tidy(super::size::check);
    }

    #[test]
    fn citations_stand_in_the_paper_map() {
        assert_tidy(super::citations::check);
    }

    #[test]
    fn documents_name_what_exists() {
        assert_tidy(super::links::check);
    }

    #[test]
    fn there_is_one_denoise_loop() {
        assert_tidy(super::one_loop::check);
    }

    #[test]
    fn nothing_that_trains_knows_the_judge() {
        assert_tidy(super::judge::check);
    }

    #[test]
    fn forbidden_words_do_not_occur() {
        assert_tidy(super::forbidden::check);
    }

    #[test]
    fn libraries_do_not_print() {
        assert_tidy(super::printing::check);
    }

    #[test]
    fn no_test_is_ignored() {
        assert_tidy(super::ignored::check);
    }

    #[test]
    fn a_finding_says_where() {
        assert_eq!(Finding::at("a.rs", 3, "too long").to_string(), "a.rs:3: too long");
        assert_eq!(Finding::in_file("a.rs", "too long").to_string(), "a.rs: too long");
    }
}
