//! One function for each verb: from settings to the libraries and to the printer.

mod bench;
mod completions;
mod concepts;
mod data;
mod demo;
mod edit;
mod eval;
mod inspect;
mod paint;
mod pipeline;
mod run;
mod score;
mod train;
mod world;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::allocator::{FreedPages, set_freed_pages};
use crate::args::{BenchVerb, Cli, TrainVerb, Verb};
use crate::exit::ExitStatus;
use crate::printer::Printer;
use crate::settings::{BaseSettings, DecoderSettings, VaeSettings, annotator_settings, judge_settings};
use crate::threads;

/// Names the targets and levels to log, such as `byteedit_train=debug`.
const LOG_VARIABLE: &str = "BYTEEDIT_LOG";

/// Parses the arguments and does what they say.
///
/// # Errors
/// Whatever the command could not do.
pub(crate) fn run() -> anyhow::Result<ExitStatus> {
    let Cli { quiet, verb } = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_env(LOG_VARIABLE))
        .with_writer(std::io::stderr)
        .init();
    set_freed_pages(if is_training(&verb) { FreedPages::Stay } else { FreedPages::StayASecond });
    let printer = &Printer::new(quiet);
    if !matches!(verb, Verb::Bench(_)) {
        threads::join_pool(None); // benchmarks choose how many
    }
    match verb {
        Verb::Edit(args) => edit::edit(args, printer),
        Verb::Erase(args) => edit::erase(args, printer),
        Verb::Outpaint(args) => edit::outpaint(args, printer),
        Verb::Run(args) => run::run(args, printer),
        Verb::Inspect(args) => inspect::inspect(args, printer),
        Verb::World(args) => world::run(args, printer),
        Verb::Data(args) => data::run(args, printer),
        Verb::Train(args) => match args.verb {
            TrainVerb::Vae(args) => train::train_vae(VaeSettings::resolve(args)?, printer),
            TrainVerb::Decoder(args) => train::train_decoder(DecoderSettings::resolve(args)?, printer),
            TrainVerb::Base(args) => train::train_base(BaseSettings::resolve(args)?, printer),
            TrainVerb::Judge(args) => train::train_judge(judge_settings(args)?, printer),
            TrainVerb::Annotator(args) => train::train_annotator(annotator_settings(args)?, printer),
            TrainVerb::Reward(args) => train::train_reward(args.verb, printer),
            TrainVerb::Pefl(args) => train::train_pefl(args, printer),
            TrainVerb::Accelerate(args) => train::train_accelerate(args, printer),
            TrainVerb::Export(args) => train::train_export(args, printer),
            TrainVerb::Plot(args) => train::train_plot(args, printer),
        },
        Verb::Eval(args) => eval::run(args, printer),
        Verb::Score(args) => score::score(args, printer),
        Verb::Pipeline(args) => pipeline::pipeline(args, printer),
        Verb::Bench(args) => bench::run(args, printer),
        Verb::Demo(args) => demo::demo(args, printer),
        Verb::Completions(args) => completions::completions(args, printer),
    }
}

/// Whether it repeats one step over and over.
fn is_training(verb: &Verb) -> bool {
    match verb {
        Verb::Train(_) => true,
        Verb::Bench(args) => matches!(args.verb, BenchVerb::TrainStep(_) | BenchVerb::Pefl(_)),
        _ => false,
    }
}
