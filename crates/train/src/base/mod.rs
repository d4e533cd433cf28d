//! Training the base model: a nine-channel inpainting U-Net and its text encoder, on cached latents of
//! a trained autoencoder (Rombach et al. 2022, Sections 3.3 and 4.5; masks as `ByteEdit` draws them,
//! Section 4.1).

mod batch;
mod config;
mod draw;
mod model;
mod objective;
mod samples;
mod start;
mod steps;
mod validation;
mod weights;

use std::path::Path;

use byteedit_models::store::load_component;
use byteedit_models::vae::AutoencoderKL;

pub use config::{BaseRunConfig, BaseValidationConfig, DenoisingLossConfig, Provenance, SamplesConfig};
pub use model::BaseModel;
pub use steps::BaseSteps;

pub(crate) use batch::Batch;
pub(crate) use objective::DenoisingLoss;
pub(crate) use samples::{Painting, TASKS, editor, painted, write_samples};
pub(crate) use start::load_model;
pub(crate) use validation::Validation;
pub(crate) use weights::LatentWeights;

use self::objective::Denoising;
use self::start::Start;
use crate::export::export_base;
use crate::progress::Outcome;
use crate::run::RunFolder;
use crate::training::Training;
use crate::{Result, RunContext, Source};

/// Where the parts of a base model come from.
#[derive(Clone, Copy, Debug)]
pub struct BaseInputs<'a> {
    /// The training pairs.
    pub source: &'a Source,
    /// Folder of the trained autoencoder, a diffusers component.
    pub vae: &'a Path,
    /// Folder of a whole model, as [`export_base`] writes it, whose weights, widths and vocabulary the
    /// run starts from; not read where the run has a state already.
    pub init: Option<&'a Path>,
}

/// Trains a base model in the context's folder, going on where an earlier run with the same
/// configuration stopped. At the end the whole model lies in `folder/model`.
///
/// # Errors
/// A configuration out of range, a folder of another run or in use, an autoencoder or data that cannot
/// be read, a training that diverges.
pub fn train(config: &BaseRunConfig, inputs: &BaseInputs<'_>, context: RunContext<'_>) -> Result<Outcome> {
    let RunContext { folder, device, progress, stop } = context;
    let vae: AutoencoderKL = load_component(inputs.vae, device)?;
    let start = Start::prepare(config, inputs, &vae, folder, device)?;
    let run = RunFolder::open(folder, &start.config)?;
    start.copy_parts(inputs.vae, folder)?;
    if let Some(note) = &start.note {
        run.log_note(note)?;
    }
    start.note.iter().chain(&start.warnings).for_each(|message| progress.on_warning(message));
    let Start { config, model, tokenizer, .. } = start;
    let objective = Denoising::new(&config, inputs.source, vae, tokenizer, folder, device)?;
    let training = Training::start(config.training, &run, progress, objective, model, device)?;
    let outcome = training.run(stop)?.outcome;
    if outcome == Outcome::Finished {
        export_base(folder, inputs.source, &folder.join("model"), device)?;
    }
    Ok(outcome)
}
