//! CPU fast paths for the operations in which a diffusion network spends its time.
//!
//! Each operation here has two bodies: a kernel of our own for f32 on the Flex backend, with its own
//! gradient, and a `*_reference` of ordinary tensor operations for everything else (GPUs, f64), which
//! is also what the tests hold the kernel against. Callers see one function and no backend.
//!
//! The kernels keep `PyTorch`'s layouts, so that no operation begins with a transpose: pixels are
//! `[batch, channels, height, width]`, tokens `[batch, tokens, heads * d_head]`.

mod autodiff;
mod flex;
mod functions;
mod host;
mod moves;
mod ops;
mod strips;
mod update;

pub use functions::{
    are_wanted, attention, attention_reference, conv2d, conv2d_reference, geglu, geglu_reference, gelu,
    gelu_reference, group_norm, group_norm_reference, layer_norm, layer_norm_reference, linear,
    linear_reference, quick_gelu, quick_gelu_reference, shifted_group_norm_silu,
    shifted_group_norm_silu_reference,
};
pub use moves::{
    add, add_reference, concat_channels, concat_channels_reference, doubled, doubled_reference, transposed,
    transposed_reference,
};
pub use strips::{
    ROW_MULTIPLE, StripRows, group_moments, group_moments_reference, scaled_silu, scaled_silu_reference,
};
pub use update::{AdamWNumbers, AdamWState, adamw, adamw_reference, square_sums, square_sums_reference};
