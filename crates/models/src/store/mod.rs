//! Weights in and out: a folder with `config.json` and one safetensors file, as diffusers lays it out. Files of
//! PyTorch's own format are read too, as many published rewards have no other.
//!
//! Loading is strict: every parameter must be in the file with its shape, every tensor of the file must be a
//! parameter, every number must be finite. Half-precision weights are widened to f32, once and straight into the
//! parameter's own buffer; f32 weights of a mapped file are not copied at all (see [`load_component`]).

mod file;
mod load;
mod map;
mod open_clip;
mod pytorch;
mod save;
mod values;

use std::fs;
use std::path::Path;

use crate::ModelError;

pub use load::{clip_from_open_clip, component_from_bytes, component_from_file, load_component};
pub use save::{Precision, component_to_bytes, save_component};

pub(crate) use file::{WeightFile, with_file};
pub(crate) use save::{file_bytes, write_atomically};
pub(crate) use values::BadValues;

/// Reads a text file, naming it in the error.
///
/// # Errors
/// [`ModelError::Io`] with the path.
pub fn read_text(path: &Path) -> Result<String, ModelError> {
    fs::read_to_string(path).map_err(|source| io("reading", path, source))
}

pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> ModelError {
    ModelError::Io { action, path: path.to_owned(), source }
}
