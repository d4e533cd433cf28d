//! Reading what the user names and writing what was made: whole or not at all.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use byteedit_image::codec::{HEAD_BYTES, sniff};
use byteedit_image::{Format, Limits, Picture, decode};

/// Largest text file, such as a manifest of some hundred thousand lines.
const MAX_TEXT_BYTES: u64 = 64 << 20;
/// Largest picture file: more than the samples of the largest picture.
const MAX_PICTURE_BYTES: u64 = 1 << 30;

/// A text file of at most 64 MiB.
///
/// # Errors
/// A file that is missing, too large or cannot be read, and bytes that are not UTF-8.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let bytes = read(path, MAX_TEXT_BYTES, |_| Ok(()))?;
    String::from_utf8(bytes).map_err(|error| {
        let (path, at) = (path.display(), error.utf8_error().valid_up_to());
        anyhow::anyhow!("{path} is not text: byte {at} is not UTF-8; name a text file, or save it as UTF-8")
    })
}

/// A decoded picture from a file of at most 1 GiB. Of a file that is no picture, only the head is read.
///
/// # Errors
/// A file that is missing, too large or cannot be read, and one that is no picture within the limits of
/// [`Limits::default`].
pub(crate) fn read_picture(path: &Path) -> anyhow::Result<Picture> {
    let named = || path.display().to_string();
    let bytes = read(path, MAX_PICTURE_BYTES, |head| sniff(head).map(drop).with_context(named))?;
    decode(&bytes, &Limits::default()).with_context(named)
}

/// The content of a file of at most `max_bytes`, after `check` has seen its first [`HEAD_BYTES`].
fn read(
    path: &Path,
    max_bytes: u64,
    check: impl FnOnce(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<u8>> {
    if path.is_dir() {
        bail!("{} is a folder; name a file in it", path.display());
    }
    let unreadable = || format!("{} cannot be read; check the name", path.display());
    let file = File::open(path).with_context(unreadable)?;
    // What is no ordinary file states no length, and may have no end.
    let stated = file.metadata().with_context(unreadable)?.len();
    let mut bytes = Vec::new();
    (&file).take(HEAD_BYTES as u64).read_to_end(&mut bytes).with_context(unreadable)?;
    check(&bytes)?;
    if stated <= max_bytes {
        bytes.reserve_exact(stated as usize);
        file.take(max_bytes).read_to_end(&mut bytes).with_context(unreadable)?;
    }
    if stated.max(bytes.len() as u64) > max_bytes {
        bail!(
            "{} has more than the {} MiB that are read; name a smaller file",
            path.display(),
            max_bytes >> 20
        );
    }
    Ok(bytes)
}

/// The format that the extension of `path` asks for.
///
/// # Errors
/// An extension that names no format that can be written.
pub(crate) fn format_of(path: &Path) -> anyhow::Result<Format> {
    let shown = path.display();
    let Some(extension) = path.extension().map(|extension| extension.to_string_lossy()) else {
        bail!("{shown} does not say its format; end it in png, webp or jpg");
    };
    Format::from_extension(&extension).with_context(|| {
        format!("{shown} ends in `{extension}`, which cannot be written; end it in png, webp or jpg")
    })
}

/// Checks, before any work is done, that `path` can be written: its folder is there and writable, and
/// nothing of the name exists unless `force` allows to replace it.
///
/// # Errors
/// The first of these that does not hold, with its remedy.
pub(crate) fn check_writable(path: &Path, force: bool) -> anyhow::Result<()> {
    check_target(path, force, "--out")
}

/// [`check_writable`] for a file that another flag names.
///
/// # Errors
/// As [`check_writable`].
pub(crate) fn check_target(path: &Path, force: bool, flag: &str) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!("{} is a folder; name the file to write", path.display());
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        bail!(
            "{} cannot be written: there is no folder {}; create it first",
            path.display(),
            folder.display()
        );
    }
    let unwritable = || format!("{} cannot be written; choose another place with {flag}", path.display());
    // Fails for a name that the file system does not take.
    if path.try_exists().with_context(unwritable)? && !force {
        bail!(
            "{} exists already; add --force to replace it, or choose another place with {flag}",
            path.display()
        );
    }
    let probe = partial(folder);
    File::create(&probe).and_then(|_| fs::remove_file(&probe)).with_context(unwritable)
}

/// Creates a folder for results.
///
/// # Errors
/// When it is a file or cannot be created or written.
pub(crate) fn create_folder(path: &Path) -> anyhow::Result<()> {
    let remedy = || format!("the folder {} cannot be written; choose another with --out", path.display());
    fs::create_dir_all(path).with_context(remedy)?;
    let probe = partial(path);
    File::create(&probe).and_then(|_| fs::remove_file(&probe)).with_context(remedy)
}

/// Writes beside the target, forces it to the disk and renames: no reader ever sees half a file, and a
/// failure leaves nothing behind.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let partial = partial(folder_of(path));
    let written = File::create(&partial)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // It may never have come to exist.
        let _ = fs::remove_file(&partial);
    }
    written.with_context(|| format!("{} cannot be written; choose another place with --out", path.display()))
}

/// Whether two names mean one file; false if either does not exist.
pub(crate) fn is_same(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

/// The path from `folder`, or as it is if it lies elsewhere, for JSON. What is not Unicode in it is shown by
/// replacement characters.
pub(crate) fn name_within(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned()
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A hidden name in `folder` that no other process uses. It is short, whatever the name is that the file will
/// have.
fn partial(folder: &Path) -> PathBuf {
    folder.join(format!(".byteedit.{}.partial", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("taken");
        fs::create_dir_all(target.join("inside")).unwrap();
        assert!(write(&target, b"x").unwrap_err().to_string().contains("--out"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&folder.path().join("a"), b"x").unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"x");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn targets_are_checked_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.png");
        check_writable(&file, false).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(&file, "").unwrap();
        assert!(check_writable(&file, false).unwrap_err().to_string().contains("--force"));
        check_writable(&file, true).unwrap();
        let missing = check_writable(&folder.path().join("no/b.png"), false).unwrap_err().to_string();
        assert!(missing.contains("there is no folder"), "{missing}");
        assert!(check_writable(folder.path(), true).unwrap_err().to_string().contains("is a folder"));
        assert!(create_folder(&file).unwrap_err().to_string().contains("--out"));
    }

    #[test]
    fn names_may_be_as_long_as_the_system_allows() {
        let folder = tempfile::tempdir().unwrap();
        let named = |length: usize| folder.path().join("a".repeat(length - 4) + ".png");
        let longest = named(255);
        check_writable(&longest, false).unwrap();
        write(&longest, b"x").unwrap();
        assert_eq!(fs::read(&longest).unwrap(), b"x");
        for force in [false, true] {
            let refused = check_writable(&named(256), force).unwrap_err().to_string();
            assert!(refused.contains("--out"), "{refused}");
        }
    }

    #[test]
    fn names_decide_the_format() {
        assert_eq!(format_of(Path::new("a.b.PNG")).unwrap(), Format::Png);
        for (bad, says) in [("a.tiff", "ends in `tiff`"), ("a", "does not say its format")] {
            let message = format_of(Path::new(bad)).unwrap_err().to_string();
            assert!(message.contains(says) && message.contains("png, webp or jpg"), "{message}");
        }
    }

    #[test]
    fn no_more_is_read_than_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, vec![b'a'; 100]).unwrap();
        let read_all = |max_bytes| read(&path, max_bytes, |_| Ok(()));
        assert_eq!(read_all(100).unwrap(), fs::read(&path).unwrap());
        assert!(read_all(99).unwrap_err().to_string().contains("more than the 0 MiB"));
        // A file with a hole of 3 GiB takes no space, and is not read: it begins like no picture.
        File::options().write(true).open(&path).unwrap().set_len(3 << 30).unwrap();
        let message = format!("{:#}", read_picture(&path).unwrap_err());
        assert!(message.contains("text that begins with"), "{message}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn endless_files_end() {
        let zeros = Path::new("/dev/zero");
        assert!(format!("{:#}", read_picture(zeros).unwrap_err()).contains("bytes 00 00 00 00"));
        assert!(read_text(zeros).unwrap_err().to_string().contains("more than the 64 MiB"));
    }
}
