//! The record of a manifest's finished lines, in `MANIFEST.done` beside it.
//!
//! A line is bound to its job, to size and time of the files it reads, and to the model, so that it is
//! done anew when any of them changes. `begun` is written directly before a picture, when all that can
//! fail is its writing, and `done` after a line's last one: what a crash leaves is known to be this manifest's
//! own and may be replaced, and what the user puts where a line has failed is not.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, bail};
use byteedit_data::{FileLock, LockError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::files;
use crate::settings::{Job, ManifestSettings};

/// How far a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Begun,
    Done,
}

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    state: State,
    key: String,
    outputs: BTreeSet<String>,
}

/// The record, held by one process at a time.
pub(super) struct Journal {
    lock: FileLock,
    path: PathBuf,
    folder: PathBuf,
    model_hash: String,
    done: HashSet<String>,
    made: HashSet<String>,
}

impl Journal {
    /// Opens the record of a manifest, or begins one.
    ///
    /// # Errors
    /// A record that cannot be read or written, or that another process holds.
    pub(super) fn open(settings: &ManifestSettings, model_hash: &str) -> anyhow::Result<Self> {
        let manifest = &settings.manifest;
        let mut name = manifest.as_os_str().to_owned();
        name.push(".done");
        let path = PathBuf::from(name);
        let usable = || format!("{} cannot be used as the record of finished lines", path.display());
        let file =
            OpenOptions::new().read(true).append(true).create(true).open(&path).with_context(usable)?;
        let lock = match FileLock::of(file) {
            Ok(lock) => lock,
            Err(LockError::Held) => {
                bail!("{} is being run by another process; wait for it", manifest.display())
            }
            Err(LockError::Io(error)) => return Err(error).with_context(usable),
        };
        let mut text = String::new();
        lock.file().read_to_string(&mut text).with_context(usable)?;
        if !(text.is_empty() || text.ends_with('\n')) {
            // A crash cut the last line off; what follows must not be glued to it.
            lock.file().write_all(b"\n").with_context(usable)?;
        }
        // Lines that are no records say nothing; at worst, work is done twice.
        let records: Vec<Record> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let done =
            records.iter().filter(|record| record.state == State::Done).map(|record| record.key.clone());
        Ok(Self {
            done: done.collect(),
            made: records.iter().flat_map(|record| record.outputs.iter().cloned()).collect(),
            lock,
            path,
            folder: settings.folder().to_owned(),
            model_hash: model_hash.to_owned(),
        })
    }

    /// What a job is known by.
    ///
    /// # Errors
    /// An input that is not there.
    pub(super) fn key(&self, job: &Job) -> anyhow::Result<String> {
        let mut inputs = Vec::new();
        for path in job.inputs() {
            let about = fs::metadata(path)
                .with_context(|| format!("{} cannot be read; check the name", path.display()))?;
            let modified = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            inputs.push(json!([about.len(), modified.map(|time| time.as_nanos().to_string())]));
        }
        let facts = json!({ "job": job.to_json(&self.folder), "inputs": inputs, "model": self.model_hash });
        Ok(format!("{:x}", Sha256::digest(facts.to_string())))
    }

    /// Whether the job was done and its pictures are still there.
    pub(super) fn is_done(&self, key: &str, outputs: &[PathBuf]) -> bool {
        self.done.contains(key) && outputs.iter().all(|path| path.is_file())
    }

    /// Whether a file is this manifest's own.
    pub(super) fn has_made(&self, path: &Path) -> bool {
        self.made.contains(&files::name_within(path, &self.folder))
    }

    /// Notes that a picture of the job is about to be written.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub(super) fn begin(&mut self, key: &str, output: &Path) -> anyhow::Result<()> {
        self.append(State::Begun, key, &[output])
    }

    /// Notes that all of them are.
    ///
    /// # Errors
    /// As [`Journal::begin`].
    pub(super) fn finish(&mut self, key: &str, outputs: &[PathBuf]) -> anyhow::Result<()> {
        self.done.insert(key.to_owned());
        self.append(State::Done, key, outputs)
    }

    fn append(&mut self, state: State, key: &str, outputs: &[impl AsRef<Path>]) -> anyhow::Result<()> {
        // From the manifest's folder, so that the folder can be moved.
        let names = outputs.iter().map(|path| files::name_within(path.as_ref(), &self.folder));
        let outputs: BTreeSet<_> = names.collect();
        self.made.extend(outputs.iter().cloned());
        let line = serde_json::to_string(&Record { state, key: key.to_owned(), outputs })? + "\n";
        let mut file = self.lock.file();
        let written = file.write_all(line.as_bytes()).and_then(|()| file.sync_data());
        written.with_context(|| format!("{} cannot be written", self.path.display()))
    }
}
