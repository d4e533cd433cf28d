//! `data`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::paint::ModelArgs;
use super::parse::not_negative;
use super::values::{AxisArg, TaskArg};

/// The name of the annotator that the program carries in itself.
pub(crate) const ANNOTATOR: &str = "built-in";

/// Collect what rewards learn from: prompts, several answers to each task, and what is thought of them
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    pub(crate) verb: DataVerb,
}

/// The steps of a collection.
#[derive(Debug, Subcommand)]
pub(crate) enum DataVerb {
    Prompts(DataPromptsArgs),
    Candidates(DataCandidatesArgs),
    Annotate(DataAnnotateArgs),
    Align(DataAlignArgs),
    Import(DataImportArgs),
    Export(DataExportArgs),
    Check(DataCheckArgs),
}

/// Choose prompts that differ from many that repeat each other: mere decoration and near repetitions go, and of each
/// cluster of the others those are taken that lie farthest from their neighbours
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit data prompts captions.txt --n 200 --out chosen.txt
  byteedit data prompts captions.txt pictures/metadata.jsonl --set max_cosine=0.9 --out chosen.txt
  byteedit data prompts captions.txt --embeddings captions.safetensors --seed 1 --out chosen.txt

Keys of --config and --set: n_selected, n_clusters, n_neighbours, max_cosine, seed. The same prompts, values and seed
give the same choice everywhere. Time grows with the square of the number of prompts: 10 thousand take some
30 seconds of one core.")]
pub(crate) struct DataPromptsArgs {
    /// Text files with a prompt on each line, or .jsonl files with a `text` or a `prompt` in each line
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The file to write, a prompt on each line
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Prompts to choose (default: `n_selected` of the configuration, 1000)
    #[arg(long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) n: Option<u32>,
    /// The seed of the clusters (default: that of the configuration, 0)
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// A language model's embeddings: a .safetensors file with one F32 tensor of a row for each prompt, in the order of
    /// the files, blank lines left out (default: likeness of wording, from which words the prompts have)
    #[arg(long, value_name = "FILE")]
    pub(crate) embeddings: Option<PathBuf>,
    /// A JSON file whose values are put over the defaults; unknown keys are refused
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One value over the defaults and --config, such as `max_cosine=0.9`
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Replace a file that exists already
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Paint several answers to each of many tasks of the mini world; a collection that was stopped goes on by the same
/// command
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit data candidates --out feedback/train
  byteedit data candidates --out feedback/held-out --set split=validation --set seed=1 --set n_tasks=500
  byteedit data candidates --out feedback/both --also runs/base/model")]
pub(crate) struct DataCandidatesArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Another model of the same resolution that answers every task too, in the same ways; may be given again
    #[arg(long, value_name = "mini|DIR")]
    pub(crate) also: Vec<String>,
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

/// Make a file of preferences from what another data set, a tool or people have given
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit data import image-reward train.json --images images --out feedback/records.jsonl
  byteedit data import pick-a-pic train.parquet --skip-bad 10 --out feedback/records.jsonl
  byteedit data import label-studio export.json --tasks feedback/tasks.jsonl --out feedback/judged.jsonl
  byteedit data import answers answers.jsonl --tasks feedback/tasks.jsonl --out feedback/judged.jsonl

`data check` says whether the file is worth training on.")]
pub(crate) struct DataImportArgs {
    /// What is read
    #[arg(value_enum, value_name = "FORMAT")]
    pub(crate) format: ImportArg,
    /// The file to read
    #[arg(value_name = "INPUT")]
    pub(crate) input: PathBuf,
    /// The file of preferences to write, one JSON object on each line; paths in it count from its folder
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The folder that the pictures are in, from the folder of --out; for image-reward and hpdv2
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<String>,
    /// What the holes ask for, outpaint (the default) or erase; for pref-paint
    #[arg(long, value_enum, value_name = "TASK")]
    pub(crate) task: Option<TaskArg>,
    /// The file of the tasks as they were given out; for label-studio and answers
    #[arg(long, value_name = "FILE")]
    pub(crate) tasks: Option<PathBuf>,
    /// Bad lines or entries that are passed over and listed before one is an error
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) skip_bad: usize,
    /// Replace a file that exists already
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write a file of preferences as another data set or tool has it, or the tasks that nobody has judged yet
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit data export image-reward feedback/records.jsonl --images images --out train.json
  byteedit data export label-studio feedback/tasks.jsonl --address '/data/local-files/?d=feedback' --out tasks.json
  byteedit data export tasks feedback/records.jsonl --out feedback/tasks.jsonl

What a format has no place for, such as models and seeds, is left out; what it cannot hold without changing the question
or the answer is refused. People's answers come back by `data import`.")]
pub(crate) struct DataExportArgs {
    /// What is written
    #[arg(value_enum, value_name = "FORMAT")]
    pub(crate) format: ExportArg,
    /// The file of preferences to read, one JSON object on each line
    #[arg(value_name = "RECORDS")]
    pub(crate) records: PathBuf,
    /// The file to write; label-studio also gets its labelling configuration, of the same name and .xml
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The folder that the pictures are in, from the folder of RECORDS; for image-reward and hpdv2
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<String>,
    /// What stands before each path, so that the tool finds the pictures; for label-studio
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    /// Replace a file that exists already
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Find pictures that fit their captions badly, and pair each with a true caption and wrong ones, what an alignment reward
/// learns from: the edits of a collection, by what a program sees in them, or any pictures, by CLIP and by better captions
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit data align feedback/train
  byteedit data align pictures/ --clip clip-vit-large-patch14/ --better-captions better.jsonl --skip-bad 10
  byteedit data align pictures/ --clip clip/ --better-captions better.jsonl --set max_score=1 --set lowest_share=0.2

Keys of --config and --set, for pictures: max_score, lowest_share, min_score, min_gain, min_margin, n_wrong, n_near,
held_out_percent. Scores are cosines. Near pictures exchange their better captions by twos, and given captions that fit stand
against better ones of others; `by_style` of the report says how much can be told without looking, 0.5 at best.

What CLIP makes of the pictures is kept in DIR/align.kept, with ViT-L/14 some 8 kB for each. So the same command goes on where it
was stopped, to the same file, and other numbers of --set ask CLIP nothing. Pictures and captions that have changed are looked at
again, with the few that went through CLIP beside them; with another CLIP, device or number of threads all are. Nothing is removed
from that folder, but you may remove it.")]
pub(crate) struct DataAlignArgs {
    /// The folder of a collection, or with --clip one of pictures with metadata.jsonl; align.jsonl is written into it
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// How sure the program must be of what it sees; for a collection
    #[arg(long, value_name = "PROBABILITY", default_value_t = 0.3, allow_negative_numbers = true,
        value_parser = not_negative, conflicts_with = "clip")]
    pub(crate) min_confidence: f64,
    /// Wrong captions of each picture; for a collection
    #[arg(long, value_name = "N", default_value_t = 4, conflicts_with = "clip")]
    pub(crate) n_wrong: usize,
    /// Who says what the pictures show: `built-in`, or a folder that `train annotator` wrote; for a collection
    #[arg(long, value_name = "built-in|DIR", default_value = ANNOTATOR, conflicts_with = "clip")]
    pub(crate) annotator: String,
    /// A pack other than the built-in one; for a collection
    #[arg(long, value_name = "FILE", conflicts_with = "clip")]
    pub(crate) world: Option<PathBuf>,
    /// The CLIP that says how well captions fit: a folder with a `CLIPModel` of transformers' layout and its tokenizer
    #[arg(long, value_name = "DIR", requires = "better_captions")]
    pub(crate) clip: Option<PathBuf>,
    /// Better captions for some of the pictures: a .jsonl file with `file_name` and `text` on each line, as metadata.jsonl
    #[arg(long, value_name = "FILE", requires = "clip")]
    pub(crate) better_captions: Option<PathBuf>,
    /// A JSON file whose values are put over the defaults; unknown keys are refused; with --clip
    #[arg(long, value_name = "FILE", requires = "clip")]
    pub(crate) config: Option<PathBuf>,
    /// One value over the defaults and --config, such as `max_score=0.2`; with --clip
    #[arg(long, value_name = "KEY=VALUE", requires = "clip")]
    pub(crate) set: Vec<String>,
    /// Leave out and list up to N bad lines in each of both files, also those whose pictures cannot be read; with --clip
    #[arg(long, value_name = "N", default_value_t = 0, requires = "clip")]
    pub(crate) skip_bad: usize,
    /// Replace an align.jsonl that exists already; with --clip, as the folder is yours
    #[arg(long, requires = "clip")]
    pub(crate) force: bool,
    /// Where to compute: cpu, or a backend this program was built with
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Say whether a file of preferences or of captions is worth training on: what is wrong with which line, and what it holds
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit data check feedback/train/structure.jsonl
  byteedit data check feedback/judged.jsonl --skip-bad 5
  byteedit data check feedback/train/align.jsonl")]
pub(crate) struct DataCheckArgs {
    /// The file, one JSON object on each line: preferences, or captions as `data align` writes them
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Where candidates have scores, the ones that count (default: structure); captions have none
    #[arg(long, value_enum)]
    pub(crate) axis: Option<AxisArg>,
    /// Bad lines that are listed but do not make the file unfit for training
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) skip_bad: usize,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportArg {
    /// JSON: several pictures of each prompt, ranked
    #[value(name = "image-reward")]
    ImageReward,
    /// Its train.json: the better one of two pictures
    #[value(name = "hpdv2")]
    Hpdv2Train,
    /// Its test.json: rankings averaged over annotators
    #[value(name = "hpdv2-test")]
    Hpdv2Test,
    /// Its test.json: the rankings of each annotator
    #[value(name = "hpdv2-each")]
    Hpdv2Each,
    /// JSON: several inpaintings of each hole, ranked and scored; its folders lie beside --out
    #[value(name = "pref-paint")]
    PrefPaint,
    /// Parquet: the better one of two pictures, which are written to pictures/ beside --out
    #[value(name = "pick-a-pic")]
    PickAPic,
    /// JSON that Label Studio exports: judged tasks of `data export label-studio`
    #[value(name = "label-studio")]
    LabelStudio,
    /// JSON: battles of two models
    #[value(name = "arena")]
    Arena,
    /// Tasks of `data export tasks`, judged in the same form
    #[value(name = "answers")]
    Answers,
}

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportArg {
    /// JSON: several pictures of each prompt, ranked
    #[value(name = "image-reward")]
    ImageReward,
    /// Its train.json: the better one of two pictures
    #[value(name = "hpdv2")]
    Hpdv2Train,
    /// Its test.json: records without an annotator are the averaged rankings, others those of each annotator
    #[value(name = "hpdv2-test")]
    Hpdv2Test,
    /// JSON: several inpaintings of each hole, ranked and scored
    #[value(name = "pref-paint")]
    PrefPaint,
    /// Parquet: the better one of two pictures, with the pictures inside
    #[value(name = "pick-a-pic")]
    PickAPic,
    /// JSON that Label Studio imports: tasks to judge, of two pictures each
    #[value(name = "label-studio")]
    LabelStudio,
    /// JSON: battles of two models
    #[value(name = "arena")]
    Arena,
    /// The records that nobody has judged, for people to add their judgement; beside RECORDS
    #[value(name = "tasks")]
    Tasks,
}
