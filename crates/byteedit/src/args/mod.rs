//! What the user typed, as `clap` parses it. Doc comments here are the help texts.

mod arm;
mod bench;
mod data;
mod eval;
mod paint;
mod parse;
mod pipeline;
mod score;
mod train;
mod values;
mod world;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use arm::ArmArg;
pub(crate) use bench::{
    BenchArgs, BenchConfigArgs, BenchConvArgs, BenchEditArgs, BenchKernelArgs, BenchPeflArgs,
    BenchRewardArgs, BenchRunArgs, BenchSelectArgs, BenchTrainStepArgs, BenchUnetArgs, BenchVaeArgs,
    BenchVerb, DtypeArg, PassArg, RewardNetworkArg, TapeArg, TrainPartArg, VaePartArg,
};
pub(crate) use data::{
    ANNOTATOR, DataAlignArgs, DataAnnotateArgs, DataArgs, DataCandidatesArgs, DataCheckArgs, DataExportArgs,
    DataImportArgs, DataPromptsArgs, DataVerb, ExportArg, ImportArg,
};
pub(crate) use eval::{
    EvalArgs, EvalCompareArgs, EvalGuidanceArgs, EvalRewardArgs, EvalVerb, EvalWorldArgs, ExamArgs, JUDGE,
};
pub(crate) use paint::{
    EditArgs, EraseArgs, MaskModeArg, ModelArgs, OutpaintArgs, OutputArgs, PaintArgs, RunArgs,
};
pub(crate) use parse::{LoraChoice, MaskSource};
pub(crate) use pipeline::PipelineArgs;
pub(crate) use score::ScoreArgs;
pub(crate) use train::{
    FeedbackPreset, TrainAccelerateArgs, TrainAestheticArgs, TrainAlignmentArgs, TrainAnnotatorArgs,
    TrainArgs, TrainBaseArgs, TrainCoherentArgs, TrainDecoderArgs, TrainExportArgs, TrainFeedbackArgs,
    TrainJudgeArgs, TrainPeflArgs, TrainPlotArgs, TrainRankingArgs, TrainRewardRunArgs, TrainRewardVerb,
    TrainRunArgs, TrainVaeArgs, TrainVerb,
};
pub(crate) use world::{WorldArgs, WorldBuildArgs, WorldConceptsArgs, WorldSampleArgs, WorldVerb};

use crate::exit::EXIT_CODES;

/// Edit pictures with a diffusion model: replace, erase, extend; train the model that does it
#[derive(Debug, Parser)]
#[command(name = "byteedit", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Print neither progress nor notes; warnings and results still appear
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Edit(EditArgs),
    Erase(EraseArgs),
    Outpaint(OutpaintArgs),
    Run(RunArgs),
    Inspect(InspectArgs),
    World(WorldArgs),
    Data(DataArgs),
    Train(TrainArgs),
    Eval(EvalArgs),
    Score(ScoreArgs),
    Pipeline(PipelineArgs),
    Bench(BenchArgs),
    Demo(DemoArgs),
    Completions(CompletionsArgs),
}

/// Show what a model or a weight file consists of
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit inspect mini
  byteedit inspect models/mini --json
  byteedit inspect models/mini/unet/diffusion_pytorch_model.safetensors")]
pub(crate) struct InspectArgs {
    /// `mini`, a model folder, or a .safetensors file
    #[arg(value_name = "MODEL|FILE")]
    pub(crate) target: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Edit the bundled photographs with the built-in model, to see what it does
#[derive(Debug, Args)]
#[command(after_help = "Example:
  byteedit demo --out demo/")]
pub(crate) struct DemoArgs {
    /// Folder for the pictures, the contact sheet and index.md; what an earlier demo wrote is replaced
    #[arg(long, value_name = "DIR", default_value = "demo")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:
  byteedit completions bash > ~/.local/share/bash-completion/completions/byteedit")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_an_example_and_every_flag_a_help_text() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            let has_verbs = command.has_subcommands();
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(has_verbs || examples.contains("byteedit "), "{path} has no example");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path}: `{}` has no help", argument.get_id());
            }
            command.get_subcommands().for_each(|verb| check(verb, &path));
        }
        check(&Cli::command(), "");
    }
}
