//! `train`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Train the models; a run that was stopped goes on by the same command
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    #[command(subcommand)]
    pub(crate) verb: TrainVerb,
}

/// What to train, or what to make of a run.
#[derive(Debug, Subcommand)]
pub(crate) enum TrainVerb {
    Vae(TrainVaeArgs),
    Decoder(TrainDecoderArgs),
    Base(TrainBaseArgs),
    Judge(TrainJudgeArgs),
    Annotator(TrainAnnotatorArgs),
    Reward(TrainRewardArgs),
    Pefl(TrainPeflArgs),
    Accelerate(TrainAccelerateArgs),
    Export(TrainExportArgs),
    Plot(TrainPlotArgs),
}

/// Train the autoencoder
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit train vae
  byteedit train vae --run runs/vae --set training.n_steps=12000 --set vae.latent_channels=16
  byteedit train vae --run runs/vae --data pictures/ --init mini

Ctrl-C saves and stops; the same command goes on to the same weights, bit for bit.")]
pub(crate) struct TrainVaeArgs {
    #[command(flatten)]
    pub(crate) run: TrainRunArgs,
    /// Start from these weights and their widths instead of random ones: `mini`, or a folder with an autoencoder. Read
    /// once: a run that goes on has its own
    #[arg(long, value_name = "mini|DIR")]
    pub(crate) init: Option<String>,
}

/// Sharpen an autoencoder's decoder against an adversary; its latents stay as they are
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit train decoder --vae mini
  byteedit train decoder --run runs/decoder --vae runs/vae/vae --set loss.adversarial=0.1

Ctrl-C saves and stops; the same command goes on to the same weights, bit for bit. The new vae/ replaces that of every
model on the same latents.")]
pub(crate) struct TrainDecoderArgs {
    #[command(flatten)]
    pub(crate) run: TrainRunArgs,
    /// The trained autoencoder: `mini`, or a folder with one
    #[arg(long, value_name = "mini|DIR", default_value = "mini")]
    pub(crate) vae: String,
}

/// Train the inpainting model and its text encoder on an autoencoder's latents
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit train base --vae runs/vae
  byteedit train base --run runs/base --data pictures/ --init mini

Ctrl-C saves and stops; the same command goes on to the same weights, bit for bit.")]
pub(crate) struct TrainBaseArgs {
    #[command(flatten)]
    pub(crate) run: TrainRunArgs,
    /// The trained autoencoder: a run of `train vae`, or a component folder (default: the run's own, that
    /// of --init, or the default run of `train vae`)
    #[arg(long, value_name = "DIR")]
    pub(crate) vae: Option<PathBuf>,
    /// Start from these weights and their widths instead of random ones: `mini`, or a model folder. Read
    /// once: a run that goes on has its own
    #[arg(long, value_name = "mini|DIR")]
    pub(crate) init: Option<String>,
}

/// Train the classifier that measures editing models, on pictures of the world that no model has painted
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit train judge
  byteedit train judge --run runs/judge --set training.n_steps=9000

Ctrl-C saves and stops; the same command goes on to the same weights, bit for bit. `eval world --judge
runs/judge/judge` uses it.")]
pub(crate) struct TrainJudgeArgs {
    #[command(flatten)]
    pub(crate) run: TrainRunArgs,
}

/// Train the classifier that labels data for training, on other photographs than the judge's
#[derive(Debug, Args)]
#[command(after_help = "Example:
  byteedit train annotator --run runs/annotator

Ctrl-C saves and stops; the same command goes on to the same weights, bit for bit.")]
pub(crate) struct TrainAnnotatorArgs {
    #[command(flatten)]
    pub(crate) run: TrainRunArgs,
}

/// Train what an editor is rewarded by, on what people or a program think of its results
#[derive(Debug, Args)]
pub(crate) struct TrainRewardArgs {
    #[command(subcommand)]
    pub(crate) verb: TrainRewardVerb,
}

/// Which reward.
#[derive(Debug, Subcommand)]
pub(crate) enum TrainRewardVerb {
    Aesthetic(TrainAestheticArgs),
    Alignment(TrainAlignmentArgs),
    Coherent(TrainCoherentArgs),
}

/// Train which of several pictures of a prompt is the best, on preferences
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit train reward aesthetic --data feedback/train/structure.jsonl --init runs/alignment/alignment
  byteedit train reward aesthetic --data preferences.jsonl --set network.region=all --skip-bad 10

Ctrl-C saves and stops; the same command goes on to the same weights, bit for bit. The best weights by the held-out loss
lie in RUN/aesthetic, for `score --reward`.")]
pub(crate) struct TrainAestheticArgs {
    #[command(flatten)]
    pub(crate) ranking: TrainRankingArgs,
}

/// Train how well a picture fits a prompt, on true and wrong captions and on preferences
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit train reward alignment --data feedback/train/obedience.jsonl
  byteedit train reward alignment --captions feedback/train/align.jsonl --set p_captions=0.3 --set p_world=0.7

Ctrl-C saves and stops; the same command goes on to the same weights, bit for bit. The best weights by the held-out loss
lie in RUN/alignment, for `score --reward`.")]
pub(crate) struct TrainAlignmentArgs {
    #[command(flatten)]
    pub(crate) ranking: TrainRankingArgs,
    /// Pictures with a true caption and wrong ones, as `data align` writes them; their share of the training is
    /// `p_captions`
    #[arg(long, value_name = "FILE")]
    pub(crate) captions: Option<PathBuf>,
}

/// Train which pixels of a picture were generated
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit train reward coherent --data feedback/train/tasks.jsonl
  byteedit train reward coherent --data feedback/train/tasks.jsonl --set fake_region=all --set real_through_vae=false

Ctrl-C saves and stops; the same command goes on to the same weights, bit for bit. The best weights by the held-out loss
lie in RUN/coherent, for `score --reward`.")]
pub(crate) struct TrainCoherentArgs {
    #[command(flatten)]
    pub(crate) run: TrainRewardRunArgs,
    /// The autoencoder that true and generated pictures go through: `mini`, or a folder with one
    #[arg(long, value_name = "mini|DIR", default_value = "mini")]
    pub(crate) vae: String,
    /// Leave out and list up to N bad lines in each file
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) skip_bad: usize,
}

/// What both rewards that rank take.
#[derive(Debug, Args)]
pub(crate) struct TrainRankingArgs {
    #[command(flatten)]
    pub(crate) run: TrainRewardRunArgs,
    /// Leave out and list up to N bad lines in each file
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) skip_bad: usize,
}

/// What all trainers of rewards take.
#[derive(Debug, Args)]
pub(crate) struct TrainRewardRunArgs {
    /// A file of preference records, one JSON object on each line; may be given again
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Vec<PathBuf>,
    /// The run folder: made, or gone on with (default: byteedit/runs/ and aesthetic, alignment or coherent in the user's
    /// cache folder)
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    /// Start from the reward in this folder instead of random weights. Read once: a run that goes on has its own
    #[arg(long, value_name = "DIR")]
    pub(crate) init: Option<PathBuf>,
    /// A JSON file whose values are put over the defaults; unknown keys are refused
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One value over the defaults and --config, such as `training.n_steps=1000`
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
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

/// Teach an editor by what rewards say of what it paints: perceptual feedback learning
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit train pefl
  byteedit train pefl --run runs/pefl --init runs/base/model --aesthetic runs/aesthetic/aesthetic --set loss.w_pefl=0.3
  byteedit train pefl --preset paper --init sd-inpainting/ --data pictures/ --aesthetic ImageReward/ --alignment none
      --held-out hps/

Ctrl-C saves and stops; the same command goes on to the same weights, bit for bit. RUN/model has the weights with the best
held-out reward, RUN/guard.json says of which step, RUN/rewards.svg shows them all.")]
pub(crate) struct TrainPeflArgs {
    #[command(flatten)]
    pub(crate) feedback: TrainFeedbackArgs,
}

/// Go on with an adversary, down to 8 steps: adversarial and progressive feedback learning
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit train accelerate --init runs/pefl/model
  byteedit train accelerate --init runs/pefl/model --coherent random
      --set 'phases=[{\"from_step\":0,\"T\":8,\"T1\":6,\"T2\":3},{\"from_step\":300,\"T\":4,\"T1\":3,\"T2\":2}]' --set samples.n_steps=4

Ctrl-C saves and stops; the same command goes on to the same weights, bit for bit. RUN/model has the weights with the best
held-out reward at the last phase's steps, RUN/guard.json says of which step.")]
pub(crate) struct TrainAccelerateArgs {
    #[command(flatten)]
    pub(crate) feedback: TrainFeedbackArgs,
    /// The coherent reward that the adversary begins as: the built-in one, that in a folder, or one of random weights
    #[arg(long, value_name = "mini|DIR|random", default_value = "mini")]
    pub(crate) coherent: String,
}

/// What both trainers by feedback take.
#[derive(Debug, Args)]
pub(crate) struct TrainFeedbackArgs {
    #[command(flatten)]
    pub(crate) run: TrainRunArgs,
    /// The numbers to start from, before --config and --set: for the small model, or the paper's
    #[arg(long, value_enum, default_value_t = FeedbackPreset::Mini)]
    pub(crate) preset: FeedbackPreset,
    /// The model to teach: `mini`, or a folder in diffusers' layout. A run that goes on has its own, and refuses another
    #[arg(long, value_name = "mini|DIR", default_value = "mini")]
    pub(crate) init: String,
    /// The aesthetic reward: the built-in one, that in a folder, or none
    #[arg(long, value_name = "mini|DIR|none", default_value = "mini")]
    pub(crate) aesthetic: String,
    /// The alignment reward: the built-in one, that in a folder, or none
    #[arg(long, value_name = "mini|DIR|none", default_value = "mini")]
    pub(crate) alignment: String,
    /// A folder with VGG16's convolutions (torchvision's names), for the distance to the source that it sees
    #[arg(long, value_name = "DIR")]
    pub(crate) vgg: Option<PathBuf>,
    /// What is never optimised and chooses the weights: the annotator of the mini world, the reward in a folder, or none
    #[arg(long, value_name = "annotator|DIR|none", default_value = "annotator")]
    pub(crate) held_out: String,
}

/// Whose numbers.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum FeedbackPreset {
    /// For the small model
    Mini,
    /// The paper's
    Paper,
}

/// Write the averaged weights of a run as a model that `--model` and diffusers load
#[derive(Debug, Args)]
#[command(after_help = "Example:
  byteedit train export runs/base --out models/mine

A run of `train vae` gives the autoencoder alone, one of `train judge` the judge. The run may still be going on.")]
pub(crate) struct TrainExportArgs {
    /// The run folder
    pub(crate) run: PathBuf,
    /// The model folder to write
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The folder of pictures that the run was trained on, if it was not the mini world
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Where to compute: cpu, or a backend this program was built with
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Draw what a run has logged over the pictures it has seen
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit train plot runs/base --out loss.svg
  byteedit train plot runs/vae --key validation/psnr_photographs --key validation/psnr_composites --out psnr.svg")]
pub(crate) struct TrainPlotArgs {
    /// The run folder
    pub(crate) run: PathBuf,
    /// The SVG file to write
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// A value of the log, such as loss or validation/loss; may be given again (default: loss, and
    /// validation/loss where it is logged)
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Vec<String>,
    /// Replace a file that exists already
    #[arg(long)]
    pub(crate) force: bool,
}

/// What all trainers take.
#[derive(Debug, Args)]
pub(crate) struct TrainRunArgs {
    /// The run folder: made, or gone on with (default: byteedit/runs/ and the verb's name in the user's cache folder)
    #[arg(long, value_name = "DIR")]
    pub(crate) run: Option<PathBuf>,
    /// A JSON file whose values are put over the defaults; unknown keys are refused
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One value over the defaults and --config, such as `training.n_steps=1000`
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// A folder of pictures with metadata.jsonl, instead of the mini world; not for judge and annotator
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Where to compute: cpu, or a backend this program was built with
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Print JSON when it ends
    #[arg(long)]
    pub(crate) json: bool,
}
