//! What `torch.save` writes: `.pt`, `.pth`, `.bin` and `.ckpt` files.
//!
//! Such a file is a pickle, a program that Python would run. [`PytorchReader`] only interprets what state dicts are
//! made of and calls nothing; whatever else lies in a file is passed over or refused.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::TensorData;
use pytorch_reader::{DType, PytorchReader, Tensor};
use safetensors::Dtype;

use super::file::{Header, WeightFile};
use super::values::{BadValues, widened};
use crate::ModelError;

/// How the names of such files end.
const ENDINGS: [&str; 4] = ["pt", "pth", "bin", "ckpt"];
/// Under which key a checkpoint of a training run keeps its weights, the commonest first.
const NESTED: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// A state dict, whose numbers stay in the file until they are asked for.
pub(super) struct PytorchFile {
    tensors: HashMap<String, Tensor>,
}

impl PytorchFile {
    /// Whether the file is named as one of PyTorch's.
    pub(super) fn is_named_so(path: &Path) -> bool {
        path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
    }

    /// Reads which tensors there are. Of a checkpoint of a training run it is those of the model; numbers, texts and
    /// objects beside them are passed over.
    ///
    /// # Errors
    /// [`ModelError::Io`] for a file that is not there, [`ModelError::Pytorch`] for another kind of file or a damaged
    /// one.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        std::fs::metadata(path).map_err(|source| super::io("opening", path, source))?;
        let nested = NESTED.iter().find_map(|key| PytorchReader::with_top_level_key(path, key).ok());
        let reader = match nested {
            Some(reader) => reader,
            None => PytorchReader::new(path)
                .map_err(|error| ModelError::Pytorch { path: path.to_owned(), reason: error.to_string() })?,
        };
        Ok(Self { tensors: reader.into_tensors() })
    }
}

impl WeightFile for PytorchFile {
    fn keys(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn header(&self, key: &str) -> Option<Header> {
        let tensor = self.tensors.get(key)?;
        Some(Header { dtype: dtype_of(tensor.dtype()), shape: tensor.shape().to_vec() })
    }

    fn values(&self, key: &str, shape: &[usize]) -> Result<TensorData, BadValues> {
        let unreadable = |reason: String| BadValues::Unreadable(reason);
        let tensor = self.tensors.get(key).ok_or_else(|| unreadable("it is not in the file".to_owned()))?;
        let mut bytes = tensor.read().map_err(|error| unreadable(error.to_string()))?;
        if cfg!(target_endian = "big") {
            // The reader gives the machine's own order.
            bytes.chunks_exact_mut(tensor.dtype().size()).for_each(<[u8]>::reverse);
        }
        Ok(TensorData::new(widened(dtype_of(tensor.dtype()), &bytes)?, shape.to_vec()))
    }
}

/// The same number format by safetensors' name.
fn dtype_of(dtype: DType) -> Dtype {
    match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::BOOL,
    }
}
