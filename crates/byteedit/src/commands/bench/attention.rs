//! Self-attention, and cross-attention to a text.

use burn::tensor::Device;
use byteedit_models::flops;
use byteedit_nn::kernels::attention;
use serde_json::json;

use super::measure::{Bench, RunSettings};
use super::networks::Resolved;
use super::passes::{Operation, Selection};
use super::report::report;
use super::weights::random;
use crate::args::BenchKernelArgs;
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Attention of all heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AttentionShape {
    batch: usize,
    n_queries: usize,
    n_keys: usize,
    n_heads: usize,
    d_head: usize,
}

/// Times attention.
///
/// # Errors
/// A configuration that cannot be used.
pub(super) fn bench_attention(args: BenchKernelArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let BenchKernelArgs { config, select, run } = args;
    let mut bench = Bench::new(printer, RunSettings::resolve(run)?);
    let selection = Selection::of(select);
    let resolved = Resolved::of(config)?;
    for shape in of_networks(&resolved) {
        measure(shape, &selection, &mut bench)?;
    }
    selection.check_used(&bench)?;
    report(&bench, "attention", &resolved.networks.name, printer)
}

/// Of the U-Net at each resolution, to itself and to the text; and of the autoencoder for one picture.
fn of_networks(resolved: &Resolved) -> Vec<AttentionShape> {
    let mut shapes = Vec::new();
    if let Ok(unet) = resolved.networks.unet() {
        let last = unet.block_out_channels.len() - 1;
        for (level, &width) in unet.block_out_channels.iter().enumerate() {
            // The lowest resolution has one in the middle, whatever its blocks have.
            if !unet.down_block_types[level].has_attention() && level < last {
                continue;
            }
            let n_queries = (resolved.latent_side() >> level).pow(2);
            let n_heads = unet.n_heads(level);
            for n_keys in [n_queries, resolved.networks.n_tokens()] {
                let (batch, d_head) = (resolved.batch(), width / n_heads);
                shapes.push(AttentionShape { batch, n_queries, n_keys, n_heads, d_head });
            }
        }
    }
    if let Some(vae) = resolved.networks.vae().ok().filter(|vae| vae.mid_block_add_attention) {
        let n_tokens = resolved.latent_side().pow(2);
        let d_head = vae.block_out_channels[vae.block_out_channels.len() - 1];
        let batch = resolved.batch.unwrap_or(1);
        shapes.push(AttentionShape { batch, n_queries: n_tokens, n_keys: n_tokens, n_heads: 1, d_head });
    }
    shapes
}

fn measure(shape: AttentionShape, selection: &Selection, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let AttentionShape { batch, n_queries, n_keys, n_heads, d_head } = shape;
    let width = n_heads * d_head;
    let operation = Operation {
        name: format!("attention {n_queries} x {n_keys}, {n_heads} heads of {d_head}, batch {batch}"),
        shape: json!({
            "kind": "attention", "batch": batch, "n_queries": n_queries, "n_keys": n_keys, "n_heads": n_heads,
            "d_head": d_head,
        }),
        flop: batch as f64 * flops::attention(n_queries, n_keys, width),
        n_values: None,
    };
    let device = Device::flex();
    let draw = || {
        let tokens = |n, index| random([batch, n, width], 1.7, index, &device);
        (tokens(n_queries, 0), tokens(n_keys, 1), tokens(n_keys, 2))
    };
    selection.measure(bench, &operation, draw, |(q, k, v)| attention(q, k, v, n_heads))
}
