//! The encoder's posterior.

use burn::tensor::Tensor;

/// A normal distribution with a mean and a variance for each latent element.
#[derive(Debug, Clone)]
pub struct DiagonalGaussian {
    /// `[batch, latent_channels, height, width]`, unscaled.
    pub mean: Tensor<4>,
    /// Logarithm of the variance, clamped to [-30, 20]; same shape.
    pub log_var: Tensor<4>,
}

impl DiagonalGaussian {
    /// Splits the encoder's output.
    ///
    /// # Shapes
    /// - `moments`: `[batch, 2 * latent_channels, height, width]`, means first
    pub fn from_moments(moments: Tensor<4>) -> Self {
        let channels = moments.dims()[1] / 2;
        Self {
            mean: moments.clone().narrow(1, 0, channels),
            log_var: moments.narrow(1, channels, channels).clamp(-30.0, 20.0),
        }
    }

    /// `mean + exp(log_var / 2) * noise` (Kingma & Welling 2013, Section 2.4).
    pub fn sample(&self, noise: Tensor<4>) -> Tensor<4> {
        self.mean.clone() + (self.log_var.clone() * 0.5).exp() * noise
    }

    /// Kullback-Leibler divergence from the standard normal, summed over channels and averaged over
    /// the rest (Kingma & Welling 2013, Appendix B).
    ///
    /// # Shapes
    /// - returns `[1]`, nats for each latent position
    pub fn kl(&self) -> Tensor<1> {
        let [batch, _, height, width] = self.mean.dims();
        let kl = (self.mean.clone().square() + self.log_var.clone().exp() - self.log_var.clone() - 1.0) * 0.5;
        kl.sum_dim(1).sum_dim(2).sum_dim(3).sum() / (batch * height * width) as f64
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_sample_is_the_mean_and_a_share_of_the_deviation() {
        let of = |value: f32| Tensor::<4>::full([1, 1, 1, 1], value, &Device::default());
        // A variance of 4 is a deviation of 2, of which the noise takes a half.
        let posterior = DiagonalGaussian { mean: of(1.0), log_var: of(4.0_f32.ln()) };
        assert!((posterior.sample(of(0.5)).into_scalar::<f32>() - 2.0).abs() < 1e-6);
    }
}
