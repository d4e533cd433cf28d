//! Residual blocks and the two samplers of the U-Net and the VAE, with diffusers' names
//! (Ho et al. 2020, arXiv 2006.11239, Appendix B).

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::silu;
use burn::tensor::ops::PadMode;

use crate::kernels::{add, doubled};
use crate::{Conv2d, GroupNorm, Init, Linear};

/// Norm settings that a network shares over all its blocks.
#[derive(Debug, Clone, Copy)]
pub struct NormSettings {
    /// Groups of every `GroupNorm`.
    pub n_groups: usize,
    /// Added to every variance.
    pub epsilon: f64,
}

/// How a residual block hears of the time embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeConditioning {
    /// Added before the second norm, as in Stable Diffusion.
    #[default]
    Shift,
    /// A scale and a shift of each channel behind the second norm (Dhariwal & Nichol 2021, arXiv 2105.05233, section
    /// 3.1: adaptive group normalisation).
    ScaleShift,
}

/// Two convolutions behind norms, with the time embedding between them.
#[derive(Module, Debug)]
pub struct ResnetBlock2D {
    /// Before the first convolution.
    pub norm1: GroupNorm,
    /// `[channels_out, channels_in, 3, 3]`
    pub conv1: Conv2d,
    /// `[channels_out, d_time]`, or twice as many rows where the time scales as well; absent in the VAE.
    pub time_emb_proj: Option<Linear>,
    /// Before the second convolution.
    pub norm2: GroupNorm,
    /// `[channels_out, channels_out, 3, 3]`, starts at zero.
    pub conv2: Conv2d,
    /// 1x1, only where the width changes.
    pub conv_shortcut: Option<Conv2d>,
}

impl ResnetBlock2D {
    /// `time` is the width of the time embedding and what it does, `None` in the VAE.
    pub fn new(
        init: &mut Init,
        channels: [usize; 2],
        time: Option<(usize, TimeConditioning)>,
        norm: NormSettings,
    ) -> Self {
        let [channels_in, channels_out] = channels;
        let rows = |conditioning| match conditioning {
            TimeConditioning::Shift => channels_out,
            TimeConditioning::ScaleShift => 2 * channels_out,
        };
        Self {
            norm1: GroupNorm::new(init, norm.n_groups, channels_in, norm.epsilon),
            conv1: Conv2d::same3x3(init, channels),
            time_emb_proj: time.map(|(d_time, conditioning)| Linear::new(init, [d_time, rows(conditioning)])),
            norm2: GroupNorm::new(init, norm.n_groups, channels_out, norm.epsilon),
            conv2: Conv2d::same3x3(init, [channels_out, channels_out]).zeroed(init),
            conv_shortcut: (channels_in != channels_out).then(|| Conv2d::pointwise(init, channels)),
        }
    }

    /// # Shapes
    /// - `x`: `[batch, channels_in, height, width]`
    /// - `time`: `[batch, d_time]`, the embedding behind its `SiLU`, which all blocks share
    /// - returns `[batch, channels_out, height, width]`
    pub fn forward(&self, x: Tensor<4>, time: Option<&Tensor<2>>) -> Tensor<4> {
        let h = self.conv1.forward(self.norm1.forward_silu(x.clone()));
        let h = match (&self.time_emb_proj, time) {
            (Some(projection), Some(time)) => {
                let [batch, channels, _, _] = h.dims();
                let time = projection.forward(time.clone()); // [batch, channels] or [batch, 2 channels]
                if time.dims()[1] == channels {
                    self.norm2.forward_shifted_silu(h, time)
                } else {
                    let [scale, shift] = [0, 1].map(|half| time.clone().narrow(1, half * channels, channels));
                    let scale = (scale + 1.0).reshape([batch, channels, 1, 1]);
                    silu(self.norm2.forward(h) * scale + shift.reshape([batch, channels, 1, 1]))
                }
            }
            _ => self.norm2.forward_silu(h),
        };
        let h = self.conv2.forward(h);
        let shortcut = match &self.conv_shortcut {
            Some(conv) => conv.forward(x),
            None => x,
        };
        add(shortcut, h)
    }
}

/// Halves height and width by a strided convolution.
#[derive(Module, Debug)]
pub struct Downsample2D {
    /// 3x3, stride 2.
    pub conv: Conv2d,
    /// The VAE pads on the right and at the bottom only, the U-Net on all sides.
    pub pad_end_only: bool,
}

impl Downsample2D {
    /// The U-Net's: padded on all sides.
    pub fn padded(init: &mut Init, channels: usize) -> Self {
        Self { conv: Conv2d::new(init, [channels; 2], 3, 2, 1), pad_end_only: false }
    }

    /// The VAE's: one row at the bottom and one column at the right.
    pub fn end_padded(init: &mut Init, channels: usize) -> Self {
        Self { conv: Conv2d::new(init, [channels; 2], 3, 2, 0), pad_end_only: true }
    }

    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - returns `[batch, channels, ⌈height / 2⌉, ⌈width / 2⌉]` (floor when padded at the end only)
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = if self.pad_end_only { x.pad((0, 1, 0, 1), PadMode::Constant(0.0)) } else { x };
        self.conv.forward(x)
    }
}

/// Nearest-neighbour enlargement followed by a convolution.
#[derive(Module, Debug)]
pub struct Upsample2D {
    /// 3x3, stride 1.
    pub conv: Conv2d,
}

impl Upsample2D {
    /// An enlargement that keeps the channels.
    pub fn new(init: &mut Init, channels: usize) -> Self {
        Self { conv: Conv2d::same3x3(init, [channels; 2]) }
    }

    /// `size` is the height and width to reach: twice the input's, or one less where the skip
    /// connection it meets had an odd size.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - returns `[batch, channels, size[0], size[1]]`
    pub fn forward(&self, x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let doubled = doubled(x);
        // Dropping the last row or column of an odd size is what nearest resampling to it gives.
        let x = if size == [2 * height, 2 * width] {
            doubled
        } else {
            doubled.slice([0..batch, 0..channels, 0..size[0], 0..size[1]])
        };
        self.conv.forward(x)
    }
}
