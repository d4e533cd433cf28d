//! Networks on paper: their layers in order, known from a configuration before anything is loaded, for
//! whoever counts operations or memory.

use crate::unet::UNet2DConditionConfig;
use crate::vae::AutoencoderKLConfig;

/// What a layer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// A 3x3 convolution, at the entry and at the exit.
    Conv { channels_in: usize, channels_out: usize },
    /// Two 3x3 convolutions and, where the width changes, a 1x1 shortcut.
    Resnet { channels_in: usize, channels_out: usize },
    /// Self-attention over all positions, without a feed-forward.
    Attention { width: usize },
    /// Transformer blocks of self-attention, cross-attention and feed-forward between two projections.
    Transformer { width: usize, n_layers: usize },
    /// A 3x3 convolution of stride 2.
    Halving { width: usize },
    /// Enlargement to twice the size and a 3x3 convolution.
    Doubling { width: usize },
}

/// One layer of a network, for one picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) op: Op,
    /// Height times width of the result.
    pub(crate) positions: usize,
    /// Numbers that skip connections keep meanwhile, the layer's own input left out.
    pub(crate) kept: usize,
    /// Numbers of that input that came over a skip connection.
    pub(crate) joined: usize,
}

/// The encoder for a picture of `side x side` pixels.
pub(crate) fn vae_encoder(config: &AutoencoderKLConfig, side: usize) -> Vec<Layer> {
    let widths = &config.block_out_channels;
    let mut layers = Layers::enter([config.in_channels, widths[0]], side * side);
    for (level, &width) in widths.iter().enumerate() {
        for _ in 0..config.layers_per_block {
            layers.resnet(width);
        }
        if level + 1 < widths.len() {
            layers.halve();
        }
    }
    layers.vae_middle(config);
    layers.exit(2 * config.latent_channels)
}

/// The decoder for a picture of `side x side` pixels.
pub(crate) fn vae_decoder(config: &AutoencoderKLConfig, side: usize) -> Vec<Layer> {
    let widths = &config.block_out_channels;
    let last = widths[widths.len() - 1];
    let mut layers = Layers::enter([config.latent_channels, last], (side / config.downscale()).pow(2));
    layers.vae_middle(config);
    for (level, &width) in widths.iter().enumerate().rev() {
        for _ in 0..=config.layers_per_block {
            layers.resnet(width);
        }
        if level > 0 {
            layers.double();
        }
    }
    layers.exit(config.out_channels)
}

/// The U-Net for a latent of `side x side`.
pub(crate) fn unet(config: &UNet2DConditionConfig, side: usize) -> Vec<Layer> {
    let widths = &config.block_out_channels;
    let last = widths.len() - 1;
    let mut layers = Layers::enter([config.in_channels, widths[0]], side * side);
    layers.keep();
    for (level, &width) in widths.iter().enumerate() {
        for _ in 0..config.layers_per_block {
            layers.resnet(width);
            if config.down_block_types[level].has_attention() {
                layers.transformer(config.n_transformer_layers(level));
            }
            layers.keep();
        }
        if level < last {
            layers.halve();
            layers.keep();
        }
    }
    layers.resnet(widths[last]);
    layers.transformer(config.n_transformer_layers(last));
    layers.resnet(widths[last]);
    for (level, &width) in widths.iter().enumerate().rev() {
        for _ in 0..=config.layers_per_block {
            layers.join();
            layers.resnet(width);
            if config.up_block_types[last - level].has_attention() {
                layers.transformer(config.n_transformer_layers(level));
            }
        }
        if level > 0 {
            layers.double();
        }
    }
    layers.exit(config.out_channels)
}

/// Layers so far, and what comes out of the last one.
struct Layers {
    list: Vec<Layer>,
    channels: usize,
    positions: usize,
    /// Channels and positions of the results that wait on the way up.
    skips: Vec<[usize; 2]>,
    /// Whether the result of the last layer is the last of these.
    is_kept: bool,
    /// Numbers that have just come over a skip connection.
    joined: usize,
}

impl Layers {
    fn enter([channels_in, channels_out]: [usize; 2], positions: usize) -> Self {
        let mut layers = Self {
            list: Vec::new(),
            channels: channels_in,
            positions,
            skips: Vec::new(),
            is_kept: false,
            joined: 0,
        };
        layers.push(Op::Conv { channels_in, channels_out }, channels_out);
        layers
    }

    fn push(&mut self, op: Op, channels_out: usize) {
        let n_others = self.skips.len() - usize::from(self.is_kept);
        let kept = self.skips[..n_others].iter().map(|[channels, positions]| channels * positions).sum();
        let joined = std::mem::take(&mut self.joined);
        self.list.push(Layer { op, positions: self.positions, kept, joined });
        self.channels = channels_out;
        self.is_kept = false;
    }

    fn resnet(&mut self, channels_out: usize) {
        self.push(Op::Resnet { channels_in: self.channels, channels_out }, channels_out);
    }

    fn transformer(&mut self, n_layers: usize) {
        self.push(Op::Transformer { width: self.channels, n_layers }, self.channels);
    }

    fn vae_middle(&mut self, config: &AutoencoderKLConfig) {
        self.resnet(self.channels);
        if config.mid_block_add_attention {
            self.push(Op::Attention { width: self.channels }, self.channels);
        }
        self.resnet(self.channels);
    }

    fn halve(&mut self) {
        self.positions /= 4;
        self.push(Op::Halving { width: self.channels }, self.channels);
    }

    fn double(&mut self) {
        self.positions *= 4;
        self.push(Op::Doubling { width: self.channels }, self.channels);
    }

    /// The last result waits for the way up.
    fn keep(&mut self) {
        self.skips.push([self.channels, self.positions]);
        self.is_kept = true;
    }

    /// The last result gets the channels of what waits.
    fn join(&mut self) {
        let [channels, positions] = self.skips.pop().unwrap_or_default();
        self.channels += channels;
        self.joined = channels * positions;
    }

    fn exit(mut self, channels_out: usize) -> Vec<Layer> {
        self.push(Op::Conv { channels_in: self.channels, channels_out }, channels_out);
        self.list
    }
}
