//! Words that never belong in a finished file: notes to oneself, and paths of one machine.

use anyhow::Result;
use regex::Regex;

use super::{Finding, Verdict};
use crate::workspace::{TextFile, Workspace};

/// The one file that has to spell them.
const SELF: &str = "xtask/src/tidy/forbidden.rs";

/// Looks at every text file.
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    let rules = rules()?;
    let files = workspace.texts.iter().filter(|file| file.path != SELF);
    Ok(files.flat_map(|file| findings(file, &rules)).collect::<Vec<_>>().into())
}

/// What is looked for, and what to do instead.
struct Rule {
    pattern: Regex,
    remedy: &'static str,
}

fn rules() -> Result<[Rule; 3]> {
    let rule = |pattern, remedy| anyhow::Ok(Rule { pattern: Regex::new(pattern)?, remedy });
    Ok([
        rule(r"\b(?:TODO|FIXME|XXX)\b", "finish it now, or open an issue")?,
        rule(r"\b(?:todo|unimplemented)!\s*\(", "write it, or return an error that says what is supported")?,
        // Not after a letter, a dot or `~`: that is the middle of a longer path or of a URL.
        rule(
            r"(?:^|[^\w.~/-])/(?:root|work|home)/",
            "a path of one machine; take it from an argument or the environment",
        )?,
    ])
}

fn findings(file: &TextFile, rules: &[Rule]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for Rule { pattern, remedy } in rules {
            if let Some(found) = pattern.find(line) {
                let word = found.as_str().trim_start_matches(|c: char| c != '/' && !c.is_alphanumeric());
                findings.push(Finding::at(&file.path, number, format!("`{word}` is not allowed: {remedy}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{findings, rules};
    use crate::workspace::TextFile;

    fn messages(text: &str) -> Vec<String> {
        let file = TextFile { path: "a.md".to_owned(), text: text.to_owned() };
        findings(&file, &rules().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn notes_and_machine_paths_are_found() {
        let text = "fine\n// TODO later\nlet p = \"/home/me/x\";\nDIR=/work/y\n    todo!()\n";
        let found = messages(text);
        let starts = ["a.md:2: `TODO`", "a.md:3: `/home/`", "a.md:4: `/work/`", "a.md:5: `todo!(`"];
        assert_eq!(found.len(), starts.len(), "{found:?}");
        for (message, start) in found.iter().zip(starts) {
            assert!(message.starts_with(start), "{message}");
        }
    }

    #[test]
    fn longer_words_and_other_paths_are_fine() {
        let text = "a mastodon\nhttps://example.org/home/page\n~/work/x\n$HOME/root/x\ntodo list\n/tmp/golden\nXXXL\n";
        assert_eq!(messages(text), Vec::<String>::new());
    }
}
