//! Floating-point operations of a forward pass, counted from a configuration: two for each
//! multiply-add. Norms, activations and sums are left out, being a few per cent.

use crate::blip::BlipConfig;
use crate::clip::CLIPConfig;
use crate::dinov2::Dinov2Config;
use crate::layers::{self, Layer, Op};
use crate::text::CLIPTextConfig;
use crate::unet::UNet2DConditionConfig;
use crate::vae::AutoencoderKLConfig;

/// A training step costs the forward pass and twice as much for the backward pass.
pub const TRAINING_FACTOR: f64 = 3.0;

/// Floating-point operations of a convolution over `positions` outputs.
pub fn conv(channels_in: usize, channels_out: usize, kernel: usize, positions: usize) -> f64 {
    2.0 * (channels_in * channels_out * kernel * kernel) as f64 * positions as f64
}

/// A residual block of two 3x3 convolutions, with a 1x1 shortcut where the width changes.
pub(crate) fn resnet(channels_in: usize, channels_out: usize, positions: usize) -> f64 {
    let shortcut =
        if channels_in == channels_out { 0.0 } else { conv(channels_in, channels_out, 1, positions) };
    conv(channels_in, channels_out, 3, positions) + conv(channels_out, channels_out, 3, positions) + shortcut
}

/// Floating-point operations of the two products of attention, `Q Kᵀ` and the weights with `V`, for all
/// heads of `width` channels together.
pub fn attention(n_queries: usize, n_keys: usize, width: usize) -> f64 {
    4.0 * (n_queries * n_keys * width) as f64
}

/// Projections and two products of self-attention of one picture, in `width` channels.
fn self_attention(width: usize, positions: usize) -> f64 {
    4.0 * conv(width, width, 1, positions) + attention(positions, positions, width)
}

/// Floating-point operations of encoding one picture of `side x side` pixels.
pub fn vae_encoder(config: &AutoencoderKLConfig, side: usize) -> f64 {
    total(&layers::vae_encoder(config, side), NO_TEXT)
}

/// Floating-point operations of decoding one picture of `side x side` pixels.
pub fn vae_decoder(config: &AutoencoderKLConfig, side: usize) -> f64 {
    total(&layers::vae_decoder(config, side), NO_TEXT)
}

/// Floating-point operations of one U-Net evaluation on a latent of `side x side`, with `n_tokens` of text.
pub fn unet(config: &UNet2DConditionConfig, side: usize, n_tokens: usize) -> f64 {
    total(&layers::unet(config, side), Text { n_tokens, width: config.cross_attention_dim })
}

/// Floating-point operations of BLIP's image encoder on a picture, and of its text encoder on `n_tokens` with a picture in
/// view.
pub fn blip(config: &BlipConfig, n_tokens: usize) -> (f64, f64) {
    let BlipConfig { text_config: text, vision_config: vision, .. } = config;
    let n_patches = (vision.image_size / vision.patch_size).pow(2);
    let picture = conv(3, vision.hidden_size, vision.patch_size, n_patches)
        + encoder(vision.num_hidden_layers, [vision.hidden_size, vision.intermediate_size], 1 + n_patches);
    let width = text.hidden_size;
    let looking = 2.0 * conv(width, width, 1, n_tokens)
        + 2.0 * conv(text.encoder_hidden_size, width, 1, 1 + n_patches)
        + attention(n_tokens, 1 + n_patches, width);
    let reading = encoder(text.num_hidden_layers, [width, text.intermediate_size], n_tokens);
    (picture, reading + text.num_hidden_layers as f64 * looking)
}

/// Floating-point operations of CLIP's image encoder on a picture, and of its text encoder on a text of the full length,
/// each with its projection.
pub fn clip(config: &CLIPConfig) -> (f64, f64) {
    let CLIPConfig { text_config: text, vision_config: vision, projection_dim, .. } = config;
    let (width, n_patches) = (vision.hidden_size, vision.n_patches());
    let picture = conv(3, width, vision.patch_size, n_patches)
        + encoder(vision.num_hidden_layers, [width, vision.intermediate_size], 1 + n_patches)
        + conv(width, *projection_dim, 1, 1);
    (picture, clip_text(text) + conv(text.hidden_size, *projection_dim, 1, 1))
}

/// Floating-point operations of `DINOv2` on a picture of `side x side` pixels.
pub fn dinov2(config: &Dinov2Config, side: usize) -> f64 {
    let (width, n_patches) = (config.hidden_size, (side / config.patch_size).pow(2));
    conv(3, width, config.patch_size, n_patches)
        + encoder(config.num_hidden_layers, [width, config.mlp_ratio * width], 1 + n_patches)
}

/// Layers of self-attention and a feed-forward of two linears.
fn encoder(n_layers: usize, [width, inner]: [usize; 2], n_tokens: usize) -> f64 {
    n_layers as f64 * (self_attention(width, n_tokens) + 2.0 * conv(width, inner, 1, n_tokens))
}

/// The text that transformers look at.
#[derive(Clone, Copy)]
struct Text {
    n_tokens: usize,
    width: usize,
}

const NO_TEXT: Text = Text { n_tokens: 0, width: 0 };

fn total(layers: &[Layer], text: Text) -> f64 {
    let of_layer = |layer: &Layer| {
        let positions = layer.positions;
        match layer.op {
            Op::Conv { channels_in, channels_out } => conv(channels_in, channels_out, 3, positions),
            Op::Resnet { channels_in, channels_out } => resnet(channels_in, channels_out, positions),
            Op::Attention { width } => self_attention(width, positions),
            Op::Transformer { width, n_layers } => transformer(width, n_layers, positions, text),
            Op::Halving { width } | Op::Doubling { width } => conv(width, width, 3, positions),
        }
    };
    layers.iter().map(of_layer).sum()
}

/// Projections around the blocks, self-attention, cross-attention and feed-forward of each block.
fn transformer(width: usize, n_layers: usize, positions: usize, text: Text) -> f64 {
    let project = conv(width, width, 1, positions);
    let keys_and_values = 2.0 * conv(text.width, width, 1, text.n_tokens);
    let cross = 2.0 * project + keys_and_values + attention(positions, text.n_tokens, width);
    let feed_forward = 12.0 * project; // width -> 8 width, gated to 4 width, -> width
    let block = self_attention(width, positions) + cross + feed_forward;
    2.0 * project + n_layers as f64 * block
}

/// Floating-point operations of encoding one text of the full length.
pub fn clip_text(config: &CLIPTextConfig) -> f64 {
    let (width, n_tokens) = (config.hidden_size, config.max_position_embeddings);
    encoder(config.num_hidden_layers, [width, config.intermediate_size], n_tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets::{Preset, clip_vit_l, sd15_inpaint};

    fn vae(widths: &str) -> AutoencoderKLConfig {
        let json = format!(
            r#"{{"latent_channels": 8, "block_out_channels": [{widths}], "layers_per_block": 1,
                "norm_num_groups": 8, "mid_block_add_attention": false}}"#
        );
        AutoencoderKLConfig::from_json(&json).unwrap()
    }

    #[test]
    fn a_network_of_one_level_is_counted_by_hand() {
        // One position, widths 8: conv_in 3->8, one block, two in the middle, conv_out 8->16; each block
        // is two 8->8 convolutions of 9 taps.
        let expected = 2.0 * 9.0 * (3.0 * 8.0 + 3.0 * 2.0 * 64.0 + 8.0 * 16.0);
        assert!((vae_encoder(&vae("8"), 1) - expected).abs() < 1e-9);
    }

    #[test]
    fn the_counts_agree_with_independent_ones() {
        // GFLOP of a forward pass, from sums over the layers' weights times their positions.
        let close =
            |ours: f64, counted: f64| assert!((ours / 1e9 / counted - 1.0).abs() < 0.06, "{ours} {counted}");
        close(vae_encoder(&vae("32, 64, 128, 128"), 128), 2.3);
        close(vae_decoder(&vae("32, 64, 128, 128"), 128), 7.8);
        let unet_json = r#"{"sample_size": 16, "in_channels": 9, "out_channels": 4, "cross_attention_dim": 128,
            "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
            "block_out_channels": [64, 128, 192], "layers_per_block": 1, "norm_num_groups": 32,
            "attention_head_dim": [2, 4, 6]}"#;
        close(unet(&UNet2DConditionConfig::from_json(unet_json).unwrap(), 16, 16), 1.05);
    }

    /// What PyTorch's own counter says of diffusers' networks.
    #[test]
    fn the_counts_of_stable_diffusion_are_those_of_torch() {
        let Preset { unet: unet_config, vae, text_encoder } = sd15_inpaint();
        for (ours, counted) in [
            (unet(&unet_config, 64, 77), 803.39),
            (vae_encoder(&vae, 512), 1116.66),
            (vae_decoder(&vae, 512), 2514.52),
            (clip_text(&text_encoder), 13.30),
        ] {
            assert!((ours / 1e9 / counted - 1.0).abs() < 0.01, "{} GFLOP, not {counted}", ours / 1e9);
        }
    }

    /// What `docs/model_profile.csv` of `open_clip` says of `ViT-L-14`.
    #[test]
    fn the_counts_of_clip_are_those_of_open_clip() {
        let (picture, text) = clip(&clip_vit_l());
        for (ours, counted) in [(picture, 162.03), (text, 13.30)] {
            assert!((ours / 1e9 / counted - 1.0).abs() < 0.01, "{} GFLOP, not {counted}", ours / 1e9);
        }
    }
}
