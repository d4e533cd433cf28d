//! `bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::paint::ModelArgs;

/// Largest picture, in pixels, and largest batch that can be asked for.
const MAX_SIDE: i64 = 4096;
const MAX_BATCH: i64 = 4096;
/// Most runs, and most threads.
const MAX_RUNS: i64 = 1000;
const MAX_THREADS: i64 = 1024;

/// Measure speed and memory
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) verb: BenchVerb,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchVerb {
    /// Time the convolutions of a configuration, or of given shapes
    #[command(after_help = "Examples:
  byteedit bench conv --config sd15-inpaint
  byteedit bench conv --shape 128,128,3,256 --batch 1 --pass training")]
    Conv(BenchConvArgs),
    /// Time the self- and cross-attention of a configuration
    #[command(after_help = "Example:
  byteedit bench attention --config sd15-inpaint --batch 1 --only 4096")]
    Attention(BenchKernelArgs),
    /// Time the group norms, layer norms and GEGLUs of a configuration
    #[command(after_help = "Example:
  byteedit bench norm --config mini")]
    Norm(BenchKernelArgs),
    Unet(BenchUnetArgs),
    Vae(BenchVaeArgs),
    Reward(BenchRewardArgs),
    TrainStep(BenchTrainStepArgs),
    Pefl(BenchPeflArgs),
    Edit(BenchEditArgs),
}

/// How to measure.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchRunArgs {
    /// Threads that compute (default: the variable `RAYON_NUM_THREADS`, or one for each core)
    #[arg(long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=MAX_THREADS))]
    pub(crate) threads: Option<u32>,
    /// Number format; the CPU computes in f32 alone
    #[arg(long, value_enum, default_value_t)]
    pub(crate) dtype: DtypeArg,
    /// Timed runs of each case
    #[arg(long, value_name = "N", default_value_t = 5, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=MAX_RUNS))]
    pub(crate) runs: u32,
    /// Runs of each case before those, which are not counted
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=MAX_RUNS))]
    pub(crate) warmup: u32,
    /// Wait for a line on standard input before each timed run and after the last of a case, and answer with
    /// lines of JSON: so that `scripts/bench` can let two programs take turns
    #[arg(long)]
    pub(crate) paced: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A number format of tensors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DtypeArg {
    /// 32 bits
    #[default]
    F32,
    /// 64 bits
    F64,
    /// 16 bits, IEEE 754
    F16,
    /// 16 bits, the upper half of f32
    Bf16,
}

/// Which networks.
#[derive(Clone, Debug, Args)]
pub(crate) struct BenchConfigArgs {
    /// The networks: those of the built-in model, of Stable Diffusion 1.5 inpainting, or of a config.json, a
    /// folder with one, or a model folder in diffusers' layout; weights are random
    #[arg(long, value_name = "mini|sd15-inpaint|FILE|DIR", default_value = "mini")]
    pub(crate) config: String,
    /// Side of the picture in pixels; the latents are as many times smaller as the autoencoder makes them
    /// (default: what the networks were made for)
    #[arg(long, value_name = "PX", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(8..=MAX_SIDE))]
    pub(crate) size: Option<u32>,
    /// Pictures at once (default: 16 for the networks of mini, which are trained, 2 for others, which edit with
    /// guidance; 1 for the autoencoder)
    #[arg(long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=MAX_BATCH))]
    pub(crate) batch: Option<u32>,
}

/// `bench attention` and `bench norm`.
#[derive(Debug, Args)]
pub(crate) struct BenchKernelArgs {
    #[command(flatten)]
    pub(crate) config: BenchConfigArgs,
    #[command(flatten)]
    pub(crate) select: BenchSelectArgs,
    #[command(flatten)]
    pub(crate) run: BenchRunArgs,
}

/// `bench conv`.
#[derive(Debug, Args)]
pub(crate) struct BenchConvArgs {
    #[command(flatten)]
    pub(crate) config: BenchConfigArgs,
    /// A convolution of your own instead of the configuration's: channels in and out, kernel, side of the
    /// input in pixels, and perhaps the stride; may be given again
    #[arg(long, value_name = "IN,OUT,KERNEL,SIDE[,STRIDE]", value_parser = conv_shape, conflicts_with_all = ["config", "size"])]
    pub(crate) shape: Vec<[usize; 5]>,
    #[command(flatten)]
    pub(crate) select: BenchSelectArgs,
    #[command(flatten)]
    pub(crate) run: BenchRunArgs,
}

/// Which of the cases.
#[derive(Debug, Args)]
pub(crate) struct BenchSelectArgs {
    /// The forward pass alone, or forward and backward together (default: one after the other)
    #[arg(long, value_enum)]
    pub(crate) pass: Option<PassArg>,
    /// Only cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
}

/// How far a kernel is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PassArg {
    /// Forward
    Forward,
    /// Forward and backward, the gradients of all inputs
    Training,
}

/// Time one evaluation of the U-Net, or write what it answers to a given input
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit bench unet --config sd15-inpaint --size 512 --batch 2
  byteedit bench unet --weights unet/ --input in.safetensors --output out.safetensors")]
pub(crate) struct BenchUnetArgs {
    #[command(flatten)]
    pub(crate) config: BenchConfigArgs,
    /// A U-Net of diffusers instead of random weights
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) weights: Option<PathBuf>,
    /// A safetensors file with `sample`, `timestep` and `context` in f32, instead of random ones
    #[arg(long, value_name = "FILE", requires = "weights", conflicts_with_all = ["size", "batch"])]
    pub(crate) input: Option<PathBuf>,
    /// Where to write the answer to the input, as `sample`; a file that exists is replaced
    #[arg(long, value_name = "FILE", requires = "input")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) run: BenchRunArgs,
}

/// Time the two ways through the autoencoder
#[derive(Debug, Args)]
#[command(after_help = "Example:
  byteedit bench vae --config sd15-inpaint --size 512 --part decode")]
pub(crate) struct BenchVaeArgs {
    #[command(flatten)]
    pub(crate) config: BenchConfigArgs,
    /// One way alone (default: both)
    #[arg(long, value_enum)]
    pub(crate) part: Option<VaePartArg>,
    /// Layer by layer in horizontal strips, as edits treat large pictures, instead of whole
    #[arg(long)]
    pub(crate) strips: bool,
    #[command(flatten)]
    pub(crate) run: BenchRunArgs,
}

/// A way through the autoencoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VaePartArg {
    /// Pixels to latents
    Encode,
    /// Latents to pixels
    Decode,
}

/// Time reward models of random weights: pictures to scores, and back to the gradient of the pixels
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit bench reward --batch 4
  byteedit bench reward --network blip-l --pass training

Pictures are square and as large as the network sees them. With --pass training the weights stay as they are: only
the pixels have a gradient, as where a model learns from a reward.")]
pub(crate) struct BenchRewardArgs {
    /// One network alone (default: blip-l, then clip-l)
    #[arg(long, value_enum)]
    pub(crate) network: Option<RewardNetworkArg>,
    /// Pictures at once, each with its text
    #[arg(long, value_name = "N", default_value_t = 4, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=MAX_BATCH))]
    pub(crate) batch: u32,
    /// The forward pass alone, or forward and back to the pixels (default: one after the other)
    #[arg(long, value_enum)]
    pub(crate) pass: Option<PassArg>,
    #[command(flatten)]
    pub(crate) run: BenchRunArgs,
}

/// The network of a reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RewardNetworkArg {
    /// That of `ImageReward-v1.0`: BLIP with a ViT-L/16, 224 px and 35 tokens
    BlipL,
    /// CLIP with a ViT-L/14, both encoders, 224 px and 77 tokens
    ClipL,
    /// What `train reward aesthetic` trains: 0.7 M parameters, 96 px
    BlipMini,
    /// What `train reward coherent` trains: 0.5 M parameters, 128 px
    CoherentMini,
}

/// Time training steps as `train base` and `train vae` make them: forward, backward, clipping, `AdamW` and
/// moving average, on random data
#[derive(Debug, Args)]
#[command(after_help = "Example:
  byteedit bench train-step --config mini --batch 32 --part unet

--size is that of the pictures; the autoencoder alone is trained on crops of 64 px if none is given.")]
pub(crate) struct BenchTrainStepArgs {
    #[command(flatten)]
    pub(crate) config: BenchConfigArgs,
    /// One network alone (default: both)
    #[arg(long, value_enum)]
    pub(crate) part: Option<TrainPartArg>,
    #[command(flatten)]
    pub(crate) run: BenchRunArgs,
}

/// A trained network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrainPartArg {
    /// The U-Net with its text encoder
    Unet,
    /// The autoencoder
    Vae,
}

/// Time steps of feedback learning as `train pefl` makes them, on random data: a rollout of the first phase, one call of
/// the U-Net with a gradient, the decoder, two rewards, and the way back to low-rank branches
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit bench pefl
  byteedit bench pefl --config sd15-inpaint --runs 1 --warmup 0

One picture at a time unless --batch is given. The rewards of sd15-inpaint are blip-l and clip-l of `bench reward`, those
of other networks blip-mini twice. Memory is foretold from the configurations: weights, what learns, the tensors at the
peak, and an estimate of what the program and the holes between tensors take; the tapes of the rewards are left out.")]
pub(crate) struct BenchPeflArgs {
    #[command(flatten)]
    pub(crate) config: BenchConfigArgs,
    /// The step with the gradient, of 20 of which the rollout begins with the 15th: from 1 to 10
    #[arg(long, value_name = "N", default_value_t = 5, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=10))]
    pub(crate) t_prime: u32,
    /// What the gradient tape keeps of U-Net and decoder
    #[arg(long, value_enum, default_value_t)]
    pub(crate) tape: TapeArg,
    /// Rank of the branches beside the projections of attention
    #[arg(long, value_name = "N", default_value_t = 4, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) rank: u32,
    #[command(flatten)]
    pub(crate) run: BenchRunArgs,
}

/// What a gradient tape keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TapeArg {
    /// The inputs of blocks, which are computed again on the way back
    #[default]
    Inputs,
    /// Everything
    Whole,
}

/// Time whole edits: with --config one that fills the model's canvas, else one of 128 x 128 px in a photograph of
/// 12 and of 0.3 megapixels
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit bench edit --steps 20 --runs 5
  byteedit bench edit --config sd15-inpaint --size 512 --steps 8

The photographs are made in memory. Without --config both edits must cost the same: the region decides, not the
picture; reading and writing the file is timed apart. With it, text, encoder, guided steps, decoder and paste
are timed together and one by one.")]
pub(crate) struct BenchEditArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Networks of random weights instead of a model: mini, sd15-inpaint, or a model folder's configurations
    #[arg(long, value_name = "mini|sd15-inpaint|DIR", conflicts_with_all = ["model", "device"])]
    pub(crate) config: Option<String>,
    /// Side of the region in pixels (default: what the networks were made for)
    #[arg(long, value_name = "PX", requires = "config", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(8..=MAX_SIDE))]
    pub(crate) size: Option<u32>,
    /// Denoising steps
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) steps: u32,
    #[command(flatten)]
    pub(crate) run: BenchRunArgs,
}

/// Four or five positive numbers; the stride is 1 if it is not said.
fn conv_shape(text: &str) -> Result<[usize; 5], String> {
    let numbers: Result<Vec<usize>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let shape = match numbers.as_deref() {
        Ok(&[channels_in, channels_out, kernel, side]) => [channels_in, channels_out, kernel, side, 1],
        Ok(&[channels_in, channels_out, kernel, side, stride]) => {
            [channels_in, channels_out, kernel, side, stride]
        }
        _ => {
            return Err(
                "give channels in and out, kernel, side and perhaps stride, such as 128,128,3,256".to_owned()
            );
        }
    };
    let [_, _, kernel, side, _] = shape;
    if shape.contains(&0) || shape.iter().any(|&number| number > MAX_SIDE as usize) {
        return Err(format!("every number must be from 1 to {MAX_SIDE}"));
    }
    if side < kernel {
        return Err(format!("a kernel of {kernel} does not fit into {side} px"));
    }
    Ok(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_convolutions_are_checked() {
        assert_eq!(conv_shape("8, 16,3,32"), Ok([8, 16, 3, 32, 1]));
        assert_eq!(conv_shape("8,16,3,32,2"), Ok([8, 16, 3, 32, 2]));
        for (text, says) in [
            ("8,16,3", "128,128,3,256"),
            ("a,1,1,1", "such as"),
            ("8,0,3,32", "from 1"),
            ("8,8,5,4", "into 4 px"),
        ] {
            let message = conv_shape(text).unwrap_err();
            assert!(message.contains(says), "{message}");
        }
    }
}
