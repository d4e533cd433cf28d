//! What an evaluation found, as JSON, as a Markdown table and as contact sheets.
//!
//! The JSON is the record: it holds the resolved settings and the model's hash, names no machine, no
//! path, no date and no time, and is the same on every run. How long it took is told apart: [`Timing`].

mod markdown;
mod write;

use std::collections::BTreeMap;

use byteedit_data::Split;
use byteedit_image::Picture;
use serde::{Deserialize, Serialize};

use crate::breakdown::Breakdown;
use crate::config::EvalConfig;
use crate::editor::ModelIdentity;
use crate::feature_sets::Frechet;
use crate::figures::Figures;
use crate::gallery::Example;
use crate::section::Section;

pub(crate) use markdown::{best, cell, heading, shown};
pub(crate) use write::write_files;

/// The layout of the JSON that this version writes and reads.
pub const SCHEMA_VERSION: u32 = 3;

/// Said in every report.
pub(crate) const NOTE: &str = "All figures are on composites of the mini world: rendered objects pasted on \
    photographs. They compare models of this kind with each other and say nothing of edits of \
    photographs at large.";

/// A report and the sheets that go with it.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The figures.
    pub report: Report,
    /// How long it took.
    pub timing: Timing,
    /// One for each section, unless no examples were asked for.
    pub sheets: Vec<Sheet>,
}

/// Worst, best and random cases of a section, a block of examples each. An example is the question with a
/// grey hole, the answer, the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The section.
    pub section: Section,
    /// The picture.
    pub picture: Picture,
}

/// Everything that was found, as the JSON holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Layout of this file: [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The benchmark: "world".
    pub suite: String,
    /// What the figures are about.
    pub note: String,
    /// The model.
    pub model: ModelIdentity,
    /// Who said what the pictures show.
    pub judge: ModelIdentity,
    /// The settings, all of them.
    pub settings: EvalConfig,
    /// What the questions were drawn from.
    pub world: WorldSummary,
    /// The kinds of questions that were asked.
    pub sections: Vec<SectionReport>,
    /// What the autoencoder alone makes of whole pictures.
    pub autoencoder: Autoencoder,
}

/// What the questions were drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldSummary {
    /// Concepts of the world.
    pub n_concepts: usize,
    /// Photographs of the split.
    pub n_photos: usize,
}

/// What was found in one section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionReport {
    /// The section.
    pub section: Section,
    /// Questions asked.
    pub n_samples: usize,
    /// Pixels outside the masks that the model's answers changed, over all questions: 0 unless
    /// something is broken.
    pub n_kept_changed: usize,
    /// The figures, metric by metric.
    pub figures: Vec<Figures>,
    /// How far the pictures are from the truths as sets; of outpaintings, by their whole frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frechet: Option<Frechet>,
    /// The judge's verdicts by group of concepts; of edits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Breakdown>,
    /// The judge's verdicts by concept; of edits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concepts: Vec<Breakdown>,
    /// The cases of the contact sheet, row by row.
    pub examples: Vec<Example>,
}

/// Reconstruction of whole frames by the model's autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Autoencoder {
    /// Of photographs: the truths of erasing; empty where that was not asked.
    pub photographs: Vec<Figures>,
    /// Of photographs with an object: the truths of editing; empty where that was not asked.
    pub composites: Vec<Figures>,
}

/// Wall-clock time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Seconds for one edited picture, pasting included, in batches of the settings' size.
    pub seconds_per_picture: BTreeMap<Section, f64>,
}

impl Report {
    /// What all reports have in common; the rest is empty.
    pub(crate) fn of_the_world() -> Self {
        let nobody = || ModelIdentity { name: String::new(), hash: String::new() };
        Self {
            schema_version: SCHEMA_VERSION,
            suite: "world".to_owned(),
            note: NOTE.to_owned(),
            model: nobody(),
            judge: nobody(),
            settings: EvalConfig::new(Split::Test),
            world: WorldSummary { n_concepts: 0, n_photos: 0 },
            sections: Vec::new(),
            autoencoder: Autoencoder { photographs: Vec::new(), composites: Vec::new() },
        }
    }

    /// The JSON, indented, with a last line break.
    pub fn to_json(&self) -> String {
        json(self)
    }

    /// Tables for people, in Markdown; contact sheets are linked by their file names.
    pub fn to_markdown(&self) -> String {
        markdown::markdown(self)
    }
}

impl Timing {
    /// The JSON, indented, with a last line break.
    pub fn to_json(&self) -> String {
        json(self)
    }
}

/// Indented JSON with a last line break.
pub(crate) fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("it is plain data; this is a bug");
    text.push('\n');
    text
}
