//! Which latents the loss minds: those under the mask, and those that change the picture.

use burn::tensor::{Device, Tensor, TensorData};

use super::DenoisingLossConfig;

/// A weight for every latent.
#[derive(Clone, Debug)]
pub(crate) struct LatentWeights {
    /// Of an error outside of the mask; 1 inside.
    outside: f32,
    /// `[1, channels, 1, 1]`, with a mean of 1.
    channels: Tensor<4>,
}

impl LatentWeights {
    /// Those of a training run, for a decoder with these gains.
    pub(crate) fn new(config: &DenoisingLossConfig, gains: &[f64], device: &Device) -> Self {
        Self::by_power(config.weight_outside, config.channel_gain_power, gains, device)
    }

    /// Those that make the error the pixels' own to first order, under the mask alone.
    pub(crate) fn of_pixels_inside(gains: &[f64], device: &Device) -> Self {
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
    pub(crate) fn of(&self, edit_mask: Tensor<4>) -> Tensor<4> {
        let channels = self.channels.clone().cast(edit_mask.dtype());
        (edit_mask * (1.0 - self.outside) + self.outside) * channels
    }
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
