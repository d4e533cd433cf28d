//! Inpainting with a network that knows nothing of masks, by blending latents (Avrahami et al.
//! 2023, Blended Latent Diffusion).

use burn::tensor::Tensor;

use crate::denoiser::Denoiser;
use crate::error::DiffusionError;
use crate::level::NoiseLevel;

/// Holds the unmasked latents to the source while another denoiser paints the masked ones.
///
/// Going in, the kept part of `x_t` is replaced by the source brought to the current level with one
/// fixed noise; coming out, the kept part of `x_0` is replaced by the source. This is diffusers'
/// blending after each step, moved to the front of the next one. Two differences: at strength 1 the
/// first call sees the noised source where diffusers' sees noise alone; and where a schedule ends
/// above zero noise ([`FinalLevel::First`](crate::FinalLevel)), [`restore`](Self::restore) has to be
/// called on the result to have the source itself in it.
///
/// The noise must be the same at every step: fresh noise would break multistep samplers.
#[derive(Clone, Debug)]
pub struct KeepUnmasked<D> {
    inner: D,
    clean: Tensor<4>,
    noise: Tensor<4>,
    edit_mask: Tensor<4>,
    keep_mask: Tensor<4>,
}

impl<D: Denoiser> KeepUnmasked<D> {
    /// Wraps a denoiser.
    ///
    /// # Shapes
    /// - `clean`: `[batch, channels, height, width]`, the latents of the source picture
    /// - `noise`: the same, standard normal; the noise that `x_T` is made of
    /// - `edit_mask`: `[batch, 1, height, width]`, from 0 (keep) to 1 (repaint)
    ///
    /// # Errors
    /// [`DiffusionError::Shape`] if they do not go together.
    pub fn new(
        inner: D,
        clean: Tensor<4>,
        noise: Tensor<4>,
        edit_mask: Tensor<4>,
    ) -> Result<Self, DiffusionError> {
        let [batch, _, height, width] = clean.dims();
        require_shape("the noise of the kept region", &noise, clean.dims())?;
        require_shape("the edit mask", &edit_mask, [batch, 1, height, width])?;
        let keep_mask = edit_mask.ones_like() - edit_mask.clone();
        Ok(Self { inner, clean, noise, edit_mask, keep_mask })
    }

    /// `edit_mask · x + keep_mask · source`: the source wherever it is to be kept.
    ///
    /// # Shapes
    /// - `x`, result: `[batch, channels, height, width]`, clean latents
    pub fn restore(&self, x: Tensor<4>) -> Tensor<4> {
        self.blend(x, self.clean.clone())
    }

    fn blend(&self, edited: Tensor<4>, kept: Tensor<4>) -> Tensor<4> {
        edited * self.edit_mask.clone() + kept * self.keep_mask.clone()
    }
}

impl<D: Denoiser> Denoiser for KeepUnmasked<D> {
    fn denoise(&self, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        let kept = level.noised(self.clean.clone(), self.noise.clone());
        let x_0 = self.inner.denoise(self.blend(x_t, kept), level);
        self.restore(x_0)
    }
}

fn require_shape(what: &'static str, tensor: &Tensor<4>, expected: [usize; 4]) -> Result<(), DiffusionError> {
    let actual = tensor.dims();
    if actual == expected {
        return Ok(());
    }
    Err(DiffusionError::Shape { what, actual: actual.to_vec(), expected: expected.to_vec() })
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::KeepUnmasked;
    use crate::denoiser::Denoiser;
    use crate::level::NoiseLevel;

    /// Hands its input on, so that the test sees what the wrapped denoiser was given.
    struct Echo;

    impl Denoiser for Echo {
        fn denoise(&self, x_t: Tensor<4>, _: NoiseLevel) -> Tensor<4> {
            x_t
        }
    }

    fn row(values: [f32; 3]) -> Tensor<4> {
        Tensor::from_data([[[values]]], &Device::default())
    }

    #[test]
    fn the_kept_part_is_the_source_before_and_after() {
        // Columns: keep, repaint, half.
        let keep = KeepUnmasked::new(Echo, row([4.0; 3]), row([1.0; 3]), row([0.0, 1.0, 0.5])).unwrap();
        let level = NoiseLevel { timestep: 0.0, alpha_bar: 0.64 };
        let out = keep.denoise(row([10.0; 3]), level).into_data();
        // Half: in (10 + 3.8) / 2 = 6.9, out (6.9 + 4) / 2 = 5.45.
        for (actual, expected) in out.as_slice::<f32>().unwrap().iter().zip([4.0, 10.0, 5.45]) {
            assert!((actual - expected).abs() < 1e-6, "{actual} is not {expected}");
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let wide = Tensor::<4>::zeros([1, 1, 1, 4], &Device::default());
        let error = KeepUnmasked::new(Echo, row([0.0; 3]), row([0.0; 3]), wide.clone()).err().unwrap();
        assert_eq!(error.to_string(), "the edit mask has shape [1, 1, 1, 4], but [1, 1, 1, 3] is needed");
        assert!(KeepUnmasked::new(Echo, row([0.0; 3]), wide, row([0.0; 3])).is_err());
    }
}
