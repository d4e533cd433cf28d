//! BLIP for comparing pictures and texts (Li et al. 2022, arXiv 2201.12086), with transformers' names:
//! [`BlipForImageTextRetrieval`]. Its body is also that of `ImageReward` (Xu et al. 2023, arXiv 2304.05977).

mod config;
mod model;
mod text;
mod vision;

pub use config::{BlipConfig, BlipTextConfig, BlipVisionConfig};
pub use model::BlipForImageTextRetrieval;
pub use text::BlipTextModel;
pub use vision::BlipVisionModel;
