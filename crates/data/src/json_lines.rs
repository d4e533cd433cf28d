//! Files with a JSON object on each line, read whole.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::preference::Skipped;
use crate::{DataError, Result, picture_io};

/// What `checked` makes of each line of `path` and of its number, counted from 1. Blank lines are none; bad ones are passed
/// over as far as `skipped` allows.
///
/// # Errors
/// [`DataError::Io`] if the file cannot be read; [`DataError::Line`] or [`DataError::TooManyBad`] for a line that is not
/// JSON, or that `checked` refuses, where it may not be passed over.
pub(crate) fn read<T: DeserializeOwned, R>(
    path: &Path,
    skipped: &mut Skipped,
    mut checked: impl FnMut(usize, T) -> Result<R, String>,
) -> Result<Vec<R>> {
    let bytes = picture_io::read(path)?;
    let mut found = Vec::new();
    for (line, text) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let parsed = serde_json::from_slice::<T>(text).map_err(|error| error.to_string());
        let bad = |reason| DataError::Line { path: path.to_owned(), line, reason };
        let outcome = parsed.and_then(|entry| checked(line, entry)).map_err(bad);
        found.extend(skipped.pass(outcome)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preference::SkipBad;

    #[test]
    fn bad_lines_are_those_that_are_no_json_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers.jsonl");
        std::fs::write(&path, b"7\r\n\n 8 \n\"\xff\"\n9\n10").unwrap();
        let read = |limit| {
            let mut skipped = Skipped::new(SkipBad { limit });
            let even = |line: usize, n: u32| {
                if n.is_multiple_of(2) { Ok((line, n)) } else { Err(format!("{n} is odd")) }
            };
            let found = read(&path, &mut skipped, even).map_err(|error| error.to_string());
            found.map(|found| (found, skipped.errors().iter().map(ToString::to_string).collect::<Vec<_>>()))
        };
        let (found, skipped) = read(3).unwrap();
        assert_eq!(found, [(3, 8), (6, 10)]);
        let ends = ["jsonl:1: 7 is odd", "jsonl:4: ", "jsonl:5: 9 is odd"];
        assert!(skipped.iter().zip(ends).all(|(message, end)| message.contains(end)), "{skipped:?}");
        assert!(read(0).unwrap_err().ends_with("jsonl:1: 7 is odd"));
        assert!(read(2).unwrap_err().contains("jsonl:5: 9 is odd; 2 bad lines before it"));
    }
}
