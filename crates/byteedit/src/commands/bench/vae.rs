//! The two ways through the autoencoder.

use burn::module::Module;
use burn::tensor::Device;
use byteedit_models::flops;
use byteedit_models::vae::{AutoencoderKL, STRIP_POSITIONS};
use serde_json::json;

use super::measure::{Bench, Case, RunSettings, Work};
use super::networks::Resolved;
use super::report::report;
use super::weights::{random, random_network};
use crate::args::{BenchVaeArgs, VaePartArg};
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Times the encoder and the decoder.
///
/// # Errors
/// A configuration that cannot be used.
pub(super) fn bench_vae(args: BenchVaeArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let BenchVaeArgs { config, part, strips, run } = args;
    let mut bench = Bench::new(printer, RunSettings::resolve(run)?);
    let resolved = Resolved::of(config)?;
    let parts: &[VaePartArg] = match part {
        None => &[VaePartArg::Encode, VaePartArg::Decode],
        Some(VaePartArg::Encode) => &[VaePartArg::Encode],
        Some(VaePartArg::Decode) => &[VaePartArg::Decode],
    };
    let vae: AutoencoderKL = random_network(resolved.networks.vae()?, &Device::flex());
    for &part in parts {
        measure(&vae, (part, strips), &resolved, &mut bench)?;
    }
    report(&bench, "vae", &resolved.networks.name, printer)
}

fn measure(
    vae: &AutoencoderKL,
    (part, strips): (VaePartArg, bool),
    resolved: &Resolved,
    bench: &mut Bench<'_>,
) -> anyhow::Result<()> {
    let device = Device::flex();
    let config = resolved.networks.vae()?;
    let (batch, side, latent_side) = (resolved.batch.unwrap_or(1), resolved.side, resolved.latent_side());
    let (word, flop) = match part {
        VaePartArg::Encode => ("encode", flops::vae_encoder(config, side)),
        VaePartArg::Decode => ("decode", flops::vae_decoder(config, side)),
    };
    let case = Case {
        name: format!(
            "autoencoder, {word}{}, {side} x {side} px, batch {batch}",
            if strips { " in strips" } else { "" }
        ),
        shape: json!({ "kind": "vae", "part": word, "config": config, "batch": batch, "side": side }),
        work: Work { flop: batch as f64 * flop, bytes: None },
        weights_bytes: Some(4 * vae.num_params() as u64),
    };
    let encode = |x| if strips { vae.encode_in_strips(x, STRIP_POSITIONS) } else { vae.encode(x) };
    let decode = |x| if strips { vae.decode_in_strips(x, STRIP_POSITIONS) } else { vae.decode(x) };
    match part {
        VaePartArg::Encode => {
            let pixels = random([batch, config.in_channels, side, side], 1.0, 0, &device);
            bench.case(case, (), |()| {
                drop(encode(pixels.clone()));
                Ok(device.sync()?)
            })?;
        }
        VaePartArg::Decode => {
            let latents = random([batch, config.latent_channels, latent_side, latent_side], 1.7, 0, &device);
            bench.case(case, (), |()| {
                drop(decode(latents.clone()));
                Ok(device.sync()?)
            })?;
        }
    }
    Ok(())
}
