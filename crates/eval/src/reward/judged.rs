//! A file of judged preferences, ready to be scored.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use byteedit_data::preference::{
    Axis, Numbered, Pair, PairSet, PreferenceRecord, Problem, Reader, SkipBad, validate,
};
use byteedit_data::{DataError, Task};
use sha2::{Digest, Sha256};

use crate::error::{EvalError, Result};

/// Digits of the hash in reports.
const N_HASH_DIGITS: usize = 10;

/// A file of preferences of which every record says something.
#[derive(Debug)]
pub struct Judged {
    path: PathBuf,
    skipped: Vec<DataError>,
    pub(super) hash: String,
    pub(super) axis: Axis,
    pub(super) cases: Vec<Case>,
    /// Whether cases know if training saw their prompts.
    pub(super) is_split: bool,
}

/// A record and what was judged in it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) line: usize,
    pub(super) record: PreferenceRecord,
    /// Its task, counted from 0; several annotators may judge one.
    pub(super) task: usize,
    /// Numbers of the better and the worse candidate.
    pub(super) pairs: Vec<[usize; 2]>,
    pub(super) n_ties: usize,
    /// Whether its prompt is among those of training.
    pub(super) is_seen: bool,
}

impl Case {
    /// What was asked for, in reports.
    pub(super) fn kind(&self) -> &'static str {
        match self.record.source.as_ref().map(|source| source.task) {
            Some(Task::Edit) => "edit",
            Some(Task::Erase) => "erase",
            Some(Task::Outpaint) => "outpaint",
            None => "prompt alone",
        }
    }

    /// Its number of candidates.
    pub(super) fn n_candidates(&self) -> usize {
        self.record.candidates.len()
    }
}

impl Judged {
    /// Reads all records of `path`; where they have scores, those on `axis` count.
    ///
    /// A line is bad if it is no record or makes no sense, if its task was judged by the same annotator before, if a
    /// picture is missing, or if it has no judgement on the axis. As many as `skip_bad` allows are left out.
    ///
    /// # Errors
    /// [`EvalError::Data`] for a file that cannot be read, or that has more bad lines than are allowed;
    /// [`EvalError::Preferences`] for one that nothing can be measured on: empty, without a pair, or one-sided.
    pub fn read(path: &Path, axis: Axis, skip_bad: SkipBad) -> Result<Self> {
        let mut bad: BTreeMap<usize, String> = BTreeMap::new();
        let mut of_file = Vec::new();
        for Problem { line, reason } in validate(path, axis)?.problems {
            match line {
                Some(line) => {
                    bad.entry(line).or_insert(reason);
                }
                None => of_file.push(reason),
            }
        }
        check_bad(path, &bad, skip_bad)?;
        let mut cases: Vec<Case> = Vec::new();
        let mut tasks: HashMap<String, usize> = HashMap::new();
        for numbered in Reader::open(path, skip_bad)? {
            let Numbered { line, record } = numbered?;
            if bad.contains_key(&line) {
                continue;
            }
            let (pairs, n_ties) = judgement(&record, axis)?;
            if pairs.is_empty() && n_ties == 0 {
                bad.insert(line, unjudged(&record, axis));
                continue;
            }
            let n_tasks = tasks.len();
            let task = *tasks.entry(record.task_id.clone()).or_insert(n_tasks);
            cases.push(Case { line, record, task, pairs, n_ties, is_seen: false });
        }
        check_bad(path, &bad, skip_bad)?;
        let refuse = |reason| Err(EvalError::Preferences { path: path.to_owned(), reason });
        if let Some(reason) = of_file.into_iter().next() {
            return refuse(reason);
        }
        if cases.iter().all(|case| case.pairs.is_empty()) {
            let reason = "no candidate is judged better than another, so there is nothing to measure; ask a sharper \
                          question";
            return refuse(reason.to_owned());
        }
        let bytes = fs::read(path).map_err(EvalError::io("reading", path))?;
        let mut hash = format!("{:x}", Sha256::digest(bytes));
        hash.truncate(N_HASH_DIGITS);
        let line_error = |(line, reason)| DataError::Line { path: path.to_owned(), line, reason };
        let skipped = bad.into_iter().map(line_error).collect();
        Ok(Self { path: path.to_owned(), skipped, hash, axis, cases, is_split: false })
    }

    /// The same file, its records told apart by whether their prompt is one of those in `path`, the file that the reward
    /// was trained on.
    ///
    /// # Errors
    /// [`EvalError::Data`] for a file that cannot be read or has more bad lines than are allowed,
    /// [`EvalError::Preferences`] for one without a record.
    pub fn split_by_prompts_of(mut self, path: &Path, skip_bad: SkipBad) -> Result<Self> {
        let mut prompts = HashSet::new();
        for numbered in Reader::open(path, skip_bad)? {
            prompts.insert(numbered?.record.prompt);
        }
        if prompts.is_empty() {
            let reason =
                "there is no record, so every prompt would be a new one; name the file that was trained on";
            return Err(EvalError::Preferences { path: path.to_owned(), reason: reason.to_owned() });
        }
        for case in &mut self.cases {
            case.is_seen = prompts.contains(&case.record.prompt);
        }
        self.is_split = true;
        Ok(self)
    }

    /// The bad lines that were left out, each a [`DataError::Line`].
    pub fn skipped(&self) -> &[DataError] {
        &self.skipped
    }

    /// What was asked for, record by record.
    pub fn prompts(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|case| case.record.prompt.as_str())
    }

    /// The folder that paths are relative to.
    pub(super) fn root(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// What is wrong with a case.
    pub(super) fn refusal(&self, case: &Case, reason: impl ToString) -> EvalError {
        DataError::Line { path: self.path.clone(), line: case.line, reason: reason.to_string() }.into()
    }

    /// For each case the one whose pictures stand in for its own in the control: the task half-way round among those with
    /// equally many candidates; `None` where there is no other.
    pub(super) fn donors(&self) -> Vec<Option<usize>> {
        // By number of candidates the first case of each task, and where a task stands among them.
        let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut places: HashMap<(usize, usize), usize> = HashMap::new();
        for (at, case) in self.cases.iter().enumerate() {
            let group = groups.entry(case.n_candidates()).or_default();
            places.entry((case.n_candidates(), case.task)).or_insert_with(|| {
                group.push(at);
                group.len() - 1
            });
        }
        let donor = |case: &Case| {
            let group = &groups[&case.n_candidates()];
            let place = places[&(case.n_candidates(), case.task)] + group.len() / 2;
            (group.len() > 1).then(|| group[place % group.len()])
        };
        self.cases.iter().map(donor).collect()
    }
}

/// # Errors
/// The first bad line that is one too many.
fn check_bad(path: &Path, bad: &BTreeMap<usize, String>, skip_bad: SkipBad) -> Result<()> {
    let limit = skip_bad.limit;
    let Some((&line, reason)) = bad.iter().nth(limit) else { return Ok(()) };
    let first = DataError::Line { path: path.to_owned(), line, reason: reason.clone() };
    Err(match limit {
        0 => first.into(),
        _ => DataError::TooManyBad { first: Box::new(first), limit }.into(),
    })
}

/// The decided pairs of a record, and how many are ties.
fn judgement(record: &PreferenceRecord, axis: Axis) -> Result<(Vec<[usize; 2]>, usize)> {
    let mut set = PairSet::default();
    set.add(record, axis)?;
    Ok((set.pairs.iter().map(Pair::numbers).collect(), set.ties.len()))
}

fn unjudged(record: &PreferenceRecord, axis: Axis) -> String {
    let (id, axis) = (&record.task_id, axis.name());
    format!(
        "task {id} has no judgement on {axis}, so no pair of its candidates; judge it, or name another axis"
    )
}

#[cfg(test)]
pub(super) mod tests {
    use byteedit_data::preference::{self, Candidate, Gsb, Judgement, Scores, Source};
    use byteedit_testing::TempDir;

    use super::*;

    /// A record of text alone whose candidates have ranks.
    pub(in crate::reward) fn record(task_id: &str, ranks: &[u32]) -> PreferenceRecord {
        let candidates = (0..ranks.len()).map(|at| Candidate::new(format!("{task_id}-{at}.png"))).collect();
        let task = PreferenceRecord::task(task_id, None, "a red apple", candidates);
        PreferenceRecord { judgement: Some(Judgement::Ranking(ranks.to_vec())), ..task }
    }

    /// A case of such a record.
    pub(in crate::reward) fn case(task: usize, ranks: &[u32]) -> Case {
        let record = record(&task.to_string(), ranks);
        let (pairs, n_ties) = judgement(&record, Axis::Structure).unwrap();
        Case { line: 1, record, task, pairs, n_ties, is_seen: false }
    }

    /// Writes records, and an empty file for each that they name.
    fn written(records: &[PreferenceRecord]) -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        for record in records {
            for file in record.files() {
                fs::write(folder.path().join(file), "").unwrap();
            }
        }
        let path = folder.path().join("records.jsonl");
        preference::write(&path, records).unwrap();
        (folder, path)
    }

    fn read(records: &[PreferenceRecord], limit: usize) -> Result<Judged> {
        let (_folder, path) = written(records);
        Judged::read(&path, Axis::Structure, SkipBad { limit })
    }

    #[track_caller]
    fn message(records: &[PreferenceRecord], limit: usize) -> String {
        read(records, limit).unwrap_err().to_string()
    }

    #[test]
    fn tasks_pairs_and_ties_are_counted() {
        let by = |name: &str, record| PreferenceRecord { annotator: Some(name.to_owned()), ..record };
        let records =
            [by("ann", record("a", &[1, 2, 2])), record("b", &[2, 1]), by("bob", record("a", &[2, 1, 3]))];
        let judged = read(&records, 0).unwrap();
        let found: Vec<_> =
            judged.cases.iter().map(|case| (case.task, case.pairs.len(), case.n_ties)).collect();
        assert_eq!(found, [(0, 2, 1), (1, 1, 0), (0, 3, 0)]);
        assert_eq!((judged.hash.len(), judged.cases[0].kind()), (N_HASH_DIGITS, "prompt alone"));
        assert!(judged.skipped().is_empty());
    }

    #[test]
    fn files_on_which_nothing_can_be_measured_are_refused() {
        assert!(message(&[], 0).contains("there is no record"));
        let ties = [record("a", &[1, 1]), record("b", &[1, 1])];
        assert!(message(&ties, 0).contains("all 2 judged pairs are ties"));
        let one_sided: Vec<_> = (0..8).map(|at| record(&at.to_string(), &[1, 2])).collect();
        let message = message(&one_sided, 0);
        assert!(message.contains("records.jsonl: one-sided: the first candidate always wins"), "{message}");
        let path = Path::new("nowhere.jsonl");
        let missing = Judged::read(path, Axis::Structure, SkipBad::default()).unwrap_err().to_string();
        assert!(missing.contains("nowhere.jsonl"), "{missing}");
    }

    #[test]
    fn a_record_without_a_judgement_on_the_axis_is_a_bad_line() {
        let scores = Scores { coherence: Some(vec![1.0, 2.0]), ..Scores::default() };
        let scored = PreferenceRecord { judgement: Some(Judgement::Scores(scores)), ..record("b", &[1, 2]) };
        let waiting = PreferenceRecord { judgement: None, ..record("c", &[1, 2]) };
        let same = PreferenceRecord { judgement: Some(Judgement::Gsb(Gsb::Same)), ..record("d", &[1, 2]) };
        let records = [record("a", &[1, 2]), scored, waiting, same];
        let found = message(&records, 0);
        assert!(found.contains("records.jsonl:2: task b has no judgement on structure"), "{found}");
        assert!(message(&records, 1).contains("1 bad lines before it were skipped"));
        let judged = read(&records, 2).unwrap();
        assert_eq!(judged.cases.iter().map(|case| case.line).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(judged.skipped().len(), 2);
        assert!(message(&records[1..], 2).contains("all 1 judged pairs are ties"));
    }

    #[test]
    fn a_missing_picture_is_named() {
        let (folder, path) = written(&[record("a", &[1, 2]), record("b", &[2, 1])]);
        fs::remove_file(folder.path().join("b-1.png")).unwrap();
        let found = Judged::read(&path, Axis::Structure, SkipBad::default()).unwrap_err().to_string();
        assert!(found.contains("records.jsonl:2: there is no file b-1.png"), "{found}");
        let judged = Judged::read(&path, Axis::Structure, SkipBad { limit: 1 }).unwrap();
        assert_eq!((judged.cases.len(), judged.skipped().len()), (1, 1));
        // What is left without the bad lines must hold a pair.
        let (folder, path) = written(&[record("a", &[1, 2]), record("b", &[1, 1])]);
        fs::remove_file(folder.path().join("a-0.png")).unwrap();
        let found = Judged::read(&path, Axis::Structure, SkipBad { limit: 1 }).unwrap_err().to_string();
        assert!(found.contains("no candidate is judged better than another"), "{found}");
    }

    #[test]
    fn prompts_are_told_apart_by_those_of_training() {
        let other = PreferenceRecord { prompt: "a blue cup".to_owned(), ..record("b", &[2, 1]) };
        let judged = read(&[record("a", &[1, 2]), other], 0).unwrap();
        let (_folder, training) = written(&[record("x", &[1, 2])]);
        let judged = judged.split_by_prompts_of(&training, SkipBad::default()).unwrap();
        assert!(judged.is_split);
        assert_eq!(judged.cases.iter().map(|case| case.is_seen).collect::<Vec<_>>(), [true, false]);
        let (_folder, empty) = written(&[]);
        let found = judged.split_by_prompts_of(&empty, SkipBad::default()).unwrap_err().to_string();
        assert!(found.contains("there is no record"), "{found}");
    }

    #[test]
    fn donors_are_other_tasks_with_as_many_candidates() {
        let source = Some(Source { task: Task::Erase, image: "i.png".into(), mask: "m.png".into() });
        let by = |name: &str, record| PreferenceRecord { annotator: Some(name.to_owned()), ..record };
        let records = [
            by("ann", record("a", &[1, 2])),
            by("bob", record("a", &[2, 1])),
            record("b", &[1, 2, 3]),
            PreferenceRecord { source, ..record("c", &[1, 2]) },
            record("d", &[2, 1]),
        ];
        let judged = read(&records, 0).unwrap();
        assert_eq!(judged.donors(), [Some(3), Some(3), None, Some(4), Some(0)]);
        assert_eq!(judged.cases[3].kind(), "erase");
    }
}
