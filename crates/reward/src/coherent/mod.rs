//! The coherent reward: what in a picture does not belong to the rest of it, pixel by pixel (Ren et al. 2024, Section
//! 3.2). It learns while the editor does, and is that one's adversary.
//!
//! The paper has a Vision Transformer with a perceptron behind it and says no more. Ours is `DINOv2`, the best of the
//! backbones that Sauer et al. 2023 (arXiv 2311.17042) tried for the purpose, and two linears which give each patch
//! as many logits as it has pixels.

mod auc;
mod config;
mod network;
mod score;

pub use auc::roc_auc;
pub use config::CoherentConfig;
pub use network::{CoherentHead, CoherentNetwork};
pub use score::CoherentReward;
