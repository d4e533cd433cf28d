//! The one error type of this crate. Every message names the value, the limit and the remedy.

use std::path::PathBuf;

use byteedit_diffusion::DiffusionError;
use byteedit_image::ImageError;
use byteedit_models::ModelError;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, EditError>;

/// What can go wrong between a model's files, a request and an edited picture.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The picture, the mask or their geometry.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A part of the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The noise schedule, the sampler or guidance; also a cancelled loop, see
    /// [`EditError::is_cancelled`].
    #[error(transparent)]
    Diffusion(#[from] DiffusionError),
    /// A setting outside its range.
    #[error("{name} is {value}, but it must be {limit}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value, as text.
        value: String,
        /// The range, and what to do.
        limit: &'static str,
    },
    /// A file of the model could not be read.
    #[error("reading {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that every model has is not there.
    #[error(
        "the model `{model}` has no `{file}`; a model is a folder as diffusers writes it, with \
         model_index.json, unet, vae, text_encoder, tokenizer and scheduler"
    )]
    MissingFile {
        /// Name of the model.
        model: String,
        /// Path inside its folder.
        file: String,
    },
    /// A JSON file of the model is not what it should be.
    #[error("`{file}` of the model `{model}` cannot be read: {source}; export the model again")]
    Json {
        /// Name of the model.
        model: String,
        /// Path inside its folder.
        file: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The parts of a model were not made for each other, or for editing.
    #[error("the model `{model}` cannot edit: {property} is {value}, but it must be {needed}")]
    Unfit {
        /// Name of the model.
        model: String,
        /// The property that does not fit.
        property: &'static str,
        /// Its value.
        value: String,
        /// What would fit.
        needed: String,
    },
    /// The network left the range of numbers.
    #[error(
        "the model answered with {n_values} values that are not finite; lower the guidance scale or \
         choose another sampler"
    )]
    NotFinite {
        /// How many.
        n_values: usize,
    },
    /// The edit needs more memory than there is.
    #[error(
        "the edit needs at least {:.0} MB beside the model, but {:.0} MB are available; ask for fewer pictures at \
         once, use a model of a smaller resolution, or end other programs",
        *needed_bytes as f64 / 1e6,
        *available_bytes as f64 / 1e6
    )]
    Memory {
        /// What its networks need, the weights left out.
        needed_bytes: u64,
        /// What there is.
        available_bytes: u64,
    },
    /// A tensor could not be read back from the device.
    #[error("the device failed: {reason}; run the edit again or on another device")]
    Device {
        /// What the backend said.
        reason: String,
    },
}

impl EditError {
    /// Whether the caller's own flag stopped the work.
    pub const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Diffusion(DiffusionError::Cancelled { .. }))
    }

    pub(crate) fn setting(name: &'static str, value: impl ToString, limit: &'static str) -> Self {
        Self::Setting { name, value: value.to_string(), limit }
    }
}
