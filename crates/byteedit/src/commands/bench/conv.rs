//! Convolutions.

use burn::tensor::Device;
use byteedit_models::flops;
use byteedit_nn::kernels::conv2d;
use serde_json::json;

use super::measure::{Bench, RunSettings};
use super::networks::Resolved;
use super::passes::{Operation, Selection};
use super::report::report;
use super::weights::random;
use crate::args::BenchConvArgs;
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// A square convolution that keeps the size, but for its stride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ConvShape {
    batch: usize,
    channels: [usize; 2],
    kernel: usize,
    /// Height and width of the input.
    side: usize,
    stride: usize,
}

/// Times convolutions.
///
/// # Errors
/// A configuration that cannot be used.
pub(super) fn bench_conv(args: BenchConvArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let BenchConvArgs { config, shape, select, run } = args;
    let mut bench = Bench::new(printer, RunSettings::resolve(run)?);
    let selection = Selection::of(select);
    let batch = config.batch;
    let (name, shapes) = if shape.is_empty() {
        let resolved = Resolved::of(config)?;
        let shapes = of_networks(&resolved);
        (resolved.networks.name, shapes)
    } else {
        let batch = batch.map_or(1, |n| n as usize);
        let of = |&[channels_in, channels_out, kernel, side, stride]: &[usize; 5]| ConvShape {
            batch,
            channels: [channels_in, channels_out],
            kernel,
            side,
            stride,
        };
        ("given shapes".to_owned(), shape.iter().map(of).collect())
    };
    for shape in shapes {
        measure(shape, &selection, &mut bench)?;
    }
    selection.check_used(&bench)?;
    report(&bench, "conv", &name, printer)
}

/// What a network does most: at each resolution a 3x3 and a 1x1 convolution of its width, and the one that
/// reads a skip connection or comes from the resolution before. Of the autoencoder, for one picture, the
/// decoder's.
fn of_networks(resolved: &Resolved) -> Vec<ConvShape> {
    let mut shapes = Vec::new();
    let mut add = |batch, channels, kernel, side, stride| {
        let shape = ConvShape { batch, channels, kernel, side, stride };
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    };
    if let Ok(unet) = resolved.networks.unet() {
        let (batch, widths) = (resolved.batch(), &unet.block_out_channels);
        for (level, &width) in widths.iter().enumerate() {
            let side = resolved.latent_side() >> level;
            add(batch, [width; 2], 3, side, 1);
            add(batch, [2 * width, width], 3, side, 1);
            add(batch, [width; 2], 1, side, 1);
            if level + 1 < widths.len() {
                add(batch, [width; 2], 3, side, 2);
            }
        }
    }
    if let Ok(vae) = resolved.networks.vae() {
        let batch = resolved.batch.unwrap_or(1);
        for (level, &width) in vae.block_out_channels.iter().enumerate() {
            add(batch, [width; 2], 3, resolved.side >> level, 1);
        }
    }
    shapes
}

fn measure(shape: ConvShape, selection: &Selection, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let ConvShape { batch, channels: [channels_in, channels_out], kernel, side, stride } = shape;
    let padding = kernel / 2;
    let side_out = (side + 2 * padding - kernel) / stride + 1;
    let steps = if stride == 1 { String::new() } else { format!(", stride {stride}") };
    let operation = Operation {
        name: format!(
            "conv {kernel}x{kernel}, {channels_in} to {channels_out}, {side} x {side}{steps}, batch {batch}"
        ),
        shape: json!({
            "kind": "conv", "batch": batch, "channels_in": channels_in, "channels_out": channels_out,
            "kernel": kernel, "side": side, "stride": stride, "padding": padding,
        }),
        flop: batch as f64 * flops::conv(channels_in, channels_out, kernel, side_out * side_out),
        n_values: None,
    };
    let device = Device::flex();
    let draw = || {
        let x = random([batch, channels_in, side, side], 1.0, 0, &device);
        let bound = 1.0 / ((channels_in * kernel * kernel) as f32).sqrt();
        let weight = random([channels_out, channels_in, kernel, kernel], bound, 1, &device);
        (x, weight, random([channels_out], bound, 2, &device))
    };
    selection.measure(bench, &operation, draw, |(x, weight, bias)| conv2d(x, weight, bias, stride, padding))
}
