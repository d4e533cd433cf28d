//! Files that appear whole or not at all, and their hashes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Result, TrainError};

/// Writes beside the target, forces it to the disk and renames: no reader ever sees half a file, and a
/// failure leaves nothing behind.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, |file| file.write_all(bytes))
}

/// The same of what `fill` writes.
fn write_whole(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let partial = partial_path(path);
    let written = File::create(&partial)
        .and_then(|mut file| fill(&mut file).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // It may never have come to exist.
        let _ = fs::remove_file(&partial);
    }
    written.map_err(TrainError::io("writing", path))
}

/// `NAME.partial` beside `NAME`.
pub(crate) fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Writes a value as indented JSON with a last line break.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let json = |source| TrainError::Json { what: path.display().to_string(), source };
    let mut text = serde_json::to_string_pretty(value).map_err(json)?;
    text.push('\n');
    write_atomically(path, text.as_bytes())
}

/// Writes text files, by name and content, into a folder, creating it.
pub(crate) fn write_files<'a>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<()> {
    fs::create_dir_all(folder).map_err(TrainError::io("creating", folder))?;
    files.into_iter().try_for_each(|(name, text)| write_atomically(&folder.join(name), text.as_bytes()))
}

/// Copies files between two folders, piece by piece: weights may have gigabytes.
pub(crate) fn copy_files(from: &Path, to: &Path, names: &[&str]) -> Result<()> {
    fs::create_dir_all(to).map_err(TrainError::io("creating", to))?;
    for name in names {
        let path = from.join(name);
        let mut source = File::open(&path).map_err(TrainError::io("reading", &path))?;
        // Moved in, so that it is closed before a file that it may be is replaced.
        write_whole(&to.join(name), move |file| {
            io::copy(&mut source, file)?;
            Ok(())
        })?;
    }
    Ok(())
}

/// SHA-256 of a file's content, in hexadecimal.
pub(crate) fn file_sha256(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    File::open(path)
        .and_then(|mut file| io::copy(&mut file, &mut hasher))
        .map_err(TrainError::io("reading", path))?;
    Ok(hex(&hasher.finalize()))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::write_atomically;

    #[test]
    fn a_file_is_replaced_whole_and_a_failure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (file, taken) = (folder.path().join("file"), folder.path().join("taken"));
        fs::create_dir_all(taken.join("inside")).unwrap();
        write_atomically(&file, b"old and long").unwrap();
        write_atomically(&file, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        let message = write_atomically(&taken, b"new").unwrap_err().to_string();
        assert!(message.contains("taken"), "{message}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
