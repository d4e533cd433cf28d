//! The networks of Stable Diffusion in the field's own terms: [`unet::UNet2DConditionModel`],
//! [`vae::AutoencoderKL`], [`text::CLIPTextModel`] and its [`tokenizer`], each configured by the
//! `config.json` that diffusers or transformers write for it. The small model that ships with the
//! program and Stable Diffusion 1.5 differ only in numbers. Beside them stand the small [`classifier`]s
//! that measure editing models and label their training data, and networks that compare pictures with texts or with one
//! another, for rewards to stand on: [`clip`], [`blip`], [`dinov2`] and [`vgg`]. U-Net and text encoder can be given
//! low-rank branches, which alone learn then and are files of their own: [`lora`].

pub mod blip;
pub mod classifier;
pub mod clip;
pub mod component;
mod cosine;
pub mod dinov2;
mod error;
pub mod flops;
pub mod footprint;
mod layers;
mod limits;
pub mod lora;
pub mod presets;
pub mod store;
pub mod text;
pub mod tokenizer;
pub mod unet;
pub mod vae;
pub mod vgg;

pub use component::Component;
pub use error::ModelError;
