//! CLIP's dual encoder (Radford et al. 2021, arXiv 2103.00020), with transformers' names: [`CLIPModel`]. Its text half
//! alone is [`crate::text::CLIPTextModel`].

mod config;
mod encoder;
mod model;
mod vision;

pub use config::{CLIPConfig, CLIPVisionConfig};
pub(crate) use encoder::EncoderSizes;
pub use encoder::{CLIPAttention, CLIPEncoder, CLIPEncoderLayer, CLIPMlp, HiddenAct};
pub use model::CLIPModel;
pub use vision::{CLIPVisionEmbeddings, CLIPVisionOutput, CLIPVisionTransformer};
