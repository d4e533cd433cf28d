//! What the training loop asks of an autoencoder: losses on crops, PSNR and grids on held-out pictures.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use byteedit_data::{Rgb8, Split};
use byteedit_models::flops::{TRAINING_FACTOR, vae_decoder, vae_encoder};
use byteedit_models::vae::AutoencoderKL;
use rayon::prelude::*;

use super::loss::vae_loss;
use super::{VaeLossConfig, VaeRunConfig};
use crate::pictures::{pictures_from_pixels, pixels_from_pictures, psnr, write_grid};
use crate::random::{Use, normal};
use crate::source::Whole;
use crate::step::Loss;
use crate::training::Objective;
use crate::{Result, Source};

/// Pictures that go through the network at once outside training.
const BATCH: usize = 16;
/// Pictures of each kind in a sample grid.
const N_SAMPLES: u64 = 8;

/// Reconstruction of pictures from a source.
pub(super) struct Reconstruction<'a> {
    config: &'a VaeRunConfig,
    source: &'a Source,
    device: &'a Device,
    /// Held-out pictures by the name under which their PSNR is logged.
    held_out: [(&'static str, Vec<Rgb8>); 3],
}

impl<'a> Reconstruction<'a> {
    /// Reads the held-out pictures.
    pub(super) fn new(config: &'a VaeRunConfig, source: &'a Source, device: &'a Device) -> Result<Self> {
        let validation = &config.validation;
        let whole = |kind| pictures(source, kind, validation.n_pictures as u64, validation.picture_size);
        let crops = (0..validation.n_crops as u64)
            .into_par_iter()
            .map(|index| source.crop(Split::Validation, 0, index, config.crop_size))
            .collect::<Result<Vec<_>>>()?;
        let held_out = [
            ("psnr_crops", crops),
            ("psnr_photographs", whole(Whole::Photograph)?),
            ("psnr_composites", whole(Whole::Composite)?),
        ];
        Ok(Self { config, source, device, held_out })
    }

    /// Pictures through encoder and decoder, without the posterior's noise, as 8-bit pictures.
    fn reconstructed(&self, model: &AutoencoderKL, pictures: &[Rgb8]) -> Vec<Rgb8> {
        let through = |batch: &[Rgb8]| {
            let pixels = pixels_from_pictures(batch, self.device);
            pictures_from_pixels(model.decode(model.encode(pixels).mean))
        };
        pictures.chunks(BATCH).flat_map(through).collect()
    }
}

/// Whole pictures of the validation split.
fn pictures(source: &Source, kind: Whole, n: u64, size: usize) -> Result<Vec<Rgb8>> {
    (0..n).into_par_iter().map(|index| source.whole(kind, Split::Validation, index, size)).collect()
}

impl Objective for Reconstruction<'_> {
    type Model = AutoencoderKL;

    fn loss(&mut self, model: &AutoencoderKL, _n_images: u64, first: u64) -> Result<Loss> {
        let training = &self.config.training;
        let crops = (first..first + training.batch_size as u64)
            .into_par_iter()
            .map(|index| self.source.crop(Split::Train, training.seed, index, self.config.crop_size))
            .collect::<Result<Vec<_>>>()?;
        let pixels = pixels_from_pictures(&crops, self.device);
        let noise = |shape| normal(training.seed, Use::Posterior, first, shape, self.device);
        Ok(reconstruction_loss(model, pixels, noise, &self.config.loss))
    }

    fn validate(&self, model: &AutoencoderKL) -> Result<BTreeMap<String, f64>> {
        let mean_psnr = |pictures: &[Rgb8]| {
            let outputs = self.reconstructed(model, pictures);
            let sum: f64 = outputs.iter().zip(pictures).map(|(output, truth)| psnr(output, truth)).sum();
            sum / pictures.len() as f64
        };
        Ok(self.held_out.iter().map(|(name, pictures)| ((*name).to_owned(), mean_psnr(pictures))).collect())
    }

    fn sample(&self, model: &AutoencoderKL, path: &Path) -> Result<()> {
        let size = self.config.validation.picture_size;
        let mut grid = Vec::new();
        for kind in [Whole::Photograph, Whole::Composite] {
            let inputs = pictures(self.source, kind, N_SAMPLES, size)?;
            let outputs = self.reconstructed(model, &inputs);
            grid.extend(inputs.into_iter().chain(outputs));
        }
        write_grid(path, &grid, N_SAMPLES as usize)
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
