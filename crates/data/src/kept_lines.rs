//! Files of lines of JSON that one process at a time may add to, from which work that was stopped goes on.
//!
//! What all lines of a file depend on is the first one, the *basis*, and a hash of it is in the file's name. So files of several
//! settings lie side by side, and nothing that was written is ever removed.

use std::fmt::LowerHex;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::mem;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::file_lock::{FileLock, LockError};
use crate::{DataError, Result};

/// Digits of the hashes by which a file and what a line is about are found.
const N_HASH_DIGITS: usize = 16;

/// A file of lines that were kept, of which this process alone may add more.
#[derive(Debug)]
pub struct KeptLines {
    path: PathBuf,
    lock: FileLock,
    /// What is to stand before the lines that are added first: the basis, or the end of a line that a crash cut off.
    lead: String,
}

impl KeptLines {
    /// Opens the file of a name and a basis in `folder`, which is made, for `work`, such as "comparison", and reads its lines.
    /// Where there is none, an empty one is made, so that other such work is refused from now on; the basis comes with the first
    /// line.
    ///
    /// # Errors
    /// [`DataError::Held`] for a file that other work adds to; [`DataError::Io`].
    pub fn open<L: DeserializeOwned>(
        folder: &Path,
        name: &str,
        work: &'static str,
        basis: &str,
    ) -> Result<(Self, Vec<L>)> {
        fs::create_dir_all(folder).map_err(DataError::writing(folder))?;
        let path = folder.join(format!("{name}-{}.jsonl", first_digits(Sha256::digest(basis))));
        let opened = OpenOptions::new().create(true).read(true).append(true).open(&path);
        let lock = FileLock::of(opened.map_err(DataError::writing(&path))?);
        let lock = lock.map_err(|error| match error {
            LockError::Held => DataError::Held { path: path.clone(), work },
            LockError::Io(source) => DataError::Io { action: "lock", path: path.clone(), source },
        })?;
        let (mut lead, mut lines, mut line) = (format!("{basis}\n"), Vec::new(), Vec::new());
        let mut reader = BufReader::new(lock.file());
        while reader.read_until(b'\n', &mut line).map_err(DataError::reading(&path))? > 0 {
            lead = if line.ends_with(b"\n") { String::new() } else { "\n".to_owned() };
            // A line that is none of them, as the first, is passed over: at worst something is done twice.
            lines.extend(serde_json::from_slice::<L>(&line).ok());
            line.clear();
        }
        Ok((Self { path, lock, lead }, lines))
    }

    /// Adds lines, and has them on the disk.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub fn add<L: Serialize>(&mut self, lines: impl IntoIterator<Item = L>) -> Result<()> {
        let mut bytes = mem::take(&mut self.lead).into_bytes();
        for line in lines {
            let written = serde_json::to_writer(&mut bytes, &line);
            written.map_err(|error| DataError::writing(&self.path)(error.into()))?;
            bytes.push(b'\n');
        }
        let mut file = self.lock.file();
        let written = file.write_all(&bytes).and_then(|()| file.sync_data());
        written.map_err(DataError::writing(&self.path))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The first digits of a hash, enough to find by.
pub fn first_digits(hash: impl LowerHex) -> String {
    let mut digits = format!("{hash:x}");
    digits.truncate(N_HASH_DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn open(folder: &TempDir, basis: &str) -> (KeptLines, Vec<[u8; 2]>) {
        KeptLines::open(&folder.path().join("kept"), "numbers", "count", basis).unwrap()
    }

    #[test]
    fn lines_are_only_added_and_what_is_none_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut lines, found) = open(&folder, "{}");
        assert_eq!((found.len(), fs::read(lines.path()).unwrap().len()), (0, 0));
        lines.add([[1, 2], [3, 4]]).unwrap();
        lines.add([[5, 6]]).unwrap();
        let path = lines.path().to_owned();
        assert!(path.starts_with(folder.path().join("kept")));
        drop(lines);
        let whole = fs::read_to_string(&path).unwrap();
        assert_eq!(whole, "{}\n[1,2]\n[3,4]\n[5,6]\n");
        // As a crash may leave it.
        let cut = &whole[..whole.len() - 3];
        fs::write(&path, cut).unwrap();
        let (mut lines, found) = open(&folder, "{}");
        assert_eq!(found, [[1, 2], [3, 4]]);
        lines.add([[7, 8]]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{cut}\n[7,8]\n"));
    }

    #[test]
    fn a_basis_has_a_file_of_its_own_which_one_process_holds() {
        let folder = tempfile::tempdir().unwrap();
        let (mut lines, _) = open(&folder, "{}");
        lines.add([[1, 2]]).unwrap();
        let (other, found) = open(&folder, "[]");
        assert!(found.is_empty() && other.path() != lines.path());
        let again = KeptLines::open::<[u8; 2]>(&folder.path().join("kept"), "numbers", "count", "{}");
        let message = again.unwrap_err().to_string();
        assert!(message.contains("numbers-") && message.contains("added to by another count"), "{message}");
    }
}
