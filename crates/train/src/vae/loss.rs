//! The autoencoder's loss: reconstruction in pixels and in their differences, and the divergence of
//! the posterior (Kingma & Welling 2013, Eq. 10, with a weight on the divergence).
//!
//! Everything is reduced for each item first, since large sums need not have a fixed order.

use burn::tensor::Tensor;
use byteedit_models::vae::DiagonalGaussian;

use super::{PixelLossConfig, VaeLossConfig};
use crate::step::Loss;

/// Weighted sum of all terms, with the terms by name.
///
/// # Shapes
/// - `output`, `pixels`: `[batch, 3, height, width]`
pub(super) fn vae_loss(
    weights: &VaeLossConfig,
    posterior: &DiagonalGaussian,
    output: Tensor<4>,
    pixels: Tensor<4>,
) -> Loss {
    let Loss { total, mut parts } = pixel_loss(&weights.of_pixels(), output, pixels);
    let kl = posterior.kl();
    let total = total + kl.clone() * weights.kl;
    parts.push(("kl", kl));
    Loss { total, parts }
}

/// Weighted sum of the terms that compare pictures, with the terms by name.
///
/// # Shapes
/// - `output`, `pixels`: `[batch, 3, height, width]`
pub(crate) fn pixel_loss(weights: &PixelLossConfig, output: Tensor<4>, pixels: Tensor<4>) -> Loss {
    let error = output - pixels;
    let l1 = mean(error.clone().abs());
    let mse = mean(error.clone().square());
    // The difference is linear, so the error's differences are the differences' errors.
    let gradient = mean(difference(error.clone(), 2).abs()) + mean(difference(error.clone(), 3).abs());
    let chroma = chroma(error);
    let total = l1.clone() * weights.l1
        + mse.clone() * weights.mse
        + gradient.clone() * weights.gradient
        + chroma.clone() * weights.chroma;
    Loss { total, parts: vec![("l1", l1), ("mse", mse), ("gradient", gradient), ("chroma", chroma)] }
}

/// Mean absolute error of the two colour-opponent axes, `R - B` and `R - 2G + B`. Photographs vary
/// little along the second, so without a weight of its own green and magenta are learned last.
fn chroma(error: Tensor<4>) -> Tensor<1> {
    let [red, green, blue] = [0, 1, 2].map(|channel| error.clone().narrow(1, channel, 1));
    let blue_yellow = red.clone() - blue.clone();
    let green_magenta = red + blue - green * 2.0;
    mean(blue_yellow.abs()) + mean(green_magenta.abs())
}

/// `x[i + 1] - x[i]` along an axis.
fn difference(x: Tensor<4>, axis: usize) -> Tensor<4> {
    let n = x.dims()[axis] - 1;
    x.clone().narrow(axis, 1, n) - x.narrow(axis, 0, n)
}

/// Mean over each item, then over the items, `[1]`.
pub(crate) fn mean(x: Tensor<4>) -> Tensor<1> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels * height * width]).mean_dim(1).mean()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    const WEIGHTS: VaeLossConfig =
        VaeLossConfig { l1: 1.0, mse: 10.0, gradient: 100.0, chroma: 0.1, kl: 1000.0 };

    fn terms(output: Tensor<4>) -> Vec<f32> {
        let zeros = Tensor::<4>::zeros([1, 2, 1, 1], &Device::default());
        let posterior = DiagonalGaussian { mean: zeros.clone() + 1.0, log_var: zeros };
        let pixels = Tensor::zeros(output.dims(), &Device::default());
        let Loss { total, parts } = vae_loss(&WEIGHTS, &posterior, output, pixels);
        parts.into_iter().map(|(_, part)| part).chain([total]).map(Tensor::into_scalar::<f32>).collect()
    }

    #[test]
    fn the_terms_have_their_closed_forms() {
        let grey = Tensor::<4>::from_data([[[[1.0_f32, 3.0], [1.0, -1.0]]]], &Device::default());
        let output = grey.repeat_dim(1, 3);
        // |1|+|3|+|1|+|-1| over 4; squares 12 over 4; down |0|, |-4| over 2, across |2|, |-2| over 2;
        // half the squared mean of each of two channels.
        assert_eq!(terms(output), [1.5, 3.0, 4.0, 0.0, 1.0, 1.5 + 30.0 + 400.0 + 1000.0]);
    }

    #[test]
    fn a_wrong_colour_costs_on_both_opponent_axes() {
        let red = Tensor::<4>::from_data([[[[1.0_f32]], [[0.0]], [[0.0]]]], &Device::default());
        assert!((terms(red.repeat_dim(2, 2).repeat_dim(3, 2))[3] - 2.0).abs() < 1e-6);
    }

    #[test]
    fn a_shift_has_no_gradient_term() {
        assert_eq!(terms(Tensor::full([1, 3, 2, 2], 0.5, &Device::default()))[..3], [0.5, 0.25, 0.0]);
    }
}
