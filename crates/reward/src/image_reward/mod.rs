//! `ImageReward`: BLIP with a head, trained on which of several pictures of a prompt people rank first (Xu et al.
//! 2023, arXiv 2304.05977). The paper's aesthetic reward "follows" it and its alignment reward mirrors that, so all
//! three are one type with other weights.

mod config;
mod network;
mod score;

pub use config::ImageRewardConfig;
pub use network::{BlipBody, ImageRewardNetwork};
pub use score::{ImageReward, tokens};
