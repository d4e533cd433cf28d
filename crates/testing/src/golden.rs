//! Reading golden values: inputs and outputs of a reference, stored as safetensors.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};

/// The folder of a golden case of the calling crate: `tests/golden/<case>`.
///
/// A macro because the crate whose test asks is known only where it is written.
#[macro_export]
macro_rules! case_dir {
    ($case:expr) => {
        ::std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join($case)
    };
}

/// The tensors of one file, by name.
#[derive(Debug, Clone)]
pub struct Golden {
    path: PathBuf,
    tensors: BTreeMap<String, TensorData>,
}

/// Reads a safetensors file of f32 and i64 tensors.
///
/// # Panics
/// If the file cannot be read, or holds another type.
#[track_caller]
pub fn load(path: impl AsRef<Path>) -> Golden {
    let path = path.as_ref();
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    let file = SafeTensors::deserialize(&bytes)
        .unwrap_or_else(|error| panic!("{} is not a safetensors file: {error}", path.display()));
    let tensors = file
        .iter()
        .map(|(name, view)| {
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::I64 => DType::I64,
                other => panic!("{}: `{name}` is {other:?}; golden values are F32 or I64", path.display()),
            };
            let data = TensorData::from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype);
            (name.to_owned(), data)
        })
        .collect();
    Golden { path: path.to_owned(), tensors }
}

impl Golden {
    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The stored values of `name`.
    ///
    /// # Panics
    /// If there is no such tensor; the message lists those there are.
    #[track_caller]
    pub fn data(&self, name: &str) -> &TensorData {
        self.tensors.get(name).unwrap_or_else(|| {
            let names: Vec<&str> = self.names().collect();
            panic!("{} has no `{name}`, only {}", self.path.display(), names.join(", "))
        })
    }

    /// The f32 tensor `name`.
    ///
    /// # Panics
    /// If there is no such tensor, or its type or rank is another.
    #[track_caller]
    pub fn float<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        Tensor::from_data(self.checked::<D>(name, DType::F32), device)
    }

    /// The i64 tensor `name`, such as token ids.
    ///
    /// # Panics
    /// If there is no such tensor, or its type or rank is another.
    #[track_caller]
    pub fn int<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D, Int> {
        Tensor::from_data(self.checked::<D>(name, DType::I64), device)
    }

    #[track_caller]
    fn checked<const D: usize>(&self, name: &str, dtype: DType) -> TensorData {
        let data = self.data(name);
        let rank = data.shape().as_slice().len();
        assert_eq!(
            (data.dtype(), rank),
            (dtype, D),
            "type and rank of `{name}` (left: stored, right: asked for)"
        );
        data.clone()
    }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::*;

    fn written(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("expected.safetensors");
        let view = TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
        fs::write(&path, safetensors::serialize([("x", view)], None).unwrap()).unwrap();
        (dir, path)
    }

    #[test]
    fn floats_and_ids_are_read_in_row_major_order() {
        let floats: Vec<u8> = (0..6).flat_map(|i| (i as f32 / 4.0).to_le_bytes()).collect();
        let (_dir, path) = written(Dtype::F32, &[2, 3], &floats);
        let x = load(&path).float::<2>("x", &Device::flex());
        x.into_data().assert_eq(&TensorData::from([[0.0_f32, 0.25, 0.5], [0.75, 1.0, 1.25]]), true);

        let ids: Vec<u8> = [49_407_i64, -1].iter().flat_map(|id| id.to_le_bytes()).collect();
        let (_dir, path) = written(Dtype::I64, &[1, 2], &ids);
        let x = load(&path).int::<2>("x", &Device::flex());
        x.into_data().assert_eq(&TensorData::from([[49_407_i64, -1]]), false);
    }

    #[test]
    #[should_panic(expected = "has no `y`, only x")]
    fn an_unknown_name_lists_the_known_ones() {
        let (_dir, path) = written(Dtype::F32, &[1], &[0; 4]);
        load(path).data("y");
    }

    #[test]
    #[should_panic(expected = "type and rank of `x`")]
    fn the_rank_must_be_right() {
        let (_dir, path) = written(Dtype::F32, &[1], &[0; 4]);
        load(path).float::<2>("x", &Device::flex());
    }

    #[test]
    #[should_panic(expected = "`x` is F16; golden values are F32 or I64")]
    fn half_precision_is_no_golden_value() {
        let (_dir, path) = written(Dtype::F16, &[1], &[0; 2]);
        load(path);
    }

    #[test]
    fn the_case_folder_is_inside_the_calling_crate() {
        assert!(case_dir!("unet").ends_with("testing/tests/golden/unet"));
    }
}
