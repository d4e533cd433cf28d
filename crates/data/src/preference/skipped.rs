//! Bad lines and entries that are passed over, up to a number.

use std::path::Path;

use crate::{DataError, Result};

/// How many bad lines or entries are passed over before one is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkipBad {
    /// The most that are skipped; 0 makes the first bad one an error.
    pub limit: usize,
}

/// What was passed over of a file, and how much may be.
#[derive(Debug, Default)]
pub struct Skipped {
    skip: SkipBad,
    errors: Vec<DataError>,
}

impl Skipped {
    /// Nothing yet.
    pub fn new(skip: SkipBad) -> Self {
        Self { skip, errors: Vec::new() }
    }

    /// What is wrong with each that was passed over, in the order of the file.
    pub fn errors(&self) -> &[DataError] {
        &self.errors
    }

    /// What became of a line or an entry; `None` if it is bad and was passed over.
    ///
    /// # Errors
    /// [`DataError::TooManyBad`] for one bad line or entry too many, itself where none may be passed over; and what is
    /// wrong with something else than one line or entry.
    pub fn pass<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        let bad = match outcome {
            Ok(good) => return Ok(Some(good)),
            Err(bad @ (DataError::Line { .. } | DataError::Foreign { .. })) => bad,
            Err(error) => return Err(error),
        };
        let limit = self.skip.limit;
        match self.errors.len() {
            n if n < limit => {
                self.errors.push(bad);
                Ok(None)
            }
            0 => Err(bad),
            _ => Err(DataError::TooManyBad { first: Box::new(bad), limit }),
        }
    }

    /// Passes over a line of the file `path`, counted from 1.
    ///
    /// # Errors
    /// As [`Skipped::pass`], if it is one too many.
    pub fn pass_over(&mut self, path: &Path, line: usize, reason: String) -> Result<()> {
        let bad = DataError::Line { path: path.to_owned(), line, reason };
        self.pass(Err::<(), _>(bad)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(place: &str) -> Result<()> {
        let reason = "it is bad".to_owned();
        Err(DataError::Foreign { path: "a.json".into(), place: place.to_owned(), reason })
    }

    #[test]
    fn only_what_is_bad_by_itself_is_passed_over() {
        let mut skipped = Skipped::new(SkipBad { limit: 1 });
        assert_eq!(skipped.pass(Ok(7)).unwrap(), Some(7));
        let unreadable = Err::<(), _>(DataError::Index { index: 1, len: 0 });
        assert!(skipped.pass(unreadable).is_err() && skipped.errors().is_empty());
        assert_eq!(skipped.pass(bad("entry 1")).unwrap(), None);
        assert!(skipped.errors()[0].to_string().contains("entry 1: it is bad"));
        let message = skipped.pass(bad("entry 2")).unwrap_err().to_string();
        assert!(message.contains("entry 2: it is bad; 1 bad lines before it were skipped"), "{message}");
        let message = Skipped::default().pass(bad("entry 0")).unwrap_err().to_string();
        assert_eq!(message, "a.json: entry 0: it is bad");
    }

    #[test]
    fn lines_are_passed_over_by_name() {
        let mut skipped = Skipped::new(SkipBad { limit: 1 });
        let mut pass_over = |line| skipped.pass_over(Path::new("a.jsonl"), line, "it is bad".to_owned());
        pass_over(3).unwrap();
        let message = pass_over(5).unwrap_err().to_string();
        assert!(message.contains("a.jsonl:5: it is bad; 1 bad lines before it"), "{message}");
        assert_eq!(skipped.errors()[0].to_string(), "a.jsonl:3: it is bad");
    }
}
