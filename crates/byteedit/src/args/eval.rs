//! `eval`.

use std::path::PathBuf;

use byteedit_diffusion::SamplerKind;
use clap::{Args, Subcommand};

use super::arm::{ArmArg, PairArg};
use super::paint::ModelArgs;
use super::parse::{not_negative, sampler, temperature};
use super::values::{AxisArg, SectionArg, SplitArg};

/// Measure a model, compare several, or measure a reward
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    #[command(subcommand)]
    pub(crate) verb: EvalVerb,
}

/// The name of the judge that the program carries in itself.
pub(crate) const JUDGE: &str = "built-in";

/// All kinds of questions, in the order of reports.
const ALL_SECTIONS: &str = "edit,erase,outpaint-prompt,outpaint-free";

/// On what to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum EvalVerb {
    World(EvalWorldArgs),
    Compare(EvalCompareArgs),
    Guidance(EvalGuidanceArgs),
    Reward(EvalRewardArgs),
}

/// The questions, and who looks at the answers.
#[derive(Debug, Args)]
pub(crate) struct ExamArgs {
    /// Who says what the pictures show: `built-in`, or a folder that `train judge` wrote
    #[arg(long, value_name = "built-in|DIR", default_value = JUDGE)]
    pub(crate) judge: String,
    /// The seed of samples and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// A pack other than the built-in one
    #[arg(long, value_name = "FILE")]
    pub(crate) world: Option<PathBuf>,
}

/// Measure a model on the mini world's held-out composites, where every task has an exact answer
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit eval world --model mini --steps 20 --split validation --samples 64 --out eval/mini
  byteedit eval world --model mini --split test --samples 1000 --out eval/mini-test
  byteedit eval world --model runs/base/model --sampler euler-a --guidance 5 --sections edit --out eval/euler-a

What does better on validation can be made the model's own: byteedit.json has it under `defaults`.

What was measured is kept in DIR/answers: an evaluation that was stopped goes on by the same command, to the same figures. With
another model, judge, world, device, number of threads or other settings a file of its own is begun and none is replaced; a
section is measured once, whichever others are asked for. DIR
may lie within the model's folder. Seconds are those of when each picture was painted.")]
pub(crate) struct EvalWorldArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) exam: ExamArgs,
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
    /// Temperature of edits: below 1 they are smoother and more alike (default: the model's; 1 is the sampler's own)
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = temperature)]
    pub(crate) temperature: Option<f64>,
    /// Temperature of erasures (default: the model's)
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = temperature)]
    pub(crate) erase_temperature: Option<f64>,
    /// Temperature of outpaintings (default: the model's)
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, value_parser = temperature)]
    pub(crate) outpaint_temperature: Option<f64>,
    /// validation for choosing, test for reporting
    #[arg(long, value_enum, default_value_t = SplitArg::Validation)]
    pub(crate) split: SplitArg,
    /// Samples of each section
    #[arg(long, value_name = "N", default_value_t = 64, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) samples: u32,
    /// What to ask for, with commas between
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',', default_value = ALL_SECTIONS)]
    pub(crate) sections: Vec<SectionArg>,
    /// The first so many edits are painted from four seeds, to see how much the answers differ
    #[arg(long, value_name = "N", default_value_t = 32, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) diverse: u32,
    /// Worst, best and random cases on each contact sheet
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) examples: u32,
    /// Folder for report.json, report.md, timing.json, the contact sheets, and the answers; what an earlier evaluation wrote is
    /// replaced or removed, but for answers
    #[arg(long, value_name = "DIR", default_value = "eval")]
    pub(crate) out: PathBuf,
    /// Print the report as JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Compare models, or settings of one, on the same composites of the mini world, case by case: better, the same, worse
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit eval compare --arm base=mini --arm fast=mini@8 --out eval/steps
  byteedit eval compare --arm base=mini@20 --arm pefl=runs/pefl/model@20:2.5 --sections edit,outpaint-prompt --samples 500
  byteedit eval compare --arm base=mini --arm a=runs/a/model --arm b=runs/b/model --pair b,a --pair b,base --split test

The first arm is the reference: it is painted from two seeds, and what differs by no more than another seed changes in the
median is the same.

What was measured is kept in DIR/answers: a comparison that was stopped goes on by the same command, and one with another arm
or more samples measures only batches with something new in them. An arm whose model or settings have changed begins a file of
its own and replaces none; so do all with another device or number of threads. Seconds are those of when each answer was
painted.")]
pub(crate) struct EvalCompareArgs {
    /// What to compare, at least twice: a name, then `mini` or a model folder, then steps and guidance of edit and outpaint
    /// if they are not to be the model's own
    #[arg(long, value_name = "NAME=MODEL[@STEPS[:GUIDANCE]]", required = true)]
    pub(crate) arm: Vec<ArmArg>,
    /// The guidance.json of `eval guidance`, chosen on another split, for all arms that name none themselves
    #[arg(long, value_name = "FILE")]
    pub(crate) guidance_from: Option<PathBuf>,
    /// Two arms to compare, the one that is called better or worse first; may be given again (default: every later arm with
    /// the first)
    #[arg(long, value_name = "NAME,NAME")]
    pub(crate) pair: Vec<PairArg>,
    /// validation for choosing, test for reporting
    #[arg(long, value_enum, default_value_t = SplitArg::Validation)]
    pub(crate) split: SplitArg,
    /// Samples of each section
    #[arg(long, value_name = "N", default_value_t = 64, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) samples: u32,
    /// What to ask for, with commas between
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',', default_value = ALL_SECTIONS)]
    pub(crate) sections: Vec<SectionArg>,
    /// The first so many edits are painted from several seeds, to see how much the answers differ
    #[arg(long, value_name = "N", default_value_t = 32, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) diverse: u32,
    /// From how many seeds
    #[arg(long, value_name = "N", default_value_t = 4, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(2..=16))]
    pub(crate) seeds: u32,
    #[command(flatten)]
    pub(crate) exam: ExamArgs,
    /// Folder for compare.json, compare.md, compare-timing.json, a contact sheet for each section, and the answers; what an
    /// earlier comparison wrote is replaced, but for answers
    #[arg(long, value_name = "DIR", default_value = "eval-compare")]
    pub(crate) out: PathBuf,
    /// Where to compute: cpu, or a backend this program was built with
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Print the report as JSON instead of the tables
    #[arg(long)]
    pub(crate) json: bool,
}

/// Choose, from one grid, how strongly each of several models is to follow prompts: where the judge sees most edits come true
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit eval guidance --arm base=mini@20 --arm fast=mini@8 --out eval/guidance
  byteedit eval guidance --arm base=mini@20 --arm pefl=runs/pefl/model@20 --grid 1,2,3,5 --samples 256
  byteedit eval compare --arm base=mini@20 --arm fast=mini@8 --guidance-from eval/guidance/guidance.json --split test

The test split is refused: what was chosen on it would flatter what is reported of it. What was measured is kept in
DIR/answers, and the same command goes on from there.")]
pub(crate) struct EvalGuidanceArgs {
    /// For what to choose; may be given again: a name, then `mini` or a model folder, then steps if they are not to be the
    /// model's own
    #[arg(long, value_name = "NAME=MODEL[@STEPS]", required = true)]
    pub(crate) arm: Vec<ArmArg>,
    /// The scales, the smallest first, with commas between; of equally good ones the smallest is chosen
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,1.5,2,3,4,6",
        allow_negative_numbers = true, value_parser = not_negative)]
    pub(crate) grid: Vec<f64>,
    /// validation, or train
    #[arg(long, value_enum, default_value_t = SplitArg::Validation)]
    pub(crate) split: SplitArg,
    /// Edits that each arm is asked for at each scale
    #[arg(long, value_name = "N", default_value_t = 128, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) samples: u32,
    #[command(flatten)]
    pub(crate) exam: ExamArgs,
    /// Folder for guidance.json, guidance.md and the answers; what an earlier choice wrote is replaced, but for answers
    #[arg(long, value_name = "DIR", default_value = "eval-guidance")]
    pub(crate) out: PathBuf,
    /// Where to compute: cpu, or a backend this program was built with
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Print the choice as JSON instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Measure a reward on judged preferences: how often it prefers what was preferred, beside scorers that know nothing
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit eval reward feedback/held-out/structure.jsonl --reward aesthetic --out eval/aesthetic
  byteedit eval reward feedback/held-out/obedience.jsonl --reward runs/alignment --split-unseen feedback/train/obedience.jsonl
  byteedit eval reward feedback/held-out/coherence.jsonl --reward coherent --vae mini --json")]
pub(crate) struct EvalRewardArgs {
    /// The file of judged preferences, one JSON object on each line
    #[arg(value_name = "FILE.jsonl")]
    pub(crate) file: PathBuf,
    /// The reward: one of the built-in ones, or a folder with a trained or a published one
    #[arg(long, value_name = "aesthetic|alignment|coherent|DIR")]
    pub(crate) reward: String,
    /// Where candidates have scores, the ones that count
    #[arg(long, value_enum, default_value_t = AxisArg::Structure)]
    pub(crate) axis: AxisArg,
    /// The file that the reward was trained on: records whose prompt is not in it are also told apart
    #[arg(long, value_name = "TRAIN.jsonl")]
    pub(crate) split_unseen: Option<PathBuf>,
    /// An autoencoder: pixels are told apart once more after whole pictures went through it. For rewards that see pixels
    #[arg(long, value_name = "mini|DIR")]
    pub(crate) vae: Option<String>,
    /// Bad lines of a file that are passed over and listed before one is an error
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) skip_bad: usize,
    /// Folder for report.json, report.md, calibration.svg and sheet.png; what an earlier evaluation wrote is replaced
    #[arg(long, value_name = "DIR", default_value = "eval-reward")]
    pub(crate) out: PathBuf,
    /// Where to compute: cpu, or a backend this program was built with
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Print the report as JSON instead of the tables
    #[arg(long)]
    pub(crate) json: bool,
}
