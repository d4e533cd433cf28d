//! Hashes that tell what files and folders hold, so that what was made of them is made anew once they have changed.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context;
use sha2::{Digest, Sha256};

/// Files count by their content up to this size. To read gigabytes of weights again and again would take longer than some of
/// what depends on them, so larger ones count by their size and by when they were changed.
const MAX_CONTENT_BYTES: u64 = 64 << 20;
/// What is read of one folder. A hundred thousand pictures are gigabytes too: in the order of their names, files that do not
/// fit into what is left of this count as large ones.
const MAX_FOLDER_BYTES: u64 = 1 << 30;

/// Contents that were read before, by their paths; to be kept no longer than the files stay as they are.
#[derive(Debug, Default)]
pub(crate) struct Known(HashMap<PathBuf, String>);

impl Known {
    /// What stands for a file's content.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn of_file(&mut self, path: &Path) -> anyhow::Result<String> {
        let mut left = MAX_CONTENT_BYTES;
        self.content(path, &mut left)
    }

    /// Of the names and contents of all files in a folder and in those below it, but for what lies within one of `left_out`,
    /// whose paths are to be canonical. One that the folder itself lies within leaves out nothing.
    ///
    /// # Errors
    /// A folder that cannot be listed, or a file that cannot be read.
    pub(crate) fn of_folder<'a>(
        &mut self,
        folder: &Path,
        left_out: impl IntoIterator<Item = &'a Path>,
    ) -> anyhow::Result<String> {
        let real = folder.canonicalize().with_context(|| unreadable(folder))?;
        let left_out: Vec<_> = left_out.into_iter().filter(|path| !real.starts_with(path)).collect();
        let files = files_in(folder, &left_out, &mut HashSet::new()).with_context(|| unreadable(folder))?;
        let mut hash = Sha256::new();
        let mut left = MAX_FOLDER_BYTES;
        for path in files {
            let name = path.strip_prefix(folder).unwrap_or(&path);
            hash.update(name.as_os_str().as_encoded_bytes());
            hash.update([0]);
            hash.update(self.content(&path, &mut left)?);
            hash.update([0]);
        }
        Ok(format!("{:x}", hash.finalize()))
    }

    /// SHA-256 in hexadecimal of a file that is not large and fits into the bytes that are left, otherwise size and time.
    fn content(&mut self, path: &Path, left: &mut u64) -> anyhow::Result<String> {
        let metadata = fs::metadata(path).with_context(|| unreadable(path))?;
        let n_bytes = metadata.len();
        if n_bytes > MAX_CONTENT_BYTES.min(*left) {
            let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            return Ok(format!("{n_bytes} bytes of {}", changed.unwrap_or_default().as_nanos()));
        }
        *left -= n_bytes;
        if let Some(known) = self.0.get(path) {
            return Ok(known.clone());
        }
        let sha256 = sha256_of(path)?;
        self.0.insert(path.to_owned(), sha256.clone());
        Ok(sha256)
    }
}

/// [`Known::of_folder`] of a folder that is looked into once.
///
/// # Errors
/// As there.
pub(crate) fn of_folder<'a>(
    folder: &Path,
    left_out: impl IntoIterator<Item = &'a Path>,
) -> anyhow::Result<String> {
    Known::default().of_folder(folder, left_out)
}

/// The same of files in memory, by their names.
pub(crate) fn of_files(files: &byteedit_mini::Files) -> String {
    let mut hash = Sha256::new();
    for (name, content) in files {
        hash.update(name);
        hash.update([0]);
        hash.update(Sha256::digest(content));
    }
    format!("{:x}", hash.finalize())
}

/// All files below a folder, by name; links are followed, but no folder is entered twice.
fn files_in(folder: &Path, left_out: &[&Path], entered: &mut HashSet<PathBuf>) -> io::Result<Vec<PathBuf>> {
    if !entered.insert(folder.canonicalize()?) {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        // A link to nothing is no file either.
        let Ok(real) = path.canonicalize() else { continue };
        if left_out.iter().any(|left_out| real.starts_with(left_out)) {
            continue;
        }
        if real.is_dir() {
            files.extend(files_in(&path, left_out, entered)?);
        } else if real.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

fn sha256_of(path: &Path) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    File::open(path).and_then(|mut file| io::copy(&mut file, &mut hash)).with_context(|| unreadable(path))?;
    Ok(format!("{:x}", hash.finalize()))
}

fn unreadable(path: &Path) -> String {
    format!("{} cannot be read; check the name", path.display())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_and_contents_of_all_files_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let of = || of_folder(folder.path(), None).unwrap();
        let mut seen = HashSet::from([of()]);
        fs::create_dir(path("unet")).unwrap();
        fs::write(path("unet/config.json"), "{}").unwrap();
        assert!(seen.insert(of()), "a new file");
        fs::write(path("unet/config.json"), "[]").unwrap();
        assert!(seen.insert(of()), "another content of the same size");
        fs::rename(path("unet/config.json"), path("unet/other.json")).unwrap();
        assert!(seen.insert(of()), "another name");
        fs::rename(path("unet"), path("vae")).unwrap();
        assert!(seen.insert(of()), "another folder");
        assert!(!seen.insert(of()), "nothing has changed");
        assert!(of_folder(&path("nothing"), None).unwrap_err().to_string().contains("nothing"));
    }

    #[test]
    fn large_files_count_by_size_and_time() {
        let folder = tempfile::tempdir().unwrap();
        // A hole takes no space.
        let path = folder.path().join("weights");
        let file = File::create(&path).unwrap();
        let of = || (of_folder(folder.path(), None).unwrap(), Known::default().of_file(&path).unwrap());
        let at = |seconds: u64| file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        file.set_len(MAX_CONTENT_BYTES + 1).unwrap();
        at(1);
        let first = of();
        at(2);
        let second = of();
        file.set_len(MAX_CONTENT_BYTES + 2).unwrap();
        at(2);
        let third = of();
        at(1);
        file.set_len(MAX_CONTENT_BYTES + 1).unwrap();
        at(1);
        assert!(first.0 != second.0 && second.0 != third.0);
        assert!(first.1 != second.1 && second.1 != third.1);
        assert_eq!(first, of());
    }

    #[test]
    fn what_is_more_than_is_read_of_a_folder_counts_as_large() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture");
        fs::write(&path, "123").unwrap();
        let mut left = 5;
        assert_eq!(Known::default().content(&path, &mut left).unwrap().len(), 64);
        assert_eq!(left, 2);
        assert!(Known::default().content(&path, &mut left).unwrap().starts_with("3 bytes of "));
        assert_eq!(left, 2);
    }

    #[test]
    fn what_is_known_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "1").unwrap();
        let mut known = Known::default();
        let first = known.of_file(&path).unwrap();
        let whole = known.of_folder(folder.path(), None).unwrap();
        fs::write(&path, "2").unwrap();
        assert_eq!(known.of_file(&path).unwrap(), first);
        assert_eq!(known.of_folder(folder.path(), None).unwrap(), whole);
        assert_ne!(Known::default().of_file(&path).unwrap(), first);
    }

    #[test]
    fn results_within_the_folder_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        let real = folder.path().canonicalize().unwrap();
        let left_out = [real.join("out"), real.join("scores.jsonl")];
        let of = || of_folder(folder.path(), left_out.iter().map(PathBuf::as_path)).unwrap();
        let before = of();
        fs::write(out.join("result"), "1").unwrap();
        fs::write(folder.path().join("scores.jsonl"), "1").unwrap();
        assert_eq!(of(), before);
        // What is asked for by its name does.
        assert_ne!(of_folder(&out, left_out.iter().map(PathBuf::as_path)).unwrap(), before);
        fs::write(folder.path().join("input"), "1").unwrap();
        assert_ne!(of(), before);
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_the_folder_itself_is_no_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "1").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        assert_eq!(files_in(folder.path(), &[], &mut HashSet::new()).unwrap(), [folder.path().join("a")]);
    }
}
