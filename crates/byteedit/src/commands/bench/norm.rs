//! Group norm with `SiLU`, layer norm, GEGLU.

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor};
use byteedit_nn::LayerNorm;
use byteedit_nn::kernels::{geglu, group_norm};
use serde_json::json;

use super::measure::{Bench, RunSettings};
use super::networks::Resolved;
use super::passes::{Operation, Selection};
use super::report::report;
use super::weights::random;
use crate::args::BenchKernelArgs;
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Operations for each number: mean and variance take three, scaling and shifting two; `SiLU` four, of which one
/// is an exponential; GEGLU for each pair the four of a GELU, whose error function counts as one, and a product.
const NORM_FLOP: f64 = 5.0;
const SILU_FLOP: f64 = 4.0;
const GEGLU_FLOP: f64 = 5.0;
/// Added to the variance.
const EPSILON: f64 = 1e-5;

/// Times norms and gates.
///
/// # Errors
/// A configuration that cannot be used.
pub(super) fn bench_norm(args: BenchKernelArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let BenchKernelArgs { config, select, run } = args;
    let mut bench = Bench::new(printer, RunSettings::resolve(run)?);
    let selection = Selection::of(select);
    let resolved = Resolved::of(config)?;
    if let Ok(unet) = resolved.networks.unet() {
        for (level, &width) in unet.block_out_channels.iter().enumerate() {
            let (batch, side) = (resolved.batch(), resolved.latent_side() >> level);
            measure_group_norm([batch, width, side], unet.norm_num_groups, &selection, &mut bench)?;
            if unet.down_block_types[level].has_attention() {
                measure_layer_norm([batch, side * side, width], &selection, &mut bench)?;
                measure_geglu([batch, side * side, 4 * width], &selection, &mut bench)?;
            }
        }
    }
    if let Ok(vae) = resolved.networks.vae() {
        for (level, &width) in vae.block_out_channels.iter().enumerate() {
            let (batch, side) = (resolved.batch.unwrap_or(1), resolved.side >> level);
            measure_group_norm([batch, width, side], vae.norm_num_groups, &selection, &mut bench)?;
        }
    }
    selection.check_used(&bench)?;
    report(&bench, "norm", &resolved.networks.name, printer)
}

fn measure_group_norm(
    [batch, channels, side]: [usize; 3],
    n_groups: usize,
    selection: &Selection,
    bench: &mut Bench<'_>,
) -> anyhow::Result<()> {
    let n = batch * channels * side * side;
    let operation = Operation {
        name: format!("group norm + SiLU, {channels} x {side} x {side}, {n_groups} groups, batch {batch}"),
        shape: json!({
            "kind": "group_norm", "batch": batch, "channels": channels, "side": side, "n_groups": n_groups,
            "epsilon": EPSILON,
        }),
        flop: (NORM_FLOP + SILU_FLOP) * n as f64,
        n_values: Some(2 * n),
    };
    let draw = || affine([batch, channels, side, side], channels);
    selection.measure(bench, &operation, draw, |(x, weight, bias)| {
        group_norm(x, weight, bias, n_groups, EPSILON, true)
    })
}

fn measure_layer_norm(
    [batch, n_tokens, width]: [usize; 3],
    selection: &Selection,
    bench: &mut Bench<'_>,
) -> anyhow::Result<()> {
    let n = batch * n_tokens * width;
    let operation = Operation {
        name: format!("layer norm, {n_tokens} x {width}, batch {batch}"),
        shape: json!({
            "kind": "layer_norm", "batch": batch, "n_tokens": n_tokens, "width": width, "epsilon": EPSILON,
        }),
        flop: NORM_FLOP * n as f64,
        n_values: Some(2 * n),
    };
    let draw = || affine([batch, n_tokens, width], width);
    selection.measure(bench, &operation, draw, |(x, weight, bias)| {
        let param = |value: Tensor<1>| Param::initialized(ParamId::new(), value);
        LayerNorm { weight: param(weight), bias: param(bias), epsilon: EPSILON }.forward(x)
    })
}

fn measure_geglu(
    [batch, n_tokens, width]: [usize; 3],
    selection: &Selection,
    bench: &mut Bench<'_>,
) -> anyhow::Result<()> {
    let n = batch * n_tokens * width;
    let operation = Operation {
        name: format!("GEGLU, {n_tokens} x {width}, batch {batch}"),
        shape: json!({ "kind": "geglu", "batch": batch, "n_tokens": n_tokens, "width": width }),
        flop: GEGLU_FLOP * n as f64,
        n_values: Some(3 * n),
    };
    let draw = || random([batch, n_tokens, 2 * width], 1.7, 0, &Device::flex());
    selection.measure(bench, &operation, draw, geglu)
}

/// A tensor to normalise, its scales and its shifts.
fn affine<const D: usize>(shape: [usize; D], width: usize) -> (Tensor<D>, Tensor<1>, Tensor<1>) {
    let device = Device::flex();
    (random(shape, 1.7, 0, &device), random([width], 0.1, 1, &device) + 1.0, random([width], 0.1, 2, &device))
}
