//! The basis of the latents.
//!
//! What the channels of an autoencoder mean is left open by its training: any turn of them that the decoder undoes
//! gives the same pictures. Diffusion is not so free, for it drowns every channel in noise of one strength, so that
//! a channel's variance decides when it is made out. In the autoencoder's own basis a few directions, brightness
//! and colour, hold nearly all of the variance: at every noise level they are far too clear. At unit variance in
//! every direction fine structure, which is hardly correlated from one position to the next, is as clear as they
//! are, and most of what the network sees and says is noise about what matters little.
//!
//! So the directions are the principal ones of the decoded picture's change, and each has a standard deviation that
//! goes with a power of what it changes there: coarse things are made out before fine ones, as in a diffusion of
//! pixels, where the spectrum of natural pictures does it (Skorokhodov et al. 2025, arXiv 2502.14831, on latents
//! that lack this order). On average over the channels the variance is 1 (Rombach et al. 2022, Appendix G).
//!
//! The change of basis lies in the last layer before the latents and the first after them, so the
//! autoencoder stays the same function of pictures and an ordinary `AutoencoderKL`.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use byteedit_data::Split;
use byteedit_models::vae::{AutoencoderKL, DiagonalGaussian};
use byteedit_nn::Conv2d;
use nalgebra::{Cholesky, DMatrix, DVector};
use rayon::prelude::*;

use super::response::picture_response;
use crate::pictures::pixels_from_pictures;
use crate::source::Whole;
use crate::{Result, Source};

/// Pictures of each split and kind that are encoded.
const N_PICTURES: u64 = 64;
/// Pictures that are encoded at once; the decoder's response is measured on as many of each kind.
const BATCH: u64 = 16;
/// Added to every direction's response and variance, as a share of their mean: a channel that says nothing
/// is not enlarged without bound.
const RIDGE: f64 = 1e-6;
/// A direction's standard deviation goes with this power of what it changes in the picture: at 0 all are alike,
/// at 1 noise in the latents is white noise in the picture.
const CONTRAST: f64 = 0.5;

/// What an autoencoder's latents are like, before they are scaled: over train and validation pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentStatistics {
    /// `E[z zᵀ]` of the posterior's means.
    second_moments: DMatrix<f64>,
    /// How the decoded picture answers to each pair of channels.
    response: DMatrix<f64>,
    /// Mean of the posterior's variance in each channel.
    posterior_variances: DVector<f64>,
}

impl LatentStatistics {
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
        let (mut posteriors, mut responses) = (Vec::new(), Vec::new());
        let unscaled = vae.clone().with_scaling_factor(1.0);
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
                let posterior = vae.encode(pixels_from_pictures(&pictures, device));
                if first == 0 {
                    responses.push(picture_response(&unscaled, &posterior.mean));
                }
                posteriors.push(posterior);
            }
        }
        Ok(Self::of(&posteriors, &responses))
    }

    /// Means over all positions of posteriors of one shape, and over responses.
    fn of(posteriors: &[DiagonalGaussian], responses: &[DMatrix<f64>]) -> Self {
        let channels = posteriors.first().map_or(0, |posterior| posterior.mean.dims()[1]);
        let mut second_moments = DMatrix::zeros(channels, channels);
        let mut posterior_variances = DVector::zeros(channels);
        for DiagonalGaussian { mean, log_var } in posteriors {
            let [mean, variance] = [mean.clone(), log_var.clone().exp()].map(channel_values);
            let n = (mean.nrows() * posteriors.len()) as f64;
            second_moments += mean.tr_mul(&mean) / n;
            posterior_variances += variance.row_sum_tr() / n;
        }
        let response = responses.iter().sum::<DMatrix<f64>>() / responses.len() as f64;
        Self { second_moments, response, posterior_variances }
    }

    /// Root of the mean square of each channel.
    pub fn channel_rms(&self) -> Vec<f64> {
        self.second_moments.diagonal().iter().map(|square| square.sqrt()).collect()
    }

    /// `W` of `z' = W z`.
    ///
    /// With the response `R = L Lᵀ`, `|Lᵀ z|²` is the picture's change, and the eigenvectors `U` of
    /// `Lᵀ E[z zᵀ] L = U Λ Uᵀ` are its principal directions, of standard deviation `a = Λ^½`. Each is
    /// brought to `a^p`: `W = k diag(a^(p - 1)) Uᵀ Lᵀ`, with `k` that makes the mean of the variances 1.
    fn basis(&self) -> DMatrix<f64> {
        let n = self.posterior_variances.len();
        let with_ridge = |matrix: &DMatrix<f64>| {
            let ridge = (RIDGE * matrix.trace() / n as f64).max(f64::MIN_POSITIVE);
            matrix + DMatrix::identity(n, n) * ridge
        };
        let factor =
            Cholesky::new(with_ridge(&self.response)).expect("squares and a ridge are positive").unpack();
        let moments = with_ridge(&(factor.tr_mul(&self.second_moments) * &factor));
        let eigen = moments.symmetric_eigen();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let deviations: Vec<f64> =
            order.iter().map(|&i| eigen.eigenvalues[i].max(f64::MIN_POSITIVE).sqrt()).collect();
        let mean_square = deviations.iter().map(|a| a.powf(2.0 * CONTRAST)).sum::<f64>() / n as f64;
        let mut basis = eigen.eigenvectors.select_columns(&order).tr_mul(&factor.transpose());
        for (mut row, deviation) in basis.row_iter_mut().zip(deviations) {
            // An eigenvector has no sign of its own.
            let sign = row[row.transpose().iamax()].signum();
            row *= sign * deviation.powf(CONTRAST - 1.0) / mean_square.sqrt();
        }
        basis
    }
}

/// The values of each channel at all positions, a column for each channel.
///
/// # Shapes
/// - `latents`: `[batch, channels, height, width]`
fn channel_values(latents: Tensor<4>) -> DMatrix<f64> {
    let channels = latents.dims()[1];
    let data = latents.permute([0, 2, 3, 1]).into_data().convert::<f32>();
    let values = data.as_slice::<f32>().expect("converted to f32 just above");
    let values = values.iter().map(|&value| f64::from(value));
    DMatrix::from_row_iterator(values.len() / channels, channels, values)
}

/// Turns the latents into the basis of this module; the scaling factor is then 1. Each channel's posterior variance
/// becomes one number, its mean in the new basis.
pub fn with_graded_latents(mut vae: AutoencoderKL, statistics: &LatentStatistics) -> AutoencoderKL {
    let basis = statistics.basis();
    let inverse = basis.clone().try_inverse().expect("every direction has a ridge");
    let variances = basis.map(|entry| entry * entry) * &statistics.posterior_variances;
    let log_vars = variances.map(|variance| variance.max(f64::MIN_POSITIVE).ln());
    let into = vae.quant_conv.as_mut().unwrap_or(&mut vae.encoder.conv_out);
    turn_moments(into, &basis, &log_vars);
    let out_of = vae.post_quant_conv.as_mut().unwrap_or(&mut vae.decoder.conv_in);
    turn_input(out_of, &inverse);
    vae.with_scaling_factor(1.0)
}

/// Multiplies the means that a layer gives by `matrix`, and makes its log-variances constant.
fn turn_moments(conv: &mut Conv2d, matrix: &DMatrix<f64>, log_vars: &DVector<f64>) {
    let n = log_vars.len();
    let [_, channels_in, height, width] = conv.weight.dims();
    let device = conv.weight.val().device();
    let matrix = tensor(matrix, &device);
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
fn turn_input(conv: &mut Conv2d, matrix: &DMatrix<f64>) {
    let [channels_out, channels_in, height, width] = conv.weight.dims();
    let matrix = tensor(matrix, &conv.weight.val().device());
    let taps = conv.weight.val().reshape([channels_out, channels_in, height * width]).swap_dims(1, 2);
    let taps = taps.matmul(matrix.unsqueeze()).swap_dims(1, 2);
    conv.weight = Param::from_tensor(taps.reshape([channels_out, channels_in, height, width]));
}

fn tensor(matrix: &DMatrix<f64>, device: &Device) -> Tensor<2> {
    // Matrices are stored by columns there, tensors by rows.
    let values: Vec<f32> = matrix.transpose().iter().map(|&value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, [matrix.nrows(), matrix.ncols()]), device)
}

#[cfg(test)]
mod tests {
    use byteedit_models::Component;
    use byteedit_nn::Init;
    use byteedit_testing::{assert_close, tol};

    use super::*;

    #[test]
    fn a_direction_s_deviation_is_the_root_of_what_it_changes() {
        // Two channels that do not meet: the picture changes by 1 and 1/16 of a pixel for each unit, and they
        // have deviations of 4 and 4. In the picture that is 4 and 1/4; roots 2 and 1/2; over the root of
        // their mean square, (4 + 1/4) / 2.
        let statistics = LatentStatistics {
            second_moments: DMatrix::from_diagonal_element(2, 2, 16.0),
            response: DMatrix::from_diagonal(&DVector::from_vec(vec![1.0 / 256.0, 1.0])),
            posterior_variances: DVector::zeros(2),
        };
        let norm = (17.0_f64 / 8.0).sqrt();
        let expected = [[0.0, 2.0 / 4.0 / norm], [0.5 / 4.0 / norm, 0.0]];
        let basis = statistics.basis();
        for (row, expected) in expected.iter().enumerate() {
            for (column, expected) in expected.iter().enumerate() {
                let found = basis[(row, column)];
                assert!((found - expected).abs() < 1e-4, "{row} {column}: {found} is not {expected}");
            }
        }
        assert_eq!(statistics.channel_rms(), [4.0, 4.0]);
    }

    /// Pixels that differ from place to place.
    fn pixels() -> Tensor<4> {
        let values: Vec<f32> = (0..2 * 3 * 32 * 32).map(|i| (0.37 * i as f32).sin() * 0.9).collect();
        Tensor::from_data(TensorData::new(values, [2, 3, 32, 32]), &Device::default())
    }

    #[test]
    fn the_new_basis_is_uncorrelated_of_mean_variance_1_and_has_the_same_pictures() {
        for quant in [false, true] {
            let config = format!(
                r#"{{"block_out_channels": [8, 8], "latent_channels": 4, "norm_num_groups": 4,
                "scaling_factor": 0.5, "use_quant_conv": {quant}, "use_post_quant_conv": {quant}}}"#
            );
            let config = AutoencoderKL::parse_config(&config).unwrap();
            let vae = AutoencoderKL::from_config(&config, &mut Init::seeded(&Device::default(), 3));
            let statistics = |vae: &AutoencoderKL| {
                let posterior = vae.encode(pixels());
                let unscaled = vae.clone().with_scaling_factor(1.0);
                let response = picture_response(&unscaled, &posterior.mean);
                LatentStatistics::of(&[posterior], &[response])
            };
            let turned = with_graded_latents(vae.clone(), &statistics(&vae));
            let after = statistics(&turned);
            let moments = &after.second_moments;
            // The ridge keeps small directions a little below.
            assert!((moments.trace() / 4.0 - 1.0).abs() < 0.05, "{moments}");
            for row in 0..4 {
                for column in 0..row {
                    let correlation =
                        moments[(row, column)] / moments[(column, column)].max(moments[(row, row)]);
                    assert!(correlation.abs() < 0.05, "{row} {column}: {moments}");
                }
                assert!(row == 0 || moments[(row, row)] <= moments[(row - 1, row - 1)], "{moments}");
            }
            assert_close(
                &turned.decode(turned.encode(pixels()).mean),
                &vae.decode(vae.encode(pixels()).mean),
                tol::f32_net(),
            );
            assert_close(
                &turned.pixels_from_latents(turned.latents_from_pixels(pixels())),
                &turned.decode(turned.encode(pixels()).mean),
                tol::exact(),
            );
        }
    }

    #[test]
    fn a_silent_channel_is_not_enlarged_without_bound() {
        let first = DMatrix::from_diagonal(&DVector::from_vec(vec![1.0, 0.0]));
        let posterior_variances = DVector::from_element(2, 1e-3);
        for response in [first.clone(), DMatrix::identity(2, 2)] {
            let statistics = LatentStatistics {
                second_moments: first.clone(),
                response,
                posterior_variances: posterior_variances.clone(),
            };
            let basis = statistics.basis();
            assert!(basis.iter().all(|entry| entry.is_finite() && entry.abs() < 2000.0), "{basis}");
            assert!(basis.try_inverse().is_some());
        }
    }
}
