//! Weights out: collected by name, written whole.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use burn::module::Param;
use burn::tensor::Tensor;
use byteedit_nn::parameters::{ParameterVisitor, visit_parameters};
use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Map, Value};

use super::io;
use crate::ModelError;
use crate::component::{Component, checkpoint_key};

/// Number format of saved weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: exact.
    F32,
    /// 16 bits: what is shipped.
    F16,
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
    let (tensors, scalars) = (BTreeMap::new(), C::SCALARS);
    let mut collector = Collector { key, scalars, path, precision, tensors, not_finite: None };
    visit_parameters(component, &mut collector);
    if let Some(error) = collector.not_finite {
        return Err(error);
    }
    let dtype = match precision {
        Precision::F32 => Dtype::F32,
        Precision::F16 => Dtype::F16,
    };
    Ok(file_bytes(&collector.tensors, dtype, metadata))
}

/// The content of a safetensors file of tensors of one type, each as its shape and its bytes, by key.
pub(crate) fn file_bytes(
    tensors: &BTreeMap<String, (Vec<usize>, Vec<u8>)>,
    dtype: Dtype,
    metadata: &BTreeMap<String, String>,
) -> Vec<u8> {
    let views = tensors.iter().map(|(key, (shape, bytes))| {
        let view = TensorView::new(dtype, shape.clone(), bytes);
        (key.as_str(), view.expect("the bytes were made from the shape; this is a bug"))
    });
    let mut metadata = metadata.clone();
    metadata.insert("format".to_owned(), "pt".to_owned());
    let unordered: HashMap<String, String> = metadata.clone().into_iter().collect();
    let mut bytes = safetensors::serialize(views, Some(unordered))
        .expect("names and shapes are consistent; this is a bug");
    order_metadata(&mut bytes, &metadata);
    bytes
}

/// Puts the header's metadata in the order of its keys, so that equal weights give equal files: the library takes
/// them in the chance order of a hash map.
fn order_metadata(file: &mut [u8], metadata: &BTreeMap<String, String>) {
    const LENGTH: usize = 8;
    const KEY: &[u8] = br#"{"__metadata__":"#;
    let ordered = serde_json::to_vec(metadata).expect("a map of texts always prints");
    let start = LENGTH + KEY.len();
    // The same entries take the same room in any order.
    if file.get(LENGTH..start) == Some(KEY)
        && let Some(place) = file.get_mut(start..start + ordered.len())
        && place.last() == Some(&b'}')
    {
        place.copy_from_slice(&ordered);
    }
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

/// Writes beside the target, forces it to the disk and renames: no reader ever sees half a file, and a
/// failure leaves nothing behind.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
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

struct Collector<'a> {
    key: fn(&str) -> String,
    /// Keys that are stored without a dimension.
    scalars: &'static [&'static str],
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
        let key = (self.key)(name);
        let is_scalar = self.scalars.contains(&key.as_str());
        let shape = if is_scalar { Vec::new() } else { param.lazy_shape().dims::<D>().to_vec() };
        self.tensors.insert(key, (shape, bytes));
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use byteedit_nn::Init;
    use safetensors::SafeTensors;

    use super::*;
    use crate::classifier::Judge;

    #[test]
    fn equal_weights_give_equal_files_whatever_is_said_of_them() {
        let config = Judge::parse_config(
            r#"{"side": 8, "block_out_channels": [4], "layers_per_block": 1, "norm_num_groups": 2,
                "labels": ["apple", "nothing"]}"#,
        )
        .unwrap();
        let judge = Judge::from_config(&config, &mut Init::seeded(&Device::default(), 1));
        let said: BTreeMap<String, String> =
            (0..12).map(|i| (format!("key {i}"), format!("\"value\" {}", i * i))).collect();
        let file = || component_to_bytes(&judge, Path::new("x"), Precision::F16, &said).unwrap();
        let first = file();
        assert!((0..4).all(|_| file() == first));
        let (_, header) = SafeTensors::read_metadata(&first).unwrap();
        let mut read: BTreeMap<String, String> = header.metadata().clone().unwrap().into_iter().collect();
        assert_eq!(read.remove("format").as_deref(), Some("pt"));
        assert_eq!(read, said);
    }
}
