//! Painting pictures of the model's own size: encode, denoise, decode.
//!
//! Everything that edits or evaluates comes through [`EditModel::paint`], and it iterates the one
//! denoise loop. Whole pictures of any size are the business of [`crate::pipeline`].

use std::time::Instant;

use burn::tensor::Tensor;
use byteedit_diffusion::{Denoise, Denoiser, DrawNoise as _, Guidance, Guided, KeepUnmasked, NoiseSource};
use byteedit_image::{ImageError, Mask, UnitImage};

use crate::condition::{Conditions, pixels_from_images};
use crate::encoder::Encoder;
use crate::error::{EditError, Result};
use crate::model::EditModel;
use crate::network::BoundUnet;
use crate::request::Sampling;
use crate::result::{Timings, Work};
use crate::watch::Watch;

/// One picture to paint on, of [`EditModel::canvas_size`].
#[derive(Clone, Copy, Debug)]
pub struct Canvas<'a> {
    /// The picture. Under the mask it matters for a strength below 1, and to a model that does not see
    /// the mask itself.
    pub image: &'a UnitImage,
    /// 255 = repaint.
    pub edit_mask: &'a Mask,
    /// What belongs there, or "".
    pub prompt: &'a str,
    /// Seed of its noise.
    pub seed: u64,
}

/// What [`EditModel::paint`] made.
#[derive(Clone, Debug)]
pub struct Painted {
    /// One picture for each canvas, in order, in [0, 1]. Kept pixels too are as the decoder gives
    /// them; pasting is left to the caller.
    pub images: Vec<UnitImage>,
    /// Where the time went.
    pub timings: Timings,
    /// What the networks did.
    pub work: Work,
}

/// The noise of a pass starts so many draws after that of the pass before: more than any sampler takes.
const DRAWS_PER_PASS: u64 = 1 << 32;

impl EditModel {
    /// Paints a batch of canvases, each with its own prompt and seed. A canvas gives the same picture
    /// whatever its neighbours are, up to the rounding of the last bits.
    ///
    /// # Errors
    /// [`EditError::Image`] for a canvas or mask that is not of [`EditModel::canvas_size`];
    /// [`EditError::Diffusion`] for steps or a strength that the schedule does not allow, and when it was
    /// cancelled; [`EditError::NotFinite`] if the model answered nonsense.
    pub fn paint(
        &self,
        canvases: &[Canvas<'_>],
        sampling: &Sampling,
        watch: &mut Watch<'_>,
    ) -> Result<Painted> {
        self.paint_pass(canvases, sampling, 0, &mut Encoder::default(), watch)
    }

    /// [`EditModel::paint`] with the noise of another pass over the same picture, and with what the edit has encoded
    /// already; `work` is that of the edit so far.
    pub(crate) fn paint_pass(
        &self,
        canvases: &[Canvas<'_>],
        sampling: &Sampling,
        pass: usize,
        encoder: &mut Encoder,
        watch: &mut Watch<'_>,
    ) -> Result<Painted> {
        self.check_canvases(canvases)?;
        if canvases.is_empty() {
            return Ok(Painted { images: Vec::new(), timings: Timings::default(), work: encoder.work });
        }
        let begin = Instant::now();
        let conditions = Conditions::new(self, canvases, sampling, encoder)?;
        let encoded = Instant::now();

        let seeds: Vec<u64> = canvases.iter().map(|canvas| canvas.seed).collect();
        let noise = NoiseSource::new(&seeds).after_draws(pass as u64 * DRAWS_PER_PASS);
        let network = BoundUnet::new(&self.parts().unet, &conditions);
        let latents = self.denoise(&network, &conditions, sampling, noise, watch)?;
        let denoised = Instant::now();

        let images = self.images_from_latents(latents)?;
        encoder.work += Work { n_decoded: images.len(), ..network.work() };
        let timings = Timings {
            encode_sec: (encoded - begin).as_secs_f64(),
            denoise_sec: (denoised - encoded).as_secs_f64(),
            decode_sec: denoised.elapsed().as_secs_f64(),
            compose_sec: 0.0,
        };
        Ok(Painted { images, timings, work: encoder.work })
    }

    /// What the autoencoder alone makes of pictures of [`EditModel::canvas_size`]: the best that any
    /// edit can be.
    ///
    /// # Errors
    /// [`EditError::Image`] for a picture of another size, [`EditError::NotFinite`] as above.
    pub fn reconstruct(&self, images: &[UnitImage]) -> Result<Vec<UnitImage>> {
        images.iter().try_for_each(|image| self.check_size("picture", image))?;
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let latents = self.parts().vae.latents_from_pixels(pixels_from_images(images.iter(), self));
        self.images_from_latents(latents)
    }

    /// Runs the loop; returns clean latents, `[n, channels, side, side]`.
    fn denoise(
        &self,
        network: &BoundUnet<'_>,
        conditions: &Conditions,
        sampling: &Sampling,
        mut noise: NoiseSource,
        watch: &mut Watch<'_>,
    ) -> Result<Tensor<4>> {
        let schedule = &self.parts().schedule;
        let levels = self.levels(sampling)?;
        let initial = noise.draw(self.latent_shape(), self.device());
        let x_t = match &conditions.source_latents {
            Some(source) if sampling.strength < 1.0 => levels.start().noised(source.clone(), initial.clone()),
            _ => initial.clone() * sampling.sampler.initial_noise_scale(schedule, levels.start()),
        };
        let guidance = if conditions.negative.is_some() { sampling.guidance() } else { Guidance::NONE };
        let guided = Guided { network, prediction: schedule.prediction(), guidance };
        let sampler = sampling.sampler.build(schedule)?;
        let run = |denoiser: &dyn Denoiser| -> Result<Tensor<4>> {
            let denoise = Denoise::new(levels, sampler, denoiser, x_t, &mut noise)?;
            let mut denoise = denoise.at_temperature(sampling.temperature)?;
            if let Some(flag) = watch.flag() {
                denoise = denoise.cancelled_by(flag);
            }
            for step in denoise.by_ref() {
                watch.report(step.index + 1, step.n_steps);
            }
            Ok(denoise.finish()?)
        };
        match conditions.source_latents.as_ref().filter(|_| self.keeps_unmasked()) {
            Some(known) => {
                let mask = conditions.edit_mask.clone();
                let keep = KeepUnmasked::new(guided, known.clone(), initial, mask)?;
                Ok(keep.restore(run(&keep)?))
            }
            None => run(&guided),
        }
    }

    /// One picture at a time: a decoder needs far more memory than the latents of a batch.
    fn images_from_latents(&self, latents: Tensor<4>) -> Result<Vec<UnitImage>> {
        let n = latents.dims()[0];
        (0..n)
            .map(|index| {
                let pixels = self.parts().vae.pixels_from_latents(latents.clone().narrow(0, index, 1));
                let data = pixels
                    .try_into_data()
                    .map_err(|error| EditError::Device { reason: error.to_string() })?
                    .convert::<f32>();
                let values = data.as_slice::<f32>().map_err(|error| EditError::Device {
                    reason: format!("pixels cannot be read: {error:?}"),
                })?;
                let n_values = values.iter().filter(|value| !value.is_finite()).count();
                if n_values > 0 {
                    return Err(EditError::NotFinite { n_values });
                }
                Ok(UnitImage::from_signed_chw(self.canvas_size(), values)?)
            })
            .collect()
    }

    fn check_canvases(&self, canvases: &[Canvas<'_>]) -> Result<()> {
        for canvas in canvases {
            self.check_size("canvas", canvas.image)?;
            canvas.edit_mask.check_size(self.canvas_size())?;
        }
        Ok(())
    }

    fn check_size(&self, what: &'static str, image: &UnitImage) -> Result<()> {
        let (found, expected) = (image.size(), self.canvas_size());
        if found == expected {
            return Ok(());
        }
        Err(ImageError::SizeMismatch { what, found, expected }.into())
    }
}
