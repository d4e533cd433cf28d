//! What stands at one resolution of the U-Net.

use burn::module::Module;
use burn::tensor::Tensor;
use byteedit_nn::kernels::concat_channels;
use byteedit_nn::{
    Downsample2D, Init, NormSettings, ResnetBlock2D, Tape, Transformer2DModel, TransformerWidths, Upsample2D,
};

use super::UNet2DConditionConfig;

/// One resolution: residual blocks, a transformer after each where the configuration asks for it, and
/// the way to the next resolution. Down and up blocks differ only in where their inputs come from.
#[derive(Module, Debug)]
pub struct UNetBlock {
    /// Residual blocks in order.
    pub resnets: Vec<ResnetBlock2D>,
    /// As many transformers, or none.
    pub attentions: Vec<Transformer2DModel>,
    /// One, except at the lowest resolution and on the way up.
    pub downsamplers: Vec<Downsample2D>,
    /// One, except at the highest resolution and on the way down.
    pub upsamplers: Vec<Upsample2D>,
}

/// What every part of a U-Net is told beside its input, and what the tape keeps of it.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    /// `[batch, d_time]`, behind its `SiLU`.
    pub(super) time: &'a Tensor<2>,
    /// `[batch, tokens, d_context]`
    pub(super) context: &'a Tensor<3>,
    pub(super) tape: Tape,
}

impl Given<'_> {
    fn resnet(self, resnet: &ResnetBlock2D, x: Tensor<4>) -> Tensor<4> {
        let inputs = (x, self.time.clone());
        self.tape.run(resnet, inputs, |resnet, (x, time)| resnet.forward(x, Some(&time)))
    }

    /// The same of `x` and a skip connection together.
    fn joining_resnet(self, resnet: &ResnetBlock2D, x: Tensor<4>, skip: Tensor<4>) -> Tensor<4> {
        let inputs = (x, skip, self.time.clone());
        self.tape.run(resnet, inputs, |resnet, (x, skip, time)| {
            resnet.forward(concat_channels(x, skip), Some(&time))
        })
    }

    fn transformer(self, transformer: &Transformer2DModel, x: Tensor<4>) -> Tensor<4> {
        let inputs = (x, self.context.clone());
        self.tape.run(transformer, inputs, |transformer, (x, context)| transformer.forward(x, context))
    }
}

/// Settings that every block of one U-Net shares.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockSettings<'a> {
    pub(super) config: &'a UNet2DConditionConfig,
    pub(super) d_time: usize,
}

impl BlockSettings<'_> {
    fn norm(&self) -> NormSettings {
        NormSettings { n_groups: self.config.norm_num_groups, epsilon: self.config.norm_eps }
    }

    fn resnet(&self, init: &mut Init, channels: [usize; 2]) -> ResnetBlock2D {
        let conditioning = self.config.resnet_time_scale_shift.conditioning();
        ResnetBlock2D::new(init, channels, Some((self.d_time, conditioning)), self.norm())
    }

    fn transformer(&self, init: &mut Init, level: usize) -> Transformer2DModel {
        let config = self.config;
        let widths = TransformerWidths {
            channels: config.block_out_channels[level],
            n_heads: config.n_heads(level),
            d_context: config.cross_attention_dim,
            n_layers: config.n_transformer_layers(level),
            norm_groups: config.norm_num_groups,
            linear_projection: config.use_linear_projection,
        };
        Transformer2DModel::new(init, &widths)
    }
}

impl UNetBlock {
    /// The block at `level` (0 is the highest resolution) on the way down.
    pub(super) fn down(init: &mut Init, settings: BlockSettings<'_>, level: usize) -> Self {
        let widths = &settings.config.block_out_channels;
        let channels = widths[level];
        let n_layers = settings.config.layers_per_block;
        let attends = settings.config.down_block_types[level].has_attention();
        let entry = if level == 0 { widths[0] } else { widths[level - 1] };
        Self {
            resnets: (0..n_layers)
                .map(|layer| settings.resnet(init, [if layer == 0 { entry } else { channels }, channels]))
                .collect(),
            attentions: (0..if attends { n_layers } else { 0 })
                .map(|_| settings.transformer(init, level))
                .collect(),
            downsamplers: (level + 1 < widths.len())
                .then(|| Downsample2D::padded(init, channels))
                .into_iter()
                .collect(),
            upsamplers: Vec::new(),
        }
    }

    /// The block at `level` on the way up: each residual block also takes one skip connection.
    pub(super) fn up(init: &mut Init, settings: BlockSettings<'_>, level: usize) -> Self {
        let widths = &settings.config.block_out_channels;
        let channels = widths[level];
        let n_layers = settings.config.layers_per_block + 1;
        let index = widths.len() - 1 - level;
        let attends = settings.config.up_block_types[index].has_attention();
        let below = widths[(level + 1).min(widths.len() - 1)];
        let last_skip = widths[level.saturating_sub(1)];
        Self {
            resnets: (0..n_layers)
                .map(|layer| {
                    let entry = if layer == 0 { below } else { channels };
                    let skip = if layer + 1 == n_layers { last_skip } else { channels };
                    settings.resnet(init, [entry + skip, channels])
                })
                .collect(),
            attentions: (0..if attends { n_layers } else { 0 })
                .map(|_| settings.transformer(init, level))
                .collect(),
            downsamplers: Vec::new(),
            upsamplers: (level > 0).then(|| Upsample2D::new(init, channels)).into_iter().collect(),
        }
    }

    /// Runs the block downwards and pushes every intermediate result onto `skips`.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels_in, height, width]`
    /// - returns `[batch, channels, ⌈height / 2⌉, ⌈width / 2⌉]`, or full size at the lowest resolution
    pub(super) fn forward_down(
        &self,
        mut x: Tensor<4>,
        given: Given<'_>,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        for (layer, resnet) in self.resnets.iter().enumerate() {
            x = given.resnet(resnet, x);
            if let Some(attention) = self.attentions.get(layer) {
                x = given.transformer(attention, x);
            }
            skips.push(x.clone());
        }
        for downsampler in &self.downsamplers {
            x = given.tape.run(downsampler, x, Downsample2D::forward);
            skips.push(x.clone());
        }
        x
    }

    /// Runs the block upwards, taking one skip connection from the end of `skips` for each residual
    /// block; the enlargement goes to the size of the skip that comes next.
    pub(super) fn forward_up(
        &self,
        mut x: Tensor<4>,
        given: Given<'_>,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        for (layer, resnet) in self.resnets.iter().enumerate() {
            let skip = skips.pop().expect("one skip for each residual block; this is a bug");
            x = given.joining_resnet(resnet, x, skip);
            if let Some(attention) = self.attentions.get(layer) {
                x = given.transformer(attention, x);
            }
        }
        for upsampler in &self.upsamplers {
            let [_, _, height, width] = x.dims();
            let size = skips.last().map_or([2 * height, 2 * width], |skip| {
                let [_, _, height, width] = skip.dims();
                [height, width]
            });
            x = given.tape.run(upsampler, (x, size), |upsampler, (x, size)| upsampler.forward(x, size));
        }
        x
    }
}

/// The lowest resolution: residual block, transformer, residual block.
#[derive(Module, Debug)]
pub struct UNetMidBlock {
    /// Two.
    pub resnets: Vec<ResnetBlock2D>,
    /// One.
    pub attentions: Vec<Transformer2DModel>,
}

impl UNetMidBlock {
    pub(super) fn new(init: &mut Init, settings: BlockSettings<'_>) -> Self {
        let level = settings.config.block_out_channels.len() - 1;
        let channels = settings.config.block_out_channels[level];
        Self {
            resnets: (0..2).map(|_| settings.resnet(init, [channels; 2])).collect(),
            attentions: vec![settings.transformer(init, level)],
        }
    }

    /// # Shapes
    /// - `x`, result: `[batch, channels, height, width]`
    pub(super) fn forward(&self, x: Tensor<4>, given: Given<'_>) -> Tensor<4> {
        let x = given.resnet(&self.resnets[0], x);
        let x = given.transformer(&self.attentions[0], x);
        given.resnet(&self.resnets[1], x)
    }
}
