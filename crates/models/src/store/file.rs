//! The tensors of a weight file, whatever its format.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, TensorData};
use safetensors::{Dtype, SafeTensors};

use super::map::WeightMap;
use super::pytorch::PytorchFile;
use super::values::{BadValues, check_finite, widened};
use crate::ModelError;

/// Tensors by key.
pub(crate) trait WeightFile {
    /// Every key, in no particular order.
    fn keys(&self) -> Vec<String>;

    /// What is stored under `key`, if anything is.
    fn header(&self, key: &str) -> Option<Header>;

    /// The numbers under `key` as f32, in `shape`, which has as many elements as the stored one.
    ///
    /// # Errors
    /// Another type than F32, F16 and BF16, a number that is not finite, or numbers that cannot be read.
    fn values(&self, key: &str, shape: &[usize]) -> Result<TensorData, BadValues>;

    /// The number under `key`, where one element is stored.
    ///
    /// # Errors
    /// As [`WeightFile::values`], but that a safetensors file may have an integer of 64 bits.
    fn number(&self, key: &str) -> Result<f64, BadValues> {
        Ok(self.values(key, &[1])?.iter::<f64>().sum())
    }

    /// What a safetensors file says of itself; nothing for other files.
    fn metadata(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// A tensor without its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// Number format.
    pub(crate) dtype: Dtype,
    /// Extents, slowest axis first; empty for a scalar.
    pub(crate) shape: Vec<usize>,
}

/// Opens the file and gives it to `read`: a PyTorch file if its name ends as theirs do, else a safetensors file, which
/// is mapped into memory.
///
/// # Errors
/// A missing or broken file, and those of `read`.
pub(crate) fn with_file<T>(
    path: &Path,
    read: impl FnOnce(&dyn WeightFile) -> Result<T, ModelError>,
) -> Result<T, ModelError> {
    if PytorchFile::is_named_so(path) {
        return read(&PytorchFile::open(path)?);
    }
    let map = WeightMap::open(path)?;
    read(&SafetensorsFile::new(map.bytes(), Some(&map), path)?)
}

/// The content of a safetensors file.
pub(super) struct SafetensorsFile<'a> {
    file: SafeTensors<'a>,
    bytes: &'a [u8],
    /// Where the content lies, if a tensor may go on using it there.
    map: Option<&'a WeightMap>,
}

impl<'a> SafetensorsFile<'a> {
    /// Reads the header; `path` is for messages only.
    ///
    /// # Errors
    /// [`ModelError::Safetensors`] for another kind of file or a damaged one.
    pub(super) fn new(bytes: &'a [u8], map: Option<&'a WeightMap>, path: &Path) -> Result<Self, ModelError> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| ModelError::Safetensors { path: path.to_owned(), reason: error.to_string() })?;
        Ok(Self { file, bytes, map })
    }
}

impl WeightFile for SafetensorsFile<'_> {
    fn keys(&self) -> Vec<String> {
        self.file.names().into_iter().map(str::to_owned).collect()
    }

    fn header(&self, key: &str) -> Option<Header> {
        let view = self.file.tensor(key).ok()?;
        Some(Header { dtype: view.dtype(), shape: view.shape().to_vec() })
    }

    /// Where they lie if that can be, else converted.
    fn values(&self, key: &str, shape: &[usize]) -> Result<TensorData, BadValues> {
        let view = self.file.tensor(key).map_err(|error| BadValues::Unreadable(error.to_string()))?;
        let (bytes, shape) = (view.data(), shape.to_vec());
        let in_place = || self.map.filter(|_| view.dtype() == Dtype::F32)?.as_f32_storage(bytes);
        if let Some(storage) = in_place() {
            check_finite(bytes)?;
            return Ok(TensorData::from_bytes(storage, shape, DType::F32));
        }
        let values = widened(view.dtype(), bytes)?;
        if let Some(map) = self.map {
            map.release(bytes);
        }
        Ok(TensorData::new(values, shape))
    }

    fn number(&self, key: &str) -> Result<f64, BadValues> {
        let view = self.file.tensor(key).map_err(|error| BadValues::Unreadable(error.to_string()))?;
        match (view.dtype(), view.data().first_chunk()) {
            (Dtype::I64, Some(bytes)) => Ok(i64::from_le_bytes(*bytes) as f64),
            (dtype, _) => Ok(f64::from(widened(dtype, view.data())?.iter().sum::<f32>())),
        }
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        let header = SafeTensors::read_metadata(self.bytes).ok();
        let metadata = header.and_then(|(_, header)| header.metadata().clone());
        metadata.into_iter().flatten().collect()
    }
}
