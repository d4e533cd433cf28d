//! Encoder, decoder and what they are made of.

use burn::module::Module;
use burn::tensor::Tensor;
use byteedit_nn::kernels::add;
use byteedit_nn::{
    Attention, Conv2d, Downsample2D, GroupNorm, Init, NormSettings, ResnetBlock2D, Tape, Upsample2D,
    pixels_from_tokens, tokens_from_pixels,
};

use super::AutoencoderKLConfig;

const EPSILON: f64 = 1e-6;

/// Where the posterior's log-variances start. From 0, the noise would be as large as the means; the
/// decoder then learns to ignore most channels before the encoder learns to be precise. Only without
/// a `quant_conv`, which would mix them with the means.
const INITIAL_LOG_VAR: f32 = -8.0;

fn norm_settings(config: &AutoencoderKLConfig) -> NormSettings {
    NormSettings { n_groups: config.norm_num_groups, epsilon: EPSILON }
}

/// Residual blocks at one resolution and the way to the next.
#[derive(Module, Debug)]
pub struct VaeBlock {
    /// Residual blocks in order.
    pub resnets: Vec<ResnetBlock2D>,
    /// One in the encoder, except at the lowest resolution.
    pub downsamplers: Vec<Downsample2D>,
    /// One in the decoder, except at the highest resolution.
    pub upsamplers: Vec<Upsample2D>,
}

impl VaeBlock {
    fn resnets(
        init: &mut Init,
        config: &AutoencoderKLConfig,
        [entry, channels]: [usize; 2],
        n_layers: usize,
    ) -> Vec<ResnetBlock2D> {
        (0..n_layers)
            .map(|layer| {
                let channels_in = if layer == 0 { entry } else { channels };
                ResnetBlock2D::new(init, [channels_in, channels], None, norm_settings(config))
            })
            .collect()
    }

    fn forward(&self, mut x: Tensor<4>, tape: Tape) -> Tensor<4> {
        for resnet in &self.resnets {
            x = through(resnet, x, tape);
        }
        for downsampler in &self.downsamplers {
            x = tape.run(downsampler, x, Downsample2D::forward);
        }
        for upsampler in &self.upsamplers {
            let [_, _, height, width] = x.dims();
            let size = [2 * height, 2 * width];
            x = tape.run(upsampler, (x, size), |upsampler, (x, size)| upsampler.forward(x, size));
        }
        x
    }
}

fn through(resnet: &ResnetBlock2D, x: Tensor<4>, tape: Tape) -> Tensor<4> {
    tape.run(resnet, x, |resnet, x| resnet.forward(x, None))
}

/// A convolution behind a norm, at the exit of either way.
fn out(norm: &GroupNorm, conv: &Conv2d, x: Tensor<4>, tape: Tape) -> Tensor<4> {
    tape.run(&(norm.clone(), conv.clone()), x, |(norm, conv), x| conv.forward(norm.forward_silu(x)))
}

/// Single-head self-attention over all positions, added to its input.
#[derive(Module, Debug)]
pub struct VaeAttention {
    /// Before the attention.
    pub group_norm: GroupNorm,
    /// Checkpoints have its four linears at this level.
    pub attention: Attention,
}

impl VaeAttention {
    fn new(init: &mut Init, config: &AutoencoderKLConfig, channels: usize) -> Self {
        Self {
            group_norm: GroupNorm::new(init, config.norm_num_groups, channels, EPSILON),
            attention: Attention::new(init, [channels; 2], 1, channels, true),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let tokens = tokens_from_pixels(self.group_norm.forward(x.clone()));
        add(x, pixels_from_tokens(self.attention.forward(tokens.clone(), tokens), height, width))
    }
}

/// The lowest resolution: residual block, attention where configured, residual block.
#[derive(Module, Debug)]
pub struct VaeMidBlock {
    /// Two.
    pub resnets: Vec<ResnetBlock2D>,
    /// One or none.
    pub attentions: Vec<VaeAttention>,
}

impl VaeMidBlock {
    fn new(init: &mut Init, config: &AutoencoderKLConfig, channels: usize) -> Self {
        let n_attentions = usize::from(config.mid_block_add_attention);
        Self {
            resnets: (0..2)
                .map(|_| ResnetBlock2D::new(init, [channels; 2], None, norm_settings(config)))
                .collect(),
            attentions: (0..n_attentions).map(|_| VaeAttention::new(init, config, channels)).collect(),
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>, tape: Tape) -> Tensor<4> {
        let mut x = through(&self.resnets[0], x, tape);
        for attention in &self.attentions {
            x = tape.run(attention, x, VaeAttention::forward);
        }
        through(&self.resnets[1], x, tape)
    }
}

/// Pixels to the moments of the latent.
#[derive(Module, Debug)]
pub struct Encoder {
    /// Into the first width.
    pub conv_in: Conv2d,
    /// Highest resolution first.
    pub down_blocks: Vec<VaeBlock>,
    /// The lowest resolution.
    pub mid_block: VaeMidBlock,
    /// Before the exit.
    pub conv_norm_out: GroupNorm,
    /// To means and log-variances.
    pub conv_out: Conv2d,
}

impl Encoder {
    pub(super) fn new(init: &mut Init, config: &AutoencoderKLConfig) -> Self {
        let widths = &config.block_out_channels;
        let last = widths[widths.len() - 1];
        let latent = config.latent_channels;
        let down_blocks = (0..widths.len())
            .map(|level| VaeBlock {
                resnets: VaeBlock::resnets(
                    init,
                    config,
                    [widths[level.saturating_sub(1)], widths[level]],
                    config.layers_per_block,
                ),
                downsamplers: (level + 1 < widths.len())
                    .then(|| Downsample2D::end_padded(init, widths[level]))
                    .into_iter()
                    .collect(),
                upsamplers: Vec::new(),
            })
            .collect();
        Self {
            conv_in: Conv2d::same3x3(init, [config.in_channels, widths[0]]),
            down_blocks,
            mid_block: VaeMidBlock::new(init, config, last),
            conv_norm_out: GroupNorm::new(init, config.norm_num_groups, last, EPSILON),
            conv_out: Conv2d {
                bias: init.vector([vec![0.0; latent], vec![INITIAL_LOG_VAR; latent]].concat()),
                ..Conv2d::same3x3(init, [last, 2 * latent])
            },
        }
    }

    pub(super) fn forward(&self, pixels: Tensor<4>, tape: Tape) -> Tensor<4> {
        let mut x = self.conv_in.forward(pixels); // [batch, channels[0], height, width]
        for block in &self.down_blocks {
            x = block.forward(x, tape);
        }
        x = self.mid_block.forward(x, tape); // [batch, channels[last], height / downscale, width / downscale]
        out(&self.conv_norm_out, &self.conv_out, x, tape)
    }
}

/// Latents to pixels.
#[derive(Module, Debug)]
pub struct Decoder {
    /// Into the last width.
    pub conv_in: Conv2d,
    /// The lowest resolution.
    pub mid_block: VaeMidBlock,
    /// Lowest resolution first.
    pub up_blocks: Vec<VaeBlock>,
    /// Before the exit.
    pub conv_norm_out: GroupNorm,
    /// To colours.
    pub conv_out: Conv2d,
}

impl Decoder {
    pub(super) fn new(init: &mut Init, config: &AutoencoderKLConfig) -> Self {
        let widths = &config.block_out_channels;
        let last = widths[widths.len() - 1];
        let up_blocks = (0..widths.len())
            .rev()
            .map(|level| VaeBlock {
                resnets: VaeBlock::resnets(
                    init,
                    config,
                    [widths[(level + 1).min(widths.len() - 1)], widths[level]],
                    config.layers_per_block + 1,
                ),
                downsamplers: Vec::new(),
                upsamplers: (level > 0).then(|| Upsample2D::new(init, widths[level])).into_iter().collect(),
            })
            .collect();
        Self {
            conv_in: Conv2d::same3x3(init, [config.latent_channels, last]),
            mid_block: VaeMidBlock::new(init, config, last),
            up_blocks,
            conv_norm_out: GroupNorm::new(init, config.norm_num_groups, widths[0], EPSILON),
            conv_out: Conv2d::same3x3(init, [widths[0], config.out_channels]),
        }
    }

    pub(super) fn forward(&self, raw_latents: Tensor<4>, tape: Tape) -> Tensor<4> {
        let mut x = self.conv_in.forward(raw_latents);
        x = self.mid_block.forward(x, tape); // [batch, channels[last], height / downscale, width / downscale]
        for block in &self.up_blocks {
            x = block.forward(x, tape);
        }
        out(&self.conv_norm_out, &self.conv_out, x, tape) // [batch, 3, height, width]
    }
}
