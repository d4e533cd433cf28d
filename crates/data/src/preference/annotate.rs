//! Tasks for people: given out as records without a judgement, taken back with one.
//!
//! Several people may judge the same tasks, each in a file of their own or all in one.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::jsonl::{Lines, sensible};
use super::{PreferenceRecord, Skipped};
use crate::{DataError, Result};

/// What came back from people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// The tasks with their judgements, in the order of the file.
    pub records: Vec<PreferenceRecord>,
    /// Tasks that nobody judged, in the order in which they were given out.
    pub missing: Vec<String>,
}

/// Writes those of `records` that nobody has judged to `path`, one line each, and returns their number.
/// Their paths stay relative to the folder of `path`.
///
/// # Errors
/// [`DataError::Record`] for a record that makes no sense or an id that two tasks have: answers could not
/// be told apart. [`DataError::Io`] where the file cannot be written.
pub fn write_tasks(path: &Path, records: &[PreferenceRecord]) -> Result<usize> {
    let tasks: Vec<_> = records.iter().filter(|record| record.judgement.is_none()).cloned().collect();
    by_id(&tasks)?;
    super::write(path, &tasks)?;
    Ok(tasks.len())
}

/// Reads the judged tasks of `path` and matches them with `tasks`, as they were given out. Only the
/// judgement, its annotator and its times are taken from the file. Bad lines are passed over as far as `skipped` allows.
///
/// # Errors
/// [`DataError::Io`] if the file cannot be read; [`DataError::Line`] for a line that is no record, has no
/// judgement, names an unknown task, asks another question than the task did, or judges a task that the
/// same annotator has judged before; [`DataError::Record`] for `tasks` with the same id.
pub fn read_judged(path: &Path, tasks: &[PreferenceRecord], skipped: &mut Skipped) -> Result<Judged> {
    let by_id = by_id(tasks)?;
    let mut judged = Judged::default();
    let mut seen: HashMap<(String, Option<String>), usize> = HashMap::new();
    for numbered in Lines::open(path)? {
        let (line, parsed) = numbered?;
        let answer = parsed.and_then(sensible).and_then(|record| matched(record, &by_id));
        let single = answer.and_then(|record| {
            let key = (record.task_id.clone(), record.annotator.clone());
            if let Some(first) = seen.get(&key) {
                let (id, by) = (&record.task_id, record.annotator.as_deref().unwrap_or("nobody named"));
                let remedy = "keep one, or name the annotators";
                return Err(format!("task {id} by {by} is on line {first} already; {remedy}"));
            }
            seen.insert(key, line);
            Ok(record)
        });
        let bad = |reason| DataError::Line { path: path.to_owned(), line, reason };
        judged.records.extend(skipped.pass(single.map_err(bad))?);
    }
    let answered: HashSet<_> = judged.records.iter().map(|record| record.task_id.as_str()).collect();
    let missing = tasks.iter().map(|task| &task.task_id).filter(|id| !answered.contains(id.as_str()));
    judged.missing = missing.cloned().collect();
    Ok(judged)
}

/// `record`, if it judges one of the tasks as it was given out.
fn matched(
    record: PreferenceRecord,
    tasks: &HashMap<&str, &PreferenceRecord>,
) -> Result<PreferenceRecord, String> {
    let id = &record.task_id;
    let Some(&task) = tasks.get(id.as_str()) else {
        let n = tasks.len();
        return Err(format!("task {id} is unknown: it is none of the {n} that were given out"));
    };
    if record.judgement.is_none() {
        return Err(format!("task {id} has no judgement; judge it, or take the line out"));
    }
    if (&record.prompt, &record.source, &record.candidates) != (&task.prompt, &task.source, &task.candidates)
    {
        let remedy = "give its prompt, source and candidates back as they were";
        return Err(format!("task {id} is not the one that was given out; {remedy}"));
    }
    // What was known before the task was given out is not for an annotator to say.
    Ok(PreferenceRecord { gold: task.gold, ..record })
}

/// The tasks by their ids, each of which must be the only one of its name.
pub(super) fn by_id(tasks: &[PreferenceRecord]) -> Result<HashMap<&str, &PreferenceRecord>> {
    let mut by_id = HashMap::new();
    for task in tasks {
        let task_id = &task.task_id;
        if by_id.insert(task_id.as_str(), task).is_some() {
            let reason = "two tasks have this id, so answers could not be told apart; number the tasks";
            return Err(DataError::Record { task_id: task_id.clone(), reason: reason.to_owned() });
        }
    }
    Ok(by_id)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::preference::{Candidate, Gsb, Judgement, read};

    fn task(id: &str) -> PreferenceRecord {
        PreferenceRecord::task(id, None, "a cat", ["0.png", "1.png"].map(Candidate::new).to_vec())
    }

    fn answer(task: PreferenceRecord, by: &str) -> PreferenceRecord {
        let judgement = Some(Judgement::Gsb(Gsb::Bad));
        PreferenceRecord { judgement, annotator: Some(by.to_owned()), ms: Some(1200), ..task }
    }

    fn message(answers: &[PreferenceRecord]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("judged.jsonl");
        super::super::write(&path, answers).unwrap();
        read_judged(&path, &[task("a"), task("b")], &mut Skipped::default()).unwrap_err().to_string()
    }

    #[test]
    fn tasks_go_out_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tasks.jsonl");
        let all =
            [PreferenceRecord { gold: true, ..task("a") }, answer(task("b"), "ann"), task("c"), task("d")];
        assert_eq!(write_tasks(&path, &all).unwrap(), 3);
        let tasks = read(&path).unwrap();
        assert_eq!(tasks, [all[0].clone(), all[2].clone(), all[3].clone()]);

        let judged = folder.path().join("judged.jsonl");
        let answers = [answer(task("c"), "ann"), answer(task("a"), "ann"), answer(task("c"), "bob")];
        super::super::write(&judged, &answers).unwrap();
        let judged = read_judged(&judged, &tasks, &mut Skipped::default()).unwrap();
        assert_eq!(judged.missing, ["d"]);
        let ids: Vec<_> =
            judged.records.iter().map(|record| (record.task_id.as_str(), record.gold)).collect();
        assert_eq!(ids, [("c", false), ("a", true), ("c", false)]);
        assert_eq!(judged.records[2], answers[2]);
    }

    #[test]
    fn answers_that_match_no_task_are_refused() {
        let good = answer(task("a"), "ann");
        let other = PreferenceRecord { prompt: "a dog".to_owned(), ..good.clone() };
        for (answers, expected) in [
            (vec![good.clone(), answer(task("z"), "ann")], "jsonl:2: task z is unknown: it is none of the 2"),
            (vec![good.clone(), good], "jsonl:2: task a by ann is on line 1 already"),
            (vec![task("b")], "jsonl:1: task b has no judgement"),
            (vec![other], "jsonl:1: task a is not the one that was given out"),
        ] {
            let message = message(&answers);
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn tasks_of_one_name_are_not_given_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tasks.jsonl");
        let message = write_tasks(&path, &[task("a"), task("a")]).unwrap_err().to_string();
        assert!(
            message.contains("task a: two tasks have this id") && !fs::exists(&path).unwrap(),
            "{message}"
        );
    }
}
