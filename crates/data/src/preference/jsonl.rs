//! Files of records: one JSON object per line, read as a stream.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::PreferenceRecord;
use super::skipped::{SkipBad, Skipped};
use crate::{DataError, Result, picture_io};

/// A record and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbered {
    /// Line in the file, counted from 1.
    pub line: usize,
    /// What it says.
    pub record: PreferenceRecord,
}

/// Streams the records of a file, so that it may be larger than the memory.
///
/// After an error it yields nothing more.
#[derive(Debug)]
pub struct Reader {
    lines: Lines,
    skipped: Skipped,
    failed: bool,
}

impl Reader {
    /// Opens `path`; no line is read yet.
    ///
    /// # Errors
    /// [`DataError::Io`] if it cannot be opened.
    pub fn open(path: &Path, skip: SkipBad) -> Result<Self> {
        Ok(Self { lines: Lines::open(path)?, skipped: Skipped::new(skip), failed: false })
    }

    /// The bad lines passed over so far, each a [`DataError::Line`].
    pub fn skipped(&self) -> &[DataError] {
        self.skipped.errors()
    }

    /// Passes over a line that was read, for what is wrong beyond it, such as a picture that is missing.
    ///
    /// # Errors
    /// [`DataError::Line`] or [`DataError::TooManyBad`] if it is one too many.
    pub fn pass_over(&mut self, line: usize, reason: String) -> Result<()> {
        self.skipped.pass_over(&self.lines.path, line, reason)
    }

    /// What was passed over, for more of the file to be.
    pub fn into_skipped(self) -> Skipped {
        self.skipped
    }

    /// Reads on to the next usable line.
    fn advance(&mut self) -> Option<Result<Numbered>> {
        loop {
            let (line, parsed) = match self.lines.next()? {
                Ok(numbered) => numbered,
                Err(error) => return Some(Err(error)),
            };
            let checked = parsed.and_then(sensible).map(|record| Numbered { line, record });
            let bad = |reason| DataError::Line { path: self.lines.path.clone(), line, reason };
            if let Some(outcome) = self.skipped.pass(checked.map_err(bad)).transpose() {
                return Some(outcome);
            }
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Numbered>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

/// `record`, or the first thing that is wrong with it.
pub(super) fn sensible(record: PreferenceRecord) -> Result<PreferenceRecord, String> {
    match record.problems().into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(record),
    }
}

/// All records of `path`, none of them bad.
///
/// # Errors
/// [`DataError::Io`] if it cannot be read, [`DataError::Line`] for the first line that is not a record or
/// one that makes no sense.
pub fn read(path: &Path) -> Result<Vec<PreferenceRecord>> {
    Reader::open(path, SkipBad::default())?.map(|numbered| Ok(numbered?.record)).collect()
}

/// Writes `records` to `path`, which is replaced whole. Their paths are relative to the folder of `path`.
///
/// # Errors
/// [`DataError::Record`] for a record that makes no sense, [`DataError::Io`] where the file cannot be
/// written.
pub fn write(path: &Path, records: &[PreferenceRecord]) -> Result<()> {
    let mut bytes = Vec::new();
    for record in records {
        record.check()?;
        serde_json::to_writer(&mut bytes, record).map_err(|error| DataError::writing(path)(error.into()))?;
        bytes.push(b'\n');
    }
    picture_io::write(path, &bytes)
}

/// The lines of a file, parsed but not checked; empty ones are passed over.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    number: usize,
    buffer: Vec<u8>,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(DataError::reading(path))?;
        Ok(Self { path: path.to_owned(), file: BufReader::new(file), number: 0, buffer: Vec::new() })
    }
}

impl Iterator for Lines {
    /// Line number and record, or why the line is none; the outer error is the file's.
    type Item = Result<(usize, Result<PreferenceRecord, String>)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.buffer.clear();
            match self.file.read_until(b'\n', &mut self.buffer) {
                Ok(0) => return None,
                Ok(_) => self.number += 1,
                Err(source) => return Some(Err(DataError::reading(&self.path)(source))),
            }
            let line = self.buffer.trim_ascii();
            if !line.is_empty() {
                let parsed = serde_json::from_slice(line).map_err(|error| error.to_string());
                return Some(Ok((self.number, parsed)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GOOD: &str =
        r#"{"task_id":"a","prompt":"","candidates":[{"path":"0.png"},{"path":"1.png"}],"gsb":"good"}"#;

    fn file(lines: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.jsonl");
        fs::write(&path, lines.join("\n")).unwrap();
        (folder, path)
    }

    fn message(line: &str) -> String {
        read(&file(&[GOOD, "", line]).1).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_file_line_value_limit_and_remedy() {
        let with = |keys: &str| GOOD.replace(r#""gsb":"good""#, keys);
        let edit = r#""task":"edit","image":"i.png","mask":"m.png""#;
        for (line, expected) in [
            ("nonsense".to_owned(), "expected ident"),
            (with(r#""gbs":"good""#), "unknown field `gbs`"),
            (with(r#""gsb":"better""#), "unknown variant `better`, expected one of `good`, `same`, `bad`"),
            (with(r#""best":0"#), "there is `best` without `worst`; give both"),
            (with(r#""gsb":"bad","ranking":[1,2]"#), "ranking as well as gsb; a record has one kind"),
            (with(r#""task":"erase","image":"i.png""#), "mask is missing; give task, image and mask"),
            (with(edit), "prompt is empty, but an edit needs one"),
            (with(r#""ranking":[1,2,3]"#), "3 ranks for 2 candidates; give each candidate one"),
            (with(r#""ranking":[0,3]"#), "candidate 0 the rank 0, but ranks go from 1 (best) to 2"),
            (with(r#""best":1,"worst":7"#), "worst is candidate 7, but they are numbered from 0 to 1"),
            (with(r#""best":1,"worst":1"#), "best and worst are both candidate 1; name two"),
            (with(r#""scores":{}"#), "scores are empty; give coherence"),
            (with(r#""scores":{"structure":[1]}"#), "structure has 1 scores for 2 candidates"),
            (with(r#""scores":{"coherence":[1,6.5]}"#), "coherence 6.5, but scores go from 1 to 5"),
            (with(r#""scores":{"coherence":[1,1e39]}"#), "number out of range"),
            (GOOD.replace("1.png", "0.png"), "candidates 0 and 1 are both 0.png; list each once"),
            (GOOD.replace("1.png", "/1.png"), "the path /1.png is absolute, but must be relative"),
            (GOOD.replace("1.png", ""), "a path is empty"),
            (GOOD.replace(r#""a""#, r#"" ""#), "task_id is empty"),
            (
                GOOD.replace(r#",{"path":"1.png"}"#, ""),
                "there are 1 candidates, but a preference needs at least 2",
            ),
        ] {
            let message = message(&line);
            assert!(message.contains("records.jsonl:3: ") && message.contains(expected), "{message}");
        }
    }

    #[test]
    fn as_many_bad_lines_as_allowed_are_skipped_and_listed() {
        let (_folder, path) = file(&["1", GOOD, "2", GOOD]);
        let mut reader = Reader::open(&path, SkipBad { limit: 2 }).unwrap();
        let lines: Vec<_> = reader.by_ref().map(|numbered| numbered.unwrap().line).collect();
        assert_eq!(lines, [2, 4]);
        let skipped: Vec<_> = reader.skipped().iter().map(ToString::to_string).collect();
        assert!(skipped[0].contains("jsonl:1: ") && skipped[1].contains("jsonl:3: "), "{skipped:?}");

        let mut reader = Reader::open(&path, SkipBad { limit: 1 }).unwrap();
        assert!(reader.next().unwrap().is_ok());
        let message = reader.next().unwrap().unwrap_err().to_string();
        assert!(message.contains("jsonl:3: ") && message.contains("1 bad lines before it"), "{message}");
        assert!(reader.next().is_none());
    }

    #[test]
    fn what_is_wrong_beyond_a_line_counts_as_a_bad_one() {
        let (_folder, path) = file(&["1", GOOD, GOOD]);
        let mut reader = Reader::open(&path, SkipBad { limit: 2 }).unwrap();
        let first = reader.next().unwrap().unwrap();
        reader.pass_over(first.line, "its picture is missing".to_owned()).unwrap();
        let second = reader.next().unwrap().unwrap();
        let message = reader.pass_over(second.line, "so is this one's".to_owned()).unwrap_err().to_string();
        assert!(message.contains("jsonl:3: so is this one's; 2 bad lines before it"), "{message}");
        assert!(reader.into_skipped().errors()[1].to_string().contains("jsonl:2: its picture is missing"));
    }

    #[test]
    fn bytes_that_are_no_text_are_a_bad_line() {
        let (_folder, path) = file(&[GOOD]);
        fs::write(&path, [GOOD.as_bytes(), b"\n\xff\xfe{}\n"].concat()).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("jsonl:2: "));
        assert!(read(Path::new("none.jsonl")).unwrap_err().to_string().contains("none.jsonl"));
    }

    #[test]
    fn what_makes_no_sense_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.jsonl");
        let mut record: PreferenceRecord = serde_json::from_str(GOOD).unwrap();
        record.candidates.pop();
        assert!(write(&path, &[record]).unwrap_err().to_string().contains("task a: there are 1 candidates"));
        assert!(!path.exists());
    }
}
