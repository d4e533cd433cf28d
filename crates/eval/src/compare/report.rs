//! What a comparison found, as JSON, as Markdown and as contact sheets.
//!
//! The JSON is the record: it names no machine, no path and no time, and is the same on every run. How long it took is told
//! apart: [`CompareTiming`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use byteedit_image::{Encoding, Format, Picture, encode};
use serde::{Deserialize, Serialize};

use super::arm::ArmSettings;
use super::config::CompareConfig;
use super::gsb::Gsb;
use super::markdown::markdown;
use super::score::Score;
use crate::bootstrap::Estimate;
use crate::editor::ModelIdentity;
use crate::error::Result;
use crate::metric::Metric;
use crate::report::{WorldSummary, json, write_files};
use crate::section::Section;

/// The layout of the JSON that this version writes and reads.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// A report and what goes with it.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The figures.
    pub report: CompareReport,
    /// How long it took.
    pub timing: CompareTiming,
    /// One for each section, unless no examples were asked for.
    pub sheets: Vec<CompareSheet>,
}

/// Random cases of a section, one in each row: the question with a grey hole, the answer of each arm, the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompareSheet {
    /// The section.
    pub section: Section,
    /// The picture.
    pub picture: Picture,
}

/// Everything that was found, as the JSON holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompareReport {
    /// Layout of this file.
    pub schema_version: u32,
    /// The benchmark: "compare".
    pub suite: String,
    /// What the figures are about.
    pub note: String,
    /// Who said what the pictures show.
    pub judge: ModelIdentity,
    /// What the questions were drawn from.
    pub world: WorldSummary,
    /// What all arms were asked.
    pub settings: CompareConfig,
    /// The arms; the first is the reference.
    pub arms: Vec<ArmReport>,
    /// The kinds of questions.
    pub sections: Vec<SectionComparison>,
}

/// Which arm it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmReport {
    /// Its name.
    pub name: String,
    /// Its model.
    pub model: ModelIdentity,
    /// Its settings.
    pub settings: ArmSettings,
}

/// What was found in one section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionComparison {
    /// The section.
    pub section: Section,
    /// Questions asked of each arm.
    pub n_samples: usize,
    /// Differences of at most this much are ties: the median distance between two seeds of the reference, by score.
    pub bands: BTreeMap<Score, f64>,
    /// Each arm by itself, in their order.
    pub arms: Vec<ArmFigures>,
    /// Arms beside each other.
    pub pairs: Vec<PairFigures>,
    /// The cases of the contact sheet, row by row.
    pub shown: Vec<ShownCase>,
}

/// Means of one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmFigures {
    /// The arm's name.
    pub arm: String,
    /// What arms are compared by.
    pub scores: BTreeMap<Score, Estimate>,
    /// What else was measured of its answers.
    pub figures: BTreeMap<Metric, Estimate>,
}

/// How one arm does beside another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairFigures {
    /// The arm that is good, the same or bad.
    pub first: String,
    /// The one that it is compared with.
    pub second: String,
    /// Good, same and bad by each score.
    pub scores: BTreeMap<Score, Gsb>,
    /// The other figures compared case by case: means of the differences, first minus second, or of the ratios for a metric
    /// that [is one](Metric::is_ratio).
    pub differences: BTreeMap<Metric, Estimate>,
}

/// A case of the contact sheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownCase {
    /// Index of the sample in the world's set for this task, split and seed.
    pub sample: u64,
    /// What was asked for.
    pub prompt: String,
}

/// Wall-clock time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompareTiming {
    /// Seconds for one edited picture, pasting included, in batches of the settings' size, by the arm's name. Of an answer
    /// that was kept they are those of when it was painted, on the machine of then.
    pub seconds_per_picture: BTreeMap<Section, BTreeMap<String, f64>>,
}

impl CompareReport {
    /// The JSON, indented, with a last line break.
    pub fn to_json(&self) -> String {
        json(self)
    }

    /// Tables for people, in Markdown; contact sheets are linked by their file names.
    pub fn to_markdown(&self) -> String {
        markdown(self)
    }
}

impl CompareTiming {
    /// The JSON, indented, with a last line break.
    pub fn to_json(&self) -> String {
        json(self)
    }
}

impl Comparison {
    /// Writes `compare.json`, `compare.md`, `compare-timing.json` and a contact sheet for each section, such as
    /// `compare-edit.png`, into `folder`, creating it; files of those names are replaced. Returns the paths, the JSON first.
    ///
    /// # Errors
    /// [`EvalError::Io`](crate::EvalError::Io) for a folder that cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut files = vec![
            ("compare.json".to_owned(), self.report.to_json().into_bytes()),
            ("compare.md".to_owned(), self.report.to_markdown().into_bytes()),
            ("compare-timing.json".to_owned(), self.timing.to_json().into_bytes()),
        ];
        for sheet in &self.sheets {
            files.push((sheet_name(sheet.section), encode(&sheet.picture, &Encoding::new(Format::Png))?));
        }
        write_files(folder, &files)
    }
}

/// File name of a section's contact sheet.
pub(super) fn sheet_name(section: Section) -> String {
    format!("compare-{}.png", section.name())
}
