//! Every number of a classifier's run.

use std::path::Path;

use byteedit_data::GlimpseSpec;
use byteedit_models::classifier::Classifier;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Role;
use crate::run::read_config;
use crate::training::{MAX_HELD_OUT, TrainingConfig};
use crate::{Result, TrainError};

/// A classifier's run; `N` is the network's own configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierRunConfig<N> {
    /// The network. Its labels are filled in by the trainer, and to be left out: the world's concepts.
    pub network: N,
    /// Hash of the first training glimpses: filled in by the trainer, to be left out.
    #[serde(default)]
    pub data_sha256: String,
    /// What it is shown.
    pub glimpses: GlimpseConfig,
    /// The loss.
    pub loss: ClassifierLossConfig,
    /// Held-out glimpses of each kind that it is measured on, from photographs of the validation split.
    pub n_validation: usize,
    /// The loop.
    pub training: TrainingConfig,
}

/// Which glimpses a classifier learns from. Photographs and renderings are not to be chosen: that they
/// differ is what makes judge and annotator independent of each other and of what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlimpseConfig {
    /// Share of backgrounds without an object.
    pub p_nothing: f32,
}

/// Cross-entropy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierLossConfig {
    /// Share of the target that is spread over all labels (Szegedy et al. 2016, arXiv 1512.00567,
    /// Section 7), 0 or more and below 1.
    pub label_smoothing: f64,
}

impl<N> ClassifierRunConfig<N> {
    /// Training glimpses of `side` pixels.
    pub(super) fn training_spec(&self, side: usize, role: Role) -> GlimpseSpec {
        let Role { photos, renderings, .. } = role;
        GlimpseSpec { side, photos, renderings, p_nothing: self.glimpses.p_nothing, seed: self.training.seed }
    }
}

impl<N: DeserializeOwned> ClassifierRunConfig<N> {
    /// Reads the resolved configuration of a run.
    ///
    /// # Errors
    /// [`TrainError::Io`] or [`TrainError::Json`] if the folder has none of this network's.
    pub fn of_run(folder: &Path) -> Result<Self> {
        read_config(folder)
    }
}

/// Checks every number.
///
/// # Errors
/// [`TrainError::Config`] or a model's own error names the first that is out of range.
pub(super) fn validate<C: Classifier>(config: &ClassifierRunConfig<C::Config>) -> Result<()> {
    let json = |source| TrainError::Json { what: "`network`".to_owned(), source };
    C::parse_config(&serde_json::to_string(&config.network).map_err(json)?)?;
    let p_nothing = config.glimpses.p_nothing;
    if !(0.0..=1.0).contains(&p_nothing) {
        return Err(TrainError::config("glimpses.p_nothing", p_nothing, "a probability"));
    }
    let smoothing = config.loss.label_smoothing;
    if !(0.0..1.0).contains(&smoothing) {
        return Err(TrainError::config("loss.label_smoothing", smoothing, "0 or more and below 1"));
    }
    if !(1..=MAX_HELD_OUT).contains(&config.n_validation) {
        let limit = format!("from 1 to {MAX_HELD_OUT}");
        return Err(TrainError::config("n_validation", config.n_validation, limit));
    }
    config.training.validate()
}
