//! What the training loop asks of an autoencoder: losses on crops, PSNR and grids on held-out pictures.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use byteedit_data::{Rgb8, Split};
use byteedit_models::flops::{TRAINING_FACTOR, vae_decoder, vae_encoder};
use byteedit_models::vae::AutoencoderKL;
use rayon::prelude::*;

use super::held_out::HeldOut;
use super::loss::vae_loss;
use super::{VaeLossConfig, VaeRunConfig};
use crate::pictures::pixels_from_pictures;
use crate::random::{Use, normal};
use crate::step::Loss;
use crate::training::Objective;
use crate::{Result, Source};

/// Reconstruction of pictures from a source.
pub(super) struct Reconstruction<'a> {
    config: &'a VaeRunConfig,
    source: &'a Source,
    device: &'a Device,
    held_out: HeldOut<'a>,
}

impl<'a> Reconstruction<'a> {
    /// Reads the held-out pictures.
    pub(super) fn new(config: &'a VaeRunConfig, source: &'a Source, device: &'a Device) -> Result<Self> {
        let held_out = HeldOut::new(source, &config.validation, config.crop_size)?;
        Ok(Self { config, source, device, held_out })
    }
}

/// Training crops of `size` pixels.
pub(crate) fn crops(source: &Source, seed: u64, indices: Range<u64>, size: usize) -> Result<Vec<Rgb8>> {
    indices.into_par_iter().map(|index| source.crop(Split::Train, seed, index, size)).collect()
}

impl Objective for Reconstruction<'_> {
    type Model = AutoencoderKL;

    fn loss(&mut self, model: &AutoencoderKL, _n_images: u64, first: u64) -> Result<Loss> {
        let training = &self.config.training;
        let batch = first..first + training.batch_size as u64;
        let crops = crops(self.source, training.seed, batch, self.config.crop_size)?;
        let pixels = pixels_from_pictures(&crops, self.device);
        let noise = |shape| normal(training.seed, Use::Posterior, first, shape, self.device);
        Ok(reconstruction_loss(model, pixels, noise, &self.config.loss))
    }

    fn validate(&self, model: &AutoencoderKL) -> Result<BTreeMap<String, f64>> {
        Ok(self.held_out.measure(model, self.device))
    }

    fn sample(&self, model: &AutoencoderKL, path: &Path) -> Result<()> {
        self.held_out.write_samples(model, path, self.device)
    }

    fn gflop_per_image(&self) -> f64 {
        gflop_per_image(self.config)
    }
}

/// The loss of pictures through encoder and decoder, with the posterior's noise from `noise`, which is
/// given the shape.
///
/// # Shapes
/// - `pixels`: `[batch, 3, height, width]`
pub(super) fn reconstruction_loss(
    model: &AutoencoderKL,
    pixels: Tensor<4>,
    noise: impl FnOnce([usize; 4]) -> Tensor<4>,
    weights: &VaeLossConfig,
) -> Loss {
    let posterior = model.encode(pixels.clone());
    let noise = noise(posterior.mean.dims());
    let output = model.decode(posterior.sample(noise));
    vae_loss(weights, &posterior, output, pixels)
}

/// Billions of floating-point operations that training spends on one picture.
pub(super) fn gflop_per_image(config: &VaeRunConfig) -> f64 {
    let (vae, side) = (&config.vae, config.crop_size);
    TRAINING_FACTOR * (vae_encoder(vae, side) + vae_decoder(vae, side)) / 1e9
}
