//! Training an autoencoder's decoder once its latents are settled, so that what was trained on them stays valid:
//! against an adversary, as the first stage of latent diffusion is (Esser et al. 2021, arXiv 2012.09841,
//! Section 3.1; Rombach et al. 2022, Section 3.1), for the detail that errors of pixels alone blur.

mod config;
mod discriminator;
mod objective;

use std::collections::BTreeMap;
use std::path::Path;

use byteedit_models::Component;
use byteedit_models::store::{Precision, load_component, save_component};
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::Init;

pub use config::{DecoderLossConfig, DecoderRunConfig};

use self::objective::{Duel, Sharpening};
use crate::files::file_sha256;
use crate::progress::Outcome;
use crate::run::{Checkpoint, RunFolder, warm_start_note};
use crate::training::{Trained, Training};
use crate::vae::data_sha256;
use crate::{Result, RunContext, Source};

/// What a decoder is trained on.
#[derive(Clone, Copy, Debug)]
pub struct DecoderInputs<'a> {
    /// The training crops.
    pub source: &'a Source,
    /// Folder of the trained autoencoder, a diffusers component.
    pub vae: &'a Path,
}

/// Trains the decoder of an autoencoder in the context's folder, going on where an earlier run with the same
/// configuration stopped. At the end the autoencoder, its encoder untouched and its decoder with the averaged
/// weights, lies in `folder/vae` as a diffusers component.
///
/// # Errors
/// A configuration out of range, a folder of another run or in use, an autoencoder or data that cannot be
/// read, a training that diverges.
pub fn train(
    config: &DecoderRunConfig,
    inputs: &DecoderInputs<'_>,
    context: RunContext<'_>,
) -> Result<Outcome> {
    let RunContext { folder, device, progress, stop } = context;
    let vae: AutoencoderKL = load_component(inputs.vae, device)?;
    let config = DecoderRunConfig {
        init_sha256: file_sha256(&inputs.vae.join(AutoencoderKL::WEIGHTS_FILE))?,
        data_sha256: data_sha256(inputs.source)?,
        ..config.clone()
    };
    config.validate(vae.config().downscale())?;
    let run = RunFolder::open(folder, &config)?;
    if !Checkpoint::exists_in(folder) {
        run.log_note(&warm_start_note(inputs.vae, &config.init_sha256))?;
    }
    let duel = Duel::new(&vae, &config, &mut Init::seeded(device, config.training.seed));
    let objective = Sharpening::new(&config, inputs.source, vae.clone(), device)?;
    let training = Training::start(config.training, &run, progress, objective, duel, device)?;
    let Trained { outcome, averaged } = training.run(stop)?;
    if outcome == Outcome::Finished {
        save_component(&averaged.in_place_of(&vae), &folder.join("vae"), Precision::F16, &BTreeMap::new())?;
    }
    Ok(outcome)
}
