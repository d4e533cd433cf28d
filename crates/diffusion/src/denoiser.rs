//! The two contracts: a network that outputs something, and a denoiser that outputs `x_0`.

use burn::tensor::Tensor;

use crate::level::NoiseLevel;
use crate::prediction::Prediction;

/// Predicts the clean latent from a noisy one (the `D` of Karras et al. 2022, Eq. 2).
///
/// The loop and the samplers know nothing else about a model. Features are denoisers around
/// denoisers.
pub trait Denoiser {
    /// The best guess of `x_0`, given `x_t = α x_0 + σ ε`.
    ///
    /// # Shapes
    /// - `x_t`, result: `[batch, channels, height, width]`
    fn denoise(&self, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4>;
}

/// A network's raw output, with its conditions (prompt, mask, masked picture) already bound.
pub trait Network {
    /// The output under the positive condition.
    ///
    /// # Shapes
    /// - `x_t`, result: `[batch, channels, height, width]`
    fn predict(&self, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4>;

    /// The outputs under the negative and the positive condition, in this order, as one batch of
    /// twice the size where the network allows it.
    ///
    /// # Shapes
    /// - `x_t`, both results: `[batch, channels, height, width]`
    fn predict_pair(&self, x_t: Tensor<4>, level: NoiseLevel) -> (Tensor<4>, Tensor<4>);
}

impl<D: Denoiser + ?Sized> Denoiser for &D {
    fn denoise(&self, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        (**self).denoise(x_t, level)
    }
}

impl<N: Network + ?Sized> Network for &N {
    fn predict(&self, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        (**self).predict(x_t, level)
    }

    fn predict_pair(&self, x_t: Tensor<4>, level: NoiseLevel) -> (Tensor<4>, Tensor<4>) {
        (**self).predict_pair(x_t, level)
    }
}

/// A network under its positive condition alone, as a denoiser.
#[derive(Clone, Debug)]
pub struct Preconditioned<N> {
    /// Where the raw outputs come from.
    pub network: N,
    /// What they mean.
    pub prediction: Prediction,
}

impl<N: Network> Denoiser for Preconditioned<N> {
    fn denoise(&self, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        let output = self.network.predict(x_t.clone(), level);
        self.prediction.x_0(output, x_t, level)
    }
}
