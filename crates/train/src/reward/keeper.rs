//! Where the best weights of a reward's run are kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

use byteedit_models::Component;
use byteedit_models::store::{Precision, save_component};
use serde_json::json;

use crate::Result;
use crate::files::write_files;

/// A folder from which a reward is loaded.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    folder: PathBuf,
    /// How the weights were made, for their header.
    making: BTreeMap<String, String>,
    /// Files that belong to the weights, by name and content.
    files: Vec<(&'static str, String)>,
}

impl Keeper {
    /// `annotators` are those whose judgements it learns from.
    pub(super) fn new(folder: PathBuf, data_sha256: &str, annotators: &[String], seed: u64) -> Self {
        let training = json!({ "annotators": annotators, "data_sha256": data_sha256, "seed": seed });
        let making = BTreeMap::from([("training".to_owned(), training.to_string())]);
        Self { folder, making, files: Vec::new() }
    }

    /// The same with a file that is kept beside the weights.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, content: String) -> Self {
        self.files.push((name, content));
        self
    }

    /// Puts a component in the place of the one before it.
    pub(super) fn keep<C: Component>(&self, component: &C) -> Result<()> {
        let files = self.files.iter().map(|(name, content)| (*name, content.as_str()));
        write_files(&self.folder, files)?;
        Ok(save_component(component, &self.folder, Precision::F16, &self.making)?)
    }
}
