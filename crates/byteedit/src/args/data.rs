//! `data`.

use std::path::PathBuf;

use byteedit_data::preference::Axis;
use clap::{Args, Subcommand, ValueEnum};

use super::paint::ModelArgs;
use super::parse::not_negative;

/// The name of the annotator that the program carries in itself.
pub(crate) const ANNOTATOR: &str = "built-in";

/// Collect what rewards learn from: several answers to each task, and what is thought of them
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    pub(crate) verb: DataVerb,
}

/// The steps of a collection.
#[derive(Debug, Subcommand)]
pub(crate) enum DataVerb {
    Candidates(DataCandidatesArgs),
    Annotate(DataAnnotateArgs),
    Check(DataCheckArgs),
}

/// Paint several answers to each of many tasks of the mini world; a collection that was stopped goes on by the same
/// command
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit data candidates --out feedback/train
  byteedit data candidates --out feedback/held-out --set split=validation --set seed=1 --set n_tasks=500")]
pub(crate) struct DataCandidatesArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// The folder of the collection: tasks.jsonl and pictures/, made or gone on with
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// A JSON file whose values are put over the defaults; unknown keys are refused
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One value over the defaults and --config, such as `n_tasks=500`
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// A pack other than the built-in one
    #[arg(long, value_name = "FILE")]
    pub(crate) world: Option<PathBuf>,
    /// Print JSON when it ends
    #[arg(long)]
    pub(crate) json: bool,
}

/// Rank the candidates of a collection by a program that knows the right answers, each of its three opinions in a file of
/// its own
#[derive(Debug, Args)]
#[command(after_help = "Example:
  byteedit data annotate feedback/train --noise 0.2")]
pub(crate) struct DataAnnotateArgs {
    /// The folder of the collection
    #[arg(value_name = "DIR")]
    pub(crate) collection: PathBuf,
    /// How often it is mistaken: the scale of the noise on what it measures, in standard deviations
    #[arg(long, value_name = "SCALE", default_value_t = 0.2, allow_negative_numbers = true,
        value_parser = not_negative)]
    pub(crate) noise: f64,
    /// Candidates that are less far apart are a tie, in standard deviations
    #[arg(long, value_name = "BAND", default_value_t = 0.1, allow_negative_numbers = true,
        value_parser = not_negative)]
    pub(crate) tie_band: f64,
    /// The seed of the noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Who says what the pictures show: `built-in`, or a folder that `train annotator` wrote
    #[arg(long, value_name = "built-in|DIR", default_value = ANNOTATOR)]
    pub(crate) annotator: String,
    /// A pack other than the built-in one
    #[arg(long, value_name = "FILE")]
    pub(crate) world: Option<PathBuf>,
    /// Where to compute: cpu, or a backend this program was built with
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Print JSON when it ends
    #[arg(long)]
    pub(crate) json: bool,
}

/// Say whether a file of preferences is worth training on: what is wrong with which line, and what it holds
#[derive(Debug, Args)]
#[command(after_help = "Example:
  byteedit data check feedback/train/structure.jsonl")]
pub(crate) struct DataCheckArgs {
    /// The file, one JSON object on each line
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Where candidates have scores, the ones that count
    #[arg(long, value_enum, default_value_t = AxisArg::Structure)]
    pub(crate) axis: AxisArg,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What candidates were scored for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AxisArg {
    /// How well it goes with the rest of the picture
    Coherence,
    /// How clear and undeformed it is
    Structure,
    /// How creative and pleasing it is
    Aesthetics,
}

impl From<AxisArg> for Axis {
    fn from(axis: AxisArg) -> Self {
        match axis {
            AxisArg::Coherence => Self::Coherence,
            AxisArg::Structure => Self::Structure,
            AxisArg::Aesthetics => Self::Aesthetics,
        }
    }
}
