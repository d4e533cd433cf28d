//! The model that a command works with: the built-in one or a folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use burn::tensor::Device;
use byteedit_edit::EditModel;

use crate::{files, fingerprint};

/// The name of the model that the program carries in itself.
pub(crate) const BUILT_IN: &str = "mini";

/// Loads `mini` or a model folder.
///
/// # Errors
/// A folder that is no model, or a program without a model in it.
pub(crate) fn load(name: &str, device: &Device) -> anyhow::Result<EditModel> {
    if name == BUILT_IN {
        check_built_in()?;
        return Ok(EditModel::from_files(BUILT_IN, byteedit_mini::MODEL, device)?);
    }
    let folder = Path::new(name);
    if !folder.is_dir() {
        bail!(
            "there is no model folder {name}; name one in diffusers' layout, or mini for the built-in model"
        );
    }
    Ok(EditModel::load(folder, device)?)
}

/// What tells a model from all others: a hash of all of its files. Where the folder `out`, to which results go, lies within the
/// model's, what is in it is no part of the model.
///
/// # Errors
/// A folder that cannot be read.
pub(crate) fn fingerprint(name: &str, out: &Path) -> anyhow::Result<String> {
    if name == BUILT_IN {
        return Ok(fingerprint::of_files(byteedit_mini::MODEL));
    }
    // One that is not there yet has nothing in it.
    let out = out.canonicalize().ok();
    fingerprint::of_folder(Path::new(name), out.as_deref())
}

/// Writes the built-in model as a folder, for work that wants files.
///
/// # Errors
/// A program without a model, or a folder that cannot be written.
pub(crate) fn unpack_built_in(folder: &Path) -> anyhow::Result<PathBuf> {
    check_built_in()?;
    for (name, content) in byteedit_mini::MODEL {
        let path = folder.join(name);
        let parent = files::folder_of(&path);
        fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
        files::write(&path, content)?;
    }
    Ok(folder.to_owned())
}

/// # Errors
/// If the program was built from a tree without `models/mini`.
pub(crate) fn check_built_in() -> anyhow::Result<()> {
    if byteedit_mini::MODEL.is_empty() {
        bail!("no model was built into this program; name a model folder instead of mini");
    }
    Ok(())
}
