//! Held-out pictures through an autoencoder: figures, and grids to look at.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use byteedit_data::{Rgb8, Split};
use byteedit_models::vae::AutoencoderKL;
use rayon::prelude::*;

use super::VaeValidationConfig;
use crate::pictures::{gradient_energy, pictures_from_pixels, pixels_from_pictures, psnr, write_grid};
use crate::source::Whole;
use crate::{Result, Source};

/// Pictures that go through the network at once.
const BATCH: usize = 16;
/// Pictures of each kind in a sample grid.
const N_SAMPLES: u64 = 8;

/// Crops and whole pictures of the validation split.
pub(crate) struct HeldOut<'a> {
    source: &'a Source,
    picture_size: usize,
    /// By the name under which they are logged.
    pictures: [(&'static str, Vec<Rgb8>); 3],
}

impl<'a> HeldOut<'a> {
    /// Reads them.
    pub(crate) fn new(
        source: &'a Source,
        validation: &VaeValidationConfig,
        crop_size: usize,
    ) -> Result<Self> {
        let picture_size = validation.picture_size;
        let whole = |kind| pictures(source, kind, validation.n_pictures as u64, picture_size);
        let crops = (0..validation.n_crops as u64)
            .into_par_iter()
            .map(|index| source.crop(Split::Validation, 0, index, crop_size))
            .collect::<Result<Vec<_>>>()?;
        let pictures = [
            ("crops", crops),
            ("photographs", whole(Whole::Photograph)?),
            ("composites", whole(Whole::Composite)?),
        ];
        Ok(Self { source, picture_size, pictures })
    }

    /// Of each kind the mean PSNR in dB, `psnr_*`, and the share of the truth's gradient energy that is left,
    /// `energy_*`.
    pub(crate) fn measure(&self, vae: &AutoencoderKL, device: &Device) -> BTreeMap<String, f64> {
        let of_kind = |(name, truths): &(&str, Vec<Rgb8>)| {
            let outputs = reconstructed(vae, truths, device);
            let decibels: f64 = outputs.iter().zip(truths).map(|(output, truth)| psnr(output, truth)).sum();
            let energy = |pictures: &[Rgb8]| pictures.iter().map(gradient_energy).sum::<f64>();
            let psnr = decibels / truths.len() as f64;
            [(format!("psnr_{name}"), psnr), (format!("energy_{name}"), energy(&outputs) / energy(truths))]
        };
        self.pictures.iter().flat_map(of_kind).collect()
    }

    /// Photographs above what became of them, then composites.
    pub(crate) fn write_samples(&self, vae: &AutoencoderKL, path: &Path, device: &Device) -> Result<()> {
        let mut grid = Vec::new();
        for kind in [Whole::Photograph, Whole::Composite] {
            let inputs = pictures(self.source, kind, N_SAMPLES, self.picture_size)?;
            let outputs = reconstructed(vae, &inputs, device);
            grid.extend(inputs.into_iter().chain(outputs));
        }
        write_grid(path, &grid, N_SAMPLES as usize)
    }
}

/// Pictures through encoder and decoder, without the posterior's noise, as 8-bit pictures.
fn reconstructed(vae: &AutoencoderKL, pictures: &[Rgb8], device: &Device) -> Vec<Rgb8> {
    let through = |batch: &[Rgb8]| {
        let pixels = pixels_from_pictures(batch, device);
        pictures_from_pixels(vae.decode(vae.encode(pixels).mean))
    };
    pictures.chunks(BATCH).flat_map(through).collect()
}

/// Whole pictures of the validation split.
fn pictures(source: &Source, kind: Whole, n: u64, size: usize) -> Result<Vec<Rgb8>> {
    (0..n).into_par_iter().map(|index| source.whole(kind, Split::Validation, index, size)).collect()
}
