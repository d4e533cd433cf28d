//! Steps of the two trainers.

use burn::tensor::Device;
use byteedit_train::base::{BaseRunConfig, BaseSteps};
use byteedit_train::vae::{VaeRunConfig, VaeSteps};
use serde_json::json;

use super::measure::{Bench, Case, RunSettings, Work};
use super::networks::Resolved;
use super::report::report;
use crate::args::{BenchTrainStepArgs, TrainPartArg};
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Times training steps.
///
/// # Errors
/// A configuration that cannot be used.
pub(super) fn bench_train_step(args: BenchTrainStepArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let BenchTrainStepArgs { config, part, run } = args;
    let mut bench = Bench::new(printer, RunSettings::resolve(run)?);
    let asked_size = config.size;
    let resolved = Resolved::of(config)?;
    if part != Some(TrainPartArg::Vae) {
        measure_unet(&resolved, &mut bench)?;
    }
    if part != Some(TrainPartArg::Unet) {
        measure_vae(&resolved, asked_size.map(|size| size as usize), &mut bench)?;
    }
    report(&bench, "train-step", &resolved.networks.name, printer)
}

/// The schedule and the loss are those of `train base` without options; the optimiser is `AdamW` alone, with which the
/// step is compared with torch's.
fn measure_unet(resolved: &Resolved, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let mut config = BaseRunConfig::mini();
    config.unet = resolved.networks.unet()?.clone();
    config.unet.sample_size = resolved.latent_side();
    config.text_encoder = resolved.networks.text_encoder()?.clone();
    config.training.batch_size = resolved.batch();
    config.training.muon = None;
    let (batch, latent_side) = (resolved.batch(), resolved.latent_side());
    let shape = json!({
        "kind": "train_unet", "unet": config.unet, "text_encoder": config.text_encoder, "batch": batch,
        "latent_side": latent_side, "schedule": config.schedule, "training": config.training,
    });
    let steps = BaseSteps::new(config, &Device::flex())?;
    let case = Case {
        name: format!("step of train base, latents {latent_side} x {latent_side}, batch {batch}"),
        shape,
        work: Work { flop: 1e9 * steps.gflop_per_step(), bytes: None },
        weights_bytes: Some(4 * steps.n_parameters() as u64),
    };
    bench.case(case, steps, |steps| Ok(steps.advance()?))?;
    Ok(())
}

/// The loss and the optimiser are those of `train vae` without options, and so is the size of the crops unless
/// one is asked for.
fn measure_vae(resolved: &Resolved, side: Option<usize>, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let mut config = VaeRunConfig::mini();
    config.vae = resolved.networks.vae()?.clone();
    config.crop_size = side.unwrap_or(config.crop_size);
    config.training.batch_size = resolved.batch();
    let (batch, side) = (resolved.batch(), config.crop_size);
    let shape = json!({
        "kind": "train_vae", "vae": config.vae, "batch": batch, "side": side, "loss": config.loss,
        "training": config.training,
    });
    let steps = VaeSteps::new(config, &Device::flex())?;
    let case = Case {
        name: format!("step of train vae, {side} x {side} px, batch {batch}"),
        shape,
        work: Work { flop: 1e9 * steps.gflop_per_step(), bytes: None },
        weights_bytes: Some(4 * steps.n_parameters() as u64),
    };
    bench.case(case, steps, |steps| Ok(steps.advance()?))?;
    Ok(())
}
