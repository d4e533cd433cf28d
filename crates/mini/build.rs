//! Lists the files of the folders below `models` for `include_bytes!`. Without such a folder its list is empty, and the
//! program says that no model, judge, annotator or reward is embedded.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The lists by file name, and the folders below `models`.
const LISTS: [(&str, &str); 6] = [
    ("model.rs", "mini"),
    ("judge.rs", "judge"),
    ("annotator.rs", "annotator"),
    ("aesthetic.rs", "aesthetic"),
    ("alignment.rs", "alignment"),
    ("coherent.rs", "coherent"),
];

fn main() -> io::Result<()> {
    let variable = |name| env::var(name).map(PathBuf::from).map_err(io::Error::other);
    let (models, out) = (variable("CARGO_MANIFEST_DIR")?.join("../../models"), variable("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    for (list, folder) in LISTS {
        fs::write(out.join(list), files_in(&models.join(folder))?)?;
    }
    Ok(())
}

/// The files of a folder as an expression.
fn files_in(root: &Path) -> io::Result<String> {
    // Of a folder that is not there, Cargo would say at every build that it has changed.
    let watched = root.ancestors().find(|folder| folder.is_dir()).unwrap_or(root);
    println!("cargo::rerun-if-changed={}", watched.display());
    let mut files = Vec::new();
    if root.is_dir() {
        collect(root, "", &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for (name, path) in files {
        let path = fs::canonicalize(path)?;
        writeln!(list, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())
            .map_err(io::Error::other)?;
    }
    list.push_str("]\n");
    Ok(list)
}

/// Adds every file below `folder` with its path from the root, `/` between the parts.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| {
            io::Error::other(format!("{} is no UTF-8 name; rename it", Path::new(&name).display()))
        })?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{prefix}{name}/"), files)?;
        } else {
            files.push((format!("{prefix}{name}"), entry.path()));
        }
    }
    Ok(())
}
