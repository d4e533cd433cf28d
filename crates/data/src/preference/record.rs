//! One judgement of one task.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::wire::Line;
use crate::world::Task;

/// The lowest and the highest score that a candidate can have on an [`Axis`].
pub const SCORES: [f32; 2] = [1.0, 5.0];

/// A task, and what somebody thought of its candidates.
///
/// Anything can be written into the fields; [`PreferenceRecord::check`] says whether it makes sense, and
/// everything that reads a file asks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Line", into = "Line")]
pub struct PreferenceRecord {
    /// Names the task. Several annotators may judge one task, each once.
    pub task_id: String,
    /// What was edited; `None` where whole pictures were made from the prompt alone.
    pub source: Option<Source>,
    /// What was asked for; may be empty except for [`Task::Edit`].
    pub prompt: String,
    /// The answers, at least 2.
    pub candidates: Vec<Candidate>,
    /// What was thought of them; `None` while nobody has been asked.
    pub judgement: Option<Judgement>,
    /// Who judged.
    pub annotator: Option<String>,
    /// How long it took, in milliseconds.
    pub ms: Option<u64>,
    /// Whether the right answer was known before: such tasks measure annotators.
    pub gold: bool,
    /// When it was judged, as its origin writes it; RFC 3339 where this program does.
    pub created_at: Option<String>,
}

/// What is edited, by which task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What is asked of the picture.
    pub task: Task,
    /// The picture before the edit, relative to the file of the record.
    pub image: String,
    /// Its edit mask, white where it is repainted, relative to the file of the record.
    pub mask: String,
}

/// One answer to a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The picture, relative to the file of the record.
    pub path: String,
    /// Which model made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The seed that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whatever else its origin says of it, such as the number of steps.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
}

impl Candidate {
    /// A picture of which nothing else is known.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// What somebody thought of the candidates.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// The rank of each candidate, from 1, the best, to their number; equal ranks are a tie.
    Ranking(Vec<u32>),
    /// Only the best and the worst are known; nothing is said of the others among themselves.
    Extremes {
        /// Number of the best candidate, counted from 0.
        best: usize,
        /// Number of the worst candidate, counted from 0; another one.
        worst: usize,
    },
    /// The first candidate against the second, of exactly two.
    Gsb(Gsb),
    /// Each candidate by itself, on one axis or more.
    Scores(Scores),
}

/// How the first of two candidates compares with the second: good, same, bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gsb {
    /// The first is better.
    Good,
    /// Neither is.
    Same,
    /// The second is better.
    Bad,
}

/// Scores from 1 (bad) to 5 (good), one for each candidate on each axis that was asked for.
///
/// The axes are those of the paper's experts (Ren et al. 2024, Section 4.2); erasures have no aesthetics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// How well texture, style and colour go with the rest of the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coherence: Option<Vec<f32>>,
    /// How clear and undeformed the content is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structure: Option<Vec<f32>>,
    /// How creative and pleasing it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aesthetics: Option<Vec<f32>>,
}

/// One of the questions that [`Scores`] answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// [`Scores::coherence`].
    Coherence,
    /// [`Scores::structure`].
    Structure,
    /// [`Scores::aesthetics`].
    Aesthetics,
}

impl Axis {
    /// All axes.
    pub const ALL: [Self; 3] = [Self::Coherence, Self::Structure, Self::Aesthetics];

    /// Its key in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Coherence => "coherence",
            Self::Structure => "structure",
            Self::Aesthetics => "aesthetics",
        }
    }
}

impl Scores {
    /// The scores on `axis`, if it was asked for.
    pub fn on(&self, axis: Axis) -> Option<&[f32]> {
        match axis {
            Axis::Coherence => self.coherence.as_deref(),
            Axis::Structure => self.structure.as_deref(),
            Axis::Aesthetics => self.aesthetics.as_deref(),
        }
    }
}

impl Judgement {
    /// The rank of each of `n_candidates`, 1 the best, if the judgement orders all of them. Scores do so
    /// only on an axis, and the best and the worst only among up to three.
    pub fn ranking(&self, n_candidates: usize) -> Option<Vec<u32>> {
        match self {
            Self::Ranking(ranks) => Some(ranks.clone()),
            Self::Gsb(Gsb::Good) => Some(vec![1, 2]),
            Self::Gsb(Gsb::Same) => Some(vec![1, 1]),
            Self::Gsb(Gsb::Bad) => Some(vec![2, 1]),
            &Self::Extremes { best, worst } if n_candidates <= 3 => {
                let rank = |candidate| match candidate {
                    _ if candidate == best => 1,
                    _ if candidate == worst => n_candidates as u32,
                    _ => 2,
                };
                Some((0..n_candidates).map(rank).collect())
            }
            Self::Extremes { .. } | Self::Scores(_) => None,
        }
    }

    /// How the first of two candidates compares with the second, if the judgement says so; scores do
    /// only on an axis.
    pub fn gsb(&self) -> Option<Gsb> {
        match *self.ranking(2)?.as_slice() {
            [first, second] if first < second => Some(Gsb::Good),
            [first, second] if first > second => Some(Gsb::Bad),
            [_, _] => Some(Gsb::Same),
            _ => None,
        }
    }
}

impl PreferenceRecord {
    /// A task that nobody has judged yet.
    pub fn task(
        task_id: impl Into<String>,
        source: Option<Source>,
        prompt: impl Into<String>,
        candidates: Vec<Candidate>,
    ) -> Self {
        Self {
            task_id: task_id.into(),
            source,
            prompt: prompt.into(),
            candidates,
            judgement: None,
            annotator: None,
            ms: None,
            gold: false,
            created_at: None,
        }
    }

    /// All files that the record names: the source and its mask, then the candidates.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let source = self.source.iter().flat_map(|source| [source.image.as_str(), source.mask.as_str()]);
        source.chain(self.candidates.iter().map(|candidate| candidate.path.as_str()))
    }
}
