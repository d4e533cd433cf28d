//! How the picture answers to the latents.

use burn::tensor::Tensor;
use byteedit_models::vae::AutoencoderKL;
use nalgebra::DMatrix;

use crate::random::{Use, normal};

/// Strength of the noise that the decoder's answer is measured with, beside the latents' own.
const PROBE: f32 = 0.1;

/// The picture's answer to noise in the latents, as a quadratic form of the channels: `R_cd = E ⟨J_c n, J_d n⟩` with
/// `J_c n` the change of the picture, in units of a pixel's mean square, when channel `c` alone moves by unit
/// noise `n`. Noise of covariance `C` at every position then changes the picture by `tr(C R)`, to first order.
///
/// # Shapes
/// - `latents`: `[batch, channels, height, width]`, scaled, of any pictures
/// - returns: `channels x channels`
pub(crate) fn picture_response(vae: &AutoencoderKL, latents: &Tensor<4>) -> DMatrix<f64> {
    let [batch, channels, height, width] = latents.dims();
    let plain = vae.pixels_from_latents(latents.clone());
    let rms = latents.clone().square().mean().sqrt().into_scalar::<f32>();
    let probe = PROBE * rms.max(f32::MIN_POSITIVE);
    let noise = normal(0, Use::Response, 0, [batch, 1, height, width], &latents.device()) * probe;
    let answer = |channel: usize| {
        let of_channel = latents.clone().narrow(1, channel, 1) + noise.clone();
        let moved =
            latents.clone().slice_assign([0..batch, channel..channel + 1, 0..height, 0..width], of_channel);
        ((vae.pixels_from_latents(moved) - plain.clone()) / probe).reshape([1, -1])
    };
    let answers: Tensor<2> = Tensor::cat((0..channels).map(answer).collect(), 0);
    let n_values = answers.dims()[1] as f64;
    let products = answers.clone().matmul(answers.transpose()).into_data();
    let products = products.as_slice::<f32>().expect("f32 as the latents are");
    DMatrix::from_iterator(channels, channels, products.iter().map(|&sum| f64::from(sum) / n_values))
}
