//! Named tensors in and out of safetensors files, as other programs exchange them.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::files;

/// A file of tensors.
pub(super) struct TensorFile {
    name: String,
    bytes: Vec<u8>,
}

impl TensorFile {
    /// # Errors
    /// A file that cannot be read.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let bytes = fs::read(path).with_context(|| format!("{name} cannot be read; check the name"))?;
        Ok(Self { name, bytes })
    }

    /// The f32 tensor of a name.
    ///
    /// # Errors
    /// A file that is none of safetensors, or a tensor that is missing or of another type or rank.
    pub(super) fn tensor<const D: usize>(&self, key: &str, device: &Device) -> anyhow::Result<Tensor<D>> {
        let file = &self.name;
        let tensors = SafeTensors::deserialize(&self.bytes)
            .with_context(|| format!("{file} is no safetensors file"))?;
        let view = tensors.tensor(key).with_context(|| format!("{file} has no `{key}`"))?;
        let (dtype, shape) = (view.dtype(), view.shape());
        let Ok(shape) = <[usize; D]>::try_from(shape) else {
            bail!("`{key}` of {file} has {} extents, not the {D} that are needed", shape.len());
        };
        if dtype != Dtype::F32 {
            bail!("`{key}` of {file} is {dtype:?}; save it as F32");
        }
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Ok(Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device))
    }
}

/// Writes one tensor as f32.
///
/// # Errors
/// A tensor that cannot be read back, or a file that cannot be written.
pub(super) fn write_tensor<const D: usize>(path: &Path, key: &str, tensor: Tensor<D>) -> anyhow::Result<()> {
    let shape = tensor.dims().to_vec();
    let data = tensor.try_into_data().context("the answer cannot be read back")?.convert::<f32>();
    let values =
        data.as_slice::<f32>().map_err(|error| anyhow::anyhow!("the answer is no f32: {error:?}"))?;
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, shape, &bytes)?;
    files::write(path, &safetensors::serialize([(key, view)], None)?)
}
