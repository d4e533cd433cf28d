//! Hashes that tell what files and folders hold, so that what was made of them is made anew once they have changed.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context;
use sha2::{Digest, Sha256};

/// Files of a folder count by their content up to this size. To read gigabytes of weights again and again would take longer
/// than some of what depends on them, so larger ones count by their size and by when they were changed.
const MAX_CONTENT_BYTES: u64 = 64 << 20;

/// SHA-256 of a file's content, in hexadecimal.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn of_file(path: &Path) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    File::open(path).and_then(|mut file| io::copy(&mut file, &mut hash)).with_context(|| unreadable(path))?;
    Ok(format!("{:x}", hash.finalize()))
}

/// Of the names and contents of all files in a folder and in those below it, but for what lies within `left_out`, whose path
/// is to be canonical.
///
/// # Errors
/// A folder that cannot be listed, or a file that cannot be read.
pub(crate) fn of_folder(folder: &Path, left_out: Option<&Path>) -> anyhow::Result<String> {
    let files = files_in(folder, left_out, &mut HashSet::new()).with_context(|| unreadable(folder))?;
    let mut hash = Sha256::new();
    for path in files {
        let name = path.strip_prefix(folder).unwrap_or(&path);
        hash.update(name.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(content(&path)?);
        hash.update([0]);
    }
    Ok(format!("{:x}", hash.finalize()))
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
fn files_in(
    folder: &Path,
    left_out: Option<&Path>,
    entered: &mut HashSet<PathBuf>,
) -> io::Result<Vec<PathBuf>> {
    let real = folder.canonicalize()?;
    if left_out.is_some_and(|left_out| real.starts_with(left_out)) || !entered.insert(real) {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(files_in(&path, left_out, entered)?);
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

/// What stands for a file's content.
fn content(path: &Path) -> anyhow::Result<String> {
    let metadata = fs::metadata(path).with_context(|| unreadable(path))?;
    if metadata.len() <= MAX_CONTENT_BYTES {
        return of_file(path);
    }
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok(format!("{} bytes of {}", metadata.len(), changed.unwrap_or_default().as_nanos()))
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
        let file = File::create(folder.path().join("weights")).unwrap();
        let of = || of_folder(folder.path(), None).unwrap();
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
        assert!(first != second && second != third && first == of());
    }

    #[test]
    fn results_within_the_folder_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        let left_out = out.canonicalize().unwrap();
        let of = || of_folder(folder.path(), Some(&left_out)).unwrap();
        let before = of();
        fs::write(out.join("result"), "1").unwrap();
        assert_eq!(of(), before);
        fs::write(folder.path().join("input"), "1").unwrap();
        assert_ne!(of(), before);
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_the_folder_itself_is_no_end() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "1").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        assert_eq!(files_in(folder.path(), None, &mut HashSet::new()).unwrap(), [folder.path().join("a")]);
    }
}
