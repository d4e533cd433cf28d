//! What can go wrong between a model's files and a model.

use std::path::PathBuf;

use thiserror::Error;

/// Errors of loading, saving and configuring models.
#[derive(Debug, Error)]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a gerund.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A configuration is not valid JSON or lacks a field.
    #[error("{what} is not a valid configuration: {source}")]
    Json {
        /// Which configuration.
        what: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A configuration asks for something that this program does not have.
    #[error("{class}: `{key}` is {value}, {remedy}")]
    Unsupported {
        /// diffusers' class name.
        class: &'static str,
        /// The key in `config.json`.
        key: String,
        /// Its value.
        value: String,
        /// What would be accepted.
        remedy: String,
    },
    /// The weight file itself is broken.
    #[error("{} is not a readable safetensors file: {reason}; download or export it again", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// A weight file of PyTorch's own format is broken.
    #[error(
        "{} is not a readable PyTorch file: {reason}; download it again, or convert it to safetensors",
        path.display()
    )]
    Pytorch {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// The weight file and the configuration describe different models.
    #[error("{} does not fit its config.json: {}", path.display(), problems.join("; "))]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// One entry for each tensor that is missing, unused, of a wrong shape or type.
        problems: Vec<String>,
    },
    /// A file of low-rank branches that is none, or was made for another model.
    #[error("{} is no LoRA for this model: {}", path.display(), listed(problems))]
    Lora {
        /// The file.
        path: PathBuf,
        /// One entry for each key that is unknown, alone, or does not fit a layer.
        problems: Vec<String>,
    },
    /// A weight is NaN or infinite, or would be in the format that it is to be saved in.
    #[error(
        "{}: tensor `{tensor}` holds {value} at element {index}; weights must be finite, and at most 65504 to be \
         saved as f16: the file is damaged, or the training diverged",
        path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor's key.
        tensor: String,
        /// The weight: `NaN`, `inf`, `-inf`, or one too large for f16.
        value: f32,
        /// Position in the flattened tensor.
        index: usize,
    },
    /// The vocabulary or the merges are not those of the tokenizer.
    #[error("the tokenizer cannot be used: {reason}")]
    Tokenizer {
        /// What is wrong.
        reason: String,
    },
}

/// Problems that are told of a file made for another model: it has as many as it has keys.
const N_TOLD: usize = 8;

fn listed(problems: &[String]) -> String {
    let told = problems[..problems.len().min(N_TOLD)].join("; ");
    match problems.len().saturating_sub(N_TOLD) {
        0 => told,
        n_more => format!("{told}; and {n_more} more"),
    }
}
