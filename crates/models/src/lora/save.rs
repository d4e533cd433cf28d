//! LoRA files out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::Tensor;
use safetensors::Dtype;

use super::NamedBranch;
use super::keys::{Form, Network, Role};
use super::metadata::{self, Adapters, Sizes};
use crate::ModelError;
use crate::store::{file_bytes, io, write_atomically};

/// Shape and little-endian f32, by key.
type Stored = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

/// Writes branches into a file, whose folder is made if it is not there. The file is written whole under another name
/// and then renamed.
///
/// # Errors
/// [`ModelError::NotFinite`] for a matrix that could not be loaded again, before anything is written; [`ModelError::Io`]
/// when the file cannot be written.
pub fn save(branches: &[NamedBranch], form: Form, path: &Path) -> Result<(), ModelError> {
    let bytes = to_bytes(branches, form, path)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| io("creating", folder, source))?;
    }
    write_atomically(path, &bytes)
}

/// The content of the file; `path` is for messages only.
///
/// # Errors
/// [`ModelError::NotFinite`] for a matrix that could not be loaded again.
pub fn to_bytes(branches: &[NamedBranch], form: Form, path: &Path) -> Result<Vec<u8>, ModelError> {
    let mut stored = Stored::new();
    for NamedBranch { network, path: layer, is_convolution, branch } in branches {
        let name = form.names(*network, layer).swap_remove(0);
        for (role, matrix) in [(Role::A, &branch.a), (Role::B, &branch.b)] {
            let key = form.key(&name, role);
            let (mut shape, bytes) = stored_matrix(matrix.val(), &key, path)?;
            if *is_convolution {
                shape.extend([1, 1]);
            }
            stored.insert(key, (shape, bytes));
        }
        if form == Form::Kohya {
            let bytes = (branch.alpha as f32).to_le_bytes().to_vec();
            stored.insert(form.key(&name, Role::Alpha), (Vec::new(), bytes));
        }
    }
    let header = match form {
        Form::Diffusers => diffusers_header(branches),
        Form::Kohya => kohya_header(branches),
    };
    Ok(file_bytes(&stored, Dtype::F32, &header))
}

fn stored_matrix(matrix: Tensor<2>, key: &str, path: &Path) -> Result<(Vec<usize>, Vec<u8>), ModelError> {
    let shape = matrix.dims().to_vec();
    let data = matrix.without_autodiff().into_data().convert::<f32>();
    let values = data.as_slice::<f32>().expect("converted to f32 just above");
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        let (path, tensor, value) = (path.to_owned(), key.to_owned(), values[index]);
        return Err(ModelError::NotFinite { path, tensor, value, index });
    }
    Ok((shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()))
}

fn diffusers_header(branches: &[NamedBranch]) -> BTreeMap<String, String> {
    let mut adapters = Adapters::default();
    for (network, name) in [(Network::Unet, "unet"), (Network::TextEncoder, "text_encoder")] {
        let own = branches.iter().filter(|branch| branch.network == network);
        let sizes: Sizes = own.map(|own| (own.path.clone(), (own.branch.rank(), own.branch.alpha))).collect();
        adapters.add(name, &sizes);
    }
    BTreeMap::from([(metadata::KEY.to_owned(), adapters.to_text())])
}

/// What A1111 and `ComfyUI` show of a file; of branches of different sizes, the first.
fn kohya_header(branches: &[NamedBranch]) -> BTreeMap<String, String> {
    let first = branches.first().map(|NamedBranch { branch, .. }| branch);
    let sizes = first.map(|branch| {
        let alpha = metadata::number(branch.alpha).to_string();
        [("ss_network_dim", branch.rank().to_string()), ("ss_network_alpha", alpha)]
    });
    let module = [("ss_network_module", "networks.lora".to_owned())];
    let entries = module.into_iter().chain(sizes.into_iter().flatten());
    entries.map(|(key, value)| (key.to_owned(), value)).collect()
}
