//! No file is longer than 600 lines: a reader holds one idea at a time.

use anyhow::Result;

use super::{Finding, Verdict};
use crate::workspace::{RustFile, Workspace};

const MAX_LINES: usize = 600;
/// What a file that has to be longer says, with its reason, in one of its first lines.
const EXCEPTION: &str = "tidy: long because ";
const N_FIRST_LINES: usize = 5;

/// Measures every Rust file.
#[expect(clippy::unnecessary_wraps, reason = "all checks have one type")]
pub(crate) fn check(workspace: &Workspace) -> Result<Verdict> {
    Ok(workspace.rust.iter().filter_map(finding).collect::<Vec<_>>().into())
}

fn finding(file: &RustFile) -> Option<Finding> {
    // The split text has one line more than the file has line breaks.
    let n_lines = file.lines.len() - 1;
    let mut first = file.lines.iter().take(N_FIRST_LINES);
    let has_reason =
        |comment: &str| comment.split_once(EXCEPTION).is_some_and(|(_, reason)| !reason.trim().is_empty());
    if n_lines <= MAX_LINES || first.any(|line| has_reason(&line.comment)) {
        return None;
    }
    let message = format!(
        "{n_lines} lines, at most {MAX_LINES} are allowed; split it by idea, or say `// {EXCEPTION}...` in its \
         first {N_FIRST_LINES} lines"
    );
    Some(Finding::in_file(&file.path, message))
}

#[cfg(test)]
mod tests {
    use super::finding;
    use crate::workspace::RustFile;

    fn is_found(head: &str, n_lines: usize) -> bool {
        let n_head = head.matches('\n').count();
        let text = format!("{head}{}", "x\n".repeat(n_lines - n_head));
        finding(&RustFile::new("a.rs", &text)).is_some()
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        assert!(!is_found("", 600) && is_found("", 601));
    }

    #[test]
    fn an_exception_needs_a_reason_near_the_top() {
        assert!(!is_found("//! A table.\n// tidy: long because it is one table\n", 900));
        assert!(is_found("// tidy: long because \n", 900));
        assert!(is_found("let s = \"tidy: long because a string says so\";\n", 900));
        assert!(is_found("\n\n\n\n\n// tidy: long because it comes late\n", 900));
    }
}
