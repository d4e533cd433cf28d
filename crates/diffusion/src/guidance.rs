//! Classifier-free guidance (Ho and Salimans 2022, Eq. 6), its rescale (Lin et al. 2023,
//! Section 3.4) and its interval (Kynkäänniemi et al. 2024).

use burn::tensor::Tensor;

use crate::denoiser::{Denoiser, Network};
use crate::error::DiffusionError;
use crate::level::NoiseLevel;
use crate::prediction::Prediction;

/// How strongly the positive condition is pushed away from the negative one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guidance {
    /// `w` in `negative + w (positive − negative)`: diffusers' `guidance_scale`, and one more than the
    /// paper's own `w`. Guidance begins above 1, as in diffusers: up to there the network is called for
    /// the positive condition only.
    pub scale: f64,
    /// `φ`, from 0 (off) to 1: how far the contrast is brought back to that of the positive output.
    pub rescale: f64,
    /// Where guidance acts; everywhere if `None`.
    pub interval: Option<GuidanceInterval>,
}

/// The noise levels at which guidance acts, in [`NoiseLevel::karras_sigma`]: `lo < sigma ≤ hi`.
///
/// Early steps lose variety to it and late steps gain nothing, so the middle is enough and cheaper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuidanceInterval {
    /// Exclusive lower end; 0 to reach the clean end.
    pub sigma_lo: f64,
    /// Inclusive upper end; infinity to start with the noise.
    pub sigma_hi: f64,
}

impl Guidance {
    /// The positive condition alone.
    pub const NONE: Self = Self::with_scale(1.0);

    /// Plain guidance of this scale at every level.
    pub const fn with_scale(scale: f64) -> Self {
        Self { scale, rescale: 0.0, interval: None }
    }

    /// Checks the ranges that the fields promise.
    ///
    /// # Errors
    /// [`DiffusionError::OutOfRange`] for a scale that is negative or not finite, and for a rescale
    /// outside 0 to 1.
    pub fn validate(&self) -> Result<(), DiffusionError> {
        if !(self.scale.is_finite() && self.scale >= 0.0) {
            let range = "a finite number of 0 or more; up to 1 guidance is off";
            return Err(DiffusionError::OutOfRange { name: "guidance_scale", value: self.scale, range });
        }
        if !(0.0..=1.0).contains(&self.rescale) {
            let range = "from 0 (off) to 1";
            return Err(DiffusionError::OutOfRange { name: "guidance_rescale", value: self.rescale, range });
        }
        Ok(())
    }

    /// Whether the negative condition matters at this level.
    pub fn acts_at(&self, level: NoiseLevel) -> bool {
        let sigma = level.karras_sigma();
        let inside = self.interval.is_none_or(|i| i.sigma_lo < sigma && sigma <= i.sigma_hi);
        inside && self.scale > 1.0
    }

    /// The guided output, in whatever quantity the two outputs are.
    ///
    /// # Shapes
    /// - `negative`, `positive`, result: `[batch, channels, height, width]`
    pub fn combine(&self, negative: Tensor<4>, positive: Tensor<4>) -> Tensor<4> {
        let guided = negative.clone() + (positive.clone() - negative).mul_scalar(self.scale);
        if self.rescale == 0.0 {
            return guided;
        }
        // A constant output has no contrast to restore; the floor keeps 0/0 from becoming NaN.
        let gain =
            std_per_item(positive) / std_per_item(guided.clone()).clamp_min(f64::from(f32::MIN_POSITIVE));
        let blend = gain.mul_scalar(self.rescale).add_scalar(1.0 - self.rescale);
        guided * blend
    }
}

/// Standard deviation over channels and positions, `[batch, 1, 1, 1]`.
///
/// Reduced along one axis for each item: Flex sums a whole tensor in an order that varies from run
/// to run once it is large.
fn std_per_item(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let rows: Tensor<2> = x.reshape([batch, channels * height * width]);
    rows.var(1).sqrt().reshape([batch, 1, 1, 1])
}

/// A network under guidance, as a denoiser.
#[derive(Clone, Debug)]
pub struct Guided<N> {
    /// Where the raw outputs come from.
    pub network: N,
    /// What they mean.
    pub prediction: Prediction,
    /// How they are combined; on the raw outputs, as diffusers does.
    pub guidance: Guidance,
}

impl<N: Network> Denoiser for Guided<N> {
    fn denoise(&self, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        let output = if self.guidance.acts_at(level) {
            let (negative, positive) = self.network.predict_pair(x_t.clone(), level);
            self.guidance.combine(negative, positive)
        } else {
            self.network.predict(x_t.clone(), level)
        };
        self.prediction.x_0(output, x_t, level)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use burn::tensor::{Device, Tensor};

    use super::{Guidance, GuidanceInterval, Guided};
    use crate::denoiser::{Denoiser, Network, Preconditioned};
    use crate::level::NoiseLevel;
    use crate::prediction::Prediction;

    /// Positive output `0.5 x`, negative output `−0.25 x`; counts the paired calls.
    #[derive(Default)]
    struct TwoOutputs {
        pairs: Cell<usize>,
    }

    impl Network for TwoOutputs {
        fn predict(&self, x_t: Tensor<4>, _: NoiseLevel) -> Tensor<4> {
            x_t.mul_scalar(0.5)
        }

        fn predict_pair(&self, x_t: Tensor<4>, level: NoiseLevel) -> (Tensor<4>, Tensor<4>) {
            self.pairs.set(self.pairs.get() + 1);
            (x_t.clone().mul_scalar(-0.25), self.predict(x_t, level))
        }
    }

    fn x_t() -> Tensor<4> {
        Tensor::from_data([[[[1.0_f32, -2.0], [0.5, 3.0]]], [[[9.0, 1.0], [-1.0, 0.0]]]], &Device::default())
    }

    fn read(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().as_slice::<f32>().unwrap().to_vec()
    }

    const LEVEL: NoiseLevel = NoiseLevel { timestep: 500.0, alpha_bar: 0.2 };

    fn guided(network: &TwoOutputs, guidance: Guidance) -> Vec<f32> {
        read(Guided { network, prediction: Prediction::V, guidance }.denoise(x_t(), LEVEL))
    }

    #[test]
    fn up_to_a_scale_of_one_the_positive_condition_is_alone() {
        let network = TwoOutputs::default();
        let plain = Preconditioned { network: &network, prediction: Prediction::V };
        for scale in [0.0, 0.5, 1.0] {
            let guidance = Guidance::with_scale(scale);
            assert!(guidance.validate().is_ok());
            assert_eq!(guided(&network, guidance), read(plain.denoise(x_t(), LEVEL)), "{scale}");
        }
        assert_eq!(network.pairs.get(), 0, "the negative condition was computed for nothing");
        guided(&network, Guidance::with_scale(1.0_f64.next_up()));
        assert_eq!(network.pairs.get(), 1, "above 1 guidance acts");
    }

    #[test]
    fn the_scale_extrapolates_from_negative_to_positive() {
        let guided = Guidance::with_scale(3.0).combine(x_t().mul_scalar(-0.25), x_t().mul_scalar(0.5));
        assert_eq!(read(guided), read(x_t().mul_scalar(2.0)));
    }

    #[test]
    fn full_rescale_restores_the_contrast_of_every_item() {
        let guidance = Guidance { rescale: 1.0, ..Guidance::with_scale(3.0) };
        let positive = x_t().mul_scalar(0.5);
        let rescaled = read(guidance.combine(x_t().mul_scalar(-0.25), positive.clone()));
        // The guided output is a multiple of x, so equal contrast means the positive output again.
        for (actual, expected) in rescaled.iter().zip(read(positive)) {
            assert!((actual - expected).abs() < 1e-6, "{rescaled:?}");
        }
        let constant = Tensor::<4>::ones([1, 1, 2, 2], &Device::default());
        let still = read(guidance.combine(constant.clone(), constant));
        assert!(still.iter().all(|x| x.is_finite()), "{still:?}");
    }

    #[test]
    fn outside_its_interval_guidance_is_off() {
        let network = TwoOutputs::default();
        let sigma = LEVEL.karras_sigma();
        let only = |sigma_lo, sigma_hi| Guidance {
            interval: Some(GuidanceInterval { sigma_lo, sigma_hi }),
            ..Guidance::with_scale(3.0)
        };
        assert_eq!(guided(&network, only(sigma, f64::INFINITY)), guided(&network, Guidance::NONE));
        assert_eq!(network.pairs.get(), 0);
        assert_eq!(guided(&network, only(0.0, sigma)), guided(&network, Guidance::with_scale(3.0)));
        assert_eq!(network.pairs.get(), 2);
    }

    #[test]
    fn bad_settings_are_named() {
        for scale in [-1.0, f64::NAN, f64::INFINITY] {
            let message = Guidance::with_scale(scale).validate().unwrap_err().to_string();
            assert!(message.contains("guidance_scale"), "{message}");
        }
        let guidance = Guidance { rescale: 1.5, ..Guidance::NONE };
        assert!(guidance.validate().unwrap_err().to_string().contains("guidance_rescale` is 1.5"));
        assert!(Guidance { rescale: 0.7, ..Guidance::with_scale(7.5) }.validate().is_ok());
    }
}
