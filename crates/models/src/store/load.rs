//! Weights in: from the bytes of a file to the parameters of a network, with every problem named.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use byteedit_nn::Init;
use byteedit_nn::parameters::{ParameterMapper, map_parameters};

use super::file::{SafetensorsFile, WeightFile, with_file};
use super::open_clip::OpenClip;
use super::read_text;
use super::values::BadValues;
use crate::ModelError;
use crate::clip::{CLIPConfig, CLIPModel};
use crate::component::{Component, checkpoint_key, older_key};

/// Reads the component in `folder`: `config.json` and the weights in [`Component::WEIGHTS_FILE`] or, where that is not
/// there, in the first of [`Component::PYTORCH_FILES`] that is.
///
/// A safetensors file is mapped into memory. f32 weights stay there: they take no memory beside the system's page
/// cache and are shared by all processes that use the file, until something writes to them. Half-precision
/// weights become f32 of their own.
///
/// # Errors
/// A missing or broken file, an unsupported configuration, or weights that do not fit it; the message
/// names the file, the key or the tensor.
pub fn load_component<C: Component>(folder: &Path, device: &Device) -> Result<C, ModelError> {
    let config = C::parse_config(&read_text(&folder.join("config.json"))?)?;
    component_from_file(&config, &weights_path::<C>(folder), device)
}

/// Builds the component from its weights in `path`: a PyTorch file if it is called `.pt`, `.pth`, `.bin` or `.ckpt`,
/// else a safetensors file, which is mapped as by [`load_component`]. Nothing that is in a PyTorch file is executed.
///
/// # Errors
/// As [`load_component`].
pub fn component_from_file<C: Component>(
    config: &C::Config,
    path: &Path,
    device: &Device,
) -> Result<C, ModelError> {
    with_file(path, |file| component(config, file, path, device))
}

/// Builds CLIP from a file of `open_clip`'s: its keys, one tensor for queries, keys and values, projections the other
/// way round.
///
/// # Errors
/// As [`load_component`]; keys are named as transformers names them.
pub fn clip_from_open_clip(
    config: &CLIPConfig,
    path: &Path,
    device: &Device,
) -> Result<CLIPModel, ModelError> {
    with_file(path, |file| component(config, &OpenClip::new(file), path, device))
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
    component(config, &SafetensorsFile::new(bytes, None, path)?, path, device)
}

/// Where the component's weights lie in `folder`, or should.
fn weights_path<C: Component>(folder: &Path) -> PathBuf {
    let usual = folder.join(C::WEIGHTS_FILE);
    let mut others = C::PYTORCH_FILES.iter().map(|name| folder.join(name));
    if usual.exists() { usual } else { others.find(|path| path.exists()).unwrap_or(usual) }
}

fn component<C: Component>(
    config: &C::Config,
    file: &dyn WeightFile,
    path: &Path,
    device: &Device,
) -> Result<C, ModelError> {
    let blank = C::from_config(config, &mut Init::blank(device));
    let mut loader = Loader {
        file,
        path,
        device,
        key: checkpoint_key::<C>,
        older_key: older_key::<C>,
        dropped_prefix: dropped_prefix::<C>(file),
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
    for name in file.keys() {
        let buffer = C::BUFFERS.iter().any(|buffer| name.ends_with(buffer));
        if !buffer && !loader.used.contains(&name) {
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
fn dropped_prefix<C: Component>(file: &dyn WeightFile) -> &'static str {
    let present = file.keys().iter().any(|name| name.starts_with(C::OPTIONAL_PREFIX));
    if present { "" } else { C::OPTIONAL_PREFIX }
}

struct Loader<'a> {
    file: &'a dyn WeightFile,
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

impl Loader<'_> {
    /// The key under which the file has the parameter `name`, or would have it.
    fn stored_key(&self, name: &str) -> String {
        let mut key = (self.key)(name);
        key.drain(..if key.starts_with(self.dropped_prefix) { self.dropped_prefix.len() } else { 0 });
        let older = (self.older_key)(&key);
        let is_older = older != key && self.file.header(&key).is_none() && self.file.header(&older).is_some();
        if is_older { older } else { key }
    }
}

impl ParameterMapper for Loader<'_> {
    fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let key = self.stored_key(name);
        let Some(found) = self.file.header(&key) else {
            self.problems.push(format!("`{key}` is missing"));
            return param;
        };
        self.used.insert(key.clone());
        let shape: [usize; D] = param.lazy_shape().dims();
        let wanted = if self.scalars.contains(&key.as_str()) { &[] } else { shape.as_slice() };
        if found.shape != wanted {
            let found = found.shape;
            self.problems.push(format!("`{key}` has shape {found:?}, the model needs {wanted:?}"));
            return param;
        }
        match self.file.values(&key, &shape) {
            Ok(values) => {
                let tensor = Tensor::<D>::from_data(values, self.device);
                return Param::initialized(param.id, tensor).set_require_grad(true);
            }
            Err(BadValues::Dtype) => {
                let dtype = found.dtype;
                self.problems
                    .push(format!("`{key}` is stored as {dtype:?}; F32, F16 and BF16 are supported"));
            }
            Err(BadValues::Unreadable(reason)) => {
                self.problems.push(format!("`{key}` cannot be read: {reason}"));
            }
            Err(BadValues::NotFinite { index, value }) => {
                let path = self.path.to_owned();
                self.not_finite.get_or_insert(ModelError::NotFinite { path, tensor: key, value, index });
            }
        }
        param
    }
}
