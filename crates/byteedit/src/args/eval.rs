//! `eval`.

use std::path::PathBuf;

use byteedit_data::Split;
use byteedit_diffusion::SamplerKind;
use clap::{Args, Subcommand, ValueEnum};

use super::paint::ModelArgs;
use super::parse::{not_negative, sampler, temperature};

/// Measure a model
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    #[command(subcommand)]
    pub(crate) verb: EvalVerb,
}

/// The name of the judge that the program carries in itself.
pub(crate) const JUDGE: &str = "built-in";

/// On what to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum EvalVerb {
    World(EvalWorldArgs),
}

/// Measure a model on the mini world's held-out composites, where every task has an exact answer
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit eval world --model mini --steps 20 --split validation --samples 64 --out eval/mini
  byteedit eval world --model mini --split test --samples 1000 --out eval/mini-test
  byteedit eval world --model runs/base/model --sampler euler-a --guidance 5 --out eval/euler-a

What does better on validation can be made the model's own: byteedit.json has it under `defaults`.")]
pub(crate) struct EvalWorldArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Who says what the pictures show: `built-in`, or a folder that `train judge` wrote
    #[arg(long, value_name = "built-in|DIR", default_value = JUDGE)]
    pub(crate) judge: String,
    /// Denoising steps
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) steps: u32,
    /// The sampler (default: the model's, usually ddim)
    #[arg(long, value_name = "NAME", value_parser = sampler())]
    pub(crate) sampler: Option<SamplerKind>,
    /// How strongly prompts pull in edit and outpaint (default: the model's)
    #[arg(long, value_name = "SCALE", allow_negative_numbers = true, value_parser = not_negative)]
    pub(crate) guidance: Option<f64>,
    /// Of edits alone: below 1 they are smoother and more alike (default: the model's; 1 is the sampler's own)
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = temperature)]
    pub(crate) temperature: Option<f64>,
    /// validation for choosing, test for reporting
    #[arg(long, value_enum, default_value_t = SplitArg::Validation)]
    pub(crate) split: SplitArg,
    /// Samples of each task
    #[arg(long, value_name = "N", default_value_t = 64, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) samples: u32,
    /// The first so many edits are painted from four seeds, to see how much the answers differ
    #[arg(long, value_name = "N", default_value_t = 32, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) diverse: u32,
    /// Worst, best and random cases on each contact sheet
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) examples: u32,
    /// The seed of samples and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Folder for report.json, report.md, timing.json and the contact sheets; what an earlier evaluation wrote is replaced
    #[arg(long, value_name = "DIR", default_value = "eval")]
    pub(crate) out: PathBuf,
    /// A pack other than the built-in one
    #[arg(long, value_name = "FILE")]
    pub(crate) world: Option<PathBuf>,
    /// Print the report as JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// A split of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SplitArg {
    /// For fitting weights
    Train,
    /// For choosing checkpoints and settings
    Validation,
    /// For reported figures
    Test,
}

impl From<SplitArg> for Split {
    fn from(split: SplitArg) -> Self {
        match split {
            SplitArg::Train => Self::Train,
            SplitArg::Validation => Self::Validation,
            SplitArg::Test => Self::Test,
        }
    }
}
