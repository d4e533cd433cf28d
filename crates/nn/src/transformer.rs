//! The transformer block that Stable Diffusion puts between its residual blocks (Rombach et al. 2022,
//! arXiv 2112.10752, Section 3.3 and Appendix E.2.1), with diffusers' names.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::kernels::{add, geglu, transposed};
use crate::{Attention, Conv2d, GroupNorm, Init, LayerNorm, Linear};

/// Widths of one transformer: `n_heads * d_head` inside, `d_context` for the text.
#[derive(Debug, Clone, Copy)]
pub struct TransformerWidths {
    /// Channels of the picture side.
    pub channels: usize,
    /// Attention heads.
    pub n_heads: usize,
    /// Width of the text features.
    pub d_context: usize,
    /// Blocks in a row.
    pub n_layers: usize,
    /// Groups of the entry norm.
    pub norm_groups: usize,
    /// Project by a linear on tokens (SD 2.x) or a 1x1 convolution on pixels (SD 1.x).
    pub linear_projection: bool,
}

/// Pixels become tokens, look at each other and at the text, and come back, added to the input.
#[derive(Module, Debug)]
pub struct Transformer2DModel {
    /// Entry norm.
    pub norm: GroupNorm,
    /// Into the transformer's width.
    pub proj_in: Projection,
    /// The blocks.
    pub transformer_blocks: Vec<BasicTransformerBlock>,
    /// Back to the channels; starts at zero.
    pub proj_out: Projection,
}

/// A pointwise map between pixels and tokens; checkpoints name the weight and the bias of both alike.
#[derive(Module, Debug)]
pub enum Projection {
    /// On pixels, with a weight of `[out, in, 1, 1]` (SD 1.x).
    Conv(Conv2d),
    /// On tokens, with a weight of `[out, in]` (SD 2.x).
    Linear(Linear),
}

impl Projection {
    fn new(init: &mut Init, channels: usize, linear: bool, zeroed: bool) -> Self {
        let channels = [channels; 2];
        match (linear, zeroed) {
            (true, false) => Self::Linear(Linear::new(init, channels)),
            (true, true) => Self::Linear(Linear::zeroed(init, channels)),
            (false, false) => Self::Conv(Conv2d::pointwise(init, channels)),
            (false, true) => Self::Conv(Conv2d::pointwise(init, channels).zeroed(init)),
        }
    }
}

impl Transformer2DModel {
    /// `proj_out` starts at zero, so the whole transformer starts as the identity.
    pub fn new(init: &mut Init, widths: &TransformerWidths) -> Self {
        let TransformerWidths { channels, n_layers, norm_groups, linear_projection, .. } = *widths;
        Self {
            norm: GroupNorm::new(init, norm_groups, channels, 1e-6),
            proj_in: Projection::new(init, channels, linear_projection, false),
            transformer_blocks: (0..n_layers).map(|_| BasicTransformerBlock::new(init, widths)).collect(),
            proj_out: Projection::new(init, channels, linear_projection, true),
        }
    }

    /// # Shapes
    /// - `x`, result: `[batch, channels, height, width]`
    /// - `context`: `[batch, text_tokens, d_context]`
    pub fn forward(&self, x: Tensor<4>, context: Tensor<3>) -> Tensor<4> {
        let [_, _, height, width] = x.dims();
        let residual = x.clone();
        let x = self.norm.forward(x);
        let mut tokens = match &self.proj_in {
            Projection::Conv(conv) => tokens_from_pixels(conv.forward(x)),
            Projection::Linear(linear) => linear.forward(tokens_from_pixels(x)),
        };
        for block in &self.transformer_blocks {
            tokens = block.forward(tokens, context.clone()); // [batch, height * width, channels]
        }
        let x = match &self.proj_out {
            Projection::Conv(conv) => conv.forward(pixels_from_tokens(tokens, height, width)),
            Projection::Linear(linear) => pixels_from_tokens(linear.forward(tokens), height, width),
        };
        add(x, residual)
    }
}

/// Self-attention, cross-attention, feed-forward; each behind a norm and added to its input.
#[derive(Module, Debug)]
pub struct BasicTransformerBlock {
    /// Before self-attention.
    pub norm1: LayerNorm,
    /// Self-attention.
    pub attn1: Attention,
    /// Before cross-attention.
    pub norm2: LayerNorm,
    /// Attention over the text.
    pub attn2: Attention,
    /// Before the feed-forward.
    pub norm3: LayerNorm,
    /// The gated feed-forward.
    pub ff: FeedForward,
}

impl BasicTransformerBlock {
    fn new(init: &mut Init, widths: &TransformerWidths) -> Self {
        let TransformerWidths { channels, n_heads, d_context, .. } = *widths;
        let d_head = channels / n_heads;
        Self {
            norm1: LayerNorm::new(init, channels, 1e-5),
            attn1: Attention::new(init, [channels, channels], n_heads, d_head, false),
            norm2: LayerNorm::new(init, channels, 1e-5),
            attn2: Attention::new(init, [channels, d_context], n_heads, d_head, false),
            norm3: LayerNorm::new(init, channels, 1e-5),
            ff: FeedForward::new(init, channels),
        }
    }

    fn forward(&self, x: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        let normed = self.norm1.forward(x.clone());
        let x = add(x, self.attn1.forward(normed.clone(), normed));
        let x = add(x.clone(), self.attn2.forward(self.norm2.forward(x), context));
        add(x.clone(), self.ff.forward(self.norm3.forward(x)))
    }
}

/// `GEGLU` (Shazeer 2020, arXiv 2002.05202, Eq. 6): `(x W₁) * gelu(x W₂)`, then back to `d_model`.
/// Checkpoints keep both halves of `W` in `net.0.proj` and the way back in `net.2`.
#[derive(Module, Debug)]
pub struct FeedForward {
    /// `[8 * d_model, d_model]`: the value rows, then the gate rows.
    pub proj: Linear,
    /// `[d_model, 4 * d_model]`
    pub out: Linear,
}

impl FeedForward {
    fn new(init: &mut Init, d_model: usize) -> Self {
        Self {
            proj: Linear::new(init, [d_model, 8 * d_model]),
            out: Linear::new(init, [4 * d_model, d_model]),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.out.forward(geglu(self.proj.forward(x)))
    }
}

/// `[batch, channels, height, width] -> [batch, height * width, channels]`
pub fn tokens_from_pixels(x: Tensor<4>) -> Tensor<3> {
    transposed(x.flatten::<3>(2, 3))
}

/// `[batch, height * width, channels] -> [batch, channels, height, width]`
pub fn pixels_from_tokens(x: Tensor<3>, height: usize, width: usize) -> Tensor<4> {
    let [batch, _, channels] = x.dims();
    transposed(x).reshape([batch, channels, height, width])
}
