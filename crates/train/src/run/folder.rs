//! The folder itself: creation, exclusive use, the check that it holds the same run.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use byteedit_data::{FileLock, LockError};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Checkpoint;
use super::config::{bound, differences};
use super::log::{LogRecord, append};
use crate::files::{hex, write_json};
use crate::{Result, TrainError};

/// The tasks of a collection of candidates that are done, one line for each.
pub(crate) const TASKS: &str = "tasks.jsonl";

/// A run folder that this process alone may write, until it is dropped.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    config_hash: String,
    _lock: FileLock,
}

impl RunFolder {
    /// Creates the folder with its `config.json`, or opens one whose state was made with the same
    /// configuration. A folder without a state, such as a failed start leaves, begins anew.
    ///
    /// # Errors
    /// [`TrainError::Locked`] while another process trains there; [`TrainError::OtherRun`] if its state
    /// has another configuration; [`TrainError::Io`] if it cannot be written.
    pub fn open<C: Serialize>(root: &Path, config: &C) -> Result<Self> {
        let samples = root.join("samples");
        fs::create_dir_all(&samples).map_err(TrainError::io("creating", &samples))?;
        let run = Self::locked(root, config)?;
        if !Checkpoint::exists_in(root) {
            run.forget_log()?;
        }
        Ok(run)
    }

    /// The same for a folder of another kind: what work there is, a state or tasks that are done, must have been made
    /// with the same configuration.
    ///
    /// # Errors
    /// As for [`RunFolder::open`].
    pub(crate) fn locked<C: Serialize>(root: &Path, config: &C) -> Result<Self> {
        fs::create_dir_all(root).map_err(TrainError::io("creating", root))?;
        let lock = lock(root)?;
        let path = root.join("config.json");
        let json = |source| TrainError::Json { what: path.display().to_string(), source };
        let new = serde_json::to_value(config).map_err(json)?;
        if holds_work(root) {
            let old = fs::read_to_string(&path).map_err(TrainError::io("reading", &path))?;
            // Reading may round the last bit of a number, so both sides are compared as they are read.
            let read = |text: &str| serde_json::from_str::<Value>(text).map_err(json);
            let differences = differences(&read(&old)?, &read(&new.to_string())?);
            if !differences.is_empty() {
                return Err(TrainError::OtherRun { folder: root.to_owned(), differences });
            }
        }
        write_json(&path, &new)?;
        Ok(Self { root: root.to_owned(), config_hash: hash(&bound(&new)), _lock: lock })
    }

    /// The steps that a log without a state tells of will be made again.
    fn forget_log(&self) -> Result<()> {
        let path = self.log_path();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(TrainError::io("removing", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// SHA-256 of the configuration, without the keys that may change between two starts.
    pub fn config_hash(&self) -> &str {
        &self.config_hash
    }

    /// Where the sample grid of a step is put.
    pub fn sample_path(&self, step: u64) -> PathBuf {
        self.root.join("samples").join(format!("step_{step:06}.png"))
    }

    /// The log.
    pub fn log_path(&self) -> PathBuf {
        self.root.join("log.jsonl")
    }

    /// Puts a sentence into the log of a run that has not made a step.
    ///
    /// # Errors
    /// [`TrainError::Io`] if the log cannot be written.
    pub(crate) fn log_note(&self, note: &str) -> Result<()> {
        let record = LogRecord { step: 0, n_images: 0, note: Some(note.to_owned()), values: BTreeMap::new() };
        append(&self.log_path(), &record)
    }
}

/// Whether the folder has something that another configuration would lose.
fn holds_work(root: &Path) -> bool {
    Checkpoint::exists_in(root) || fs::metadata(root.join(TASKS)).is_ok_and(|tasks| tasks.len() > 0)
}

/// The lock file stays behind; only a lock held on it counts.
fn lock(root: &Path) -> Result<FileLock> {
    let path = root.join("run.lock");
    let file = File::create(&path).map_err(TrainError::io("creating", &path))?;
    FileLock::of(file).map_err(|error| match error {
        LockError::Held => TrainError::Locked { folder: root.to_owned() },
        LockError::Io(source) => TrainError::Io { action: "locking", path, source },
    })
}

/// JSON objects are kept in key order, so equal configurations have equal text.
fn hash(config: &Value) -> String {
    hex(&Sha256::digest(config.to_string().as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::run::read_log;

    #[test]
    fn a_folder_serves_one_process_and_one_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let config = json!({"a": 1, "training": {"n_steps": 5, "report": {}}});
        let run = RunFolder::open(dir.path(), &config).unwrap();
        let locked = RunFolder::open(dir.path(), &config).unwrap_err();
        assert!(matches!(&locked, TrainError::Locked { .. }), "{locked}");
        let hash = run.config_hash().to_owned();
        drop(run);

        let longer = json!({"a": 1, "training": {"n_steps": 50, "report": {}}});
        assert_eq!(RunFolder::open(dir.path(), &longer).unwrap().config_hash(), hash);
        assert!(dir.path().join("samples").is_dir());
    }

    #[test]
    fn a_configuration_is_its_own_after_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        // 0.12 as f32 has an f64 that a text reader may miss by its last bit.
        let config = json!({"p": [0.12_f32, 0.13_f32, 0.7_f32, 0.35_f32], "x": 1.0 / 3.0, "y": 4e-4});
        let hash = RunFolder::open(dir.path(), &config).unwrap().config_hash().to_owned();
        fs::write(dir.path().join("state.safetensors"), "").unwrap();
        for _ in 0..2 {
            assert_eq!(RunFolder::open(dir.path(), &config).unwrap().config_hash(), hash);
        }
    }

    #[test]
    fn a_state_holds_on_to_its_configuration_and_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let config = json!({"a": 1});
        // A start that failed before its first checkpoint leaves nothing that binds the next one.
        RunFolder::open(dir.path(), &json!({"a": 3})).unwrap().log_note("a failed start").unwrap();
        let run = RunFolder::open(dir.path(), &config).unwrap();
        assert!(!run.log_path().exists(), "the failed start's log is gone");
        run.log_note("a warm start").unwrap();
        drop(run);
        fs::write(dir.path().join("state.previous.safetensors"), "").unwrap();
        let error = RunFolder::open(dir.path(), &json!({"a": 2})).unwrap_err().to_string();
        assert!(error.contains("`a` (was 1, is 2)") && error.contains("another folder"), "{error}");
        // The refused configuration did not overwrite the run's own.
        let run = RunFolder::open(dir.path(), &config).unwrap();
        let log = read_log(&run.log_path()).unwrap();
        assert_eq!(log[0].note.as_deref(), Some("a warm start"));
    }
}
