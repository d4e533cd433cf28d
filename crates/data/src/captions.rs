//! Pictures with a caption that is true of them and some that are not: what an alignment reward learns from (Ren et al.
//! 2024, Section 3.2, `D_align`).
//!
//! A file has one JSON object per line, a [`CaptionRecord`]. Paths are relative to the file.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{DataError, Result, picture_io};

/// One picture, the better caption and worse ones: triplets `(c_p, c_n, x)` with `x` and `c_p` in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionRecord {
    /// The picture, relative to the file of the record.
    pub image: String,
    /// Where it was edited, white where repainted, relative to the file of the record; all of it where this is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// What is true of it, `c_p`.
    pub better: String,
    /// What is less true, `c_n`: at least one.
    pub worse: Vec<String>,
    /// Who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotator: Option<String>,
}

impl CaptionRecord {
    /// What is wrong with it, if anything is.
    fn problem(&self) -> Option<String> {
        for path in [Some(&self.image), self.mask.as_ref()].into_iter().flatten() {
            if path.is_empty() || Path::new(path).is_absolute() {
                return Some(format!("the path \"{path}\" must name a file, relative to this one"));
            }
        }
        if self.better.trim().is_empty() {
            return Some("better is empty, but must be what the picture shows".to_owned());
        }
        if self.worse.is_empty() {
            return Some("worse is empty, but must hold at least one caption".to_owned());
        }
        let repeated = self.worse.iter().find(|worse| **worse == self.better)?;
        Some(format!("\"{repeated}\" is better and worse at once; leave it out of worse"))
    }
}

/// All records of `path`.
///
/// # Errors
/// [`DataError::Io`] if it cannot be read, [`DataError::Line`] for the first line that is not a record or one that makes
/// no sense, or if there is none.
pub fn read(path: &Path) -> Result<Vec<CaptionRecord>> {
    let text = String::from_utf8_lossy(&picture_io::read(path)?).into_owned();
    let bad = |line: usize, reason: String| DataError::Line { path: path.to_owned(), line, reason };
    let mut records = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let record: CaptionRecord =
            serde_json::from_str(line).map_err(|error| bad(index + 1, error.to_string()))?;
        if let Some(problem) = record.problem() {
            return Err(bad(index + 1, problem));
        }
        records.push(record);
    }
    if records.is_empty() {
        return Err(bad(1, "there is no record; `data align` makes some".to_owned()));
    }
    Ok(records)
}

/// Writes `records` to `path`, which is replaced whole.
///
/// # Errors
/// [`DataError::Line`] for a record that makes no sense, [`DataError::Io`] where the file cannot be written.
pub fn write(path: &Path, records: &[CaptionRecord]) -> Result<()> {
    let mut bytes = Vec::new();
    for (index, record) in records.iter().enumerate() {
        if let Some(reason) = record.problem() {
            return Err(DataError::Line { path: path.to_owned(), line: index + 1, reason });
        }
        serde_json::to_writer(&mut bytes, record).map_err(|error| DataError::writing(path)(error.into()))?;
        bytes.push(b'\n');
    }
    picture_io::write(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(worse: &[&str]) -> CaptionRecord {
        CaptionRecord {
            image: "0.png".to_owned(),
            mask: None,
            better: "a red apple".to_owned(),
            worse: worse.iter().map(ToString::to_string).collect(),
            annotator: None,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("align.jsonl");
        let records = [record(&["a green apple", "a red hat"]), record(&["apple pie"])];
        write(&path, &records).unwrap();
        assert_eq!(read(&path).unwrap(), records);
        write(&path, &[]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("there is no record"));
    }

    #[test]
    fn records_without_sense_are_named_by_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("align.jsonl");
        let refusal = |line: &str| {
            std::fs::write(&path, format!("\n{line}\n")).unwrap();
            read(&path).unwrap_err().to_string()
        };
        for (line, part) in [
            (r#"{"image":"0.png","better":"a cup","worse":[]}"#, "worse is empty"),
            (r#"{"image":"0.png","better":"a cup","worse":["a cup"]}"#, "better and worse at once"),
            (r#"{"image":"/0.png","better":"a cup","worse":["a"]}"#, "relative"),
            (r#"{"image":"0.png","better":" ","worse":["a"]}"#, "better is empty"),
            (r#"{"image":"0.png"}"#, "missing field"),
        ] {
            let message = refusal(line);
            assert!(message.contains("align.jsonl:2: ") && message.contains(part), "{message}");
        }
        assert!(write(&path, &[record(&[])]).unwrap_err().to_string().contains("worse is empty"));
    }
}
