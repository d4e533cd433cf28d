//! `pipeline`.

use std::path::PathBuf;

use clap::Args;

/// Run a whole chain of this program's commands, each only where its result is not current, and show all on one page;
/// what was stopped goes on by the same command (a stage that cannot, such as `eval reward`, begins again)
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  byteedit pipeline configs/tiny/pipeline.json --out runs/tiny
  byteedit pipeline configs/mini/pipeline.json --out runs/mini --list
  byteedit pipeline configs/mini/pipeline.json --out runs/mini --from pefl

CONFIG is a JSON object with a `title` and `stages`, a list of objects: `name`; `about`, a sentence for the page; `args`,
the command without the word byteedit; `needs`, names of earlier stages; `show`, files for the page, from DIR. In `args`
{out} stands for DIR and {config} for the folder of CONFIG.

A stage is current as long as its arguments, the files and folders that they name outside of DIR (but for what it writes: what
--run, --out, -o, --heat-map or --output names, and what `data annotate` and `data align` add to their folder), the stages
that it needs and the version of this program are what they were when it began. Files above 64 MiB, and what a folder has
beyond 1 GiB of smaller ones, count by size and time of change, all others by content. DIR/.stages has what is known of each:
to do a stage again, remove DIR/.stages/NAME.json. Nothing else is ever deleted or started anew: run folders refuse other
settings, and then the message says which one to remove.

Ctrl-C has the stage that runs save and end; pressed again, it ends the stage at once.")]
pub(crate) struct PipelineArgs {
    /// The file of the stages
    #[arg(value_name = "CONFIG")]
    pub(crate) config: PathBuf,
    /// Folder for all results and for report.html; made, or gone on with
    #[arg(long, value_name = "DIR", default_value = "pipeline")]
    pub(crate) out: PathBuf,
    /// This stage alone; what it needs has to be current
    #[arg(long, value_name = "STAGE", conflicts_with = "from")]
    pub(crate) only: Option<String>,
    /// This stage and those after it; what they need of those before has to be current
    #[arg(long, value_name = "STAGE")]
    pub(crate) from: Option<String>,
    /// List the stages with their commands and whether they are current; run nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Print JSON when it ends
    #[arg(long)]
    pub(crate) json: bool,
}
