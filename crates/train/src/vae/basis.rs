//! The basis of the latents.
//!
//! Diffusion needs latents at unit variance (Rombach et al. 2022, Appendix G). There one number scales them
//! all; but the channels of an autoencoder are correlated, and with twelve of them a few directions, mostly
//! brightness and colour, hold nearly all of the variance: at every noise level those are far too clear
//! and the others drowned. So the latents are turned into a basis in which they have unit second moments
//! in every direction. There a network that says `v = 0` already leaves the right spread, and only what is
//! to be known about pictures remains to be learned.
//!
//! The change of basis lies in the last layer before the latents and the first after them, so the
//! autoencoder stays the same function of pictures and an ordinary `AutoencoderKL`.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use byteedit_data::Split;
use byteedit_models::vae::{AutoencoderKL, DiagonalGaussian};
use byteedit_nn::Conv2d;
use rayon::prelude::*;

use crate::pictures::pixels_from_pictures;
use crate::source::Whole;
use crate::{Result, Source};

/// Pictures of each split and kind that are encoded.
const N_PICTURES: u64 = 64;
/// Pictures that are encoded at once.
const BATCH: u64 = 16;
/// Added to every direction's second moment, as a share of their mean: a channel that says nothing is not
/// enlarged without bound.
const RIDGE: f64 = 1e-6;

/// Moments of unscaled latents, over train and validation pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentMoments {
    /// `E[z zᵀ]` of the posterior's means, row by row.
    second: Vec<f64>,
    /// Mean of the posterior's variance in each channel.
    posterior_variances: Vec<f64>,
}

impl LatentMoments {
    /// Encodes photographs and composites of both splits and averages over their positions.
    ///
    /// # Errors
    /// A source that cannot be read.
    pub fn measure(
        vae: &AutoencoderKL,
        source: &Source,
        picture_size: usize,
        device: &Device,
    ) -> Result<Self> {
        let mut posteriors = Vec::new();
        for (split, kind) in [
            (Split::Train, Whole::Photograph),
            (Split::Train, Whole::Composite),
            (Split::Validation, Whole::Photograph),
            (Split::Validation, Whole::Composite),
        ] {
            for first in (0..N_PICTURES).step_by(BATCH as usize) {
                let pictures = (first..first + BATCH)
                    .into_par_iter()
                    .map(|index| source.whole(kind, split, index, picture_size))
                    .collect::<Result<Vec<_>>>()?;
                posteriors.push(vae.encode(pixels_from_pictures(&pictures, device)));
            }
        }
        Ok(Self::of(&posteriors))
    }

    /// Moments over all positions of posteriors of one shape.
    fn of(posteriors: &[DiagonalGaussian]) -> Self {
        let channels = posteriors.first().map_or(0, |posterior| posterior.mean.dims()[1]);
        let mut moments =
            Self { second: vec![0.0; channels * channels], posterior_variances: vec![0.0; channels] };
        for DiagonalGaussian { mean, log_var } in posteriors {
            let [mean, variance] = [mean.clone(), log_var.clone().exp()].map(channel_values);
            let n = (mean[0].len() * posteriors.len()) as f64;
            for row in 0..channels {
                for column in 0..channels {
                    let products = mean[row].iter().zip(&mean[column]).map(|(a, b)| a * b);
                    moments.second[row * channels + column] += products.sum::<f64>() / n;
                }
                moments.posterior_variances[row] += variance[row].iter().sum::<f64>() / n;
            }
        }
        moments
    }

    /// Root of the mean square of each channel.
    pub fn channel_rms(&self) -> Vec<f64> {
        (0..self.n_channels()).map(|channel| self.second_moment(channel, channel).sqrt()).collect()
    }

    /// `E[z_row z_column]`.
    pub fn second_moment(&self, row: usize, column: usize) -> f64 {
        self.second[row * self.n_channels() + column]
    }

    fn n_channels(&self) -> usize {
        self.posterior_variances.len()
    }

    /// `L` of `E[z zᵀ] = L Lᵀ`, lower triangular (Cholesky's decomposition), row by row.
    fn factor(&self) -> Vec<f64> {
        let n = self.n_channels();
        let ridge = RIDGE * (0..n).map(|i| self.second_moment(i, i)).sum::<f64>() / n as f64;
        let mut factor = vec![0.0; n * n];
        for row in 0..n {
            for column in 0..=row {
                let known: f64 = (0..column).map(|k| factor[row * n + k] * factor[column * n + k]).sum();
                let rest = self.second_moment(row, column) - known;
                factor[row * n + column] = if row == column {
                    (rest + ridge).max(f64::MIN_POSITIVE).sqrt()
                } else {
                    rest / factor[column * n + column]
                };
            }
        }
        factor
    }
}

/// The values of each channel at all positions.
///
/// # Shapes
/// - `latents`: `[batch, channels, height, width]`
fn channel_values(latents: Tensor<4>) -> Vec<Vec<f64>> {
    let [_, channels, height, width] = latents.dims();
    let data = latents.into_data().convert::<f32>();
    let values = data.as_slice::<f32>().expect("converted to f32 just above");
    let mut of_channel = vec![Vec::new(); channels];
    for (index, plane) in values.chunks_exact(height * width).enumerate() {
        of_channel[index % channels].extend(plane.iter().map(|&value| f64::from(value)));
    }
    of_channel
}

/// `L⁻¹` of a lower triangular `L`, by forward substitution.
fn inverse(factor: &[f64], n: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; n * n];
    for column in 0..n {
        for row in column..n {
            let known: f64 = (column..row).map(|k| factor[row * n + k] * inverse[k * n + column]).sum();
            let unit = f64::from(u8::from(row == column));
            inverse[row * n + column] = (unit - known) / factor[row * n + row];
        }
    }
    inverse
}

/// Turns the latents into a basis in which their second moments are the unit matrix; the scaling factor is
/// then 1. Each channel's posterior variance becomes one number, its mean in the new basis.
pub fn with_unit_latents(mut vae: AutoencoderKL, moments: &LatentMoments) -> AutoencoderKL {
    let n = moments.n_channels();
    let factor = moments.factor();
    let inverse = inverse(&factor, n);
    let log_vars: Vec<f64> = (0..n)
        .map(|row| {
            let terms = (0..n).map(|k| inverse[row * n + k].powi(2) * moments.posterior_variances[k]);
            terms.sum::<f64>().max(f64::MIN_POSITIVE).ln()
        })
        .collect();
    let into = vae.quant_conv.as_mut().unwrap_or(&mut vae.encoder.conv_out);
    turn_moments(into, &inverse, &log_vars);
    let out_of = vae.post_quant_conv.as_mut().unwrap_or(&mut vae.decoder.conv_in);
    turn_input(out_of, &factor, n);
    vae.with_scaling_factor(1.0)
}

/// Multiplies the means that a layer gives by `matrix`, and makes its log-variances constant.
fn turn_moments(conv: &mut Conv2d, matrix: &[f64], log_vars: &[f64]) {
    let n = log_vars.len();
    let [_, channels_in, height, width] = conv.weight.dims();
    let device = conv.weight.val().device();
    let matrix = square(matrix, n, &device);
    let means = conv.weight.val().narrow(0, 0, n).reshape([n, channels_in * height * width]);
    let means = matrix.clone().matmul(means).reshape([n, channels_in, height, width]);
    let silent = means.zeros_like();
    conv.weight = Param::from_tensor(Tensor::cat(vec![means, silent], 0));
    let means = matrix.matmul(conv.bias.val().narrow(0, 0, n).unsqueeze_dim(1)).squeeze_dim(1);
    let log_vars: Vec<f32> = log_vars.iter().map(|&value| value as f32).collect();
    let log_vars = Tensor::from_data(TensorData::new(log_vars, [n]), &device);
    conv.bias = Param::from_tensor(Tensor::cat(vec![means, log_vars], 0));
}

/// Lets a layer read `z` where it is given the `z'` of `z = matrix z'`.
fn turn_input(conv: &mut Conv2d, matrix: &[f64], n: usize) {
    let [channels_out, _, height, width] = conv.weight.dims();
    let matrix = square(matrix, n, &conv.weight.val().device());
    let taps = conv.weight.val().reshape([channels_out, n, height * width]).swap_dims(1, 2);
    let taps = taps.matmul(matrix.unsqueeze()).swap_dims(1, 2);
    conv.weight = Param::from_tensor(taps.reshape([channels_out, n, height, width]));
}

fn square(matrix: &[f64], n: usize, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = matrix.iter().map(|&value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, [n, n]), device)
}

#[cfg(test)]
mod tests {
    use byteedit_models::Component;
    use byteedit_nn::Init;
    use byteedit_testing::{assert_close, tol};

    use super::*;

    #[test]
    fn the_factor_and_its_inverse_have_their_closed_forms() {
        // [[4, 2], [2, 10]] = L Lᵀ with L = [[2, 0], [1, 3]], L⁻¹ = [[1/2, 0], [-1/6, 1/3]].
        let moments = LatentMoments { second: vec![4.0, 2.0, 2.0, 10.0], posterior_variances: vec![0.0; 2] };
        let factor = moments.factor();
        for (found, expected) in factor.iter().zip([2.0, 0.0, 1.0, 3.0]) {
            assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
        }
        let found = inverse(&[2.0, 0.0, 1.0, 3.0], 2);
        for (found, expected) in found.iter().zip([0.5, 0.0, -1.0 / 6.0, 1.0 / 3.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
        assert_eq!(moments.channel_rms(), [2.0, 10.0_f64.sqrt()]);
    }

    /// Pixels that differ from place to place.
    fn pixels() -> Tensor<4> {
        let values: Vec<f32> = (0..2 * 3 * 32 * 32).map(|i| (0.37 * i as f32).sin() * 0.9).collect();
        Tensor::from_data(TensorData::new(values, [2, 3, 32, 32]), &Device::default())
    }

    #[test]
    fn the_new_basis_has_unit_moments_and_the_same_pictures() {
        for quant in [false, true] {
            let config = format!(
                r#"{{"block_out_channels": [8, 8], "latent_channels": 4, "norm_num_groups": 4,
                "scaling_factor": 0.5, "use_quant_conv": {quant}, "use_post_quant_conv": {quant}}}"#
            );
            let config = AutoencoderKL::parse_config(&config).unwrap();
            let vae = AutoencoderKL::from_config(&config, &mut Init::seeded(&Device::default(), 3));
            let before = vae.encode(pixels());
            let moments = LatentMoments::of(std::slice::from_ref(&before));
            let turned = with_unit_latents(vae.clone(), &moments);
            let after = turned.encode(pixels());
            let found = LatentMoments::of(std::slice::from_ref(&after));
            for row in 0..4 {
                for column in 0..4 {
                    let expected = f64::from(u8::from(row == column));
                    let moment = found.second_moment(row, column);
                    // The ridge keeps small directions a little below 1.
                    assert!((moment - expected).abs() < 0.05, "{row} {column}: {moment}");
                }
            }
            assert_close(&turned.decode(after.mean), &vae.decode(before.mean), tol::f32_net());
            assert_close(
                &turned.pixels_from_latents(turned.latents_from_pixels(pixels())),
                &turned.decode(turned.encode(pixels()).mean),
                tol::exact(),
            );
        }
    }

    #[test]
    fn a_silent_channel_is_not_enlarged_without_bound() {
        let moments = LatentMoments { second: vec![1.0, 0.0, 0.0, 0.0], posterior_variances: vec![1e-3; 2] };
        let gain = inverse(&moments.factor(), 2)[3];
        assert!(gain.is_finite() && gain < 2000.0, "{gain}");
    }
}
