//! The whole U-Net: down, middle, up, with skip connections between the two ways.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::silu;
use byteedit_nn::{Conv2d, GroupNorm, Init, Tape, TextTimeEmbedding, TimestepEmbedding, timestep_features};

use super::blocks::{BlockSettings, Given};
use super::{UNet2DConditionConfig, UNetBlock, UNetMidBlock};
use crate::ModelError;
use crate::component::Component;

/// Predicts noise, velocity or the clean latent (whatever it was trained for) from a noisy latent, a
/// timestep and a text; an inpainting model also sees the mask and the masked picture's latent.
#[derive(Module, Debug)]
pub struct UNet2DConditionModel {
    /// Into the first width.
    pub conv_in: Conv2d,
    /// Time features to `d_time`.
    pub time_embedding: TimestepEmbedding,
    /// The text to `d_time`, to be added to it; none in Stable Diffusion.
    pub add_embedding: Option<TextTimeEmbedding>,
    /// Highest resolution first.
    pub down_blocks: Vec<UNetBlock>,
    /// The lowest resolution.
    pub mid_block: UNetMidBlock,
    /// Lowest resolution first.
    pub up_blocks: Vec<UNetBlock>,
    /// Before the exit.
    pub conv_norm_out: GroupNorm,
    /// Back to latent channels; starts at zero.
    pub conv_out: Conv2d,
    #[module(skip)]
    config: UNet2DConditionConfig,
    #[module(skip)]
    tape: Tape,
}

impl UNet2DConditionModel {
    /// One evaluation of the network.
    ///
    /// # Shapes
    /// - `sample`: `[batch, in_channels, height, width]`; for an inpainting model the channels are the
    ///   noisy latents, the mask (1 = repaint), the masked latents, in this order
    /// - `timesteps`: `[batch]`, 0 to 999, fractions allowed
    /// - `context`: `[batch, text_tokens, cross_attention_dim]`
    /// - returns `[batch, out_channels, height, width]`
    pub fn forward(&self, sample: Tensor<4>, timesteps: Tensor<1>, context: Tensor<3>) -> Tensor<4> {
        let config = &self.config;
        let features = timestep_features(
            timesteps,
            config.block_out_channels[0],
            config.flip_sin_to_cos,
            config.freq_shift,
        );
        let time = self.time_embedding.forward(features); // [batch, d_time]
        let time = match &self.add_embedding {
            Some(embedding) => time + embedding.forward(context.clone()),
            None => time,
        };
        let time = silu(time);

        let mut x = self.conv_in.forward(sample); // [batch, channels[0], height, width]
        let mut skips = vec![x.clone()];
        let given = Given { time: &time, context: &context, tape: self.tape };
        for block in &self.down_blocks {
            x = block.forward_down(x, given, &mut skips);
        }
        x = self.mid_block.forward(x, given); // [batch, channels[last], height / 2^k, width / 2^k]
        for block in &self.up_blocks {
            x = block.forward_up(x, given, &mut skips);
        }
        let exit = (self.conv_norm_out.clone(), self.conv_out.clone());
        self.tape.run(&exit, x, |(norm, conv), x| conv.forward(norm.forward_silu(x)))
    }

    /// The same network. Its parts are residual blocks, transformers, the ways from one resolution to the next, and the exit:
    /// `tape` says what a gradient tape keeps of them.
    #[must_use]
    pub fn with_tape(mut self, tape: Tape) -> Self {
        self.tape = tape;
        self
    }
}

impl Component for UNet2DConditionModel {
    type Config = UNet2DConditionConfig;

    const CLASS: &'static str = "UNet2DConditionModel";
    const LIBRARY: &'static str = "diffusers";
    const WEIGHTS_FILE: &'static str = "diffusion_pytorch_model.safetensors";
    const RENAMES: &'static [(&'static str, &'static str)] = &[
        (".proj_in.conv.", ".proj_in."),
        (".proj_in.linear.", ".proj_in."),
        (".proj_out.conv.", ".proj_out."),
        (".proj_out.linear.", ".proj_out."),
        (".ff.proj.", ".ff.net.0.proj."),
        (".ff.out.", ".ff.net.2."),
    ];

    fn parse_config(json: &str) -> Result<Self::Config, ModelError> {
        UNet2DConditionConfig::from_json(json)
    }

    fn from_config(config: &Self::Config, init: &mut Init) -> Self {
        let widths = &config.block_out_channels;
        let d_time = 4 * widths[0];
        let settings = BlockSettings { config, d_time };
        Self {
            conv_in: Conv2d::same3x3(init, [config.in_channels, widths[0]]),
            time_embedding: TimestepEmbedding::new(init, widths[0], d_time),
            add_embedding: config.adds_text().then(|| {
                let n_heads = config.addition_embed_type_num_heads;
                TextTimeEmbedding::new(init, [config.cross_attention_dim, d_time], n_heads)
            }),
            down_blocks: (0..widths.len()).map(|level| UNetBlock::down(init, settings, level)).collect(),
            mid_block: UNetMidBlock::new(init, settings),
            up_blocks: (0..widths.len()).rev().map(|level| UNetBlock::up(init, settings, level)).collect(),
            conv_norm_out: GroupNorm::new(init, config.norm_num_groups, widths[0], config.norm_eps),
            conv_out: Conv2d::same3x3(init, [widths[0], config.out_channels]).zeroed(init),
            config: config.clone(),
            tape: Tape::default(),
        }
    }

    fn config(&self) -> &Self::Config {
        &self.config
    }
}
