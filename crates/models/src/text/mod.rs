//! CLIP's text encoder (Radford et al. 2021, arXiv 2103.00020, Section 2.4), with transformers' names:
//! `CLIPTextModel`.

mod config;
mod model;

pub use config::CLIPTextConfig;
pub use model::{CLIPTextEmbeddings, CLIPTextModel, CLIPTextOutput, CLIPTextTransformer};
