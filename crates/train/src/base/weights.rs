//! Which latents the loss minds: those under the mask, and those that change the picture.

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_models::vae::AutoencoderKL;

use super::DenoisingLossConfig;
use crate::random::{Use, normal};

/// Strength of the noise that the decoder's answer is measured with: small beside latents of unit variance.
const PROBE: f32 = 0.1;

/// A weight for every latent.
#[derive(Clone, Debug)]
pub(super) struct LatentWeights {
    /// Of an error outside of the mask; 1 inside.
    outside: f32,
    /// `[1, channels, 1, 1]`, with a mean of 1.
    channels: Tensor<4>,
}

impl LatentWeights {
    /// Those of a training run, for a decoder with these gains.
    pub(super) fn new(config: &DenoisingLossConfig, gains: &[f64], device: &Device) -> Self {
        Self::by_power(config.weight_outside, config.channel_gain_power, gains, device)
    }

    /// Those that make the error the pixels' own to first order, under the mask alone.
    pub(super) fn of_pixels_inside(gains: &[f64], device: &Device) -> Self {
        // Not quite 0: a mask without a latent of its own counts everywhere alike.
        Self::by_power(1e-6, 1.0, gains, device)
    }

    fn by_power(outside: f32, power: f64, gains: &[f64], device: &Device) -> Self {
        let powers: Vec<f64> = gains.iter().map(|gain| gain.powf(power)).collect();
        let mean = powers.iter().sum::<f64>() / powers.len() as f64;
        let weights: Vec<f32> = powers.iter().map(|power| (power / mean) as f32).collect();
        let channels = Tensor::from_data(TensorData::new(weights, [1, gains.len(), 1, 1]), device);
        Self { outside, channels }
    }

    /// # Shapes
    /// - `edit_mask`: `[batch, 1, height, width]`, 1 = repaint
    /// - returns: `[batch, channels, height, width]`
    pub(super) fn of(&self, edit_mask: Tensor<4>) -> Tensor<4> {
        (edit_mask * (1.0 - self.outside) + self.outside) * self.channels.clone()
    }
}

/// How strongly the picture answers to each channel: `E |D(z + δ n) - D(z)|² / δ²` for unit noise `n` in that
/// channel alone.
///
/// # Shapes
/// - `latents`: `[batch, channels, height, width]`, scaled, of any pictures
pub(super) fn channel_gains(vae: &AutoencoderKL, latents: &Tensor<4>) -> Vec<f64> {
    let [batch, channels, height, width] = latents.dims();
    let plain = vae.pixels_from_latents(latents.clone());
    let noise = normal(0, Use::Gains, 0, [batch, 1, height, width], &latents.device()) * PROBE;
    let answer = |channel: usize| {
        let of_channel = latents.clone().narrow(1, channel, 1) + noise.clone();
        let moved =
            latents.clone().slice_assign([0..batch, channel..channel + 1, 0..height, 0..width], of_channel);
        let change = (vae.pixels_from_latents(moved) - plain.clone()).square().mean().into_scalar::<f32>();
        f64::from(change / (PROBE * PROBE))
    };
    (0..channels).map(answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BaseRunConfig;

    #[test]
    fn weights_fall_outside_and_follow_the_gains() {
        let device = Device::default();
        let config = DenoisingLossConfig {
            weight_outside: 0.25,
            channel_gain_power: 0.5,
            ..BaseRunConfig::mini().loss
        };
        let mask = Tensor::from_data(TensorData::new(vec![1.0_f32, 0.0], [1, 1, 1, 2]), &device);
        let weights = LatentWeights::new(&config, &[9.0, 1.0], &device).of(mask).into_data();
        assert_eq!(weights.as_slice::<f32>().unwrap(), [1.5, 0.375, 0.5, 0.125]);
    }
}
