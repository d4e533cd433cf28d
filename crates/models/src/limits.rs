//! Ranges of the numbers in a `config.json`. A network is built from them before any weight is read, so
//! a number that nobody means must not become memory.

use crate::ModelError;
use crate::component::unsupported;

/// Layers in a row; Stable Diffusion has up to 24.
const MAX_LAYERS: usize = 64;
/// Channels, features of a token, positions of a text.
const MAX_WIDTH: usize = 65_536;
/// Resolutions; Stable Diffusion has 4.
const MAX_LEVELS: usize = 8;

/// Refuses numbers of layers outside 1 to 64.
pub(crate) fn check_layers(class: &'static str, layers: &[(&str, usize)]) -> Result<(), ModelError> {
    layers.iter().try_for_each(|(key, value)| check(class, key, *value, MAX_LAYERS))
}

/// Refuses widths outside 1 to 65 536.
pub(crate) fn check_widths(class: &'static str, widths: &[(&str, usize)]) -> Result<(), ModelError> {
    widths.iter().try_for_each(|(key, value)| check(class, key, *value, MAX_WIDTH))
}

/// Refuses `block_out_channels` of no or too many resolutions, or with a width out of range.
pub(crate) fn check_levels(class: &'static str, block_out_channels: &[usize]) -> Result<(), ModelError> {
    const KEY: &str = "block_out_channels";
    if !(1..=MAX_LEVELS).contains(&block_out_channels.len()) {
        let remedy = format!("but it must have from 1 to {MAX_LEVELS} entries");
        return Err(unsupported(class, KEY, block_out_channels, remedy));
    }
    block_out_channels.iter().try_for_each(|channels| check(class, KEY, *channels, MAX_WIDTH))
}

/// Refuses an epsilon that is not positive: the norm of a constant would divide by zero.
pub(crate) fn check_epsilon(class: &'static str, key: &str, value: f64) -> Result<(), ModelError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(unsupported(class, key, value, "but it must be above 0, such as 1e-5"))
}

/// Refuses a number of heads that `width` cannot be split into.
pub(crate) fn check_heads(class: &'static str, width: usize, n_heads: usize) -> Result<(), ModelError> {
    if n_heads > 0 && width.is_multiple_of(n_heads) {
        return Ok(());
    }
    let remedy = format!("hidden_size {width} cannot be split into that many heads");
    Err(unsupported(class, "num_attention_heads", n_heads, remedy))
}

/// Refuses pictures that cannot be cut into patches.
pub(crate) fn check_patches(
    class: &'static str,
    image_size: usize,
    patch_size: usize,
) -> Result<(), ModelError> {
    check_widths(class, &[("image_size", image_size), ("patch_size", patch_size)])?;
    if image_size.is_multiple_of(patch_size) {
        return Ok(());
    }
    let remedy = format!("but it must be a multiple of patch_size {patch_size}");
    Err(unsupported(class, "image_size", image_size, remedy))
}

fn check(class: &'static str, key: &str, value: usize, limit: usize) -> Result<(), ModelError> {
    if (1..=limit).contains(&value) {
        return Ok(());
    }
    Err(unsupported(class, key, value, format!("but it must be from 1 to {limit}")))
}
