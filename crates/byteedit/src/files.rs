//! Reading what the user names and writing what was made: whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use byteedit_image::{Format, Limits, Picture, decode};

/// The content of a file.
///
/// # Errors
/// A file that is missing or cannot be read.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.is_dir() {
        bail!("{} is a folder; name a file in it", path.display());
    }
    fs::read(path).with_context(|| format!("{} cannot be read; check the name", path.display()))
}

/// A text file.
///
/// # Errors
/// As [`read`], and for bytes that are not UTF-8.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let at = |error: std::string::FromUtf8Error| error.utf8_error().valid_up_to();
    String::from_utf8(read(path)?)
        .map_err(|error| anyhow::anyhow!("{} is not text: byte {} is not UTF-8", path.display(), at(error)))
}

/// A decoded picture.
///
/// # Errors
/// As [`read`], and for a file that is no picture within the limits of [`Limits::default`].
pub(crate) fn read_picture(path: &Path) -> anyhow::Result<Picture> {
    decode(&read(path)?, &Limits::default()).with_context(|| path.display().to_string())
}

/// The format that the extension of `path` asks for.
///
/// # Errors
/// An extension that names no format that can be written.
pub(crate) fn format_of(path: &Path) -> anyhow::Result<Format> {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    Format::from_extension(extension).with_context(|| {
        format!(
            "{} ends in `{extension}`, which cannot be written; end it in png, webp or jpg",
            path.display()
        )
    })
}

/// Checks, before any work is done, that `path` can be written: its folder is there and writable, and
/// nothing of the name exists unless `force` allows to replace it.
///
/// # Errors
/// The first of these that does not hold, with its remedy.
pub(crate) fn check_writable(path: &Path, force: bool) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!("{} is a folder; name the file to write", path.display());
    }
    if path.exists() && !force {
        bail!(
            "{} exists already; add --force to replace it, or name another file with --out",
            path.display()
        );
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        bail!(
            "{} cannot be written: there is no folder {}; create it first",
            path.display(),
            folder.display()
        );
    }
    let probe = partial(path);
    File::create(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .with_context(|| format!("{} cannot be written; choose another place with --out", path.display()))
}

/// Creates a folder for results.
///
/// # Errors
/// When it is a file or cannot be created or written.
pub(crate) fn create_folder(path: &Path) -> anyhow::Result<()> {
    let remedy = || format!("the folder {} cannot be written; choose another with --out", path.display());
    fs::create_dir_all(path).with_context(remedy)?;
    let probe = path.join(format!(".byteedit.{}.partial", std::process::id()));
    File::create(&probe).and_then(|_| fs::remove_file(&probe)).with_context(remedy)
}

/// Writes beside the target, forces it to the disk and renames: no reader ever sees half a file, and a
/// failure leaves nothing behind.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let partial = partial(path);
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

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A hidden name beside `path` that no other process uses.
fn partial(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
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
    fn names_decide_the_format() {
        assert_eq!(format_of(Path::new("a.b.PNG")).unwrap(), Format::Png);
        for bad in ["a.tiff", "a"] {
            assert!(format_of(Path::new(bad)).unwrap_err().to_string().contains("png, webp or jpg"), "{bad}");
        }
    }
}
