//! Training the annotator: the classifier that labels data for training.
//!
//! What it says flows into training, so it sees only what training may see: the renderings of the training
//! split, on the half of its photographs that no other classifier learns from.

use std::path::Path;

use burn::tensor::Device;
use byteedit_data::{Photos, Renderings};
use byteedit_models::classifier::{Annotator, AnnotatorConfig};

use crate::classifier::{
    self, ClassifierLossConfig, ClassifierRunConfig, GlimpseConfig, Role, mini_training,
};
use crate::progress::Outcome;
use crate::{Result, RunContext, Source};

const ROLE: Role = Role { name: "annotator", photos: Photos::SecondHalf, renderings: Renderings::Seen };

/// A run of the annotator.
pub type AnnotatorRunConfig = ClassifierRunConfig<AnnotatorConfig>;

/// The small world's annotator: 1.0 M parameters, 0.09 GFLOP for each glimpse of 48 px.
pub fn mini() -> AnnotatorRunConfig {
    ClassifierRunConfig {
        network: AnnotatorConfig {
            class_name: None,
            side: 48,
            block_out_channels: vec![48, 96, 128, 160],
            norm_num_groups: 8,
            d_hidden: 128,
            labels: Vec::new(),
        },
        data_sha256: String::new(),
        glimpses: GlimpseConfig { p_nothing: 0.2 },
        loss: ClassifierLossConfig { label_smoothing: 0.05 },
        n_validation: 1000,
        training: mini_training(9002, 3000),
    }
}

/// Trains the annotator in the context's folder, going on where an earlier run with the same configuration
/// stopped. At the end the averaged weights lie in `folder/annotator`, and `folder/accuracy.json` tells how
/// often it is right on photographs that it was never shown.
///
/// # Errors
/// A configuration out of range, a folder of another run or in use, pictures that are not the mini world,
/// a training that diverges.
pub fn train(config: &AnnotatorRunConfig, source: &Source, context: RunContext<'_>) -> Result<Outcome> {
    classifier::train::<Annotator>(config, source, ROLE, context)
}

/// Writes the averaged weights of the newest checkpoint of a run into `out`. The run itself may still be
/// going on.
///
/// # Errors
/// A folder without a usable run, or an `out` that cannot be written.
pub fn export(folder: &Path, out: &Path, device: &Device) -> Result<()> {
    classifier::export::<Annotator>(ROLE, folder, out, device)
}
