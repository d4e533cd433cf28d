//! Judges for tests: one that reads colours, and a real one of random weights.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use byteedit_data::{Rgb8, World};
use byteedit_eval::{Judge, ModelIdentity, Opinion, TrainedJudge};
use byteedit_models::Component;
use byteedit_models::classifier::{Judge as Network, NOTHING};
use byteedit_models::store::{Precision, component_to_bytes};
use byteedit_nn::Init;
use serde_json::json;

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
