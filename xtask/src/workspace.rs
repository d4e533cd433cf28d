//! The workspace's own text, read once for all checks.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::rust_source::{self, Line};

/// Folders that hold nothing written by hand: build outputs, git's own, what `.gitignore` names, and
/// reference values that scripts made.
const SKIPPED: [&str; 5] = ["target", ".git", "runs", "demo", "golden"];
/// The one folder of that name that is written by hand.
const NOT_SKIPPED: &str = "scripts/golden";
/// Files of these kinds are read; all others are data.
const TEXT: [&str; 6] = ["rs", "toml", "md", "py", "sh", "json"];

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// From the root, with `/` on every platform.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

/// A Rust file of the repository.
#[derive(Debug)]
pub(crate) struct RustFile {
    /// From the root, with `/` on every platform.
    pub(crate) path: String,
    /// Its lines, code and comments apart.
    pub(crate) lines: Vec<Line>,
}

impl RustFile {
    /// Splits a file's text into its lines.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), lines: rust_source::lines(text) }
    }

    /// The folder of the crate that it belongs to, such as `crates/nn` or `xtask`.
    pub(crate) fn crate_folder(&self) -> &str {
        let n_parents = usize::from(self.path.starts_with("crates/"));
        let end = self.path.match_indices('/').nth(n_parents).map_or(self.path.len(), |(at, _)| at);
        &self.path[..end]
    }
}

/// Everything that the checks read.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// All text files, Rust included, by path.
    pub(crate) texts: Vec<TextFile>,
    /// All Rust files, by path.
    pub(crate) rust: Vec<RustFile>,
}

/// The root of the workspace that this program was built from.
pub(crate) fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).to_owned()
}

impl Workspace {
    /// Reads all text below `root`.
    ///
    /// # Errors
    /// A folder or file that cannot be read, or is not UTF-8.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        collect(root, root, &mut paths)?;
        paths.sort();
        let mut texts = Vec::with_capacity(paths.len());
        for path in paths {
            let text = fs::read_to_string(root.join(&path)).with_context(|| format!("reading {path}"))?;
            texts.push(TextFile { path, text });
        }
        let is_rust = |file: &&TextFile| extension(Path::new(&file.path)) == Some("rs");
        let rust = texts.iter().filter(is_rust).map(|file| RustFile::new(&file.path, &file.text)).collect();
        Ok(Self { root: root.to_owned(), texts, rust })
    }

    /// The content of one text file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }
}

fn collect(root: &Path, folder: &Path, paths: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry.with_context(|| format!("listing {}", folder.display()))?.path();
        let relative = relative(root, &path);
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if path.is_dir() {
            if !SKIPPED.contains(&name) || relative == NOT_SKIPPED {
                collect(root, &path, paths)?;
            }
        } else if extension(&path).is_some_and(|kind| TEXT.contains(&kind)) || relative == ".ci/run" {
            paths.push(relative);
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).iter();
    parts.map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(OsStr::to_str)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{RustFile, Workspace};

    #[test]
    fn text_is_found_and_outputs_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "README.md",
            "crates/nn/src/lib.rs",
            "crates/nn/weights.bin",
            "crates/nn/tests/golden/vocab.json",
            "scripts/golden/unet.py",
            "target/release/build.rs",
            ".ci/run",
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "//! text\n").unwrap();
        }
        let workspace = Workspace::load(folder.path()).unwrap();
        let paths: Vec<&str> = workspace.texts.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [".ci/run", "README.md", "crates/nn/src/lib.rs", "scripts/golden/unet.py"]);
        assert_eq!(workspace.rust.len(), 1);
        assert_eq!(workspace.text("README.md"), Some("//! text\n"));
        assert_eq!(workspace.text("LICENSE"), None);
    }

    #[test]
    fn a_file_knows_its_crate() {
        for (path, folder) in [
            ("crates/nn/src/kernels/host/gemm.rs", "crates/nn"),
            ("crates/nn/tests/kernels.rs", "crates/nn"),
            ("xtask/src/main.rs", "xtask"),
        ] {
            assert_eq!(RustFile::new(path, "").crate_folder(), folder);
        }
    }
}
