//! `log.jsonl`: one JSON object for each logged step, appended as the run goes, and before them one with a
//! note if the run started from another's weights.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};

use crate::files::write_atomically;
use crate::{Result, TrainError};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Optimiser steps done.
    pub step: u64,
    /// Pictures seen.
    pub n_images: u64,
    /// What there is to say about the step, such as what weights the run started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Named values: `loss` and its parts, `grad_norm`, `learning_rate`, `images_per_second`,
    /// `gflop_per_second`, and `validation/...` where the step was validated. Those that are not finite
    /// are not written: JSON has no such numbers.
    #[serde(flatten, serialize_with = "finite")]
    pub values: BTreeMap<String, f64>,
}

fn finite<S: Serializer>(values: &BTreeMap<String, f64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().filter(|(_, value)| value.is_finite()))
}

/// What the log says of a run that starts from trained weights.
pub(crate) fn warm_start_note(init: &Path, sha256: &str) -> String {
    format!("warm start from the weights in {}, SHA-256 {sha256}", init.display())
}

/// Appends a line.
pub(crate) fn append(path: &Path, record: &LogRecord) -> Result<()> {
    let json = |source| TrainError::Json { what: "a log record".to_owned(), source };
    let line = serde_json::to_string(record).map_err(json)? + "\n";
    let mut file =
        OpenOptions::new().create(true).append(true).open(path).map_err(TrainError::io("opening", path))?;
    file.write_all(line.as_bytes()).map_err(TrainError::io("writing", path))
}

/// All records of a log; a last line that was cut off by a crash is left out.
///
/// # Errors
/// [`TrainError::Io`] if the file cannot be read; [`TrainError::Json`] for a broken line that is not
/// the last.
pub fn read_log(path: &Path) -> Result<Vec<LogRecord>> {
    let text = fs::read_to_string(path).map_err(TrainError::io("reading", path))?;
    let lines: Vec<&str> = text.lines().collect();
    let mut records = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(record) => records.push(record),
            Err(_) if index + 1 == lines.len() => {}
            Err(source) => {
                let what = format!("{}, line {},", path.display(), index + 1);
                return Err(TrainError::Json { what, source });
            }
        }
    }
    Ok(records)
}

/// Drops what was logged after `step`, which a run resumed there will log again; returns what is left.
pub(crate) fn truncate_after(path: &Path, step: u64) -> Result<Vec<LogRecord>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let json = |source| TrainError::Json { what: "a log record".to_owned(), source };
    let mut records = read_log(path)?;
    records.retain(|record| record.step <= step);
    let mut text = String::new();
    for record in &records {
        text.push_str(&serde_json::to_string(record).map_err(json)?);
        text.push('\n');
    }
    write_atomically(path, text.as_bytes())?;
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: u64) -> LogRecord {
        LogRecord {
            step,
            n_images: 4 * step,
            note: None,
            values: BTreeMap::from([("loss".to_owned(), 1.0 / step as f64)]),
        }
    }

    #[test]
    fn lines_after_a_checkpoint_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        truncate_after(&path, 3).unwrap();
        for step in 1..=5 {
            append(&path, &record(step)).unwrap();
        }
        truncate_after(&path, 3).unwrap();
        assert_eq!(read_log(&path).unwrap(), [record(1), record(2), record(3)]);
    }

    #[test]
    fn a_value_that_json_cannot_hold_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        let mut perfect = record(1);
        perfect.values.insert("psnr".to_owned(), f64::INFINITY);
        append(&path, &perfect).unwrap();
        append(&path, &LogRecord { note: Some("from a to b".to_owned()), ..record(2) }).unwrap();
        let log = read_log(&path).unwrap();
        assert_eq!(log[0], record(1));
        assert_eq!(log[1].note.as_deref(), Some("from a to b"));
    }

    #[test]
    fn a_line_cut_off_by_a_crash_is_left_out_and_a_broken_one_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        append(&path, &record(1)).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{whole}{{\"step\": 2, \"n_im")).unwrap();
        assert_eq!(read_log(&path).unwrap(), [record(1)]);
        fs::write(&path, format!("nonsense\n{whole}")).unwrap();
        assert!(read_log(&path).unwrap_err().to_string().contains("line 1"));
    }
}
