//! Collecting candidates: every generator paints every task, with every model.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use byteedit_data::preference::{Candidate, PreferenceRecord, Source};
use byteedit_data::world::FRAME_SIDES;
use byteedit_data::{Task, World};
use byteedit_edit::{Canvas, EditModel, ModelInfo, Sampling, Watch, frames};
use serde_json::{Map, Value, json};

use super::CandidatesConfig;
use super::asked::Asked;
use super::tasks::TaskFolder;
use crate::pictures::rgb8_from_unit;
use crate::progress::Outcome;
use crate::{Result, RunContext, TrainError};

/// Where the pictures of a collection lie in its folder.
const PICTURES: &str = "pictures";

/// Paints the candidates of every task that the context's folder lacks, one record of `tasks.jsonl` for each task.
///
/// A task and its candidates depend on the configuration, the models and the task's number alone, so a collection that
/// was stopped goes on to the same records.
///
/// # Errors
/// A configuration out of range, models of several resolutions or none, a folder of another collection or in use, whatever an
/// editor or the world says, a file that cannot be written.
pub fn collect(
    config: &CandidatesConfig,
    world: &World,
    editors: &[EditModel],
    context: RunContext<'_>,
) -> Result<Outcome> {
    let RunContext { folder, progress, stop, .. } = context;
    let [smallest, largest] = FRAME_SIDES;
    let Some((editor, others)) = editors.split_first() else {
        return Err(TrainError::config("the number of models", 0, "1 or more"));
    };
    if let Some(other) = others.iter().find(|other| other.resolution() != editor.resolution()) {
        let value = format!("{} px of {}", other.resolution(), other.info().name);
        let (needed, first) = (editor.resolution(), &editor.info().name);
        let limit = format!("{needed} px, as of {first}: all answer the same tasks");
        return Err(TrainError::config("the resolution of a model", value, limit));
    }
    let config = CandidatesConfig {
        model: editor.info().into(),
        other_models: others.iter().map(|other| other.info().into()).collect(),
        picture_size: editor.resolution().clamp(smallest, largest),
        box_share: editor.info().defaults().box_share,
        ..config.clone()
    };
    config.validate()?;
    let mut tasks = TaskFolder::open(folder, &config)?;
    let pictures = folder.join(PICTURES);
    std::fs::create_dir_all(&pictures).map_err(TrainError::io("creating", &pictures))?;
    while tasks.n_done() < config.n_tasks {
        progress.on_prepare("painting candidates", tasks.n_done() as usize, config.n_tasks as usize);
        let indices = tasks.n_done()..(tasks.n_done() + config.batch_size as u64).min(config.n_tasks);
        let asked = indices.map(|index| Asked::draw(&config, world, index)).collect::<Result<Vec<_>>>()?;
        match painted(&config, editors, &asked, folder, stop) {
            Err(TrainError::Edit(error)) if error.is_cancelled() => {
                return Ok(Outcome::Interrupted { step: tasks.n_done() });
            }
            records => tasks.append(&records?)?,
        }
    }
    progress.on_prepare("painting candidates", config.n_tasks as usize, config.n_tasks as usize);
    Ok(Outcome::Finished)
}

/// Writes the pictures of some tasks; returns their records. Looks at `stop` before every denoising step.
fn painted(
    config: &CandidatesConfig,
    editors: &[EditModel],
    asked: &[Asked],
    folder: &Path,
    stop: &AtomicBool,
) -> Result<Vec<PreferenceRecord>> {
    let canvases = asked.iter().map(Asked::canvas).collect::<Result<Vec<_>>>()?;
    let mut records = asked.iter().map(|asked| written(asked, folder)).collect::<Result<Vec<_>>>()?;
    let with_each = |editor| config.generators.iter().map(move |generator| (editor, generator));
    for (place, (editor, generator)) in editors.iter().flat_map(with_each).enumerate() {
        // Settings differ from task to task, so each kind of task is painted by itself.
        for task in CandidatesConfig::TASKS {
            let of_kind: Vec<usize> = (0..asked.len()).filter(|&at| asked[at].task == task).collect();
            let batch: Vec<Canvas<'_>> = of_kind
                .iter()
                .map(|&at| Canvas {
                    image: &canvases[at].0,
                    edit_mask: &canvases[at].1,
                    prompt: &asked[at].sample.caption,
                    seed: noise_seed(config, asked[at].index, place),
                })
                .collect();
            let sampling = generator.of_task(task)?;
            let box_share = editor.info().defaults().box_share.filter(|_| task == Task::Edit);
            let mut watch = Watch::silent().cancelled_by(stop);
            let images = editor.paint_frames(box_share, &batch, &sampling, &mut watch)?;
            for (image, &at) in images.iter().zip(&of_kind) {
                let (picture, edit_mask) = &canvases[at];
                let path = format!("{PICTURES}/{}-{place}.png", asked[at].id());
                let result = frames::finished(image, picture, edit_mask)?;
                rgb8_from_unit(&result).write_png(&folder.join(&path))?;
                records[at].candidates.push(Candidate {
                    path,
                    model: Some(name_of(editor.info(), config)),
                    seed: Some(noise_seed(config, asked[at].index, place)),
                    params: params(&sampling),
                });
            }
        }
    }
    Ok(records)
}

/// Writes what a task gives; its record has no candidates yet.
fn written(asked: &Asked, folder: &Path) -> Result<PreferenceRecord> {
    let Asked { task, sample, .. } = asked;
    let id = asked.id();
    let [image, mask] = ["source", "mask"].map(|what| format!("{PICTURES}/{id}-{what}.png"));
    sample.input.write_png(&folder.join(&image))?;
    sample.edit_mask.write_png(&folder.join(&mask))?;
    Ok(PreferenceRecord::task(id, Some(Source { task: *task, image, mask }), &sample.caption, Vec::new()))
}

/// The name of a model, with its hash where another has the same.
fn name_of(info: &ModelInfo, config: &CandidatesConfig) -> String {
    let is_shared = config.models().filter(|model| model.name == info.name).count() > 1;
    if is_shared { format!("{}-{}", info.name, info.hash) } else { info.name.clone() }
}

/// No two candidates of a collection have the same noise.
fn noise_seed(config: &CandidatesConfig, index: u64, place: usize) -> u64 {
    let candidate = index * config.n_candidates() as u64 + place as u64;
    (config.seed << 32).wrapping_add(candidate)
}

/// What a candidate was painted with: of a generator's numbers, those that its task takes.
fn params(sampling: &Sampling) -> Map<String, Value> {
    let values = [
        ("sampler", json!(sampling.sampler.name())),
        ("n_steps", json!(sampling.n_steps)),
        ("guidance_scale", json!(sampling.guidance_scale)),
        ("temperature", json!(sampling.temperature)),
    ];
    values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
