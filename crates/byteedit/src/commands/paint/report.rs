//! What an edit did, for people and as JSON.

use std::path::PathBuf;

use byteedit_edit::{EditResult, MemoryNeed, ModelInfo, Seam, Timings, Work};
use serde::Serialize;

use crate::settings::Job;

/// A finished edit. Paths are text here: JSON holds nothing else, and a name need not be Unicode.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct PaintReport {
    task: &'static str,
    picture: String,
    model: String,
    model_hash: String,
    outputs: Vec<Output>,
    /// Share of the picture that the mask covers, before it was grown.
    mask_share: Option<f64>,
    /// Share of the result that was repainted.
    repainted: f64,
    /// x, y, width and height of the parts that the model saw.
    regions: Vec<[usize; 4]>,
    enlargement: f64,
    timings: Timings,
    /// What the networks did.
    work: Work,
    /// The peak of memory as it was foretold.
    memory: Option<MemoryNeed>,
    warnings: Vec<String>,
}

/// One picture written.
#[derive(Debug, Serialize)]
struct Output {
    path: String,
    seed: u64,
    seam: Option<Seam>,
}

impl PaintReport {
    /// Collects the facts of a result that was written to `paths`.
    pub(super) fn new(
        model: &ModelInfo,
        job: &Job,
        masked: Option<f64>,
        result: &EditResult,
        paths: &[PathBuf],
    ) -> Self {
        let outputs = result.pictures.iter().zip(paths);
        Self {
            task: job.task.kind().name(),
            picture: job.picture.display().to_string(),
            model: model.name.clone(),
            model_hash: model.hash.clone(),
            outputs: outputs
                .map(|(edited, path)| Output {
                    path: path.display().to_string(),
                    seed: edited.seed,
                    seam: edited.seam,
                })
                .collect(),
            mask_share: masked,
            repainted: result.repainted,
            regions: result.regions.iter().map(|r| [r.x, r.y, r.width, r.height]).collect(),
            enlargement: result.enlargement,
            timings: result.timings,
            work: result.work,
            memory: None,
            warnings: Vec::new(),
        }
    }

    /// The same with the memory that was foretold.
    pub(super) fn with_need(self, need: MemoryNeed) -> Self {
        Self { memory: Some(need), ..self }
    }

    /// The same with what the user was warned of.
    pub(super) fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    /// The files written.
    pub(in crate::commands) fn paths(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|output| output.path.as_str())
    }

    /// One line for people.
    pub(in crate::commands) fn summary(&self) -> String {
        format!("{} in {:.1} s", self.task, self.timings.total_sec())
    }
}
