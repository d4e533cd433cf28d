//! `edit`, `erase`, `outpaint`, `run`, and the options they share.

use std::path::PathBuf;

use byteedit_diffusion::SamplerKind;
use clap::{Args, ValueEnum};

use super::parse::{LoraChoice, MaskSource, not_negative, sampler, share, temperature};

/// Longest side that can be added to a picture, in pixels.
const MAX_SIDE: i64 = 100_000;
/// The library's limits, as clap takes them.
const MAX_COUNT: i64 = byteedit_edit::MAX_COUNT as i64;
const MAX_RADIUS: i64 = byteedit_edit::MAX_RADIUS as i64;
const MAX_PADDING: i64 = byteedit_edit::MAX_PADDING as i64;

/// Paint what a text says into a part of a picture
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit edit photo.jpg --mask mask.png --prompt \"a red apple\"
  byteedit edit photo.jpg --mask 120,80,200,160 --prompt \"a cat\" --count 4
  byteedit edit photo.jpg --mask mask.png --prompt \"a cat\" --model sd15/ --lora style.safetensors:0.8
  byteedit edit --list-concepts

Everything outside the mask (and the feather, if one is asked for) stays identical, sample for sample.")]
pub(crate) struct EditArgs {
    /// The picture: PNG, JPEG or WebP
    #[arg(required_unless_present = "list_concepts")]
    pub(crate) photo: Option<PathBuf>,
    /// A mask picture of the photo's size, or a box x,y,width,height; given again, masks are united
    #[arg(long, value_name = "FILE|BOX", required_unless_present = "list_concepts")]
    pub(crate) mask: Vec<MaskSource>,
    /// What in a mask picture means "repaint"
    #[arg(long, value_enum, default_value_t)]
    pub(crate) mask_mode: MaskModeArg,
    /// What to paint, such as "a red apple"; control characters count as spaces
    #[arg(long, value_name = "TEXT", required_unless_present = "list_concepts")]
    pub(crate) prompt: Option<String>,
    /// List the things that the model was taught, and stop
    #[arg(long)]
    pub(crate) list_concepts: bool,
    #[command(flatten)]
    pub(crate) paint: PaintArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Remove what is under the mask
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit erase photo.jpg --mask mask.png
  byteedit erase photo.png --mask 120,80,200,160 --mask-grow 8 --out clean.png")]
pub(crate) struct EraseArgs {
    /// The picture: PNG, JPEG or WebP
    pub(crate) photo: PathBuf,
    /// A mask picture of the photo's size, or a box x,y,width,height; given again, masks are united
    #[arg(long, value_name = "FILE|BOX", required = true)]
    pub(crate) mask: Vec<MaskSource>,
    /// What in a mask picture means "repaint"
    #[arg(long, value_enum, default_value_t)]
    pub(crate) mask_mode: MaskModeArg,
    #[command(flatten)]
    pub(crate) paint: PaintArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Continue a picture beyond its sides
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit outpaint photo.jpg --left 128 --right 128
  byteedit outpaint photo.jpg --top 200 --prompt \"a balloon\"")]
pub(crate) struct OutpaintArgs {
    /// The picture: PNG, JPEG or WebP
    pub(crate) photo: PathBuf,
    /// Columns to add on the left, in pixels
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=MAX_SIDE))]
    pub(crate) left: u32,
    /// Columns to add on the right, in pixels
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=MAX_SIDE))]
    pub(crate) right: u32,
    /// Rows to add above, in pixels
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=MAX_SIDE))]
    pub(crate) top: u32,
    /// Rows to add below, in pixels
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=MAX_SIDE))]
    pub(crate) bottom: u32,
    /// What the new area should show; the surroundings go on without it
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    #[command(flatten)]
    pub(crate) paint: PaintArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Do many edits, one for each line of a file; goes on where it stopped
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit run jobs.jsonl
  byteedit run jobs.jsonl --steps 30 --json > results.jsonl

Each line is a JSON object; paths count from the manifest's folder:
  {\"task\": \"edit\", \"picture\": \"a.jpg\", \"mask\": \"m.png\", \"prompt\": \"a red apple\", \"out\": \"b.png\"}
  {\"task\": \"erase\", \"picture\": \"a.jpg\", \"mask\": [120, 80, 200, 160], \"seed\": 7}
  {\"task\": \"outpaint\", \"picture\": \"a.jpg\", \"left\": 128, \"right\": 128}
Keys: task, picture, mask (a file, a box, or a list of them), prompt, left, right, top, bottom, out, seed,
steps, guidance, temperature, sampler, strength, count, negative_prompt, mask_mode, mask_grow, feather,
padding.
Options given here stand in for keys that a line leaves out. Finished lines are noted in MANIFEST.done and
skipped next time, unless the line, its pictures or the model have changed.")]
pub(crate) struct RunArgs {
    /// The manifest, one JSON object on each line
    pub(crate) manifest: PathBuf,
    /// What in a mask picture means "repaint"
    #[arg(long, value_enum, default_value_t)]
    pub(crate) mask_mode: MaskModeArg,
    #[command(flatten)]
    pub(crate) paint: PaintArgs,
    /// Replace pictures that exist already
    #[arg(long)]
    pub(crate) force: bool,
    /// Print one JSON object for each line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What in a mask file means "repaint".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MaskModeArg {
    /// White repaints: diffusers, A1111, `IOPaint`
    #[default]
    White,
    /// Black repaints
    Black,
    /// Transparent repaints: the `OpenAI` images API
    Alpha,
    /// Opaque repaints
    AlphaInverted,
    /// A text file of run lengths, start (from 1) and length in turn: `BrushBench`
    Rle,
}

/// The model and where it computes.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// `mini`, the built-in model, or a model folder in diffusers' layout
    #[arg(long, value_name = "mini|DIR", default_value = "mini")]
    pub(crate) model: String,
    /// Where to compute: cpu, or a backend this program was built with, such as cuda or cuda:1 (default:
    /// cpu, or the variable `BURN_DEVICE`)
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
}

/// How to paint.
#[derive(Debug, Args)]
pub(crate) struct PaintArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// A LoRA to add to the model, as diffusers or kohya's trainer writes it, and how much of it (default: 1); given
    /// again, LoRAs add up
    #[arg(long, value_name = "FILE[:SCALE]")]
    pub(crate) lora: Vec<LoraChoice>,
    /// The seed; the same one gives the same picture. With --count it is the first of several
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Denoising steps: more are slower, and up to a point better (default: the model's, usually 20)
    #[arg(long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) steps: Option<u32>,
    /// How strongly the prompt pulls: up to 1 is the model's plain answer, more exaggerates (default: the
    /// model's; 1 for erasing)
    #[arg(long, value_name = "SCALE", allow_negative_numbers = true, value_parser = not_negative)]
    pub(crate) guidance: Option<f64>,
    /// Below 1 the result is smoother, and other seeds give more of the same (default: the model's;
    /// 1 is the sampler's own)
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = temperature)]
    pub(crate) temperature: Option<f64>,
    /// The sampler (default: the model's, usually ddim)
    #[arg(long, value_name = "NAME", value_parser = sampler())]
    pub(crate) sampler: Option<SamplerKind>,
    /// How much of the old content to replace: 1 all of it, 0 nothing
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, allow_negative_numbers = true, value_parser = share)]
    pub(crate) strength: f64,
    /// Pictures to make, with consecutive seeds; of several, the samples take at most 1 GiB together
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=MAX_COUNT))]
    pub(crate) count: u32,
    /// What to keep away from; needs a guidance above 1
    #[arg(long, value_name = "TEXT")]
    pub(crate) negative_prompt: Option<String>,
    /// Grow the mask by this many pixels
    #[arg(long, value_name = "PX", default_value_t = 0, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=MAX_RADIUS))]
    pub(crate) mask_grow: u32,
    /// Fade the result into the picture over this many pixels outside the mask
    #[arg(long, value_name = "PX", default_value_t = 0, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=MAX_RADIUS))]
    pub(crate) feather: u32,
    /// Pixels around the mask that the model looks at (default: about a third of the mask's longer side; for edits by a
    /// model whose byteedit.json has a `box_share`, as many as bring the box to that size)
    #[arg(long, value_name = "PX", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=MAX_PADDING))]
    pub(crate) padding: Option<u32>,
}

/// What to do with the result.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// The file to write, as png, webp or jpg (default: the photo's name with -edit, -erase or -outpaint,
    /// as png)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace a file that exists already
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON instead of the names of the files written
    #[arg(long)]
    pub(crate) json: bool,
}
