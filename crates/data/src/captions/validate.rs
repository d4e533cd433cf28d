//! Whether a whole file of captions is worth training on.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

use super::{CaptionRecord, Report};
use crate::preference::{SkipBad, Skipped};
use crate::problem::{self, Problem};
use crate::{DataError, Result, json_lines};

/// Keys that no other record has.
const KEYS: [&str; 2] = ["better", "worse"];

/// Whether a file is one of captions, by the first of its lines that is a JSON object.
///
/// # Errors
/// [`DataError::Io`] if it cannot be read.
pub fn is_of_captions(path: &Path) -> Result<bool> {
    let file = File::open(path).map_err(DataError::reading(path))?;
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(DataError::reading(path))?;
        if let Ok(object) = serde_json::from_slice::<Map<String, Value>>(&line) {
            return Ok(KEYS.iter().any(|key| object.contains_key(*key)));
        }
    }
    Ok(false)
}

/// Reads all of `path` and says what it holds and what is wrong with it. Every file that is named must exist, and no record
/// stand there twice.
///
/// # Errors
/// [`DataError::Io`] if the file cannot be read. What is wrong with its lines is in the report.
pub fn validate(path: &Path) -> Result<Report> {
    let mut report = Report { path: path.display().to_string(), ..Report::default() };
    let (mut pictures, mut annotators) = (BTreeSet::new(), BTreeSet::new());
    let mut seen: HashMap<CaptionRecord, usize> = HashMap::new();
    // All lines that are no records are listed.
    let mut skipped = Skipped::new(SkipBad { limit: usize::MAX });
    json_lines::read(path, &mut skipped, |line, record: CaptionRecord| {
        let mut add = |reason| report.problems.push(Problem { line: Some(line), reason });
        record.problems().into_iter().for_each(&mut add);
        record.files().filter_map(|file| problem::of_absent(file, path)).for_each(&mut add);
        if let Some(first) = seen.get(&record) {
            add(format!("the same is on line {first} already: keep one"));
        }
        report.n_records += 1;
        report.n_masked += usize::from(record.mask.is_some());
        report.n_pairs += record.worse.len();
        pictures.insert(record.image.clone());
        annotators.extend(record.annotator.clone());
        seen.entry(record).or_insert(line);
        Ok(())
    })?;
    (report.n_pictures, report.n_annotators) = (pictures.len(), annotators.len());
    let broken = skipped.errors().iter().filter_map(|error| match error {
        DataError::Line { line, reason, .. } => Some(Problem { line: Some(*line), reason: reason.clone() }),
        _ => None,
    });
    report.problems.extend(broken);
    report.problems.sort_by_key(|problem| problem.line);
    if report.n_records == 0 {
        let remedy = "the file needs at least one line, and `data align` makes some";
        report.problems.push(Problem { line: None, reason: format!("there is no record: {remedy}") });
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A file of lines, beside which 0.png, 1.png and m.png exist, for `look`.
    fn of_file<T>(lines: &[&str], look: impl FnOnce(&Path) -> Result<T>) -> T {
        let folder = tempfile::tempdir().unwrap();
        for name in ["0.png", "1.png", "m.png"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let path = folder.path().join("align.jsonl");
        fs::write(&path, lines.join("\n")).unwrap();
        look(&path).unwrap()
    }

    const PLAIN: &str = r#"{"image":"0.png","better":"a cup","worse":["a hat","a duck"]}"#;
    const MASKED: &str =
        r#"{"image":"1.png","mask":"m.png","better":"a hat","worse":["a cup"],"annotator":"ann"}"#;

    #[test]
    fn a_sound_file_is_counted() {
        let other = PLAIN.replace("a cup", "a red cup");
        let report = of_file(&[PLAIN, "", MASKED, &other], validate);
        assert!(report.is_sound(), "{report}");
        assert_eq!((report.n_records, report.n_pictures, report.n_masked), (3, 2, 1));
        assert_eq!((report.n_pairs, report.n_annotators), (5, 1));
        assert!(report.to_string().contains("3 records of 2 pictures, 1 with a mask\n5 pairs"), "{report}");
    }

    #[test]
    fn every_problem_of_every_line_is_listed() {
        let (none, lost) = (r#"{"image":"/0.png","better":" ","worse":[]}"#, PLAIN.replace("0.png", "2.png"));
        let report = of_file(&[PLAIN, none, "nonsense", &lost, PLAIN], validate);
        let found: Vec<_> = report.problems.iter().map(|p| (p.line.unwrap(), p.reason.as_str())).collect();
        let expected = [
            (2, "relative to this one"),
            (2, "better is empty"),
            (2, "worse is empty"),
            (3, "expected ident"),
            (4, "there is no file 2.png in "),
            (5, "the same is on line 1 already"),
        ];
        assert_eq!(found.len(), expected.len(), "{report}");
        for ((line, reason), (expected_line, part)) in found.into_iter().zip(expected) {
            assert!(line == expected_line && reason.contains(part), "{line}: {reason}");
        }
        assert!(report.to_string().contains("align.jsonl:3: expected ident"), "{report}");
        assert!(report.is_sound_but_for(4) && !report.is_sound_but_for(3));
    }

    #[test]
    fn a_file_without_a_record_is_of_no_use() {
        let report = of_file(&[], validate);
        assert!(report.to_string().contains("there is no record") && !report.is_sound_but_for(9), "{report}");
        let missing = Path::new("none.jsonl");
        assert!(validate(missing).is_err() && is_of_captions(missing).is_err());
    }

    #[test]
    fn captions_are_told_from_preferences_by_their_keys() {
        let preference = r#"{"task_id":"a","prompt":"","candidates":[],"best":0,"worst":1}"#;
        for (lines, is_one) in [
            (&[PLAIN, preference][..], true),
            (&["", "nonsense", r#"{"worse":[]}"#], true),
            (&["[1]", preference, PLAIN], false),
            (&["nonsense"], false),
        ] {
            assert_eq!(of_file(lines, is_of_captions), is_one, "{lines:?}");
        }
    }
}
