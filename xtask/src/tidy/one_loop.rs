//! There is exactly one denoise loop: nothing but `byteedit_diffusion::Denoise` asks a sampler for a
//! step.
//!
//! A sampler's step takes a `Transition`, so whoever builds one is running a loop.

use anyhow::Result;
use regex::Regex;

use super::{Finding, Verdict};
use crate::workspace::{RustFile, Workspace};

/// Where the loop is.
const LOOP: &str = "crates/diffusion/src/denoise.rs";

/// Looks at the sources of all crates; tests may take single steps.
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let pattern = pattern()?;
    let sources = workspace.rust.iter().filter(|file| file.path != LOOP && file.path.contains("/src/"));
    Ok(sources.flat_map(|file| findings(file, &pattern)).collect::<Vec<_>>().into())
}

/// A `Transition` with its fields, and the word before it.
fn pattern() -> Result<Regex> {
    Ok(Regex::new(r"(?:\b(\w+)\s+)?\bTransition\s*\{")?)
}

fn findings(file: &RustFile, pattern: &Regex) -> Vec<Finding> {
    let builds_one = |code: &str| {
        let before =
            pattern.captures(code).map(|found| found.get(1).map_or("", |word| word.as_str()).to_owned());
        // Taking one apart and declaring it are no uses; neither is the body of a function or an `impl`.
        before.is_some_and(|word| !["let", "struct", "for", "impl"].contains(&word.as_str()))
    };
    let message = format!("a second denoise loop; iterate `Denoise` ({LOOP}) and wrap the denoiser instead");
    let numbered = (1..).zip(&file.lines).filter(|(_, line)| !line.in_test && builds_one(&line.code));
    numbered.map(|(number, _)| Finding::at(&file.path, number, message.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::{findings, pattern};
    use crate::workspace::RustFile;

    fn lines_found(text: &str) -> Vec<usize> {
        let found = findings(&RustFile::new("crates/edit/src/lib.rs", text), &pattern().unwrap());
        found.into_iter().filter_map(|finding| finding.line).collect()
    }

    #[test]
    fn whoever_asks_for_a_step_is_found() {
        assert_eq!(
            lines_found("let x = sampler.step(Transition { x_t, x_0 }, noise);\nTransition {\n"),
            [1, 2]
        );
        assert_eq!(lines_found("let t = byteedit_diffusion::Transition { x_t };\n"), [1]);
    }

    #[test]
    fn samplers_take_it_apart() {
        let text = "pub struct Transition {\nlet Transition { x_t, .. } = transition;\nimpl Clone for Transition {\n\
                    // Transition { }\n#[cfg(test)]\nfn f() { Transition { x_t } }\n";
        assert_eq!(lines_found(text), [0; 0]);
    }
}
