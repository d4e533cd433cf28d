//! Where a model's files are: in a folder, or in the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::Value;

use super::weights::Weights;
use crate::files;
use crate::model::BUILT_IN;

/// The files of a model.
pub(super) enum Place {
    BuiltIn,
    Folder(PathBuf),
}

impl Place {
    /// What the model is called.
    pub(super) fn name(&self) -> String {
        match self {
            Self::BuiltIn => BUILT_IN.to_owned(),
            Self::Folder(folder) => folder.display().to_string(),
        }
    }

    /// A JSON file by its path inside the model, if it is there.
    pub(super) fn json(&self, file: &str) -> anyhow::Result<Option<Value>> {
        let content = match self {
            Self::BuiltIn => byteedit_mini::file(byteedit_mini::MODEL, file).map(<[u8]>::to_vec),
            Self::Folder(folder) => {
                let path = folder.join(file);
                if path.is_file() { Some(files::read_text(&path)?.into_bytes()) } else { None }
            }
        };
        let parse = |content: Vec<u8>| {
            serde_json::from_slice(&content).with_context(|| format!("{file} of {} is not JSON", self.name()))
        };
        content.map(parse).transpose()
    }

    /// The folders inside the model, in alphabetical order, the model's own as "".
    pub(super) fn parts(&self) -> anyhow::Result<BTreeSet<String>> {
        let mut parts = BTreeSet::from([String::new()]);
        match self {
            Self::BuiltIn => {
                let folders = byteedit_mini::MODEL.iter().filter_map(|(name, _)| name.split_once('/'));
                parts.extend(folders.map(|(folder, _)| folder.to_owned()));
            }
            Self::Folder(folder) => {
                let unreadable = || format!("{} cannot be listed", folder.display());
                for entry in fs::read_dir(folder).with_context(unreadable)? {
                    let entry = entry.with_context(unreadable)?;
                    if entry.path().is_dir() {
                        parts.insert(entry.file_name().to_string_lossy().into_owned());
                    }
                }
            }
        }
        Ok(parts)
    }

    /// The weight files of a part.
    pub(super) fn weights(&self, part: &str) -> anyhow::Result<Vec<Weights>> {
        match self {
            Self::BuiltIn => {
                let inside = |name: &str| name.rsplit_once('/').map_or("", |(folder, _)| folder) == part;
                let files = byteedit_mini::MODEL.iter().filter(|(name, _)| is_weights(name) && inside(name));
                files
                    .map(|(name, content)| Weights::read(&mut &content[..], content.len() as u64, name))
                    .collect()
            }
            Self::Folder(folder) => {
                let folder = folder.join(part);
                let unreadable = || format!("{} cannot be listed", folder.display());
                let mut paths = Vec::new();
                for entry in fs::read_dir(&folder).with_context(unreadable)? {
                    let path = entry.with_context(unreadable)?.path();
                    if path.is_file() && is_weights(&path.to_string_lossy()) {
                        paths.push(path);
                    }
                }
                paths.sort();
                paths.iter().map(|path| Weights::of_file(path)).collect()
            }
        }
    }
}

fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors")
}
