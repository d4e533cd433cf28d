//! The forward process for training: every item of a batch at its own noise level.

use burn::tensor::Tensor;

use crate::level::NoiseLevel;
use crate::linear::weighted_sum_per_item;

/// `x_t = α x_0 + σ noise` with each item's own level (Ho et al. 2020, Eq. 4).
///
/// # Shapes
/// - `x_0`, `noise`, result: `[batch, channels, height, width]`, with one level for each item
///
/// # Panics
/// If there is not exactly one level for each item of the batch.
pub fn add_noise(x_0: Tensor<4>, noise: Tensor<4>, levels: &[NoiseLevel]) -> Tensor<4> {
    weighted_sum_per_item(x_0, noise, levels, |level| (level.alpha(), level.sigma()))
}

/// Noise with a shared shift for each channel: `noise + strength · offset` (Guttenberg 2023).
///
/// Plain noise never moves the mean of a latent, so a network trained on it cannot learn to make
/// very dark or bright pictures. A usual `strength` is 0.02 to 0.1; 0 returns the noise unchanged.
///
/// # Shapes
/// - `noise`, result: `[batch, channels, height, width]`
/// - `offset`: `[batch, channels, 1, 1]`, standard normal
pub fn offset_noise(noise: Tensor<4>, offset: Tensor<4>, strength: f64) -> Tensor<4> {
    if strength == 0.0 { noise } else { noise + offset.mul_scalar(strength) }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::{add_noise, offset_noise};
    use crate::level::NoiseLevel;

    fn read(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn each_item_gets_its_own_level() {
        let device = Device::default();
        let x_0 = Tensor::<4>::full([3, 1, 1, 2], 2.0, &device);
        let noise = Tensor::<4>::full([3, 1, 1, 2], 1.0, &device);
        let at = |alpha_bar| NoiseLevel { timestep: 0.0, alpha_bar };
        let x_t = read(add_noise(x_0.clone(), noise.clone(), &[at(1.0), at(0.64), at(0.0)]));
        for (actual, expected) in x_t.iter().zip([2.0, 2.0, 2.2, 2.2, 1.0, 1.0]) {
            assert!((actual - expected).abs() < 1e-6, "{x_t:?}");
        }
        // The scalar form is the same function.
        assert_eq!(read(at(0.64).noised(x_0, noise)), [x_t[2]; 6]);
    }

    #[test]
    #[should_panic(expected = "a batch of 2 needs as many noise levels, not 1")]
    fn a_missing_level_is_a_panic_with_both_numbers() {
        let x = Tensor::<4>::zeros([2, 1, 1, 1], &Device::default());
        let _ = add_noise(x.clone(), x, &[NoiseLevel::CLEAN]);
    }

    #[test]
    fn offset_noise_shifts_whole_channels() {
        let device = Device::default();
        let noise = Tensor::<4>::zeros([1, 2, 1, 2], &device);
        let offset = Tensor::<4>::from_data([[[[1.0_f32]], [[-2.0]]]], &device);
        assert_eq!(read(offset_noise(noise.clone(), offset.clone(), 0.5)), [0.5, 0.5, -1.0, -1.0]);
        assert_eq!(read(offset_noise(noise, offset, 0.0)), [0.0; 4]);
    }
}
