//! Weights in: from the bytes of a file to the parameters of a network, with every problem named.

use std::collections::BTreeSet;
use std::path::Path;

use burn::module::Param;
use burn::tensor::{DType, Device, Tensor, TensorData};
use byteedit_nn::Init;
use byteedit_nn::parameters::{ParameterMapper, map_parameters};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::map::WeightMap;
use super::read_text;
use super::values::{BadValues, check_finite, widened};
use crate::ModelError;
use crate::component::{Component, checkpoint_key, older_key};

/// Reads the component in `folder`.
///
/// The file is mapped into memory. f32 weights stay there: they take no memory beside the system's page
/// cache and are shared by all processes that use the file, until something writes to them. Half-precision
/// weights become f32 of their own.
///
/// # Errors
/// A missing or broken file, an unsupported configuration, or weights that do not fit it; the message
/// names the file, the key or the tensor.
pub fn load_component<C: Component>(folder: &Path, device: &Device) -> Result<C, ModelError> {
    let config = C::parse_config(&read_text(&folder.join("config.json"))?)?;
    let path = folder.join(C::WEIGHTS_FILE);
    let map = WeightMap::open(&path)?;
    component(&config, map.bytes(), Some(&map), &path, device)
}

/// Builds the component from the content of a safetensors file; `path` is for messages only.
///
/// # Errors
/// As [`load_component`].
pub fn component_from_bytes<C: Component>(
    config: &C::Config,
    bytes: &[u8],
    path: &Path,
    device: &Device,
) -> Result<C, ModelError> {
    component(config, bytes, None, path, device)
}

/// `map` is where `bytes` lie, if a tensor may go on using them there.
fn component<C: Component>(
    config: &C::Config,
    bytes: &[u8],
    map: Option<&WeightMap>,
    path: &Path,
    device: &Device,
) -> Result<C, ModelError> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| ModelError::Safetensors { path: path.to_owned(), reason: error.to_string() })?;
    let blank = C::from_config(config, &mut Init::blank(device));
    let mut loader = Loader {
        file: &file,
        map,
        path,
        device,
        key: checkpoint_key::<C>,
        older_key: older_key::<C>,
        dropped_prefix: dropped_prefix::<C>(&file),
        scalars: C::SCALARS,
        used: BTreeSet::new(),
        problems: Vec::new(),
        not_finite: None,
    };
    let component = map_parameters(blank, &mut loader);
    if let Some(error) = loader.not_finite {
        return Err(error);
    }
    let mut problems = loader.problems;
    for name in file.names() {
        let buffer = C::BUFFERS.iter().any(|buffer| name.ends_with(buffer));
        if !buffer && !loader.used.contains(name) {
            problems.push(format!("`{name}` is in the file but not in the model"));
        }
    }
    if problems.is_empty() {
        Ok(component)
    } else {
        Err(ModelError::Mismatch { path: path.to_owned(), problems })
    }
}

/// The component's optional prefix if no key of the file has it, else nothing.
fn dropped_prefix<C: Component>(file: &SafeTensors<'_>) -> &'static str {
    let present = file.names().iter().any(|name| name.starts_with(C::OPTIONAL_PREFIX));
    if present { "" } else { C::OPTIONAL_PREFIX }
}

struct Loader<'a, 'data> {
    file: &'a SafeTensors<'data>,
    map: Option<&'a WeightMap>,
    path: &'a Path,
    device: &'a Device,
    key: fn(&str) -> String,
    older_key: fn(&str) -> String,
    /// What this file leaves out at the beginning of every key.
    dropped_prefix: &'static str,
    /// Keys that are stored without a dimension.
    scalars: &'static [&'static str],
    used: BTreeSet<String>,
    problems: Vec<String>,
    not_finite: Option<ModelError>,
}

impl Loader<'_, '_> {
    /// The key under which the file has the parameter `name`, or would have it.
    fn stored_key(&self, name: &str) -> String {
        let mut key = (self.key)(name);
        key.drain(..if key.starts_with(self.dropped_prefix) { self.dropped_prefix.len() } else { 0 });
        let older = (self.older_key)(&key);
        let is_older = older != key && self.file.tensor(&key).is_err() && self.file.tensor(&older).is_ok();
        if is_older { older } else { key }
    }

    /// The numbers of a tensor as f32, in `shape`: where they lie if that can be, else converted.
    fn values(&self, view: &TensorView<'_>, shape: &[usize]) -> Result<TensorData, BadValues> {
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
}

impl ParameterMapper for Loader<'_, '_> {
    fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let key = self.stored_key(name);
        let Ok(view) = self.file.tensor(&key) else {
            self.problems.push(format!("`{key}` is missing"));
            return param;
        };
        self.used.insert(key.clone());
        let shape: [usize; D] = param.lazy_shape().dims();
        let wanted = if self.scalars.contains(&key.as_str()) { &[] } else { shape.as_slice() };
        if view.shape() != wanted {
            let found = view.shape();
            self.problems.push(format!("`{key}` has shape {found:?}, the model needs {wanted:?}"));
            return param;
        }
        match self.values(&view, &shape) {
            Ok(values) => {
                let tensor = Tensor::<D>::from_data(values, self.device);
                Param::initialized(param.id, tensor).set_require_grad(true)
            }
            Err(BadValues::Dtype) => {
                let dtype = view.dtype();
                self.problems
                    .push(format!("`{key}` is stored as {dtype:?}; F32, F16 and BF16 are supported"));
                param
            }
            Err(BadValues::NotFinite { index, value }) => {
                let path = self.path.to_owned();
                self.not_finite.get_or_insert(ModelError::NotFinite { path, tensor: key, value, index });
                param
            }
        }
    }
}
