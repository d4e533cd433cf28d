//! What an edit will take, before it begins: known from the model's configuration, the picture and the
//! settings, and compared with what there is.

use byteedit_models::Component as _;
use byteedit_models::footprint;
use byteedit_models::text::{CLIPTextConfig, CLIPTextModel};
use byteedit_models::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use byteedit_models::vae::{AutoencoderKL, AutoencoderKLConfig};
use serde::Serialize;

use crate::error::{EditError, Result};
use crate::model::EditModel;
use crate::pipeline::MAX_BATCH;
use crate::request::{EditRequest, Task};

/// Bytes of a region's pixel on its way to the model's canvas and back.
const REGION_BYTES: usize = 32;
/// The program with its libraries, threads and built-in files, measured on edits with the small model.
const PROGRAM_BYTES: usize = 70_000_000;
/// Tensors over the gaps that freed ones of other sizes leave between them; measured on both directions of an
/// autoencoder, whole and in strips: 4 to 35 % of the tensors.
const TENSORS_PER_GAPS: usize = 4;

/// Memory in bytes at the peak of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryNeed {
    /// All weights, which are there all the time.
    pub weights_bytes: u64,
    /// Tensors of the network that has most of them, and what the kernels keep.
    pub networks_bytes: u64,
    /// The picture, the results, and a region of the picture's size.
    pub pictures_bytes: u64,
    /// The program itself, and gaps that its allocator leaves between tensors; about.
    pub others_bytes: u64,
}

/// The configurations of a model's networks.
#[derive(Clone, Copy, Debug)]
pub struct NetworkConfigs<'a> {
    /// The U-Net's.
    pub unet: &'a UNet2DConditionConfig,
    /// The autoencoder's.
    pub vae: &'a AutoencoderKLConfig,
    /// The text encoder's.
    pub text_encoder: &'a CLIPTextConfig,
}

impl MemoryNeed {
    /// Of a model whose U-Net sees `batch` latents of its own size at once: two for each picture that is
    /// painted under guidance. Without pictures.
    pub fn of_model(configs: NetworkConfigs<'_>, batch: usize) -> Self {
        let NetworkConfigs { unet, vae, text_encoder } = configs;
        let side = unet.sample_size * vae.downscale();
        let networks = footprint::vae_encoder(vae, side)
            .and_then(footprint::unet(unet, batch, unet.sample_size))
            .and_then(footprint::vae_decoder(vae, side));
        let weights_bytes = footprint::weights::<UNet2DConditionModel>(unet)
            + footprint::weights::<AutoencoderKL>(vae)
            + footprint::weights::<CLIPTextModel>(text_encoder);
        Self {
            weights_bytes: weights_bytes as u64,
            networks_bytes: (networks.tensors_bytes + networks.kernels_bytes) as u64,
            pictures_bytes: 0,
            others_bytes: (PROGRAM_BYTES + networks.tensors_bytes / TENSORS_PER_GAPS) as u64,
        }
    }

    /// All of it: the resident size that a system shows.
    pub const fn total_bytes(&self) -> u64 {
        self.weights_bytes + self.networks_bytes + self.pictures_bytes + self.others_bytes
    }

    /// Refuses an edit that cannot fit into `available_bytes`, with the model loaded already: the networks alone
    /// would need more. What is only about right, or already there, is left out.
    ///
    /// # Errors
    /// [`EditError::Memory`], which names both numbers and what would help.
    pub fn check(&self, available_bytes: u64) -> Result<()> {
        let needed_bytes = self.networks_bytes;
        if needed_bytes <= available_bytes {
            Ok(())
        } else {
            Err(EditError::Memory { needed_bytes, available_bytes })
        }
    }
}

impl EditModel {
    /// The configurations of its networks.
    pub fn configs(&self) -> NetworkConfigs<'_> {
        let parts = self.parts();
        NetworkConfigs {
            unet: parts.unet.config(),
            vae: parts.vae.config(),
            text_encoder: parts.text_encoder.config(),
        }
    }

    /// What the edit will take at its peak.
    ///
    /// # Errors
    /// [`EditError::Image`] if outpainting makes the picture too large.
    pub fn memory_need(&self, request: &EditRequest) -> Result<MemoryNeed> {
        let (picture, settings) = (request.picture(), request.settings());
        let size = match request.task() {
            Task::Edit { .. } | Task::Erase { .. } => picture.size(),
            Task::Outpaint { sides, .. } => sides.plan().canvas_size(picture.size(), request.limits())?,
        };
        let pixel_bytes = picture.channels().count() * usize::from(picture.samples().bits() / 8);
        // The given picture, what is worked on and returned, and a region that may be all of it.
        let pictures = (picture.size().area() + settings.count * size.area()) * pixel_bytes;
        let n_each = if settings.sampling.guidance_scale > 1.0 { 2 } else { 1 };
        let batch = n_each * settings.count.clamp(1, MAX_BATCH);
        Ok(MemoryNeed {
            pictures_bytes: (pictures + REGION_BYTES * size.area()) as u64,
            ..MemoryNeed::of_model(self.configs(), batch)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers_and_a_remedy() {
        let need = MemoryNeed {
            weights_bytes: 1_000_000_000,
            networks_bytes: 500_000_000,
            pictures_bytes: 70_000_000,
            others_bytes: 30_000_000,
        };
        assert_eq!(need.total_bytes(), 1_600_000_000);
        assert!(need.check(500_000_000).is_ok());
        let message = need.check(499_000_000).unwrap_err().to_string();
        for part in ["500 MB", "499 MB", "fewer pictures at once"] {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }

    /// The published architecture: 4.3 GB of weights, and less than 1 GB for one picture of 512 px.
    #[test]
    fn stable_diffusion_needs_what_is_known_of_it() {
        let preset = byteedit_models::presets::sd15_inpaint();
        let configs =
            NetworkConfigs { unet: &preset.unet, vae: &preset.vae, text_encoder: &preset.text_encoder };
        let one = MemoryNeed::of_model(configs, 2);
        assert_eq!(one.weights_bytes, 4 * (859_535_364 + 83_653_863 + 123_060_480));
        // In strips, one activation of 256 channels at 512 x 512 px and about a third more.
        assert!((300_000_000..600_000_000).contains(&one.networks_bytes), "{one:?}");
        let four = MemoryNeed::of_model(configs, 8);
        assert!(four.networks_bytes > 3 * one.networks_bytes / 2, "{four:?}");
    }
}
