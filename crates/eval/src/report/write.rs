//! Reports as files that appear whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use byteedit_image::{Encoding, Format, encode};

use super::{Evaluation, Report};
use crate::error::{EvalError, Result};
use crate::section::Section;

/// The record. It is written last: where it is, everything else is too.
const JSON: &str = "report.json";
/// The tables.
const MARKDOWN: &str = "report.md";
/// What differs from run to run.
const TIMING: &str = "timing.json";

impl Evaluation {
    /// Writes `report.json`, `report.md`, `timing.json` and a contact sheet for each section, such as `edit.png`, into
    /// `folder`, creating it; files of those names are replaced. Sheets of the report that was there, of sections that this one does
    /// not have, are removed when all is written. Returns the paths, the JSON first.
    ///
    /// # Errors
    /// [`EvalError::Io`] for a folder that cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut files = vec![
            (JSON.to_owned(), self.report.to_json().into_bytes()),
            (MARKDOWN.to_owned(), self.report.to_markdown().into_bytes()),
            (TIMING.to_owned(), self.timing.to_json().into_bytes()),
        ];
        for sheet in &self.sheets {
            let png = encode(&sheet.picture, &Encoding::new(Format::Png))?;
            files.push((file_name(sheet.section), png));
        }
        let earlier = sections_of_report(folder);
        let written = write_files(folder, &files)?;
        for path in earlier.into_iter().map(|section| folder.join(file_name(section))) {
            if path.is_file() && !written.contains(&path) {
                fs::remove_file(&path).map_err(EvalError::io("removing", &path))?;
            }
        }
        Ok(written)
    }
}

/// The sections of the report that is in a folder; none where there is no report that this version can read.
fn sections_of_report(folder: &Path) -> Vec<Section> {
    let json = fs::read(folder.join(JSON)).unwrap_or_default();
    let report = serde_json::from_slice::<Report>(&json);
    report.map(|report| report.sections.iter().map(|found| found.section).collect()).unwrap_or_default()
}

/// What the sheet of a section is called.
fn file_name(section: Section) -> String {
    format!("{}.png", section.name())
}

/// Writes files into `folder`, creating it, the first of them last: where it is, the others are too. Returns their paths.
pub(crate) fn write_files(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).map_err(EvalError::io("creating", folder))?;
    for (name, content) in files.iter().rev() {
        write_atomically(&folder.join(name), content)?;
    }
    Ok(files.iter().map(|(name, _)| folder.join(name)).collect())
}

/// Writes beside the target, forces it to the disk and renames: no reader ever sees half a file.
fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&partial, path));
    placed.map_err(|source| {
        // What is left of a failed attempt is of no use; that it cannot be removed is the same failure.
        fs::remove_file(&partial).ok();
        EvalError::io("writing", path)(source)
    })
}

#[cfg(test)]
mod tests {
    use byteedit_testing::TempDir;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("report.json");
        write_atomically(&path, b"old and long").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_placed_leaves_no_trace() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("by a folder")).unwrap();
        let message = write_atomically(&path, b"new").unwrap_err().to_string();
        assert!(message.starts_with("writing") && message.contains("taken"), "{message}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
