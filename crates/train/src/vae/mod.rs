//! Training the autoencoder (Kingma & Welling 2013, arXiv 1312.6114; as the first stage of latent
//! diffusion, Rombach et al. 2022, Section 3.1).
//!
//! It is fitted to crops, being convolutional, and measured on crops and on whole pictures. Where the
//! original adds a perceptual and an adversarial loss, this one weighs the picture's gradients, which
//! needs no other network; [`crate::decoder`] adds an adversary once the latents are settled.

mod basis;
mod config;
mod held_out;
mod loss;
mod objective;
mod response;
mod start;
mod steps;
mod whiten;

use std::path::Path;

use burn::tensor::Device;
use byteedit_models::Component;
use byteedit_models::store::{Precision, save_component};
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::Init;

pub use basis::{LatentStatistics, with_graded_latents};
pub use config::{PixelLossConfig, VaeLossConfig, VaeRunConfig, VaeValidationConfig};
pub use steps::VaeSteps;

pub(crate) use config::{validate_side, validate_weight};
pub(crate) use held_out::HeldOut;
pub(crate) use loss::{mean, pixel_loss};
pub(crate) use objective::crops;
pub(crate) use response::picture_response;
pub(crate) use start::data_sha256;

use self::objective::Reconstruction;
use self::start::Start;
use crate::progress::Outcome;
use crate::run::{Checkpoint, RunFolder};
use crate::training::{Trained, Training};
use crate::{Result, RunContext, Source, TrainError};

/// Where an autoencoder's weights and pictures come from.
#[derive(Clone, Copy, Debug)]
pub struct VaeInputs<'a> {
    /// The training pairs.
    pub source: &'a Source,
    /// Folder of a trained autoencoder, a diffusers component, whose weights and widths the run starts from;
    /// not read where the run has a state already.
    pub init: Option<&'a Path>,
}

/// Trains an autoencoder in the context's folder, going on where an earlier run with the same configuration
/// stopped. At the end the averaged weights lie in `folder/vae` as a diffusers component.
///
/// # Errors
/// A configuration out of range, a folder of another run or in use, weights or data that cannot be read, a
/// training that diverges.
pub fn train(config: &VaeRunConfig, inputs: &VaeInputs<'_>, context: RunContext<'_>) -> Result<Outcome> {
    let RunContext { folder, device, progress, stop } = context;
    let source = inputs.source;
    let Start { config, vae, note } = Start::prepare(config, inputs, folder, device)?;
    let run = RunFolder::open(folder, &config)?;
    if let Some(note) = note {
        run.log_note(&note)?;
        progress.on_warning(&note);
    }
    let objective = Reconstruction::new(&config, source, device)?;
    let training = Training::start(config.training, &run, progress, objective, vae, device)?;
    let Trained { outcome, averaged } = training.run(stop)?;
    if outcome == Outcome::Finished {
        finish(averaged, &config, source, &folder.join("vae"), device)?;
    }
    Ok(outcome)
}

/// Writes the averaged weights of the newest checkpoint of a run as a diffusers component into `out`,
/// its latents in the basis that diffusion is given. Returns what they were like before. The run itself may still
/// be going on.
///
/// # Errors
/// A folder without a usable run, a source that it was not trained on, or an `out` that cannot be written.
pub fn export(folder: &Path, source: &Source, out: &Path, device: &Device) -> Result<LatentStatistics> {
    let config = VaeRunConfig::of_run(folder)?;
    if data_sha256(source)? != config.data_sha256 {
        return Err(TrainError::OtherData { folder: folder.to_owned() });
    }
    let state = Checkpoint::newest_of_run(folder, device)?;
    let vae = AutoencoderKL::from_config(&config.vae, &mut Init::blank(device));
    finish(state.averaged(vae, folder)?, &config, source, out, device)
}

fn finish(
    vae: AutoencoderKL,
    config: &VaeRunConfig,
    source: &Source,
    out: &Path,
    device: &Device,
) -> Result<LatentStatistics> {
    let statistics = LatentStatistics::measure(&vae, source, config.validation.picture_size, device)?;
    let vae = with_graded_latents(vae, &statistics);
    save_component(&vae, out, Precision::F16, &std::collections::BTreeMap::new())?;
    Ok(statistics)
}
