//! The folder of a collection: its configuration, and one line of `tasks.jsonl` for each task that is done.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use byteedit_data::preference::PreferenceRecord;

use super::CandidatesConfig;
use crate::run::{RunFolder, TASKS};
use crate::{Result, TrainError};

/// A collection that this process alone adds to.
pub(super) struct TaskFolder {
    path: PathBuf,
    file: File,
    n_done: u64,
    _folder: RunFolder,
}

impl TaskFolder {
    /// Opens the folder, or makes it; a last line that was cut off by a crash is removed.
    ///
    /// # Errors
    /// Those of [`RunFolder::open`], and a file that cannot be read or written.
    pub(super) fn open(root: &Path, config: &CandidatesConfig) -> Result<Self> {
        // From here on nobody else adds to it.
        let folder = RunFolder::locked(root, config)?;
        let path = root.join(TASKS);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(TrainError::io("reading", &path)(error)),
        };
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            let cut = OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(whole as u64));
            cut.map_err(TrainError::io("writing", &path))?;
        }
        let n_done = bytes[..whole].split_inclusive(|&byte| byte == b'\n').count() as u64;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(TrainError::io("opening", &path))?;
        Ok(Self { path, file, n_done, _folder: folder })
    }

    /// Tasks whose records are there; their pictures were written before them.
    pub(super) fn n_done(&self) -> u64 {
        self.n_done
    }

    /// Adds the records of the next tasks, whose pictures are there already.
    pub(super) fn append(&mut self, records: &[PreferenceRecord]) -> Result<()> {
        let mut lines = Vec::new();
        for record in records {
            record.check()?;
            let json = |source| TrainError::Json { what: TASKS.to_owned(), source };
            serde_json::to_writer(&mut lines, record).map_err(json)?;
            lines.push(b'\n');
        }
        let written = self.file.write_all(&lines).and_then(|()| self.file.sync_data());
        written.map_err(TrainError::io("writing", &self.path))?;
        self.n_done += records.len() as u64;
        Ok(())
    }
}
