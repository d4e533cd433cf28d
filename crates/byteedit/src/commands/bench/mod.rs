//! `byteedit bench`: what kernels, networks, rewards, training steps and edits cost.

mod attention;
mod conv;
mod edit;
mod measure;
mod networks;
mod norm;
mod passes;
mod pefl;
mod photograph;
mod region;
mod report;
mod reward;
mod tensors;
mod train_step;
mod unet;
mod vae;
mod weights;

use crate::args::{BenchArgs, BenchVerb};
use crate::exit::ExitStatus;
use crate::printer::Printer;

/// Runs one of the benchmarks.
///
/// # Errors
/// A configuration, a model or a device that cannot be used.
pub(super) fn run(args: BenchArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    match args.verb {
        BenchVerb::Conv(args) => conv::bench_conv(args, printer),
        BenchVerb::Attention(args) => attention::bench_attention(args, printer),
        BenchVerb::Norm(args) => norm::bench_norm(args, printer),
        BenchVerb::Unet(args) => unet::bench_unet(args, printer),
        BenchVerb::Vae(args) => vae::bench_vae(args, printer),
        BenchVerb::Reward(args) => reward::bench_reward(args, printer),
        BenchVerb::TrainStep(args) => train_step::bench_train_step(args, printer),
        BenchVerb::Pefl(args) => pefl::bench_pefl(args, printer),
        BenchVerb::Edit(args) => edit::bench_edit(args, printer),
    }
}
