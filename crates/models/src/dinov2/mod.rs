//! `DINOv2`'s Vision Transformer (Oquab et al. 2024, arXiv 2304.07193), with transformers' names: [`Dinov2Model`].

mod config;
mod model;

pub use config::Dinov2Config;
pub use model::{Dinov2Layer, Dinov2Model};
