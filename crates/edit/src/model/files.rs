//! The files of a model, on disk or in memory, by their paths inside its folder.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use burn::tensor::Device;
use byteedit_models::store::{component_from_bytes, load_component};
use byteedit_models::{Component, ModelError};
use sha2::{Digest, Sha256};

use crate::error::{EditError, Result};

/// Files in memory: path inside the model's folder (with `/`), content.
pub type EmbeddedFiles<'a> = [(&'a str, &'a [u8])];

/// Where the files of a model are.
pub(super) enum ModelFiles<'a> {
    Folder(&'a Path),
    Embedded(&'a EmbeddedFiles<'a>),
}

impl ModelFiles<'_> {
    /// The content of a file, or `None` if there is none of that path.
    pub(super) fn find(&self, file: &str) -> Result<Option<Cow<'_, [u8]>>> {
        match self {
            Self::Embedded(files) => {
                let found = files.iter().find(|(path, _)| *path == file);
                Ok(found.map(|(_, content)| Cow::Borrowed(*content)))
            }
            Self::Folder(folder) => {
                let path = folder.join(file);
                match fs::read(&path) {
                    Ok(content) => Ok(Some(Cow::Owned(content))),
                    Err(error) if is_missing(&error) => Ok(None),
                    Err(source) => Err(EditError::Io { path, source }),
                }
            }
        }
    }

    /// The content of a text file that every model has.
    pub(super) fn text(&self, model: &str, file: &str) -> Result<String> {
        let content = self.find(file)?.ok_or_else(|| missing(model, file))?;
        String::from_utf8(content.into_owned()).map_err(|error| EditError::Io {
            path: file.into(),
            source: io::Error::new(io::ErrorKind::InvalidData, error),
        })
    }

    /// The network in one of the model's folders.
    pub(super) fn component<C: Component>(&self, model: &str, folder: &str, device: &Device) -> Result<C> {
        match self {
            Self::Folder(root) => load_component(&root.join(folder), device).map_err(|error| match error {
                ModelError::Io { path, source, .. } if is_missing(&source) => {
                    let file = path.strip_prefix(root).unwrap_or(&path);
                    missing(model, &file.display().to_string())
                }
                other => other.into(),
            }),
            Self::Embedded(_) => {
                let config = C::parse_config(&self.text(model, &format!("{folder}/config.json"))?)?;
                let file = weights_file::<C>(folder);
                let weights = self.find(&file)?.ok_or_else(|| missing(model, &file))?;
                Ok(component_from_bytes(&config, &weights, Path::new(&file), device)?)
            }
        }
    }

    /// Feeds a file to a hash; on disk in pieces, since weights may be larger than the memory left.
    pub(super) fn hash(&self, model: &str, file: &str, hasher: &mut Sha256) -> Result<()> {
        match self {
            Self::Embedded(_) => hasher.update(self.find(file)?.ok_or_else(|| missing(model, file))?),
            Self::Folder(folder) => {
                let path = folder.join(file);
                File::open(&path)
                    .and_then(|mut content| io::copy(&mut content, hasher))
                    .map_err(|source| EditError::Io { path, source })?;
            }
        }
        Ok(())
    }
}

/// Where a component's weights are inside the model.
pub(super) fn weights_file<C: Component>(folder: &str) -> String {
    format!("{folder}/{}", C::WEIGHTS_FILE)
}

fn missing(model: &str, file: &str) -> EditError {
    EditError::MissingFile { model: model.to_owned(), file: file.to_owned() }
}

/// Not there, or below something that is no folder.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
