//! Training the autoencoder (Kingma & Welling 2013, arXiv 1312.6114; as the first stage of latent
//! diffusion, Rombach et al. 2022, Section 3.1).
//!
//! It is fitted to crops, being convolutional, and measured on crops and on whole pictures. Where the
//! original adds a perceptual and an adversarial loss, this one weighs the picture's gradients, which
//! needs no other network.

mod config;
mod loss;
mod objective;
mod scale;
mod whiten;

use std::path::Path;

use burn::tensor::Device;
use byteedit_models::Component;
use byteedit_models::store::{Precision, save_component};
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::Init;

pub use config::{VaeLossConfig, VaeRunConfig, VaeValidationConfig};
pub use scale::{LatentStatistics, measure_latents};

use self::objective::Reconstruction;
use self::whiten::with_whitened_colors;
use crate::named::with_parameters;
use crate::progress::Outcome;
use crate::run::{Checkpoint, RunFolder};
use crate::training::{Trained, Training};
use crate::{Result, RunContext, Source};

/// Trains an autoencoder in the context's folder, going on where an earlier run with the same configuration
/// stopped. At the end the averaged weights lie in `folder/vae` as a diffusers component.
///
/// # Errors
/// A configuration out of range, a folder of another run or in use, data that cannot be read, a
/// training that diverges.
pub fn train(config: &VaeRunConfig, source: &Source, context: RunContext<'_>) -> Result<Outcome> {
    let RunContext { folder, device, progress, stop } = context;
    config.validate()?;
    let run = RunFolder::open(folder, config)?;
    let mut init = Init::seeded(device, config.training.seed);
    let vae = with_whitened_colors(AutoencoderKL::from_config(&config.vae, &mut init));
    let objective = Reconstruction::new(config, source, device)?;
    let training = Training::start(config.training, &run, progress, objective, vae, device)?;
    let Trained { outcome, averaged } = training.run(stop)?;
    if outcome == Outcome::Finished {
        finish(averaged, config, source, &folder.join("vae"), device)?;
    }
    Ok(outcome)
}

/// Writes the averaged weights of the newest checkpoint of a run as a diffusers component into `out`,
/// with the measured scale of its latents. The run itself may still be going on.
///
/// # Errors
/// A folder without a usable run, or an `out` that cannot be written.
pub fn export(folder: &Path, source: &Source, out: &Path, device: &Device) -> Result<LatentStatistics> {
    let config = VaeRunConfig::of_run(folder)?;
    let state = Checkpoint::newest_of_run(folder, device)?;
    let vae = AutoencoderKL::from_config(&config.vae, &mut Init::blank(device));
    finish(with_parameters(vae, &state.ema), &config, source, out, device)
}

fn finish(
    vae: AutoencoderKL,
    config: &VaeRunConfig,
    source: &Source,
    out: &Path,
    device: &Device,
) -> Result<LatentStatistics> {
    let statistics = measure_latents(&vae, source, config.validation.picture_size, device)?;
    let vae = vae.with_scaling_factor(statistics.scaling_factor());
    save_component(&vae, out, Precision::F16, &std::collections::BTreeMap::new())?;
    Ok(statistics)
}
