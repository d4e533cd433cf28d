//! A loaded model: parts that fit each other, and what is known about them.

mod card;
mod files;
mod load;
mod lora;
mod words;

use std::path::Path;

use burn::tensor::Device;
use byteedit_diffusion::{Levels, NoiseSchedule};
use byteedit_image::Size;
use byteedit_models::Component as _;
use byteedit_models::text::CLIPTextModel;
use byteedit_models::tokenizer::ClipTokenizer;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;

pub use self::card::{Concept, Defaults, ModelCard};
pub use self::files::EmbeddedFiles;
pub use self::lora::AppliedLora;
pub use self::words::UnknownWord;

use self::files::ModelFiles;
use crate::error::{EditError, Result};
use crate::hole::{Hole, MIN_GUESS_CHANNELS};
use crate::request::Sampling;

/// Everything that an edit is computed with.
#[derive(Debug)]
pub struct ModelParts {
    /// Predicts what the noise schedule says, from noisy latents.
    pub unet: UNet2DConditionModel,
    /// Between pixels and latents.
    pub vae: AutoencoderKL,
    /// From token ids to text features.
    pub text_encoder: CLIPTextModel,
    /// From prompts to token ids.
    pub tokenizer: ClipTokenizer,
    /// The noise that the U-Net was trained on.
    pub schedule: NoiseSchedule,
}

/// What is known about a model besides its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelInfo {
    /// What messages and `parameters` texts call it.
    pub name: String,
    /// The first ten hexadecimal digits of the SHA-256 of its weight files, one after the other: the
    /// form in which A1111 tells models apart.
    pub hash: String,
    /// What it was taught; `None` for a checkpoint from elsewhere, which has no `byteedit.json`.
    pub card: Option<ModelCard>,
}

impl ModelInfo {
    /// The settings that suit this model.
    pub fn defaults(&self) -> Defaults {
        self.card.as_ref().map_or_else(Defaults::of_diffusers, |card| card.defaults.clone())
    }
}

/// A model that can edit.
#[derive(Debug)]
pub struct EditModel {
    parts: ModelParts,
    info: ModelInfo,
    device: Device,
    loras: Vec<AppliedLora>,
}

impl EditModel {
    /// Puts parts together that lie on `device`.
    ///
    /// # Errors
    /// [`EditError::Unfit`] if they were not made for each other, or not for editing.
    pub fn new(parts: ModelParts, info: ModelInfo, device: Device) -> Result<Self> {
        load::check_fit(&parts, &info.name)?;
        let channels = parts.vae.config().latent_channels;
        if info.card.as_ref().is_some_and(|card| card.hole == Hole::Guess) && channels < MIN_GUESS_CHANNELS {
            let needed = format!("{MIN_GUESS_CHANNELS} or more, as byteedit.json has `hole: guess`");
            return Err(Self::unfit(&info.name, "number of latent channels", channels, needed));
        }
        Ok(Self { parts, info, device, loras: Vec::new() })
    }

    /// Reads a model from a folder as diffusers writes it. Nothing outside the folder is touched, in
    /// particular no network.
    ///
    /// # Errors
    /// A file that is missing, broken or does not fit the others; the message names it.
    pub fn load(folder: &Path, device: &Device) -> Result<Self> {
        let name = folder.file_name().map_or_else(
            || folder.display().to_string(), // such as ".."
            |name| name.to_string_lossy().into_owned(),
        );
        load::load(&name, &ModelFiles::Folder(folder), device)
    }

    /// Reads a model from files in memory, by their paths inside its folder.
    ///
    /// # Errors
    /// As [`EditModel::load`].
    pub fn from_files(name: &str, files: &EmbeddedFiles<'_>, device: &Device) -> Result<Self> {
        load::load(name, &ModelFiles::Embedded(files), device)
    }

    /// What is known about the model.
    pub const fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Its networks, tokenizer and noise schedule.
    pub const fn parts(&self) -> &ModelParts {
        &self.parts
    }

    /// Where it computes.
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// Height and width, in pixels, of the pictures it was trained on and is shown.
    pub fn resolution(&self) -> usize {
        self.parts.unet.config().sample_size * self.downscale()
    }

    /// [`EditModel::resolution`] as a size.
    pub fn canvas_size(&self) -> Size {
        Size::new(self.resolution(), self.resolution())
    }

    /// Pixels that one latent stands for, along each side.
    pub fn downscale(&self) -> usize {
        self.parts.vae.config().downscale()
    }

    /// `[channels, height, width]` of the latents of one picture.
    pub fn latent_shape(&self) -> [usize; 3] {
        let side = self.parts.unet.config().sample_size;
        [self.parts.vae.config().latent_channels, side, side]
    }

    /// Whether the U-Net sees the mask itself. If not, it is a plain text-to-image network, and the
    /// kept latents are blended in at every step.
    pub fn is_inpainting(&self) -> bool {
        self.parts.unet.config().is_inpainting()
    }

    /// Whether the kept latents are blended in at every step.
    pub fn keeps_unmasked(&self) -> bool {
        !self.is_inpainting() || self.info.card.as_ref().is_some_and(|card| card.keeps_unmasked)
    }

    /// What the U-Net is shown inside the mask.
    pub fn hole(&self) -> Hole {
        self.info.card.as_ref().map_or(Hole::Grey, |card| card.hole)
    }

    /// The things that the model was taught to paint, in the order of their groups; empty if that is
    /// not known.
    pub fn concepts(&self) -> &[Concept] {
        self.info.card.as_ref().map_or(&[], |card| &card.concepts)
    }

    /// The words of a prompt that the model never saw, each once, with the concepts nearest to it.
    /// Empty if it is not known what the model saw.
    pub fn unknown_words(&self, prompt: &str) -> Vec<UnknownWord> {
        self.info.card.as_ref().map_or_else(Vec::new, |card| words::unknown_words(card, prompt))
    }

    /// The noise levels of an edit; cheap enough to ask before any work.
    ///
    /// # Errors
    /// [`EditError::Diffusion`] for a number of steps that the noise schedule does not have, and for a
    /// strength that leaves none.
    pub fn levels(&self, sampling: &Sampling) -> Result<Levels> {
        let levels = sampling.sampler.levels(&self.parts.schedule, sampling.n_steps)?;
        Ok(levels.truncated(sampling.strength)?)
    }

    fn unfit(
        name: &str,
        property: &'static str,
        value: impl ToString,
        needed: impl Into<String>,
    ) -> EditError {
        EditError::Unfit { model: name.to_owned(), property, value: value.to_string(), needed: needed.into() }
    }
}
