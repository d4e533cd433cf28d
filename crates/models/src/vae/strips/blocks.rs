//! The autoencoder's blocks, strip by strip; each does what its namesake for whole pictures does.

use burn::tensor::Tensor;
use byteedit_nn::kernels::{ROW_MULTIPLE, StripRows};
use byteedit_nn::{Conv2d, ResnetBlock2D, Tape};

use super::norm::StripNorm;
use super::{StripHeight, Strips};
use crate::vae::{Decoder, Encoder, VaeBlock};

impl Encoder {
    /// As `forward`, in strips.
    pub(in crate::vae) fn forward_in_strips(&self, pixels: Tensor<4>, height: StripHeight) -> Tensor<4> {
        let mut x: Strips = Strips::split(pixels, height)
            .into_rows()
            .map(|rows| own(rows, |rows| self.conv_in.forward(rows.joined(1)), 1))
            .collect();
        for block in &self.down_blocks {
            x = block.forward_in_strips(x, height);
        }
        let x = self.mid_block.forward(x.joined(), Tape::Whole);
        self.conv_out.forward(self.conv_norm_out.forward_silu(x))
    }
}

impl Decoder {
    /// As `forward`, in strips.
    pub(in crate::vae) fn forward_in_strips(&self, raw_latents: Tensor<4>, height: StripHeight) -> Tensor<4> {
        let x = self.mid_block.forward(self.conv_in.forward(raw_latents), Tape::Whole);
        let mut x = Strips::split(x, height);
        for block in &self.up_blocks {
            x = block.forward_in_strips(x, height);
        }
        let norm = StripNorm::new(&self.conv_norm_out, &x);
        normed(x, &norm, &self.conv_out).joined()
    }
}

impl VaeBlock {
    fn forward_in_strips(&self, mut x: Strips, height: StripHeight) -> Strips {
        for resnet in &self.resnets {
            x = through_resnet(resnet, x);
        }
        for downsampler in &self.downsamplers {
            // A row of the result needs the two rows above it and one below; strips are even.
            let halved = x.into_rows().map(|mut rows| {
                rows.above = None;
                downsampler.forward(rows.joined(1))
            });
            x = halved.collect::<Strips>().resized(height);
        }
        for upsampler in &self.upsamplers {
            let doubled = x.resized(height.before_doubling()).into_rows().map(|rows| {
                let double = |rows: StripRows| {
                    let rows = rows.joined(ROW_MULTIPLE / 2);
                    let [_, _, n_rows, width] = rows.dims();
                    upsampler.forward(rows, [2 * n_rows, 2 * width])
                };
                own(rows, double, 2)
            });
            x = doubled.collect();
        }
        x
    }
}

fn through_resnet(resnet: &ResnetBlock2D, x: Strips) -> Strips {
    let norm = StripNorm::new(&resnet.norm1, &x);
    let (h, shortcut) = match &resnet.conv_shortcut {
        None => (normed(x.clone(), &norm, &resnet.conv1), x),
        // Both in one go, so that the input goes while they come.
        Some(conv) => {
            let both = x.into_rows().map(|rows| {
                let shortcut = conv.forward(rows.strip.clone());
                (own(rows, |rows| resnet.conv1.forward(norm.rows(rows)), 1), shortcut)
            });
            let (h, shortcut): (Vec<_>, Vec<_>) = both.unzip();
            (h.into_iter().collect(), shortcut.into_iter().collect())
        }
    };
    let norm = StripNorm::new(&resnet.norm2, &h);
    let sums = h
        .into_rows()
        .zip(shortcut)
        .map(|(rows, shortcut)| shortcut + own(rows, |rows| resnet.conv2.forward(norm.rows(rows)), 1));
    sums.collect()
}

/// A convolution behind a norm.
fn normed(x: Strips, norm: &StripNorm, conv: &Conv2d) -> Strips {
    x.into_rows().map(|rows| own(rows, |rows| conv.forward(norm.rows(rows)), 1)).collect()
}

/// What `op` makes of the strip itself, `scale` rows of each of its rows: what it makes of the neighbours'
/// rows lacks what lies beyond them.
fn own(rows: StripRows, op: impl FnOnce(StripRows) -> Tensor<4>, scale: usize) -> Tensor<4> {
    let ([above, _], n_rows) = (rows.halo(), rows.strip.dims()[2]);
    op(rows).narrow(2, scale * above, scale * n_rows)
}
