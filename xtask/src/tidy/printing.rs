//! Only the binary prints: a library that writes to a terminal cannot be used by a server, a test or
//! another program's interface.

use anyhow::Result;
use regex::Regex;

use super::{Finding, Verdict};
use crate::workspace::{RustFile, Workspace};

/// The crates that talk to a terminal.
const PRINTING: [&str; 2] = ["crates/byteedit", "xtask"];

/// Looks at the sources of every library; tests and examples may print.
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let pattern = pattern()?;
    let sources = workspace.rust.iter().filter(|file| is_library_source(file));
    Ok(sources.flat_map(|file| findings(file, &pattern)).collect::<Vec<_>>().into())
}

fn pattern() -> Result<Regex> {
    Ok(Regex::new(r"\b(?:e?print(?:ln)?|dbg)!|\bio::std(?:out|err)\(")?)
}

fn is_library_source(file: &RustFile) -> bool {
    let folder = file.crate_folder();
    !PRINTING.contains(&folder) && file.path.starts_with(&format!("{folder}/src/"))
}

fn findings(file: &RustFile, pattern: &Regex) -> Vec<Finding> {
    let message = "a library prints; return the value, report it through a callback, or use `tracing`";
    let prints = |line: &crate::rust_source::Line| !line.in_test && pattern.is_match(&line.code);
    let numbered = (1..).zip(&file.lines).filter(|(_, line)| prints(line));
    numbered.map(|(number, _)| Finding::at(&file.path, number, message)).collect()
}

#[cfg(test)]
mod tests {
    use super::{findings, is_library_source, pattern};
    use crate::workspace::RustFile;

    #[test]
    fn printing_is_found_outside_tests_comments_and_strings() {
        let text = "println!(\"a\");\n// println!(\"b\");\nlet s = \"eprintln!()\";\nstd::io::stderr().write(b\"\");\n\
                    dbg!(x);\n#[cfg(test)]\nmod tests {\n    fn f() { println!(); }\n}\neprint!(\"c\");\n";
        let found = findings(&RustFile::new("crates/nn/src/lib.rs", text), &pattern().unwrap());
        let lines: Vec<_> = found.into_iter().filter_map(|finding| finding.line).collect();
        assert_eq!(lines, [1, 4, 5, 10]);
    }

    #[test]
    fn the_binary_tests_and_examples_may_print() {
        let is_checked = |path| is_library_source(&RustFile::new(path, ""));
        assert!(is_checked("crates/nn/src/kernels/mod.rs"));
        for path in [
            "crates/byteedit/src/main.rs",
            "crates/nn/tests/a.rs",
            "crates/nn/examples/a.rs",
            "xtask/src/main.rs",
        ] {
            assert!(!is_checked(path), "{path}");
        }
    }
}
