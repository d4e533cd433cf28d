//! The adversary: says of each patch of a picture whether it is a photograph's or a decoder's (Isola et al.
//! 2017, arXiv 1611.07004, Section 3.2.2), with group norms instead of batch norms.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::{relu, silu};
use byteedit_models::flops::conv;
use byteedit_nn::{Conv2d, GroupNorm, Init};

use crate::vae::mean;

const NORM_EPSILON: f64 = 1e-5;
/// Groups of every norm; widths are multiples of it.
pub(super) const GROUPS: usize = 8;

/// 3x3 convolutions of stride 2, each with a `SiLU` and all but the first with a norm, then one that answers.
#[derive(Module, Debug)]
pub(super) struct Discriminator {
    convs: Vec<Conv2d>,
    /// One behind each convolution but the first.
    norms: Vec<GroupNorm>,
    conv_out: Conv2d,
}

impl Discriminator {
    /// One halving for each of `widths`, of which there is at least one.
    pub(super) fn new(init: &mut Init, widths: &[usize]) -> Self {
        let entries = std::iter::once(&3).chain(widths);
        let convs = entries.zip(widths).map(|(&entry, &width)| Conv2d::new(init, [entry, width], 3, 2, 1));
        let convs: Vec<_> = convs.collect();
        let norms = widths[1..].iter().map(|&width| GroupNorm::new(init, GROUPS, width, NORM_EPSILON));
        let norms = norms.collect();
        let conv_out = Conv2d::same3x3(init, [widths[widths.len() - 1], 1]);
        Self { convs, norms, conv_out }
    }

    /// Above 0 for patches that look true, below for others.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, height, width]`
    /// - returns `[batch, 1, height / 2^n, width / 2^n]` for `n` widths
    fn forward(&self, pixels: Tensor<4>) -> Tensor<4> {
        let x = silu(self.convs[0].forward(pixels));
        let layers = self.convs[1..].iter().zip(&self.norms);
        self.conv_out.forward(layers.fold(x, |x, (conv, norm)| norm.forward_silu(conv.forward(x))))
    }

    /// What the decoder minimises, `-E D(G(z))`, without a gradient for the discriminator's weights.
    ///
    /// # Shapes
    /// - `output`: `[batch, 3, height, width]`
    /// - returns `[1]`
    pub(super) fn generator_loss(&self, output: Tensor<4>) -> Tensor<1> {
        mean(self.clone().no_grad().forward(output)).neg()
    }

    /// What the discriminator minimises, `E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))` (Lim & Ye 2017, arXiv
    /// 1705.02894), without a gradient for the decoder.
    ///
    /// # Shapes
    /// - `pixels`, `output`: `[batch, 3, height, width]`
    /// - returns `[1]`
    pub(super) fn hinge_loss(&self, pixels: Tensor<4>, output: Tensor<4>) -> Tensor<1> {
        let (real, fake) = (self.forward(pixels), self.forward(output.detach()));
        mean(relu(real.neg() + 1.0)) + mean(relu(fake + 1.0))
    }
}

/// Floating-point operations of one answer to a picture of `side` pixels.
pub(super) fn flops(widths: &[usize], side: usize) -> f64 {
    let (mut positions, mut entry, mut total) = (side.pow(2), 3, 0.0);
    for &width in widths {
        positions /= 4;
        total += conv(entry, width, 3, positions);
        entry = width;
    }
    total + conv(entry, 1, 3, positions)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::optim::Gradients;

    fn adversary() -> Discriminator {
        Discriminator::new(&mut Init::seeded(&Device::default(), 3), &[8, 16]).train()
    }

    fn noise() -> Tensor<4> {
        Tensor::random([2, 3, 16, 16], Distribution::Normal(0.0, 1.0), &Device::default())
    }

    #[test]
    fn a_patch_is_the_product_of_the_strides() {
        assert_eq!(adversary().forward(noise()).dims(), [2, 1, 4, 4]);
    }

    #[test]
    fn each_side_moves_only_itself() {
        let output = noise().autodiff().require_grad();
        let adversary = adversary();
        let grads = adversary.generator_loss(output.clone()).backward();
        assert!(output.grad(&grads).is_some());
        assert!(
            adversary.conv_out.weight.val().grad(&grads).is_none(),
            "the decoder's loss trains the adversary"
        );
        let loss = || adversary.hinge_loss(noise(), output.clone());
        assert!(output.grad(&loss().backward()).is_none(), "the adversary's loss trains the decoder");
        assert_eq!(Gradients::of(loss(), &adversary).unwrap().len(), 8, "three convolutions and a norm");
    }

    #[test]
    fn the_losses_have_their_closed_forms() {
        // Without weights the answer is the last bias.
        let mut init = Init::seeded(&Device::default(), 3);
        let mut blind = Discriminator::new(&mut init, &[8]);
        blind.conv_out = Conv2d::same3x3(&mut init, [8, 1]).zeroed(&mut init);
        blind.conv_out.bias = init.constant([1], 0.25);
        let value = |loss: Tensor<1>| loss.into_scalar::<f32>();
        assert!((value(blind.generator_loss(noise())) + 0.25).abs() < 1e-6);
        assert!((value(blind.hinge_loss(noise(), noise())) - (0.75 + 1.25)).abs() < 1e-6);
        let distinct: BTreeSet<usize> = [flops(&[8], 16), flops(&[8, 16], 16)].map(|f| f as usize).into();
        assert_eq!(distinct.len(), 2);
    }
}
