//! The scale of the latents: diffusion needs them at unit variance (Rombach et al. 2022, Appendix G).

use burn::tensor::{Device, Tensor};
use byteedit_data::Split;
use byteedit_models::Component;
use byteedit_models::vae::AutoencoderKL;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::pictures::pixels_from_pictures;
use crate::source::Whole;
use crate::{Result, Source};

/// Pictures of each split and kind that are encoded.
const N_PICTURES: u64 = 64;
/// Pictures that are encoded at once.
const BATCH: u64 = 16;

/// First and second moments of unscaled latents, over train and validation pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatentStatistics {
    /// Mean of each channel.
    pub channel_means: Vec<f64>,
    /// Standard deviation of each channel around its mean.
    pub channel_stds: Vec<f64>,
    /// Standard deviation over all channels together, around their common mean.
    pub std: f64,
}

impl LatentStatistics {
    /// What latents are multiplied by to have unit variance.
    pub fn scaling_factor(&self) -> f64 {
        1.0 / self.std
    }
}

/// Encodes photographs and composites of both splits and measures the latents' means.
///
/// # Errors
/// A source that cannot be read.
pub fn measure_latents(
    vae: &AutoencoderKL,
    source: &Source,
    picture_size: usize,
    device: &Device,
) -> Result<LatentStatistics> {
    let mut sums = vec![[0.0; 2]; vae.config().latent_channels];
    let mut n_positions = 0;
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
            n_positions += add_moments(&mut sums, vae.encode(pixels_from_pictures(&pictures, device)).mean);
        }
    }
    Ok(statistics(&sums, n_positions as f64))
}

/// Adds the values of each channel and their squares to `sums`; returns the number of positions.
///
/// # Shapes
/// - `latents`: `[batch, channels, height, width]`
fn add_moments(sums: &mut [[f64; 2]], latents: Tensor<4>) -> usize {
    let [batch, channels, height, width] = latents.dims();
    let data = latents.into_data().convert::<f32>();
    let values = data.as_slice::<f32>().expect("converted to f32 just above");
    for (index, plane) in values.chunks_exact(height * width).enumerate() {
        let [sum, squares] = &mut sums[index % channels];
        for value in plane.iter().map(|&value| f64::from(value)) {
            *sum += value;
            *squares += value * value;
        }
    }
    batch * height * width
}

/// # Arguments
/// - `sums`: for each channel the sum of its values and of their squares, over `n` positions
fn statistics(sums: &[[f64; 2]], n: f64) -> LatentStatistics {
    let std = |sum: f64, squares: f64, n: f64| (squares / n - (sum / n).powi(2)).max(0.0).sqrt();
    let total = sums.iter().fold([0.0; 2], |[s, q], [sum, squares]| [s + sum, q + squares]);
    LatentStatistics {
        channel_means: sums.iter().map(|[sum, _]| sum / n).collect(),
        channel_stds: sums.iter().map(|[sum, squares]| std(*sum, *squares, n)).collect(),
        std: std(total[0], total[1], n * sums.len() as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_their_closed_forms() {
        // Channel 0 holds 1 and 3, channel 1 holds -2 twice.
        let found = statistics(&[[4.0, 10.0], [-4.0, 8.0]], 2.0);
        assert_eq!(
            (found.channel_means.as_slice(), found.channel_stds.as_slice()),
            (&[2.0, -2.0][..], &[1.0, 0.0][..])
        );
        // All four together: mean 0, variance 18 / 4.
        assert!((found.scaling_factor() - 1.0 / 4.5_f64.sqrt()).abs() < 1e-12);
    }
}
