//! What an evaluation of a reward found, as JSON and Markdown, as a plot and as a contact sheet.
//!
//! The JSON is the record: it names no machine, no path and no time, and is the same on every run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use byteedit_data::preference::Axis;
use byteedit_image::{Encoding, Format, Picture, encode};
use serde::{Deserialize, Serialize};

use super::accuracy::Accuracy;
use super::calibration::Calibration;
use super::markdown::markdown;
use super::trivial::{Prefers, Trivial};
use crate::bootstrap::Estimate;
use crate::error::Result;
use crate::report::{json, write_files};

/// The layout of the JSON that this version writes and reads.
pub(super) const SCHEMA_VERSION: u32 = 1;
/// File names of the pictures.
pub(super) const CALIBRATION: &str = "calibration.svg";
pub(super) const SHEET: &str = "sheet.png";

/// A report and the pictures that go with it.
#[derive(Clone, Debug)]
pub struct RewardEvaluation {
    /// The figures.
    pub report: RewardReport,
    /// Predicted against observed, as SVG.
    pub calibration: String,
    /// Some records, row by row: the picture before the edit, its mask in grey, then the candidates, best first, each with
    /// what the reward thinks of its pixels if it sees them one by one.
    pub sheet: Option<Picture>,
}

/// Everything that was found, as the JSON holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardReport {
    /// Layout of this file.
    pub schema_version: u32,
    /// The benchmark: "reward".
    pub suite: String,
    /// The reward.
    pub reward: RewardIdentity,
    /// The file.
    pub records: RecordsSummary,
    /// How often the reward prefers what was preferred.
    pub accuracy: Accuracy,
    /// The same of scorers that know nothing, in the order of [`Trivial::ALL`].
    pub trivial: Vec<TrivialFigures>,
    /// The one that is right most often.
    pub best_trivial: Trivial,
    /// The reward's accuracy minus that one's, pair by pair.
    pub margin: Estimate,
    /// The reward's accuracy when every record has its prompt and its labels, but the pictures and masks of another task;
    /// `None` where there is no other with as many candidates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffled: Option<Accuracy>,
    /// Against the values that a simulated annotator wrote down before it was mistaken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub true_orders: Vec<TrueOrder>,
    /// By what was asked: edit, erase, outpaint, or a prompt alone.
    pub kinds: BTreeMap<String, Accuracy>,
    /// By the places of the two candidates in their record.
    pub places: Vec<PlaceFigures>,
    /// By whether training saw the prompt; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompts: Option<PromptFigures>,
    /// Whether differences of scores mean probabilities.
    pub calibration: Calibration,
    /// Of a reward that sees pixels one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<PixelFigures>,
    /// The records of the contact sheet.
    pub rows: Vec<Row>,
}

/// Which reward it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardIdentity {
    /// Its own name, such as that of its folder.
    pub name: String,
    /// What kind of reward it is.
    pub kind: String,
    /// Whether the prompt changes the score.
    pub sees_prompt: bool,
    /// Whether the mask changes the score.
    pub sees_mask: bool,
}

/// What was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordsSummary {
    /// The first digits of the hash of the file.
    pub hash: String,
    /// Which scores count, where there are scores.
    pub axis: Axis,
    /// Records that were scored.
    pub n_records: usize,
    /// Tasks that they judge.
    pub n_tasks: usize,
    /// Pairs of candidates of which one is better.
    pub n_pairs: usize,
    /// Pairs that were judged equal. They count for nothing here.
    pub n_ties: usize,
    /// Bad lines that were left out.
    pub n_skipped: usize,
}

/// A scorer that knows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrivialFigures {
    /// The scorer.
    pub scorer: Trivial,
    /// Whether more or less of it is right more often. This was chosen on the file itself, which favours the scorer.
    pub prefers: Prefers,
    /// How often it is right.
    pub accuracy: Accuracy,
}

/// Agreement with what a simulated annotator measured before noise was added, over the judged pairs whose values differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrueOrder {
    /// The parameter of the candidates that holds the value.
    pub value: String,
    /// How often the judgement itself agrees: what a reward can reach on these judgements.
    pub ceiling: Accuracy,
    /// How often the reward agrees with the values rather than with the judgement.
    pub reward: Accuracy,
}

/// Pairs of the candidates at two places of their records.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceFigures {
    /// The places, the smaller first, counted from 0.
    pub places: [usize; 2],
    /// The share of the pairs in which the candidate at the first place is the better one.
    pub first_is_better: f64,
    /// How often the reward is right.
    pub accuracy: Accuracy,
}

/// Whether the reward knows only what it has seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptFigures {
    /// On records whose prompt was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Accuracy>,
    /// On the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Accuracy>,
}

/// How well single pixels are told apart: the probability that one that was kept scores higher than one of the same picture
/// that was repainted, averaged over pictures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelFigures {
    /// Of pictures as they are; kept pixels never went through an autoencoder, which alone may tell. `None` if no picture
    /// has pixels of both kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc_naive: Option<Estimate>,
    /// Of pictures that were sent through an autoencoder as a whole; `None` also without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc_through_vae: Option<Estimate>,
}

/// A record of the contact sheet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its task.
    pub task_id: String,
    /// What was asked: edit, erase, outpaint, or a prompt alone.
    pub kind: String,
    /// The prompt.
    pub prompt: String,
    /// The candidates as they are shown, the reward's best first.
    pub candidates: Vec<RankedCandidate>,
    /// Judged pairs of which the reward is right.
    pub n_right: f64,
    /// Judged pairs.
    pub n_pairs: usize,
}

/// A candidate of a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RankedCandidate {
    /// Its number in the record, counted from 0.
    pub candidate: usize,
    /// The reward's score.
    pub score: f64,
}

impl RewardReport {
    /// The JSON, indented, with a last line break.
    pub fn to_json(&self) -> String {
        json(self)
    }

    /// Tables for people, in Markdown; plot and contact sheet are linked by their file names.
    pub fn to_markdown(&self) -> String {
        markdown(self)
    }
}

impl RewardEvaluation {
    /// Writes `report.json`, `report.md`, `calibration.svg` and `sheet.png` into `folder`, creating it; files of those names
    /// are replaced. Returns the paths, the JSON first.
    ///
    /// # Errors
    /// [`EvalError::Io`](crate::EvalError::Io) for a folder that cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut files = vec![
            ("report.json".to_owned(), self.report.to_json().into_bytes()),
            ("report.md".to_owned(), self.report.to_markdown().into_bytes()),
            (CALIBRATION.to_owned(), self.calibration.clone().into_bytes()),
        ];
        if let Some(sheet) = &self.sheet {
            files.push((SHEET.to_owned(), encode(sheet, &Encoding::new(Format::Png))?));
        }
        write_files(folder, &files)
    }
}
