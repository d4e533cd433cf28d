//! A checkpoint folder held in memory, to be changed and written elsewhere: how the loader's strictness
//! is tested.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors, View};
use tempfile::TempDir;

/// `config.json` and the weights of one component.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The text of `config.json`.
    pub config: String,
    /// The weights by key.
    pub tensors: BTreeMap<String, StoredTensor>,
    weights_file: String,
}

/// One tensor as a safetensors file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTensor {
    /// Number format.
    pub dtype: Dtype,
    /// Extents, slowest axis first.
    pub shape: Vec<usize>,
    /// Little-endian, row-major.
    pub bytes: Vec<u8>,
}

impl StoredTensor {
    /// An f32 tensor with every element `value`.
    pub fn full(shape: &[usize], value: f32) -> Self {
        let bytes = value.to_le_bytes().repeat(shape.iter().product());
        Self { dtype: Dtype::F32, shape: shape.to_vec(), bytes }
    }
}

impl View for &StoredTensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Checkpoint {
    /// Reads `config.json` and `weights_file` of a folder.
    ///
    /// # Panics
    /// If one of them cannot be read.
    #[track_caller]
    pub fn read(folder: &Path, weights_file: &str) -> Self {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()))
        };
        let config = String::from_utf8(read("config.json")).expect("a config is UTF-8");
        let bytes = read(weights_file);
        let file = SafeTensors::deserialize(&bytes)
            .unwrap_or_else(|error| panic!("{weights_file} of {}: {error}", folder.display()));
        let tensors = file
            .iter()
            .map(|(name, view)| {
                let (dtype, shape, bytes) = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
                (name.to_owned(), StoredTensor { dtype, shape, bytes })
            })
            .collect();
        Self { config, tensors, weights_file: weights_file.to_owned() }
    }

    /// The tensor `key`, to be changed.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn tensor_mut(&mut self, key: &str) -> &mut StoredTensor {
        self.tensors.get_mut(key).unwrap_or_else(|| panic!("the checkpoint has no tensor `{key}`"))
    }

    /// Renames every key by `rename`.
    #[must_use]
    pub fn with_keys(mut self, rename: impl Fn(&str) -> String) -> Self {
        self.tensors = self.tensors.into_iter().map(|(key, tensor)| (rename(&key), tensor)).collect();
        self
    }

    /// Replaces `from` in the configuration's text by `to`.
    ///
    /// # Panics
    /// If `from` is not there, so that a test cannot pass by changing nothing.
    #[must_use]
    #[track_caller]
    pub fn with_config(mut self, from: &str, to: &str) -> Self {
        assert!(self.config.contains(from), "`{from}` does not occur in {}", self.config);
        self.config = self.config.replace(from, to);
        self
    }

    /// The weight file's content.
    pub fn weight_bytes(&self) -> Vec<u8> {
        safetensors::serialize(self.tensors.iter().map(|(key, tensor)| (key.as_str(), tensor)), None)
            .expect("each tensor's bytes fit its shape; a test that wants otherwise cuts the bytes itself")
    }

    /// Writes the checkpoint into a fresh folder, which is deleted when the result is dropped.
    pub fn write(&self) -> TempDir {
        self.write_with_weights(&self.weight_bytes())
    }

    /// Writes the configuration beside weights that are given as they are, broken ones too.
    ///
    /// # Panics
    /// If the system's temporary folder cannot be written.
    pub fn write_with_weights(&self, weights: &[u8]) -> TempDir {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        fs::write(folder.path().join("config.json"), &self.config).expect("the temporary folder is writable");
        fs::write(folder.path().join(&self.weights_file), weights).expect("the temporary folder is writable");
        folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_tensors() -> Checkpoint {
        let tensors = BTreeMap::from([
            ("a.weight".to_owned(), StoredTensor::full(&[2, 3], 1.5)),
            ("b.bias".to_owned(), StoredTensor::full(&[2], -2.0)),
        ]);
        Checkpoint {
            config: "{\"width\": 2}".to_owned(),
            tensors,
            weights_file: "model.safetensors".to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let checkpoint = two_tensors();
        let folder = checkpoint.write();
        let read = Checkpoint::read(folder.path(), "model.safetensors");
        assert_eq!((&read.config, &read.tensors), (&checkpoint.config, &checkpoint.tensors));
        assert_eq!(read.tensors["a.weight"].bytes.len(), 24);
    }

    #[test]
    fn changes_reach_the_file() {
        let mut checkpoint = two_tensors().with_config("2", "4").with_keys(|key| format!("model.{key}"));
        checkpoint.tensor_mut("model.b.bias").bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        let folder = checkpoint.write();
        let read = Checkpoint::read(folder.path(), "model.safetensors");
        assert_eq!(read.config, "{\"width\": 4}");
        let first = read.tensors["model.b.bias"].bytes[..4].try_into().unwrap();
        assert!(f32::from_le_bytes(first).is_nan());
    }

    #[test]
    #[should_panic(expected = "`height` does not occur")]
    fn a_change_that_finds_nothing_fails() {
        let _unchanged = two_tensors().with_config("height", "width");
    }
}
