//! Pictures with a caption that is true of them and some that are not: what an alignment reward learns from (Ren et al.
//! 2024, Section 3.2, `D_align`).
//!
//! A file has one JSON object per line, a [`CaptionRecord`]. Paths are relative to the file. What such a file is made of are
//! better captions for pictures that have some already ([`read_better`]); whether it can be trained on says
//! [`validate`](fn@validate).

mod report;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::preference::Skipped;
use crate::{DataError, Result, json_lines, picture_io};

pub use report::Report;
pub use validate::{is_of_captions, validate};

/// One picture, the better caption and worse ones: triplets `(c_p, c_n, x)` with `x` and `c_p` in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Every file that it names.
    fn files(&self) -> impl Iterator<Item = &str> {
        once(&self.image).chain(&self.mask).map(String::as_str)
    }

    /// The first thing that is wrong with it, if anything is.
    fn problem(&self) -> Option<String> {
        self.problems().into_iter().next()
    }

    /// Everything that is wrong with it by itself, in the order of its fields.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for path in self.files() {
            if path.is_empty() || Path::new(path).is_absolute() {
                problems.push(format!("the path \"{path}\" must name a file, relative to this one"));
            }
        }
        if self.better.trim().is_empty() {
            problems.push("better is empty, but must be what the picture shows".to_owned());
        }
        if self.worse.is_empty() {
            problems.push("worse is empty, but must hold at least one caption".to_owned());
        }
        if let Some(repeated) = self.worse.iter().find(|worse| **worse == self.better) {
            problems.push(format!("\"{repeated}\" is better and worse at once; leave it out of worse"));
        }
        problems
    }
}

/// A record and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Line in the file, counted from 1.
    pub line: usize,
    /// What it says.
    pub record: CaptionRecord,
}

/// All records of `path`. Bad lines are passed over as far as `skipped` allows.
///
/// # Errors
/// [`DataError::Io`] if it cannot be read; [`DataError::Line`] or [`DataError::TooManyBad`] for a line that is not a record
/// or one that makes no sense, where it may not be passed over, and if there is no record.
pub fn read(path: &Path, skipped: &mut Skipped) -> Result<Vec<Numbered>> {
    let records = json_lines::read(path, skipped, |line, record: CaptionRecord| match record.problem() {
        Some(problem) => Err(problem),
        None => Ok(Numbered { line, record }),
    })?;
    some(path, records, "there is no record; `data align` makes some")
}

/// A better caption as a file has it.
#[derive(Deserialize)]
struct Better {
    file_name: String,
    text: String,
}

/// Better captions for some of `pictures`, by their names. A line has `file_name` and `text`, as that of a folder's
/// `metadata.jsonl`, and other keys of it are left alone. Bad lines are passed over as far as `skipped` allows.
///
/// # Errors
/// [`DataError::Io`] if `path` cannot be read; [`DataError::Line`] or [`DataError::TooManyBad`] for a line that is not as
/// described, has an empty caption, names none of the pictures or one that has a caption already, where it may not be passed
/// over, and if there is no caption.
pub fn read_better(
    path: &Path,
    pictures: &BTreeSet<&str>,
    skipped: &mut Skipped,
) -> Result<BTreeMap<String, String>> {
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    let captions = json_lines::read(path, skipped, |line, Better { file_name, text }: Better| {
        if text.trim().is_empty() {
            return Err(format!("the caption of {file_name} is empty, but must be what the picture shows"));
        }
        if !pictures.contains(file_name.as_str()) {
            return Err(format!("{file_name} is none of the {} pictures; leave it out", pictures.len()));
        }
        if let Some(first) = lines.get(&file_name) {
            return Err(format!("{file_name} has a caption on line {first} already; keep one"));
        }
        lines.insert(file_name.clone(), line);
        Ok((file_name, text))
    })?;
    let remedy = r#"there is no caption: add lines such as {"file_name": "a.png", "text": "a cat"}"#;
    Ok(some(path, captions, remedy)?.into_iter().collect())
}

/// `all`, if that is more than nothing.
fn some<T>(path: &Path, all: Vec<T>, reason: &str) -> Result<Vec<T>> {
    if all.is_empty() {
        return Err(DataError::Line { path: path.to_owned(), line: 1, reason: reason.to_owned() });
    }
    Ok(all)
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
    use crate::preference::SkipBad;

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
        let read = || read(&path, &mut Skipped::default());
        let numbered = read().unwrap();
        assert_eq!(numbered.iter().map(|it| it.line).collect::<Vec<_>>(), [1, 2]);
        assert!(numbered.into_iter().map(|it| it.record).eq(records));
        write(&path, &[]).unwrap();
        assert!(read().unwrap_err().to_string().contains("there is no record"));
    }

    #[test]
    fn as_many_bad_lines_as_allowed_are_skipped_and_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("align.jsonl");
        let good = r#"{"image":"0.png","better":"a cup","worse":["a hat"]}"#;
        let none = good.replace("[\"a hat\"]", "[]");
        std::fs::write(&path, format!("nonsense\n{good}\n{none}\n")).unwrap();
        let mut skipped = Skipped::new(SkipBad { limit: 2 });
        let records = read(&path, &mut skipped).unwrap();
        assert_eq!((records.len(), records[0].line), (1, 2));
        let reasons: Vec<_> = skipped.errors().iter().map(ToString::to_string).collect();
        assert!(reasons[0].contains("jsonl:1: "), "{reasons:?}");
        assert!(reasons[1].contains("jsonl:3: worse is empty"), "{reasons:?}");
        let message = read(&path, &mut Skipped::new(SkipBad { limit: 1 })).unwrap_err().to_string();
        assert!(message.contains("jsonl:3: worse is empty"), "{message}");
        assert!(message.contains("1 bad lines before it"), "{message}");
        // Nothing is left.
        std::fs::write(&path, none).unwrap();
        let message = read(&path, &mut Skipped::new(SkipBad { limit: 1 })).unwrap_err().to_string();
        assert!(message.contains("there is no record"), "{message}");
    }

    #[test]
    fn better_captions_are_those_of_pictures_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("better.jsonl");
        let pictures = BTreeSet::from(["a.png", "b.png"]);
        let read = |lines: &str, limit: usize| {
            std::fs::write(&path, lines).unwrap();
            let mut skipped = Skipped::new(SkipBad { limit });
            read_better(&path, &pictures, &mut skipped).map_err(|error| error.to_string())
        };
        let good = r#"{"file_name": "a.png", "text": "a cat on a mat", "model": "x"}"#;
        for (line, says) in [
            ("{}", "missing field `file_name`"),
            (r#"{"file_name": "b.png", "text": " "}"#, "the caption of b.png is empty"),
            (r#"{"file_name": "c.png", "text": "a dog"}"#, "c.png is none of the 2 pictures"),
            (good, "a.png has a caption on line 1 already"),
        ] {
            let lines = format!("{good}\n\n{line}\n");
            let message = read(&lines, 0).unwrap_err();
            assert!(message.contains("better.jsonl:3: ") && message.contains(says), "{message}");
            let captions = read(&lines, 1).unwrap();
            assert_eq!(captions, BTreeMap::from([("a.png".to_owned(), "a cat on a mat".to_owned())]));
        }
        assert!(read("", 9).unwrap_err().contains("there is no caption"));
    }

    #[test]
    fn records_without_sense_are_named_by_their_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("align.jsonl");
        let refusal = |line: &str| {
            std::fs::write(&path, format!("\n{line}\n")).unwrap();
            read(&path, &mut Skipped::default()).unwrap_err().to_string()
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
