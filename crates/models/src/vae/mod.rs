//! The variational autoencoder of Stable Diffusion (Kingma & Welling 2013, arXiv 1312.6114; Rombach et
//! al. 2022, Section 3.1), with diffusers' names: `AutoencoderKL`.

mod bands;
mod blocks;
mod config;
mod gaussian;
mod model;

pub use bands::BAND_POSITIONS;
pub use blocks::{Decoder, Encoder, VaeAttention, VaeBlock, VaeMidBlock};
pub use config::AutoencoderKLConfig;
pub use gaussian::DiagonalGaussian;
pub use model::AutoencoderKL;
