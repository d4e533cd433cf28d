//! The variational autoencoder of Stable Diffusion (Kingma & Welling 2013, arXiv 1312.6114; Rombach et
//! al. 2022, Section 3.1), with diffusers' names: `AutoencoderKL`.

mod blocks;
mod config;
mod gaussian;
mod model;
mod strips;

pub use blocks::{Decoder, Encoder, VaeAttention, VaeBlock, VaeMidBlock};
pub use config::AutoencoderKLConfig;
pub use gaussian::DiagonalGaussian;
pub use model::AutoencoderKL;
pub use strips::STRIP_POSITIONS;
