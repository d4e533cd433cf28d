//! `score`.

use std::path::PathBuf;

use clap::Args;

use super::paint::MaskModeArg;
use super::parse::MaskSource;

/// Say what a reward thinks of pictures: a number for each, higher for better ones
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit score photo-edit.png --reward aesthetic --mask mask.png --prompt \"a red apple\"
  byteedit score pictures/ --reward coherent --json
  byteedit score photo-edit.png --reward coherent --heat-map seen.png
  byteedit score feedback/held-out/tasks.jsonl --reward alignment

Each line is a score and a picture, with a tab between them, in the order in which they were named. For a
candidate of a record its task follows, and its number, counted from 0.")]
pub(crate) struct ScoreArgs {
    /// Pictures, folders of pictures, or .jsonl files of preference records, each candidate of which is scored with its
    /// record's prompt and mask
    #[arg(value_name = "PICTURE|DIR|FILE.jsonl", required = true)]
    pub(crate) pictures: Vec<PathBuf>,
    /// Who scores: one of the built-in rewards, or a folder with a trained or a published one
    #[arg(long, value_name = "aesthetic|alignment|coherent|DIR")]
    pub(crate) reward: String,
    /// What was asked for, for rewards that see it (default: nothing)
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// What was repainted: a mask picture of the pictures' size, or a box x,y,width,height; given again, masks are
    /// united (default: all of it)
    #[arg(long, value_name = "FILE|BOX")]
    pub(crate) mask: Vec<MaskSource>,
    /// What in a mask picture means "repaint"
    #[arg(long, value_enum, default_value_t)]
    pub(crate) mask_mode: MaskModeArg,
    /// A picture to write, as png, webp or jpg: where the one that is scored looks real (blue) and where generated
    /// (red). For rewards that see pixels
    #[arg(long, value_name = "FILE")]
    pub(crate) heat_map: Option<PathBuf>,
    /// Replace a heat map that exists already
    #[arg(long, requires = "heat_map")]
    pub(crate) force: bool,
    /// Bad lines of a .jsonl file that are passed over and listed before one is an error
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) skip_bad: usize,
    /// Where to compute: cpu, or a backend this program was built with
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Print one JSON object for each picture
    #[arg(long)]
    pub(crate) json: bool,
}
