//! Grids to look at: held-out samples of every task, painted as the editor paints them.

use std::path::Path;

use byteedit_data::{Rgb8, Task};
use byteedit_diffusion::NoiseSchedule;
use byteedit_edit::{Canvas, EditModel, ModelCard, ModelInfo, ModelParts, Watch};
use byteedit_image::UnitImage;
use serde_json::json;

use super::{BaseModel, SamplesConfig};
use crate::Result;
use crate::files::write_json;
use crate::latents::Encoder;
use crate::pictures::{rgb8_from_unit, write_grid};
use crate::source::Pair;

/// In this order from top to bottom.
pub(crate) const TASKS: [Task; 3] = [Task::Edit, Task::Erase, Task::Outpaint];
/// Grey of the hole in the grid's first column: the 0 of [-1, 1].
const HOLE: u8 = 128;

/// How samples are painted.
#[derive(Clone, Copy)]
pub(crate) struct Painting<'a> {
    pub(crate) samples: &'a SamplesConfig,
    /// Whether kept latents are blended in.
    pub(crate) keeps_unmasked: bool,
    pub(crate) schedule: &'a NoiseSchedule,
}

/// Writes a grid of three pictures for each sample (input with its hole, result pasted, truth) and,
/// beside it, a JSON of the same name with task and caption of each sample in order.
pub(crate) fn write_samples(
    model: &BaseModel,
    encoder: &Encoder<'_>,
    painting: &Painting<'_>,
    path: &Path,
) -> Result<()> {
    let n_per_task = painting.samples.n_per_task;
    let mut pairs = Vec::new();
    let mut captions = Vec::new();
    for task in TASKS {
        for index in 0..n_per_task as u64 {
            let pair = encoder.source.held_out_pair(encoder.pairs, task, index)?;
            captions.push(json!({"task": task, "caption": pair.caption}));
            pairs.push(pair);
        }
    }
    let editor = editor(model, encoder, painting)?;
    let mut results = Vec::with_capacity(pairs.len());
    for (task, pairs) in TASKS.into_iter().zip(pairs.chunks(n_per_task)) {
        let images = painted(&editor, painting.samples, task, pairs, results.len() as u64)?;
        results.extend(images.iter().map(rgb8_from_unit));
    }
    let grid: Vec<Rgb8> = pairs
        .iter()
        .zip(results)
        .flat_map(|(pair, result)| {
            let hole = Rgb8::filled(pair.truth.width, pair.truth.height, [HOLE; 3]);
            [pasted(pair, &hole), pasted(pair, &result), pair.truth.clone()]
        })
        .collect();
    write_grid(path, &grid, 3 * n_per_task)?;
    write_json(&path.with_extension("json"), &captions)
}

/// The model as it stands, as the editor would load it.
pub(crate) fn editor(model: &BaseModel, encoder: &Encoder<'_>, painting: &Painting<'_>) -> Result<EditModel> {
    let Painting { keeps_unmasked, schedule, .. } = *painting;
    let card = ModelCard { keeps_unmasked, hole: encoder.hole, ..ModelCard::default() };
    let parts = ModelParts {
        unet: model.unet.clone(),
        vae: encoder.vae.clone(),
        text_encoder: model.text_encoder.clone(),
        tokenizer: encoder.tokenizer.clone(),
        schedule: schedule.clone(),
    };
    let info = ModelInfo { name: "the model in training".to_owned(), hash: String::new(), card: Some(card) };
    Ok(EditModel::new(parts, info, encoder.device.clone())?)
}

/// The model's answers, one for each pair of a task; the noise of the first has the seed `first_seed`.
pub(crate) fn painted(
    editor: &EditModel,
    config: &SamplesConfig,
    task: Task,
    pairs: &[Pair],
    first_seed: u64,
) -> Result<Vec<UnitImage>> {
    let sampling = config.sampling().of_task(task)?;
    let inputs = pairs.iter().map(Pair::to_canvas).collect::<Result<Vec<_>>>()?;
    let canvases: Vec<Canvas<'_>> = (first_seed..)
        .zip(pairs.iter().zip(&inputs))
        .map(|(seed, (pair, (image, edit_mask)))| Canvas { image, edit_mask, prompt: &pair.caption, seed })
        .collect();
    Ok(editor.paint(&canvases, &sampling, &mut Watch::silent())?.images)
}

/// `inside` in the hole, the truth elsewhere.
fn pasted(pair: &Pair, inside: &Rgb8) -> Rgb8 {
    let mut picture = pair.truth.clone();
    for (index, _) in pair.edit_mask.values.iter().enumerate().filter(|(_, value)| **value >= 128) {
        picture.data[3 * index..3 * index + 3].copy_from_slice(&inside.data[3 * index..3 * index + 3]);
    }
    picture
}
