//! `bench`.

use clap::{Args, Subcommand};

use super::paint::ModelArgs;

/// Measure speed and memory
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) verb: BenchVerb,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchVerb {
    Edit(BenchEditArgs),
}

/// Time the edit of a 128 x 128 px region in a photograph of 12 and of 0.3 megapixels
#[derive(Debug, Args)]
#[command(after_help = "Example:
  byteedit bench edit --steps 20 --runs 5

The photographs are made in memory. Both edits must cost the same: the region decides, not the picture.
Reading and writing the file is timed apart.")]
pub(crate) struct BenchEditArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Denoising steps
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) steps: u32,
    /// Timed runs of each size, after one that is not counted
    #[arg(long, value_name = "N", default_value_t = 5, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: u32,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
