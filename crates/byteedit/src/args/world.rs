//! `world`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values::{SplitArg, TaskArg};

/// The mini world: captioned objects on photographs, on which everything is trained and measured
#[derive(Debug, Args)]
pub(crate) struct WorldArgs {
    #[command(subcommand)]
    pub(crate) verb: WorldVerb,
}

/// What to do with the world.
#[derive(Debug, Subcommand)]
pub(crate) enum WorldVerb {
    Build(WorldBuildArgs),
    Sample(WorldSampleArgs),
    Concepts(WorldConceptsArgs),
}

/// Build the pack, its credits and the demo's photographs from their sources
#[derive(Debug, Args)]
#[command(after_help = "Example:
  scripts/fetch-world-sources.sh sources
  byteedit world build --from sources --out assets")]
pub(crate) struct WorldBuildArgs {
    /// The folder that scripts/fetch-world-sources.sh filled
    #[arg(long, value_name = "DIR")]
    pub(crate) from: PathBuf,
    /// Where world/world.pack, world/CREDITS.md and photos/ are written
    #[arg(long, value_name = "DIR", default_value = "assets")]
    pub(crate) out: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write samples: input, mask, truth, and a metadata.jsonl that `train --data` reads
#[derive(Debug, Args)]
#[command(after_help = "Example:
  byteedit world sample --out samples --count 8 --task edit --split train --seed 1")]
pub(crate) struct WorldSampleArgs {
    /// The folder to write
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Number of samples
    #[arg(long, value_name = "N", default_value_t = 8, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) count: u32,
    /// What is asked of the picture
    #[arg(long, value_enum, default_value_t = TaskArg::Edit)]
    pub(crate) task: TaskArg,
    /// Which photographs and renderings may appear
    #[arg(long, value_enum, default_value_t = SplitArg::Train)]
    pub(crate) split: SplitArg,
    /// The seed; the same one gives the same samples
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Side of the pictures in pixels
    #[arg(long, value_name = "PX", default_value_t = 128, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(32..=256))]
    pub(crate) size: u32,
    /// A pack other than the built-in one
    #[arg(long, value_name = "FILE")]
    pub(crate) world: Option<PathBuf>,
}

/// List the named things of the world by group
#[derive(Debug, Args)]
#[command(after_help = "Example:
  byteedit world concepts")]
pub(crate) struct WorldConceptsArgs {
    /// A pack other than the built-in one
    #[arg(long, value_name = "FILE")]
    pub(crate) world: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
