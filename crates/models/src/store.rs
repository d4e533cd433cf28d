//! Weights in and out: a folder with `config.json` and one safetensors file, as diffusers lays it out.
//!
//! Loading is strict: every parameter must be in the file with its shape, every tensor of the file
//! must be a parameter, every number must be finite. Half-precision weights are widened to f32.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use byteedit_nn::Init;
use byteedit_nn::parameters::{ParameterMapper, ParameterVisitor, map_parameters, visit_parameters};
use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};

use crate::ModelError;
use crate::component::{Component, checkpoint_key, older_key};

/// Number format of saved weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: exact.
    F32,
    /// 16 bits: what is shipped.
    F16,
}

/// Reads the component in `folder`.
///
/// # Errors
/// A missing or broken file, an unsupported configuration, or weights that do not fit it; the message
/// names the file, the key or the tensor.
pub fn load_component<C: Component>(folder: &Path, device: &Device) -> Result<C, ModelError> {
    let config = C::parse_config(&read_text(&folder.join("config.json"))?)?;
    let path = folder.join(C::WEIGHTS_FILE);
    let file = File::open(&path).map_err(|source| io("opening", &path, source))?;
    // SAFETY: the map is read once, here, and dropped; a file that another process truncates
    // meanwhile would end this one, as it would for every reader of mapped weights.
    #[expect(unsafe_code, reason = "memory-mapping is the only way not to hold the weights twice")]
    let bytes = unsafe { Mmap::map(&file) }.map_err(|source| io("mapping", &path, source))?;
    component_from_bytes(&config, &bytes, &path, device)
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
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| ModelError::Safetensors { path: path.to_owned(), reason: error.to_string() })?;
    let blank = C::from_config(config, &mut Init::blank(device));
    let mut loader = Loader {
        file: &file,
        path,
        device,
        key: checkpoint_key::<C>,
        older_key: older_key::<C>,
        dropped_prefix: dropped_prefix::<C>(&file),
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

/// Writes `config.json` and the weights into `folder`, creating it; each file is written whole under
/// another name and then renamed. `metadata` goes into the header of the weight file.
///
/// # Errors
/// [`ModelError::NotFinite`] for a weight that `precision` cannot hold, before anything is written;
/// [`ModelError::Io`] when a file cannot be written.
pub fn save_component<C: Component>(
    component: &C,
    folder: &Path,
    precision: Precision,
    metadata: &BTreeMap<String, String>,
) -> Result<(), ModelError> {
    let path = folder.join(C::WEIGHTS_FILE);
    let bytes = component_to_bytes(component, &path, precision, metadata)?;
    fs::create_dir_all(folder).map_err(|source| io("creating", folder, source))?;
    write_atomically(&folder.join("config.json"), config_json(component).as_bytes())?;
    write_atomically(&path, &bytes)
}

/// The content of the component's safetensors file; `path` is for messages only.
///
/// # Errors
/// [`ModelError::NotFinite`] for a weight that `precision` cannot hold: it could not be loaded again.
pub fn component_to_bytes<C: Component>(
    component: &C,
    path: &Path,
    precision: Precision,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, ModelError> {
    let key = checkpoint_key::<C>;
    let mut collector = Collector { key, path, precision, tensors: BTreeMap::new(), not_finite: None };
    visit_parameters(component, &mut collector);
    if let Some(error) = collector.not_finite {
        return Err(error);
    }
    let dtype = match precision {
        Precision::F32 => Dtype::F32,
        Precision::F16 => Dtype::F16,
    };
    let views = collector.tensors.iter().map(|(key, (shape, bytes))| {
        let view = TensorView::new(dtype, shape.clone(), bytes);
        (key.as_str(), view.expect("the bytes were made from the shape; this is a bug"))
    });
    let mut header: HashMap<String, String> = metadata.clone().into_iter().collect();
    header.insert("format".to_owned(), "pt".to_owned());
    Ok(safetensors::serialize(views, Some(header)).expect("names and shapes are consistent; this is a bug"))
}

/// `config.json` with its class name, keys in diffusers' order (alphabetical).
fn config_json<C: Component>(component: &C) -> String {
    let mut object = Map::new();
    object.insert("_class_name".to_owned(), Value::from(C::CLASS));
    let config =
        serde_json::to_value(component.config()).expect("configurations are plain data; this is a bug");
    if let Value::Object(fields) = config {
        object.extend(fields);
    }
    let mut text = serde_json::to_string_pretty(&Value::Object(object)).expect("a JSON value always prints");
    text.push('\n');
    text
}

/// Reads a text file, naming it in the error.
pub(crate) fn read_text(path: &Path) -> Result<String, ModelError> {
    fs::read_to_string(path).map_err(|source| io("reading", path, source))
}

/// Writes beside the target, forces it to the disk and renames: no reader ever sees half a file, and a
/// failure leaves nothing behind.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    let partial = path.with_extension("partial");
    let written = File::create(&partial)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // It may never have come to exist.
        let _ = fs::remove_file(&partial);
    }
    written.map_err(|source| io("writing", path, source))
}

pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> ModelError {
    ModelError::Io { action, path: path.to_owned(), source }
}

/// The component's optional prefix if no key of the file has it, else nothing.
fn dropped_prefix<C: Component>(file: &SafeTensors<'_>) -> &'static str {
    let present = file.names().iter().any(|name| name.starts_with(C::OPTIONAL_PREFIX));
    if present { "" } else { C::OPTIONAL_PREFIX }
}

struct Loader<'a, 'data> {
    file: &'a SafeTensors<'data>,
    path: &'a Path,
    device: &'a Device,
    key: fn(&str) -> String,
    older_key: fn(&str) -> String,
    /// What this file leaves out at the beginning of every key.
    dropped_prefix: &'static str,
    used: BTreeSet<String>,
    problems: Vec<String>,
    not_finite: Option<ModelError>,
}

impl ParameterMapper for Loader<'_, '_> {
    fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let mut key = (self.key)(name);
        key.drain(..if key.starts_with(self.dropped_prefix) { self.dropped_prefix.len() } else { 0 });
        let older = (self.older_key)(&key);
        if older != key && self.file.tensor(&key).is_err() && self.file.tensor(&older).is_ok() {
            key = older;
        }
        let Ok(view) = self.file.tensor(&key) else {
            self.problems.push(format!("`{key}` is missing"));
            return param;
        };
        self.used.insert(key.clone());
        let wanted: [usize; D] = param.lazy_shape().dims();
        if view.shape() != wanted {
            let found = view.shape();
            self.problems.push(format!("`{key}` has shape {found:?}, the model needs {wanted:?}"));
            return param;
        }
        let Some(values) = widen(&view) else {
            let dtype = view.dtype();
            self.problems.push(format!("`{key}` is stored as {dtype:?}; F32, F16 and BF16 are supported"));
            return param;
        };
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            self.not_finite.get_or_insert(ModelError::NotFinite {
                path: self.path.to_owned(),
                tensor: key,
                value: values[index],
                index,
            });
            return param;
        }
        let tensor = Tensor::<D>::from_data(TensorData::new(values, wanted), self.device);
        Param::initialized(param.id, tensor).set_require_grad(true)
    }
}

/// The numbers of a tensor as f32, or `None` for integers and other types.
fn widen(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let bytes = view.data();
    let values = match view.dtype() {
        Dtype::F32 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => bytes.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        Dtype::BF16 => bytes.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        _ => return None,
    };
    Some(values)
}

struct Collector<'a> {
    key: fn(&str) -> String,
    path: &'a Path,
    precision: Precision,
    tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)>,
    not_finite: Option<ModelError>,
}

impl ParameterVisitor for Collector<'_> {
    fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
        let data = param.val().into_data().convert::<f32>();
        let values = data.as_slice::<f32>().expect("converted to f32 just above");
        let fits = |value: &f32| match self.precision {
            Precision::F32 => value.is_finite(),
            Precision::F16 => f16::from_f32(*value).is_finite(),
        };
        if let Some(index) = values.iter().position(|value| !fits(value)) {
            self.not_finite.get_or_insert(ModelError::NotFinite {
                path: self.path.to_owned(),
                tensor: (self.key)(name),
                value: values[index],
                index,
            });
        }
        let bytes = match self.precision {
            Precision::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Precision::F16 => values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
        };
        self.tensors.insert((self.key)(name), (param.lazy_shape().dims::<D>().to_vec(), bytes));
    }
}
