//! Batches of cases that were measured before, in their order, from which an evaluation that was stopped goes on.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use byteedit_data::KeptLines;
use serde::{Deserialize, Serialize};

use super::{ANSWERS, KEPT_VERSION, MeasuredCase};
use crate::config::{EvalConfig, all_sections};
use crate::editor::Editor;
use crate::error::Result;
use crate::judge::Judge;
use crate::section::Section;

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
    coming: BTreeMap<Section, Coming>,
    /// Batches of each section.
    n_batches: usize,
    /// Cases of those that were taken.
    n_taken: usize,
}

/// A section's batches that are to come, and how many are done.
#[derive(Debug, Default)]
struct Coming {
    batches: VecDeque<Batch<Vec<MeasuredCase>>>,
    /// Batches that were taken or added.
    n_done: usize,
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
        let sections = &settings.sections;
        let Keep { folder, model, world, device } = *keep;
        // What is measured of a section does not depend on which others are asked.
        let settings = &EvalConfig { sections: all_sections(), ..settings.clone() };
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
        let (lines, kept): (_, Vec<Batch<_>>) =
            KeptLines::open(&folder.join(ANSWERS), NAME, "evaluation", &basis)?;
        let n_batches = settings.n_samples.div_ceil(settings.batch);
        let mut of_sections: BTreeMap<usize, Vec<Batch<_>>> = BTreeMap::new();
        for batch in kept {
            let own = Batch { nth: batch.nth % n_batches, ..batch };
            of_sections.entry(batch.nth / n_batches).or_default().push(own);
        }
        let coming = sections.iter().map(|&section| {
            let own = of_sections.remove(&(section as usize)).unwrap_or_default();
            (section, Coming { batches: in_order(own), n_done: 0 })
        });
        Ok(Self { coming: coming.collect(), lines: Some(lines), n_batches, n_taken: 0 })
    }

    /// Cases that were measured before: those that were taken, and those that are to come.
    pub(crate) fn n_cases(&self) -> usize {
        let coming = self.coming.values().flat_map(|coming| &coming.batches);
        self.n_taken + coming.map(|batch| batch.cases.len()).sum::<usize>()
    }

    /// What was measured before of a section's next batch, which asks these questions. After one that is not there, none is.
    pub(crate) fn take(&mut self, section: Section, questions: &str) -> Option<Vec<MeasuredCase>> {
        let coming = self.coming.entry(section).or_default();
        let Some(batch) = coming.batches.pop_front().filter(|batch| batch.questions == questions) else {
            coming.batches.clear();
            return None;
        };
        coming.n_done += 1;
        self.n_taken += batch.cases.len();
        Some(batch.cases)
    }

    /// Adds a section's next batch, which was not there.
    ///
    /// # Errors
    /// [`DataError::Io`](byteedit_data::DataError::Io).
    pub(crate) fn add(&mut self, section: Section, questions: String, cases: &[MeasuredCase]) -> Result<()> {
        let coming = self.coming.entry(section).or_default();
        let nth = section as usize * self.n_batches + coming.n_done;
        coming.n_done += 1;
        match &mut self.lines {
            Some(lines) => Ok(lines.add([Batch { nth, questions, cases }])?),
            None => Ok(()),
        }
    }
}

/// Batches from the first on, without a gap. One that was measured again stands for the earlier one of its place, and for all
/// that followed on that.
fn in_order(lines: impl IntoIterator<Item = Batch<Vec<MeasuredCase>>>) -> VecDeque<Batch<Vec<MeasuredCase>>> {
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
    /// In the file its place among the batches of all sections, counted from 0; in [`Coming`] among those of its section.
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
        in_order(lines.iter().map(batch)).into_iter().map(|batch| batch.questions).collect()
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
        let coming = [(Section::Erase, Coming { batches, n_done: 0 })].into();
        let mut kept = KeptBatches { coming, ..KeptBatches::default() };
        assert_eq!(kept.n_cases(), 6);
        assert!(kept.take(Section::Edit, "a").is_none() && kept.n_cases() == 6);
        let mut take = |questions| kept.take(Section::Erase, questions).is_some();
        assert!(take("a") && !take("other") && !take("c"));
        assert_eq!((kept.coming[&Section::Erase].n_done, kept.n_cases()), (1, 2));
    }
}
