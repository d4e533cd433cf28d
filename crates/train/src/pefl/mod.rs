//! Perceptual feedback learning (Ren et al. 2024): the editor is taught by rewards of what it paints, with an adversary
//! that learns beside it or without, at fewer and fewer steps.
//!
//! ```text
//! pair ─► Pictures ─► Rollouts: noised to T1, denoised to t', one call on the tape ─► decoder ─► pixels
//!                                                                                                  │
//!          U-Net ◄─ decoder ◄─ gradient in the pixels ◄─ Critics: R_alpha, R_beta, L1, VGG, R_gamma ◄┘
//!
//! held-out pairs ─► the editor as a user has it ─► Guard: held-out reward, monitors ─► best weights, the end
//! ```

mod config;
mod export;
#[cfg(test)]
mod golden;
mod guard;
mod losses;
mod memory;
mod monitors;
mod objective;
mod origin;
mod phase;
mod pictures;
mod report;
mod rollout;
mod steps;
mod student;
#[cfg(test)]
mod toys;

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use byteedit_diffusion::{NoiseSchedule, NoiseScheduleConfig};
use byteedit_edit::ModelCard;
use byteedit_models::Component;
use byteedit_models::store::{load_component, read_text};
use byteedit_models::tokenizer::ClipTokenizer;
use byteedit_models::vae::AutoencoderKL;
use byteedit_models::vgg::Vgg16Features;
use byteedit_nn::Init;
use byteedit_reward::{CoherentNetwork, Reward};

pub use config::{AdversaryConfig, GuardConfig, PeflLossConfig, PeflProvenance, PeflRunConfig};
pub use guard::HeldOut;
pub use memory::StepMemory;
pub use phase::{PhaseConfig, RolloutConfig, Start};
pub use steps::{PeflParts, PeflSteps, PeflTimings};

use self::export::Exporter;
use self::guard::Guard;
use self::losses::Critics;
use self::objective::{Feedback, Parts};
use self::student::Student;
use crate::base::{BaseModel, load_model};
use crate::early_stop::EarlyStop;
use crate::files::hex;
use crate::latents::Encoder;
use crate::progress::Outcome;
use crate::run::{Checkpoint, LogRecord, RunFolder, append_log, read_log, warm_start_note};
use crate::training::{Objective as _, Trained, Training};
use crate::{Result, RunContext, Source, TrainError};

/// What feedback learning starts from and who gives the feedback.
pub struct PeflInputs<'a> {
    /// The training pairs.
    pub source: &'a Source,
    /// Folder of the model to start from, in diffusers' layout. A run that goes on has its own weights of what it trains,
    /// and a copy of the rest.
    pub init: &'a Path,
    /// `R_alpha`, standardised.
    pub aesthetic: Option<Box<dyn Reward>>,
    /// `R_beta`, standardised.
    pub alignment: Option<Box<dyn Reward>>,
    /// `R_gamma` as it begins; only with an adversary.
    pub coherent: Option<CoherentNetwork>,
    /// `V`, as torchvision names it.
    pub features: Option<Vgg16Features>,
    /// What the weights are chosen by; without one the last ones are kept.
    pub held_out: Option<HeldOut<'a>>,
    /// SHA-256 of the weights of everybody who judges, by role: a run does not go on with others.
    pub critics: BTreeMap<String, String>,
    /// Bytes that this process can have at most, where the system tells: a run is refused if its steps are foretold to need
    /// more. On other devices than the processor it says nothing.
    pub memory_bytes: Option<u64>,
}

/// Trains in the context's folder, going on where an earlier run with the same configuration stopped. At the end the model
/// with the best held-out reward lies in `folder/model`, which may be the one that the run started from; `folder/guard.json`
/// says which it is and `folder/rewards.svg` shows the rewards that were optimised beside the one that was not.
///
/// # Errors
/// A configuration out of range, a folder of another run or in use, a model that cannot be read or does not fit or is not
/// the one that the run began with, steps that need more memory than there is, whatever a reward says, a term or a training
/// that is no number any more.
pub fn train(config: &PeflRunConfig, inputs: PeflInputs<'_>, context: RunContext<'_>) -> Result<Outcome> {
    let RunContext { folder, device, progress, stop } = context;
    let goes_on = Checkpoint::exists_in(folder);
    let (source, init, memory_bytes) = (inputs.source, inputs.init, inputs.memory_bytes);
    let Opened { config, model, student, critics, held_out } = Opened::new(config, inputs, folder, device)?;
    if *device == Device::flex() && !has_ended(folder, &config, held_out.is_some())? {
        let n_of_critics = critics.n_parameters() + held_out.as_ref().map_or(0, HeldOut::n_parameters);
        let memory = StepMemory::of(&config, &student, &model.vae, n_of_critics);
        memory.check(&config, memory_bytes, goes_on)?;
        progress.on_memory(memory.total_bytes(), memory_bytes);
    }
    let run = RunFolder::open(folder, &config)?;
    if !goes_on {
        run.log_note(&warm_start_note(init, &config.provenance.init_unet_sha256))?;
    }
    let exporter = Exporter::new(folder, (!goes_on).then_some(init), &config)?;
    if !goes_on {
        origin::check_copied(folder, &config.provenance)?;
    }
    let Loaded { vae, tokenizer, schedule, .. } = model;
    let encoder = Encoder {
        source,
        pairs: &config.data,
        hole: config.provenance.hole,
        seed: config.training.seed,
        vae,
        tokenizer,
        device: device.clone(),
    };
    let guard = Guard::new(config.guard, held_out, &encoder, &schedule, &student.base)?;
    let parts = Parts { config: &config, encoder, schedule, critics, guard, exporter };
    let mut objective = Feedback::new(parts, &student);
    progress.on_prepare("measuring the model to start from", 0, 1);
    objective.guard.baseline = baseline(&run, &objective, &student)?;
    progress.on_prepare("measuring the model to start from", 1, 1);
    let is_guarded = objective.guard.held_out.is_some();
    let training = Training::start(config.training, &run, progress, objective, student, device)?;
    let Trained { outcome, averaged } = training.run(stop)?;
    if outcome == Outcome::Finished {
        finish(folder, &config, (!is_guarded).then_some(&averaged))?;
    }
    Ok(outcome)
}

/// Whether the run in `folder` has made its last step: called again, it only writes what is left to write.
fn has_ended(folder: &Path, config: &PeflRunConfig, is_guarded: bool) -> Result<bool> {
    let Some(step) = Checkpoint::newest_step(folder) else { return Ok(false) };
    if step >= config.training.n_steps {
        return Ok(true);
    }
    let log = folder.join("log.jsonl");
    if !(is_guarded && log.exists()) {
        return Ok(false);
    }
    let mut log = read_log(&log)?;
    log.retain(|record| record.step <= step);
    Ok(EarlyStop::new(config.guard.patience, &log).is_over())
}

/// Writes what is left to write: the last weights, where no held-out reward has chosen others, and the report.
fn finish(folder: &Path, config: &PeflRunConfig, last: Option<&Student>) -> Result<()> {
    if let Some(student) = last {
        Exporter::new(folder, None, config)?.write(student)?;
    }
    report::write(folder, config, last.is_none())
}

/// The figures of the model that the run starts from: logged as those of step 0, whose weights are kept until there are
/// better ones.
fn baseline(run: &RunFolder, objective: &Feedback<'_>, student: &Student) -> Result<BTreeMap<String, f64>> {
    let prefix = "validation/";
    if run.log_path().exists() {
        let first = read_log(&run.log_path())?
            .into_iter()
            .find(|record| record.step == 0 && record.values.keys().any(|key| key.starts_with(prefix)));
        if let Some(first) = first {
            let bare = |(key, value): (String, f64)| Some((key.strip_prefix(prefix)?.to_owned(), value));
            return Ok(first.values.into_iter().filter_map(bare).collect());
        }
    }
    let figures = objective.figures(student)?;
    objective.keep(student)?;
    let values = figures.iter().map(|(name, value)| (format!("{prefix}{name}"), *value)).collect();
    append_log(&run.log_path(), &LogRecord { step: 0, n_images: 0, note: None, values })?;
    // As the log has them: reading may round the last bit, and a run that goes on compares with what it reads.
    baseline(run, objective, student)
}

/// What a run reads and checks before it writes anything.
struct Opened<'a> {
    /// What the run is bound to.
    config: PeflRunConfig,
    model: Loaded,
    student: Student,
    critics: Critics,
    held_out: Option<HeldOut<'a>>,
}

impl<'a> Opened<'a> {
    /// A run that goes on in `folder` reads its own copy of the model that it began with.
    fn new(config: &PeflRunConfig, inputs: PeflInputs<'a>, folder: &Path, device: &Device) -> Result<Self> {
        let PeflInputs {
            source,
            init,
            aesthetic,
            alignment,
            coherent,
            features,
            held_out,
            critics,
            memory_bytes: _,
        } = inputs;
        let (beside, origin) = if Checkpoint::exists_in(folder) {
            (origin::parts(folder), origin::again(folder, init)?)
        } else {
            (init.to_owned(), origin::at_first(init)?)
        };
        let model = Loaded::open(&beside, device)?;
        let mut config = config.clone();
        config.data.box_share = model.card.defaults.box_share;
        config.provenance = PeflProvenance {
            data_sha256: hex(&source.fingerprint(&config.data)?),
            critics,
            hole: model.card.hole,
            keeps_unmasked: model.card.keeps_unmasked,
            ..origin
        };
        let student = Student { base: load_model(&beside, device)?, coherent };
        check(&config, &student, model.vae.config().downscale())?;
        let student = as_it_learns(&config, student, device)?;
        let critics = Critics { aesthetic, alignment, features };
        Ok(Self { config, model, student, critics, held_out })
    }
}

/// What of a model is not trained.
struct Loaded {
    vae: AutoencoderKL,
    tokenizer: ClipTokenizer,
    schedule: NoiseSchedule,
    card: ModelCard,
}

impl Loaded {
    fn open(folder: &Path, device: &Device) -> Result<Self> {
        let config = read_text(&folder.join("scheduler").join("scheduler_config.json"))?;
        let card_path = folder.join("byteedit.json");
        let card = if card_path.exists() {
            let json = |source| TrainError::Json { what: card_path.display().to_string(), source };
            serde_json::from_str(&read_text(&card_path)?).map_err(json)?
        } else {
            ModelCard::default()
        };
        Ok(Self {
            vae: load_component(&folder.join("vae"), device)?,
            tokenizer: ClipTokenizer::from_dir(&folder.join("tokenizer"))?,
            schedule: NoiseSchedule::new(NoiseScheduleConfig::from_json(&config)?)?,
            card,
        })
    }
}

/// The student as it learns: with branches in its U-Net, if the configuration asks for them, and with its tape.
fn as_it_learns(config: &PeflRunConfig, student: Student, device: &Device) -> Result<Student> {
    let Student { base: BaseModel { unet, text_encoder }, coherent } = student;
    let unet = match &config.lora {
        None => unet,
        Some(lora) => {
            let mut init = Init::seeded(device, config.training.seed);
            byteedit_models::lora::with_branches(unet, lora, &mut init)?
        }
    };
    Ok(Student { base: BaseModel { unet: unet.with_tape(config.tape()), text_encoder }, coherent })
}

/// Checks the configuration against what there is.
fn check(config: &PeflRunConfig, student: &Student, downscale: usize) -> Result<()> {
    config.validate()?;
    let unet = student.base.unet.config();
    if !unet.is_inpainting() {
        let limit =
            "one more than twice unet.out_channels: feedback learning edits, and that model sees no mask";
        return Err(TrainError::config(
            "unet.in_channels of the model to start from",
            unet.in_channels,
            limit,
        ));
    }
    let (picture_size, resolution) = (config.data.picture_size, unet.sample_size * downscale);
    if picture_size != resolution {
        let limit = format!("{resolution}, the size that the model was trained at");
        return Err(TrainError::config("data.picture_size", picture_size, limit));
    }
    match (&config.adversary, &student.coherent) {
        (Some(_), None) => Err(TrainError::config(
            "adversary",
            "given",
            "null where there is no coherent reward to begin with; name one with --coherent",
        )),
        (None, Some(_)) => Err(TrainError::config(
            "adversary",
            "null",
            "given where there is a coherent reward; `train accelerate` has one",
        )),
        _ => Ok(()),
    }
}
