//! Batches of cases that were measured before, in their order, from which an evaluation that was stopped goes on.

use std::collections::VecDeque;
use std::path::Path;

use byteedit_data::KeptLines;
use serde::{Deserialize, Serialize};

use super::{ANSWERS, KEPT_VERSION, MeasuredCase};
use crate::config::EvalConfig;
use crate::editor::Editor;
use crate::error::Result;
use crate::judge::Judge;

/// What the files are called.
const NAME: &str = "world";

/// Where an evaluation keeps what it measured, and what that depends on besides weights, judge and settings. What was kept of
/// another model, world or device is not used.
#[derive(Clone, Copy, Debug)]
pub struct Keep<'a> {
    /// The folder of the reports.
    pub folder: &'a Path,
    /// What tells the editor from all others besides the [hash of its weights](Editor::identity), such as a hash of its files.
    pub model: &'a str,
    /// What tells the world from all others, such as a hash of its pack.
    pub world: &'a str,
    /// Where the editor computes and how, as far as that changes what it paints.
    pub device: &'a str,
}

/// The batches that are to come, as far as they were measured before, and the file to which others are added.
#[derive(Debug, Default)]
pub(crate) struct KeptBatches {
    /// None where nothing is to be kept.
    lines: Option<KeptLines>,
    batches: VecDeque<Batch<Vec<MeasuredCase>>>,
    /// Batches that were taken or added.
    n_done: usize,
    /// Cases of those that were taken.
    n_taken: usize,
}

impl KeptBatches {
    /// Opens the file of what is to be evaluated, or makes it.
    ///
    /// # Errors
    /// [`DataError::Held`](byteedit_data::DataError::Held) for a file that another evaluation adds to;
    /// [`DataError::Io`](byteedit_data::DataError::Io).
    pub(crate) fn open(
        keep: &Keep<'_>,
        editor: &dyn Editor,
        judge: &dyn Judge,
        settings: &EvalConfig,
    ) -> Result<Self> {
        let Keep { folder, model, world, device } = *keep;
        let basis = Basis {
            version: KEPT_VERSION,
            weights: editor.identity().hash,
            model,
            world,
            device,
            judge: judge.identity().hash,
            settings,
        };
        let basis = serde_json::to_string(&basis).expect("it is plain data; this is a bug");
        let (lines, kept) = KeptLines::open(&folder.join(ANSWERS), NAME, "evaluation", &basis)?;
        Ok(Self { lines: Some(lines), batches: in_order(kept), ..Self::default() })
    }

    /// Cases that were measured before: those that were taken, and those that are to come.
    pub(crate) fn n_cases(&self) -> usize {
        self.n_taken + self.batches.iter().map(|batch| batch.cases.len()).sum::<usize>()
    }

    /// What was measured before of the next batch, which asks these questions. After one that is not there, none is.
    pub(crate) fn take(&mut self, questions: &str) -> Option<Vec<MeasuredCase>> {
        let Some(batch) = self.batches.pop_front().filter(|batch| batch.questions == questions) else {
            self.batches.clear();
            return None;
        };
        self.n_done += 1;
        self.n_taken += batch.cases.len();
        Some(batch.cases)
    }

    /// Adds the next batch, which was not there.
    ///
    /// # Errors
    /// [`DataError::Io`](byteedit_data::DataError::Io).
    pub(crate) fn add(&mut self, questions: String, cases: &[MeasuredCase]) -> Result<()> {
        let nth = self.n_done;
        self.n_done += 1;
        match &mut self.lines {
            Some(lines) => Ok(lines.add([Batch { nth, questions, cases }])?),
            None => Ok(()),
        }
    }
}

/// Batches from the first on, without a gap. One that was measured again stands for the earlier one of its place, and for all
/// that followed on that.
fn in_order(lines: Vec<Batch<Vec<MeasuredCase>>>) -> VecDeque<Batch<Vec<MeasuredCase>>> {
    let mut batches = VecDeque::new();
    for batch in lines {
        if batch.nth <= batches.len() {
            batches.truncate(batch.nth);
            batches.push_back(batch);
        }
    }
    batches
}

/// What all batches depend on.
#[derive(Debug, Serialize)]
struct Basis<'a> {
    version: u32,
    weights: String,
    model: &'a str,
    world: &'a str,
    /// Sums come out otherwise on another one, or computed otherwise.
    device: &'a str,
    judge: String,
    settings: &'a EvalConfig,
}

/// A line of the file, behind the first. Pictures are painted and judged by batches, and which of them a sheet may show depends
/// on all cases before, so that batches count as wholes and in their order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<C> {
    /// Its place among all batches of the evaluation, counted from 0.
    nth: usize,
    /// A hash of what is asked.
    questions: String,
    /// What is left of each of its cases.
    cases: C,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places and questions that are left of those in a file.
    fn left(lines: &[(usize, &str)]) -> Vec<String> {
        let batch = |&(nth, questions): &(usize, &str)| Batch {
            nth,
            questions: questions.to_owned(),
            cases: Vec::new(),
        };
        in_order(lines.iter().map(batch).collect()).into_iter().map(|batch| batch.questions).collect()
    }

    #[test]
    fn a_batch_counts_only_behind_those_that_it_followed() {
        assert_eq!(left(&[(0, "a"), (1, "b"), (2, "c")]), ["a", "b", "c"]);
        // The second is damaged, then measured again, and the third not yet.
        assert_eq!(left(&[(0, "a"), (2, "c")]), ["a"]);
        assert_eq!(left(&[(0, "a"), (2, "c"), (1, "b")]), ["a", "b"]);
        assert_eq!(left(&[(0, "a"), (1, "b"), (2, "c"), (1, "d")]), ["a", "d"]);
        assert!(left(&[(1, "b")]).is_empty());
    }

    #[test]
    fn what_is_asked_otherwise_is_the_end_of_what_was_kept() {
        let case = r#"{"values":[],"reconstructed":[],"n_kept_changed":0,"seconds":0.5}"#;
        let case: MeasuredCase = serde_json::from_str(case).unwrap();
        let batch = |questions: &str| Batch {
            nth: 0,
            questions: questions.to_owned(),
            cases: vec![case.clone(), case.clone()],
        };
        let batches = ["a", "b", "c"].map(batch).into();
        let mut kept = KeptBatches { batches, ..KeptBatches::default() };
        assert_eq!(kept.n_cases(), 6);
        assert!(kept.take("a").is_some() && kept.n_cases() == 6);
        assert!(kept.take("other").is_none() && kept.take("c").is_none());
        assert_eq!((kept.n_done, kept.n_cases()), (1, 2));
    }
}
