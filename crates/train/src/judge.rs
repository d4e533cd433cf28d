//! Training the judge: the classifier that measures editing models, and that nothing else here names.
//!
//! It learns from one half of the training photographs, and from every rendering of a concept: what it is
//! asked is whether a picture shows the concept, not whether it shows the renderings that an editing
//! model happened to be trained on. What is held out from it are photographs.

use std::path::Path;

use burn::tensor::Device;
use byteedit_data::{Photos, Renderings};
use byteedit_models::classifier::{Judge, JudgeConfig};

use crate::classifier::{
    self, ClassifierLossConfig, ClassifierRunConfig, GlimpseConfig, Role, mini_training,
};
use crate::progress::Outcome;
use crate::{Result, RunContext, Source};

const ROLE: Role = Role { name: "judge", photos: Photos::FirstHalf, renderings: Renderings::Every };

/// A run of the judge.
pub type JudgeRunConfig = ClassifierRunConfig<JudgeConfig>;

/// The small world's judge: 0.63 M parameters, 0.11 GFLOP for each glimpse of 64 px.
pub fn mini() -> JudgeRunConfig {
    ClassifierRunConfig {
        network: JudgeConfig {
            class_name: None,
            side: 64,
            block_out_channels: vec![32, 64, 96, 128],
            layers_per_block: 1,
            norm_num_groups: 8,
            labels: Vec::new(),
        },
        data_sha256: String::new(),
        glimpses: GlimpseConfig { p_nothing: 0.25 },
        loss: ClassifierLossConfig { label_smoothing: 0.05 },
        n_validation: 1000,
        training: mini_training(7001, 12_000),
    }
}

/// Trains the judge in the context's folder, going on where an earlier run with the same configuration
/// stopped. At the end the averaged weights lie in `folder/judge`, and `folder/accuracy.json` tells how often
/// it is right on photographs that it was never shown.
///
/// # Errors
/// A configuration out of range, a folder of another run or in use, pictures that are not the mini world,
/// a training that diverges.
pub fn train(config: &JudgeRunConfig, source: &Source, context: RunContext<'_>) -> Result<Outcome> {
    classifier::train::<Judge>(config, source, ROLE, context)
}

/// Writes the averaged weights of the newest checkpoint of a run into `out`. The run itself may still be
/// going on.
///
/// # Errors
/// A folder without a usable run, or an `out` that cannot be written.
pub fn export(folder: &Path, out: &Path, device: &Device) -> Result<()> {
    classifier::export::<Judge>(ROLE, folder, out, device)
}
