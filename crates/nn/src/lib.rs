//! What the networks are built of: layers, blocks, and the kernels under them.
//!
//! Layers carry the names and the weight layouts of `PyTorch` and diffusers, so the path of a
//! parameter inside a model *is* its key in a checkpoint and no table of renames or transposes stands
//! between them. This crate knows no checkpoint format.

mod attention;
mod conv;
mod embedding;
mod init;
pub mod kernels;
mod layers;
mod linear;
mod low_rank;
mod norm;
pub mod parameters;
mod patch;
mod recompute;
mod resnet;
mod text_time;
mod timestep;
mod transformer;

pub use attention::{Attention, merge_heads, split_heads};
pub use conv::Conv2d;
pub use embedding::Embedding;
pub use init::Init;
pub use layers::{Layer, Layers, Walk, visit_layers};
pub use linear::Linear;
pub use low_rank::{LowRank, is_of_branch};
pub use norm::{GroupNorm, LayerNorm};
pub use patch::PatchEmbedding;
pub use recompute::{Exchange, Inputs, Tape};
pub use resnet::{Downsample2D, NormSettings, ResnetBlock2D, TimeConditioning, Upsample2D};
pub use text_time::{AttentionPooling, TextTimeEmbedding};
pub use timestep::{TimestepEmbedding, timestep_features};
pub use transformer::{
    BasicTransformerBlock, FeedForward, Transformer2DModel, TransformerWidths, pixels_from_tokens,
    tokens_from_pixels,
};
