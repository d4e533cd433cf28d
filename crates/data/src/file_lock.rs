//! Files that one process at a time holds, so that no two write to one place.

use std::fs::{File, TryLockError};
use std::io;

/// An open file that this process alone holds, until it is dropped.
///
/// The system lets go of it even after `kill -9`: what stays behind is a file that nobody holds.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

/// Why a file is not held.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("it is held by another process; wait for it")]
    Held,
    /// The system cannot say.
    #[error(transparent)]
    Io(io::Error),
}

impl FileLock {
    /// Holds an open file. It does not wait for whoever else does.
    ///
    /// # Errors
    /// [`LockError::Held`] while another process holds it, [`LockError::Io`] where files cannot be held.
    pub fn of(file: File) -> Result<Self, LockError> {
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held),
            Err(TryLockError::Error(source)) => Err(LockError::Io(source)),
        }
    }

    /// The file, to be read and written as it was opened.
    pub fn file(&self) -> &File {
        &self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_held_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let hold = || FileLock::of(File::create(&path).unwrap());
        let held = hold().unwrap();
        assert!(matches!(hold(), Err(LockError::Held)));
        drop(held);
        // The file is still there, and counts for nothing.
        assert!(path.is_file());
        hold().unwrap();
    }
}
