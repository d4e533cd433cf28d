//! What the training loop asks of a decoder: losses on crops, figures and grids of held-out pictures.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Tensor};
use byteedit_models::Component;
use byteedit_models::flops::{TRAINING_FACTOR, vae_decoder, vae_encoder};
use byteedit_models::vae::{AutoencoderKL, Decoder};
use byteedit_nn::{Conv2d, Init};

use super::DecoderRunConfig;
use super::discriminator::{Discriminator, flops};
use crate::pictures::pixels_from_pictures;
use crate::random::{Use, normal};
use crate::step::Loss;
use crate::training::Objective;
use crate::vae::{HeldOut, crops, pixel_loss};
use crate::{Result, Source};

/// A decoder and its adversary.
#[derive(Module, Debug)]
pub(super) struct Duel {
    post_quant_conv: Option<Conv2d>,
    decoder: Decoder,
    discriminator: Discriminator,
}

impl Duel {
    /// That of an autoencoder, with a new adversary.
    pub(super) fn new(vae: &AutoencoderKL, config: &DecoderRunConfig, init: &mut Init) -> Self {
        Self {
            post_quant_conv: vae.post_quant_conv.clone(),
            decoder: vae.decoder.clone(),
            discriminator: Discriminator::new(init, &config.discriminator_channels),
        }
    }

    /// The autoencoder with this decoder in the place of its own.
    pub(super) fn in_place_of(&self, vae: &AutoencoderKL) -> AutoencoderKL {
        let mut vae = vae.clone();
        vae.decoder.clone_from(&self.decoder);
        vae.post_quant_conv.clone_from(&self.post_quant_conv);
        vae
    }
}

/// Decoding what a settled encoder makes of crops.
pub(super) struct Sharpening<'a> {
    config: &'a DecoderRunConfig,
    source: &'a Source,
    device: &'a Device,
    /// As it was.
    vae: AutoencoderKL,
    held_out: HeldOut<'a>,
}

impl<'a> Sharpening<'a> {
    /// Reads the held-out pictures.
    pub(super) fn new(
        config: &'a DecoderRunConfig,
        source: &'a Source,
        vae: AutoencoderKL,
        device: &'a Device,
    ) -> Result<Self> {
        let held_out = HeldOut::new(source, &config.validation, config.crop_size)?;
        Ok(Self { config, source, device, vae, held_out })
    }

    /// Latents of pictures `first..` as a diffusion model makes them: smoother, and with noise in them.
    ///
    /// # Shapes
    /// - `latents`, result: `[batch, channels, height, width]`, not scaled
    fn disturbed(&self, latents: Tensor<4>, first: u64) -> Tensor<4> {
        self.noised(self.smoothed(latents, first), first)
    }

    fn smoothed(&self, latents: Tensor<4>, first: u64) -> Tensor<4> {
        let most = self.config.latent_smoothing;
        if most == 0.0 {
            return latents;
        }
        let share = self.strength(Use::LatentSmoothing, latents.dims()[0], first) * most;
        toward_neighbours(latents, share.clamp_max(1.0))
    }

    fn noised(&self, latents: Tensor<4>, first: u64) -> Tensor<4> {
        let DecoderRunConfig { training, latent_noise, .. } = self.config;
        if *latent_noise == 0.0 {
            return latents;
        }
        let deviation = latent_noise / self.vae.config().scaling_factor;
        let noise = normal(training.seed, Use::LatentNoise, first, latents.dims(), self.device);
        let strength = self.strength(Use::LatentNoiseStrength, latents.dims()[0], first);
        latents + noise * strength * deviation
    }

    /// The size of a normal draw for each picture, `[batch, 1, 1, 1]`.
    fn strength(&self, of: Use, batch: usize, first: u64) -> Tensor<4> {
        normal(self.config.training.seed, of, first, [batch, 1, 1, 1], self.device).abs()
    }
}

/// Latents moved by a `share` of the way to the mean of the 3 x 3 around each; at the border of those that there are.
///
/// # Shapes
/// - `latents`, result: `[batch, channels, height, width]`
/// - `share`: `[batch, 1, 1, 1]`, from 0 to 1
fn toward_neighbours(latents: Tensor<4>, share: Tensor<4>) -> Tensor<4> {
    let options = AvgPoolOptions::new([3, 3]).with_stride([1, 1]).with_padding([1, 1]);
    let mean = avg_pool2d(latents.clone(), options.with_count_include_pad(false));
    latents.clone() + (mean - latents) * share
}

impl Objective for Sharpening<'_> {
    type Model = Duel;

    fn loss(&mut self, model: &Duel, n_images: u64, first: u64) -> Result<Loss> {
        let DecoderRunConfig { training, loss, crop_size, .. } = self.config;
        let batch = first..first + training.batch_size as u64;
        let crops = crops(self.source, training.seed, batch, *crop_size)?;
        let pixels: Tensor<4> = pixels_from_pictures(&crops, self.device);
        let posterior = self.vae.encode(pixels.clone());
        let noise = normal(training.seed, Use::Posterior, first, posterior.mean.dims(), self.device);
        let output = model.in_place_of(&self.vae).decode(self.disturbed(posterior.sample(noise), first));
        let Loss { total, mut parts } = pixel_loss(&loss.pixels, output.clone(), pixels.clone());
        let fooled = model.discriminator.generator_loss(output.clone());
        let told_apart = model.discriminator.hinge_loss(pixels, output);
        let total = total + fooled.clone() * loss.adversarial_after(n_images) + told_apart.clone();
        parts.extend([("adversarial", fooled), ("discriminator", told_apart)]);
        Ok(Loss { total, parts })
    }

    fn validate(&self, model: &Duel) -> Result<BTreeMap<String, f64>> {
        Ok(self.held_out.measure(&model.in_place_of(&self.vae), self.device))
    }

    fn sample(&self, model: &Duel, path: &Path) -> Result<()> {
        self.held_out.write_samples(&model.in_place_of(&self.vae), path, self.device)
    }

    fn gflop_per_image(&self) -> f64 {
        let (vae, side) = (self.vae.config(), self.config.crop_size);
        // The adversary sees truth and output with its gradient, and the output once more for the decoder's.
        let trained = vae_decoder(vae, side) + 3.0 * flops(&self.config.discriminator_channels, side);
        (TRAINING_FACTOR * trained + vae_encoder(vae, side)) / 1e9
    }
}

#[cfg(test)]
mod tests {
    use byteedit_testing::{assert_close, tol};

    use super::*;

    #[test]
    fn smoothed_latents_are_between_themselves_and_the_mean_of_their_neighbours() {
        let device = Device::default();
        let square =
            Tensor::<4>::from_data([[[[0.0_f32, 3.0, 6.0], [9.0, 12.0, 0.0], [3.0, 3.0, 9.0]]]], &device);
        let latents = square.clone().repeat_dim(0, 3);
        let share = Tensor::<4>::from_data([[[[0.0_f32]]], [[[0.5]]], [[[1.0]]]], &device);
        let found = toward_neighbours(latents, share);
        let means = [[6.0_f32, 5.0, 5.25], [5.0, 5.0, 5.5], [6.75, 6.0, 6.0]];
        let means = Tensor::<4>::from_data([[means]], &device);
        let expected = Tensor::cat(vec![square.clone(), (square + means.clone()) * 0.5, means], 0);
        assert_close(&found, &expected, tol::f32_op());
    }
}
