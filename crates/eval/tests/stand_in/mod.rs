//! What several tests evaluate: the world, an editor that dies, and two judges, one that reads colours and a real one of
//! random weights.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use burn::tensor::Device;
use byteedit_data::{Rgb8, World};
use byteedit_edit::{Canvas, Sampling};
use byteedit_eval::{Editor, EvalError, Judge, ModelIdentity, Opinion, Result, TrainedJudge};
use byteedit_image::{Mask, UnitImage};
use byteedit_models::Component;
use byteedit_models::classifier::{Judge as Network, NOTHING};
use byteedit_models::store::{Precision, component_to_bytes};
use byteedit_nn::Init;
use serde_json::json;

pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    let pack: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "..", "assets", "world", "world.pack"].iter().collect();
    World::open(&pack).expect("the committed pack can be read")
});

/// What an editor is shown, as a key.
pub fn key(image: &UnitImage, mask: &Mask) -> Vec<u8> {
    let levels = image.data().iter().map(|value| (255.0 * value).round() as u8);
    levels.chain(mask.values().iter().copied()).collect()
}

/// The concept that a prompt ends with.
pub fn concept_of(prompt: &str) -> Option<usize> {
    let named = |name: &str| prompt == name || prompt.ends_with(&format!(" {name}"));
    let found = WORLD.concepts().iter().enumerate().filter(|(_, concept)| named(&concept.name));
    found.max_by_key(|(_, concept)| concept.name.len()).map(|(index, _)| index)
}

/// `inside` in the hole, the canvas's picture elsewhere.
pub fn in_hole(canvas: &Canvas<'_>, inside: impl Fn(usize) -> [f32; 3]) -> UnitImage {
    let mut image = canvas.image.clone();
    let pixels = image.data_mut().chunks_exact_mut(3).zip(canvas.edit_mask.repaints());
    for (at, (pixel, _)) in pixels.enumerate().filter(|(_, (_, hole))| *hole) {
        pixel.copy_from_slice(&inside(at));
    }
    image
}

/// Paints a grey that depends on the prompt and on the seed, and dies once it has painted so many pictures.
pub struct Mortal {
    pub n_left: Cell<usize>,
}

impl Mortal {
    pub fn living(n_pictures: usize) -> Self {
        Self { n_left: Cell::new(n_pictures) }
    }
}

impl Editor for Mortal {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity { name: "mortal".to_owned(), hash: "2222222222".to_owned() }
    }

    fn paint(&self, _: Option<f64>, canvases: &[Canvas<'_>], _: &Sampling) -> Result<Vec<UnitImage>> {
        let n_left = self.n_left.get().checked_sub(canvases.len());
        self.n_left.set(n_left.ok_or_else(|| EvalError::Editor("it died".into()))?);
        let number = |canvas: &Canvas<'_>| canvas.seed % 7 + (canvas.seed >> 32) + canvas.prompt.len() as u64;
        let level = |canvas: &Canvas<'_>| 0.3 + 0.0137 * number(canvas) as f32;
        Ok(canvases.iter().map(|canvas| in_hole(canvas, |_| [level(canvas); 3])).collect())
    }

    fn reconstruct(&self, _: Option<f64>, canvases: &[Canvas<'_>]) -> Result<Vec<UnitImage>> {
        Ok(canvases.iter().map(|canvas| in_hole(canvas, |at| [0.5 + 1e-4 * at as f32; 3])).collect())
    }
}

/// What a world's judge can say.
pub fn labels(world: &World) -> Vec<String> {
    let concepts = world.concepts().iter().map(|concept| concept.name.clone());
    concepts.chain([NOTHING.to_owned()]).collect()
}

/// Sees the concept whose colour the middle of a square has, and nothing in all else.
pub struct ColorJudge {
    pub labels: Vec<String>,
}

/// Between the colours of two concepts, in levels.
const STEP: usize = 3;

impl ColorJudge {
    pub fn of(world: &World) -> Self {
        Self { labels: labels(world) }
    }

    /// The colour that stands for a concept.
    pub fn color(concept: usize) -> [f32; 3] {
        [STEP * concept, 255 - STEP * concept, 128].map(|level| level as f32 / 255.0)
    }

    fn label(&self, square: &Rgb8) -> usize {
        let [r, g, b] = square.pixel(square.width / 2, square.height / 2).map(usize::from);
        let concept = (r + STEP / 2) / STEP;
        let is_color = g.abs_diff(255 - STEP * concept) <= 1 && b.abs_diff(128) <= 1;
        if is_color && concept + 1 < self.labels.len() { concept } else { self.labels.len() - 1 }
    }
}

impl Judge for ColorJudge {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity { name: "colours".to_owned(), hash: "1111111111".to_owned() }
    }

    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn side(&self) -> usize {
        16
    }

    fn opinions(&self, squares: &[Rgb8]) -> Vec<Opinion> {
        let opinion = |square: &Rgb8| {
            let mut probabilities = vec![0.0; self.labels.len()];
            probabilities[self.label(square)] = 1.0;
            let features = square.pixel(8, 8).map(|level| f32::from(level) / 255.0 + 0.1).to_vec();
            Opinion { probabilities, features }
        };
        squares.iter().map(opinion).collect()
    }
}

/// A small network that was never trained.
pub fn random_judge(world: &World) -> TrainedJudge {
    let config = json!({
        "side": 16, "block_out_channels": [8], "layers_per_block": 1, "norm_num_groups": 4, "labels": labels(world),
    })
    .to_string();
    let parsed = Network::parse_config(&config).expect("the configuration is valid");
    let network = Network::from_config(&parsed, &mut Init::seeded(&Device::default(), 6));
    let weights = component_to_bytes(&network, Path::new("judge"), Precision::F16, &BTreeMap::new())
        .expect("the weights are finite");
    TrainedJudge::from_bytes("random", config.as_bytes(), &weights, &Device::default())
        .expect("it was just saved")
}
