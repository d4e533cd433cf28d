//! The denoising U-Net of Stable Diffusion (Rombach et al. 2022, arXiv 2112.10752), with diffusers'
//! names: `UNet2DConditionModel`.

mod blocks;
mod config;
mod model;

pub use blocks::{UNetBlock, UNetMidBlock};
pub use config::{PerBlock, ResnetTimeScaleShift, UNet2DConditionConfig, UNetBlockType};
pub use model::UNet2DConditionModel;
