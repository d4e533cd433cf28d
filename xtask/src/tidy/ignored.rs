//! No test is switched off: one that may fail is mended or removed.

use anyhow::Result;
use regex::Regex;

use super::{Finding, Verdict};
use crate::workspace::{RustFile, Workspace};

/// Looks at every Rust file, examples in documentation included.
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let patterns = Patterns::new()?;
    Ok(workspace.rust.iter().flat_map(|file| patterns.findings(file)).collect::<Vec<_>>().into())
}

struct Patterns {
    attribute: Regex,
    example: Regex,
}

impl Patterns {
    fn new() -> Result<Self> {
        Ok(Self {
            attribute: Regex::new(r"#\[\s*(?:ignore\b|cfg_attr\(.*\bignore\b)")?,
            example: Regex::new(r"^\s*```[a-z_,0-9]*\bignore\b")?,
        })
    }

    fn findings(&self, file: &RustFile) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (number, line) in (1..).zip(&file.lines) {
            if self.attribute.is_match(&line.code) {
                let message = "an ignored test; make it quick and sure enough to run always, or remove it";
                findings.push(Finding::at(&file.path, number, message));
            }
            if self.example.is_match(&line.comment) {
                let message = "an example that is not compiled; make it compile, or mark it `text`";
                findings.push(Finding::at(&file.path, number, message));
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::Patterns;
    use crate::workspace::RustFile;

    fn lines_found(text: &str) -> Vec<usize> {
        let findings = Patterns::new().unwrap().findings(&RustFile::new("a.rs", text));
        findings.into_iter().filter_map(|finding| finding.line).collect()
    }

    #[test]
    fn ignored_tests_and_examples_are_found() {
        let text = "#[test]\n#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\n\
                    #[cfg_attr(windows, ignore)]\n/// ```rust,ignore\n/// ```ignore\n";
        assert_eq!(lines_found(text), [2, 4, 5, 6, 7]);
    }

    #[test]
    fn the_word_alone_is_no_attribute() {
        let text =
            "// #[ignore] is not allowed\nlet ignore = \"#[ignore]\";\n#[serde(ignored)]\n/// ```text\n";
        assert_eq!(lines_found(text), [0; 0]);
    }
}
