//! What is wrong with a file that has a record on each line.

use std::fmt;
use std::path::Path;

use serde::Serialize;

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line in the file, counted from 1; `None` where it concerns the file as a whole.
    pub line: Option<usize>,
    /// What is wrong, with the value, the limit and the remedy.
    pub reason: String,
}

/// What is wrong where `named`, which a record of the file `path` names, is no file beside it. What is wrong with an empty or an
/// absolute name, the record says itself.
pub(crate) fn of_absent(named: &str, path: &Path) -> Option<String> {
    if named.is_empty() || Path::new(named).is_absolute() {
        return None;
    }
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let is_there = folder.join(named).is_file();
    let folder = folder.display();
    (!is_there).then(|| format!("there is no file {named} in {folder}; paths are relative to the file"))
}

/// Whether nothing is wrong but for at most `limit` bad lines.
pub(crate) fn are_lines_up_to(limit: usize, problems: &[Problem]) -> bool {
    let mut lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    // All problems of one line stand together.
    lines.dedup();
    lines.len() <= limit && lines.iter().all(Option::is_some)
}

/// Writes a line for each problem of the file `path`.
pub(crate) fn list(f: &mut fmt::Formatter, path: &str, problems: &[Problem]) -> fmt::Result {
    for Problem { line, reason } in problems {
        match line {
            Some(line) => writeln!(f, "{path}:{line}: {reason}")?,
            None => writeln!(f, "{path}: {reason}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_named_with_the_folder_where_it_should_be() {
        let says = |file: &str| of_absent("nowhere.png", Path::new(file)).unwrap();
        assert_eq!(says("a.jsonl"), "there is no file nowhere.png in .; paths are relative to the file");
        assert!(says("records/a.jsonl").contains("no file nowhere.png in records; "));
        for wrong_by_itself in ["", "/nowhere.png"] {
            assert_eq!(of_absent(wrong_by_itself, Path::new("a.jsonl")), None);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, "").unwrap();
        assert_eq!(of_absent("a.jsonl", &path), None);
    }
}
