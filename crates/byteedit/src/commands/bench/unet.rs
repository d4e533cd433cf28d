//! One evaluation of the U-Net.

use std::path::Path;

use anyhow::bail;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use byteedit_models::store::load_component;
use byteedit_models::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use byteedit_models::{Component, flops};
use serde_json::json;

use super::measure::{Bench, Case, RunSettings, Work};
use super::networks::Resolved;
use super::report::report;
use super::tensors::{TensorFile, write_tensor};
use super::weights::{random, random_network};
use crate::args::{BenchConfigArgs, BenchUnetArgs};
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Within a schedule of 1000.
const TIMESTEP: f32 = 501.0;

/// What the U-Net is shown.
#[derive(Clone)]
struct Input {
    sample: Tensor<4>,
    timestep: Tensor<1>,
    context: Tensor<3>,
}

/// Times evaluations of the U-Net.
///
/// # Errors
/// A configuration, weights or an input that cannot be used.
pub(super) fn bench_unet(args: BenchUnetArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let BenchUnetArgs { config, weights, input, output, run } = args;
    let mut bench = Bench::new(printer, RunSettings::resolve(run)?);
    let device = Device::flex();
    let config = match &weights {
        Some(folder) => BenchConfigArgs { config: folder.display().to_string(), ..config },
        None => config,
    };
    let resolved = Resolved::of(config)?;
    let unet: UNet2DConditionModel = match &weights {
        Some(folder) => load_component(folder, &device)?,
        None => random_network(resolved.networks.unet()?, &device),
    };
    let input = match &input {
        Some(path) => read_input(path, unet.config(), &device)?,
        None => random_input(&resolved, &device)?,
    };
    if let Some(path) = output {
        let Input { sample, timestep, context } = input.clone();
        write_tensor(&path, "sample", unet.forward(sample, timestep, context))?;
    }
    measure(&unet, &input, &mut bench)?;
    report(&bench, "unet", &resolved.networks.name, printer)
}

fn measure(unet: &UNet2DConditionModel, input: &Input, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let device = Device::flex();
    let [batch, _, height, _] = input.sample.dims();
    let [_, n_tokens, _] = input.context.dims();
    let case = Case {
        name: format!("U-Net, latents {height} x {height}, {n_tokens} tokens, batch {batch}"),
        shape: json!({
            "kind": "unet", "config": unet.config(), "batch": batch, "latent_side": height, "n_tokens": n_tokens,
        }),
        work: Work { flop: batch as f64 * flops::unet(unet.config(), height, n_tokens), bytes: None },
        weights_bytes: Some(4 * unet.num_params() as u64),
    };
    bench.case(case, (), |()| {
        let Input { sample, timestep, context } = input.clone();
        drop(unet.forward(sample, timestep, context));
        Ok(device.sync()?)
    })?;
    Ok(())
}

fn random_input(resolved: &Resolved, device: &Device) -> anyhow::Result<Input> {
    let Resolved { networks, .. } = resolved;
    let (config, batch, side) = (networks.unet()?, resolved.batch(), resolved.latent_side());
    Ok(Input {
        sample: random([batch, config.in_channels, side, side], 1.7, 0, device),
        timestep: Tensor::full([batch], TIMESTEP, device),
        context: random([batch, networks.n_tokens(), config.cross_attention_dim], 1.7, 1, device),
    })
}

/// An input from a file, if it fits the network.
fn read_input(path: &Path, config: &UNet2DConditionConfig, device: &Device) -> anyhow::Result<Input> {
    let file = TensorFile::read(path)?;
    let input = Input {
        sample: file.tensor("sample", device)?,
        timestep: file.tensor("timestep", device)?,
        context: file.tensor("context", device)?,
    };
    let ([batch, channels, height, width], [n_timesteps], [n_texts, _, d_context]) =
        (input.sample.dims(), input.timestep.dims(), input.context.dims());
    let multiple = config.size_multiple();
    for (what, found, needed) in [
        ("channels of `sample`", channels, config.in_channels),
        ("the width of `sample`", width, height),
        ("the height of `sample` beyond a multiple of its halvings", height % multiple, 0),
        ("numbers of `timestep`", n_timesteps, batch),
        ("texts of `context`", n_texts, batch),
        ("the width of `context`", d_context, config.cross_attention_dim),
    ] {
        if found != needed {
            bail!("{}: {what} must be {needed}, not {found}", path.display());
        }
    }
    if batch == 0 || height == 0 || input.context.dims()[1] == 0 {
        bail!("{} holds no numbers", path.display());
    }
    Ok(input)
}
