//! How much memory a forward pass takes, known from a configuration before anything is loaded: the layer
//! whose tensors, with the skip connections that wait meanwhile, are the most. The same of a pass that a gradient
//! tape records, and of its way back.
//!
//! Weights are counted apart. A text encoder is not counted: a few dozen tokens are nothing beside a
//! picture's positions.

use burn::tensor::Device;
use byteedit_nn::{Init, Tape};

use crate::component::Component;
use crate::layers::{self, Layer, Op};
use crate::unet::UNet2DConditionConfig;
use crate::vae::{AutoencoderKLConfig, STRIP_POSITIONS};

/// What each thread packs operands and sums into.
const PACKED_BYTES: usize = 3 << 20;
/// Positions of a tile of a large 3x3 convolution, numbers that the tile is transformed to, and most tiles that
/// are transformed at a time.
const TILE: [usize; 3] = [16, 36, 256];

/// Memory in bytes of a forward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Most that tensors take at a time.
    pub tensors_bytes: usize,
    /// What the kernels keep between operations, for good.
    pub kernels_bytes: usize,
}

impl Footprint {
    /// Of two passes one after the other.
    #[must_use]
    pub fn and_then(self, next: Self) -> Self {
        Self {
            tensors_bytes: self.tensors_bytes.max(next.tensors_bytes),
            kernels_bytes: self.kernels_bytes.max(next.kernels_bytes),
        }
    }

    /// Of a batch whose layers have the tensors that `numbers` says, for one picture.
    fn of(layers: &[Layer], batch: usize, numbers: fn(Op, usize) -> usize) -> Self {
        let tensors = layers.iter().map(|layer| layer.kept + numbers(layer.op, layer.positions)).max();
        let tiles = layers.iter().map(|layer| tiles(layer.op, batch * layer.positions)).max();
        Self {
            tensors_bytes: 4 * batch * tensors.unwrap_or_default(),
            kernels_bytes: 4 * tiles.unwrap_or_default() + PACKED_BYTES * rayon::current_num_threads(),
        }
    }
}

/// Memory in bytes of a forward pass that a gradient tape records, and of the way back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapedFootprint {
    /// What the tape keeps of the pass until the way back.
    pub kept_bytes: usize,
    /// Of both ways, what the tape keeps included.
    pub peak: Footprint,
}

impl TapedFootprint {
    /// Of two passes, the second of which goes on from what the first one gives: it goes there and back while what is kept
    /// of the first waits.
    #[must_use]
    pub fn and_then(self, next: Self) -> Self {
        let tensors_bytes = self.kept_bytes + next.peak.tensors_bytes;
        Self {
            kept_bytes: self.kept_bytes + next.kept_bytes,
            peak: self.peak.and_then(Footprint { tensors_bytes, ..next.peak }),
        }
    }

    /// The peak lies where a layer's gradients are computed: what the tape keeps of the layers before it is still there,
    /// what it kept of those behind is gone.
    fn of(layers: &[Layer], batch: usize, tape: Tape) -> Self {
        let (mut kept, mut most) = (0, 0);
        for layer in layers {
            let Recorded { input, inner, slopes } = Recorded::of(layer);
            match tape {
                Tape::Whole => {
                    // An enlargement keeps what it made, and not what it was given.
                    let given = if matches!(layer.op, Op::Doubling { .. }) { 0 } else { input };
                    kept += given + inner;
                    most = most.max(kept + slopes);
                }
                Tape::Inputs => {
                    // A skip connection is a layer's input on the way down already; where it is joined, it is copied.
                    kept += input - layer.joined;
                    let joined = if layer.joined > 0 { input } else { 0 };
                    most = most.max(kept + joined + inner + slopes);
                }
            }
        }
        let kernels_bytes = Footprint::of(layers, batch, whole).kernels_bytes;
        Self {
            kept_bytes: 4 * batch * kept,
            peak: Footprint { tensors_bytes: 4 * batch * most, kernels_bytes },
        }
    }
}

/// Numbers that a layer has on a tape.
struct Recorded {
    /// What comes in.
    input: usize,
    /// What its gradient is made of beside that.
    inner: usize,
    /// Gradients that are alive at a time, over what is kept and already gone by then.
    slopes: usize,
}

impl Recorded {
    fn of(layer: &Layer) -> Self {
        let [input, inner, slopes] = match layer.op {
            // Behind its norm; the gradients of both.
            Op::Conv { channels_in, channels_out } => [channels_in, channels_in, channels_in + channels_out],
            // Each convolution keeps what its norm made, each norm what it was given. The way back begins with three times
            // the result: the gradient that came, and what the part's own tape makes of it.
            Op::Resnet { channels_in, channels_out } => {
                [channels_in, channels_in + 2 * channels_out, 3 * channels_out]
            }
            // Tokens, Q, K, V and their result; the gradients of these.
            Op::Attention { width } => [width, 5 * width, 5 * width],
            // Between the projections each block has 2 + 4 of its attention to itself (what the norm was given and made; Q,
            // K, V and the result), 2 + 2 of that to the text, and 14 of its feed-forward, whose gate has the most
            // gradients: 4 behind it, 8 before it, 2 that wait, less 5 that are gone.
            Op::Transformer { width, n_layers } => [width, (2 + 24 * n_layers) * width, 9 * width],
            Op::Halving { width } => [4 * width, 0, 5 * width],
            // The enlarged alone is kept, which is four times as large.
            Op::Doubling { width } => [width / 4, width, 3 * width],
        };
        let n = layer.positions;
        Self { input: input * n, inner: inner * n, slopes: slopes * n }
    }
}

/// Bytes of a component's weights in memory, which are f32 whatever the file has.
pub fn weights<C: Component>(config: &C::Config) -> usize {
    4 * C::from_config(config, &mut Init::blank(&Device::flex())).num_params()
}

/// One U-Net evaluation of `batch` latents of `side x side`.
pub fn unet(config: &UNet2DConditionConfig, batch: usize, side: usize) -> Footprint {
    Footprint::of(&layers::unet(config, side), batch, whole)
}

/// Encoding one picture of `side x side` pixels, in strips if it is large.
pub fn vae_encoder(config: &AutoencoderKLConfig, side: usize) -> Footprint {
    Footprint::of(&layers::vae_encoder(config, side), 1, if is_large(side) { in_strips } else { whole })
}

/// Decoding one picture of `side x side` pixels, in strips if it is large.
pub fn vae_decoder(config: &AutoencoderKLConfig, side: usize) -> Footprint {
    Footprint::of(&layers::vae_decoder(config, side), 1, if is_large(side) { in_strips } else { whole })
}

/// [`vae_decoder`] of a picture that stays whole.
pub fn vae_decoder_whole(config: &AutoencoderKLConfig, side: usize) -> Footprint {
    Footprint::of(&layers::vae_decoder(config, side), 1, whole)
}

/// One U-Net evaluation of `batch` latents of `side x side` with the gradients of its input or of branches; those of its
/// weights come to it.
pub fn unet_on_tape(config: &UNet2DConditionConfig, batch: usize, side: usize, tape: Tape) -> TapedFootprint {
    TapedFootprint::of(&layers::unet(config, side), batch, tape)
}

/// Decoding `batch` pictures of `side x side` pixels, which stay whole, with the gradient of their latents.
pub fn vae_decoder_on_tape(
    config: &AutoencoderKLConfig,
    batch: usize,
    side: usize,
    tape: Tape,
) -> TapedFootprint {
    TapedFootprint::of(&layers::vae_decoder(config, side), batch, tape)
}

fn is_large(side: usize) -> bool {
    side * side > STRIP_POSITIONS
}

/// Numbers that a layer's 3x3 convolutions transform at a time.
fn tiles(op: Op, positions: usize) -> usize {
    let [of_tile, numbers, most] = TILE;
    let channels = match op {
        Op::Resnet { channels_in, channels_out } => channels_in.max(channels_out),
        Op::Doubling { width } => width,
        // Few channels, a stride of 2, or no 3x3 convolution.
        Op::Conv { .. } | Op::Halving { .. } | Op::Attention { .. } | Op::Transformer { .. } => 0,
    };
    numbers * channels * (positions / of_tile).min(most)
}

/// Most numbers that are alive at a time while a layer makes its `positions`, its input included.
fn whole(op: Op, positions: usize) -> usize {
    let channels = match op {
        Op::Conv { channels_in, channels_out } => channels_in + channels_out,
        // The input waits for the sum, beside a norm and its convolution.
        Op::Resnet { channels_in, channels_out } => {
            channels_in + channels_out + channels_in.max(channels_out)
        }
        // Input, and tokens with Q, K, V, or Q, K, V with their result; four positions for each of the result,
        // and that.
        Op::Attention { width } | Op::Halving { width } => 5 * width,
        // Input, tokens, and the feed-forward, 8 times as wide before its gate and 4 times behind.
        Op::Transformer { width, .. } => 14 * width,
        // Enlarged, before and behind the convolution.
        Op::Doubling { width } => 2 * width,
    };
    channels * positions
}

/// The same where a large layer is done in strips: of input and result, one shrinks while the other grows,
/// and one strip is being computed.
fn in_strips(op: Op, positions: usize) -> usize {
    if positions <= STRIP_POSITIONS {
        return whole(op, positions);
    }
    let channels = match op {
        Op::Conv { channels_in, channels_out } => channels_in.max(channels_out),
        Op::Resnet { channels_in, channels_out } if channels_in == channels_out => 2 * channels_in,
        // The shortcut is made at the same time.
        Op::Resnet { channels_in, channels_out } => channels_in.max(2 * channels_out),
        Op::Halving { width } => 4 * width,
        Op::Doubling { width } => width,
        // These need all positions at once.
        Op::Attention { .. } | Op::Transformer { .. } => return whole(op, positions),
    };
    // A strip is a part of what was computed with a row of each neighbour, and keeps all of it.
    let neighbours = 2 * positions.isqrt() * positions / STRIP_POSITIONS;
    channels * (positions + neighbours) + whole(op, STRIP_POSITIONS)
}
