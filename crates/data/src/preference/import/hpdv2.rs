//! `HPDv2` (<https://github.com/tgxs002/HPSv2>), which has two files.
//!
//! `train.json`: `[{"human_preference": [1, 0], "prompt", "file_path": [name, name], "user_hash"}]`, where 1
//! is the preferred one. `test.json`: `[{"prompt", "image_path": [name], "rank": [int], "raw_annotation":
//! [{"rank": [int], "user_hash"}]}]`, where a lower rank is better and `rank` is averaged over annotators.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    check_text_only, checked, foreign, inside, name_in, normal_ranks, ranking_of, read_entries, unfit,
    verdict_of, write_json,
};
use crate::Result;
use crate::preference::{Candidate, Gsb, Judgement, PreferenceRecord, Skipped};

#[derive(Serialize, Deserialize)]
struct Choice {
    human_preference: Vec<i64>,
    prompt: String,
    file_path: Vec<String>,
    user_hash: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Ranked {
    prompt: String,
    image_path: Vec<String>,
    rank: Vec<i64>,
    #[serde(default, alias = "raw_annotations")]
    raw_annotation: Vec<Annotation>,
}

#[derive(Serialize, Deserialize)]
struct Annotation {
    rank: Vec<i64>,
    user_hash: Option<String>,
}

/// The records of a test file: one for each task by all annotators together, and one by each of them. The
/// two say the same, so use one or the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Test {
    /// The averaged rankings; no annotator.
    pub averaged: Vec<PreferenceRecord>,
    /// The rankings of each annotator, under the ids of the averaged ones.
    pub each: Vec<PreferenceRecord>,
}

/// The records of a training file, their pictures inside `pictures`, relative to where the records will
/// lie. Tasks are named by their place in the file.
///
/// # Errors
/// [`DataError::Io`](crate::DataError::Io) and [`DataError::Foreign`](crate::DataError::Foreign) for a
/// file or an entry that is not as described.
pub fn read_train(path: &Path, pictures: &str, skipped: &mut Skipped) -> Result<Vec<PreferenceRecord>> {
    read_entries(path, skipped, |index, choice: Choice| {
        let place = format!("entry {index}");
        let gsb = match *choice.human_preference.as_slice() {
            [1, 0] => Gsb::Good,
            [0, 1] => Gsb::Bad,
            [first, second] if first == second => Gsb::Same,
            ref other => {
                let reason = format!("human_preference is {other:?}, but must be [1, 0] or [0, 1]");
                return Err(foreign(path, place, reason));
            }
        };
        let task = task(index, choice.prompt, &choice.file_path, pictures);
        let judgement = Some(Judgement::Gsb(gsb));
        checked(path, place, PreferenceRecord { judgement, annotator: choice.user_hash, ..task })
    })
}

/// Writes `records`, whose pictures are inside `pictures`, as a training file.
///
/// # Errors
/// [`DataError::Record`](crate::DataError::Record) for edits and for what is not a judged pair;
/// [`DataError::Io`](crate::DataError::Io) where the file cannot be written.
pub fn write_train(path: &Path, records: &[PreferenceRecord], pictures: &str) -> Result<()> {
    let choice = |record: &PreferenceRecord| {
        check_text_only(record, "HPDv2")?;
        let human_preference = match verdict_of(record)?.1 {
            Gsb::Good => vec![1, 0],
            Gsb::Same => vec![0, 0],
            Gsb::Bad => vec![0, 1],
        };
        let (prompt, user_hash) = (record.prompt.clone(), record.annotator.clone());
        Ok(Choice { human_preference, prompt, file_path: names(record, pictures)?, user_hash })
    };
    write_json(path, &records.iter().map(choice).collect::<Result<Vec<_>>>()?)
}

/// The records of a test file, their pictures inside `pictures`, as in [`read_train`].
///
/// # Errors
/// As [`read_train`].
pub fn read_test(path: &Path, pictures: &str, skipped: &mut Skipped) -> Result<Test> {
    let rankings = read_entries(path, skipped, |index, entry: Ranked| {
        let place = format!("entry {index}");
        let task = task(index, entry.prompt, &entry.image_path, pictures);
        let ranked = |ranks: &[i64], annotator| {
            let [n_ranks, n] = [ranks.len(), task.candidates.len()];
            if n_ranks != n {
                return Err(foreign(path, &place, format!("there are {n_ranks} ranks for {n} pictures")));
            }
            let judgement = Some(Judgement::Ranking(normal_ranks(ranks)));
            checked(path, &place, PreferenceRecord { judgement, annotator, ..task.clone() })
        };
        let averaged = ranked(&entry.rank, None)?;
        let each = entry.raw_annotation.into_iter().map(|raw| ranked(&raw.rank, raw.user_hash));
        Ok((averaged, each.collect::<Result<Vec<_>>>()?))
    })?;
    let (averaged, each): (Vec<_>, Vec<_>) = rankings.into_iter().unzip();
    Ok(Test { averaged, each: each.into_iter().flatten().collect() })
}

/// Writes `test`, whose pictures are inside `pictures`, as a test file. Ranks are counted from 1.
///
/// # Errors
/// As [`write_train`]; also [`DataError::Record`](crate::DataError::Record) for a ranking of one annotator
/// without an averaged one.
pub fn write_test(path: &Path, test: &Test, pictures: &str) -> Result<()> {
    let ranks = |record: &PreferenceRecord| Ok(ranking_of(record)?.into_iter().map(i64::from).collect());
    let mut entries = Vec::with_capacity(test.averaged.len());
    let mut by_id = HashMap::new();
    for record in &test.averaged {
        check_text_only(record, "HPDv2")?;
        by_id.insert(&record.task_id, entries.len());
        let (prompt, image_path) = (record.prompt.clone(), names(record, pictures)?);
        entries.push(Ranked { prompt, image_path, rank: ranks(record)?, raw_annotation: Vec::new() });
    }
    for record in &test.each {
        let reason = "an annotator ranked it, but there is no averaged ranking of it; add one";
        let &index = by_id.get(&record.task_id).ok_or_else(|| unfit(record, reason))?;
        let annotation = Annotation { rank: ranks(record)?, user_hash: record.annotator.clone() };
        entries[index].raw_annotation.push(annotation);
    }
    write_json(path, &entries)
}

fn task(index: usize, prompt: String, files: &[String], pictures: &str) -> PreferenceRecord {
    let candidates = files.iter().map(|name| Candidate::new(inside(pictures, name))).collect();
    PreferenceRecord::task(format!("hpdv2-{index:06}"), None, prompt, candidates)
}

fn names(record: &PreferenceRecord, pictures: &str) -> Result<Vec<String>> {
    let name = |candidate: &Candidate| Ok(name_in(record, pictures, &candidate.path)?.to_owned());
    record.candidates.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.json");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn choices_survive_there_and_back() {
        let text = r#"[
            {"human_preference": [0, 1], "prompt": "a cat", "file_path": ["a.jpg", "b.jpg"], "user_hash": "u"},
            {"human_preference": [1, 0], "prompt": "", "file_path": ["c.jpg", "d.jpg"], "user_hash": null},
            {"human_preference": [0, 0], "prompt": "", "file_path": ["c.jpg", "d.jpg"], "user_hash": "v"}]"#;
        let (_folder, path) = file(text);
        let records = read_train(&path, "train", &mut Skipped::default()).unwrap();
        assert_eq!(records[0].candidates[1].path, "train/b.jpg");
        let verdicts: Vec<_> = records.iter().map(|r| r.judgement.as_ref().unwrap().gsb().unwrap()).collect();
        assert_eq!(verdicts, [Gsb::Bad, Gsb::Good, Gsb::Same]);
        write_train(&path, &records, "train").unwrap();
        let [ours, theirs] = [&fs::read_to_string(&path).unwrap(), text]
            .map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        assert_eq!(ours, theirs);
        assert_eq!(read_train(&path, "train", &mut Skipped::default()).unwrap(), records);
    }

    #[test]
    fn averaged_and_single_rankings_survive_there_and_back() {
        let text = r#"[{"prompt": "a cat", "image_path": ["a.jpg", "b.jpg", "c.jpg"], "rank": [1, 0, 2],
            "raw_annotation": [{"rank": [0, 1, 2], "user_hash": "u"}, {"rank": [2, 1, 2], "user_hash": "v"}]}]"#;
        let (_folder, path) = file(text);
        let test = read_test(&path, "test/", &mut Skipped::default()).unwrap();
        let ranks = |record: &PreferenceRecord| record.judgement.as_ref().unwrap().ranking(3).unwrap();
        assert_eq!(ranks(&test.averaged[0]), [2, 1, 3]);
        assert_eq!((ranks(&test.each[0]), ranks(&test.each[1])), (vec![1, 2, 3], vec![2, 1, 2]));
        assert_eq!(test.each[1].annotator.as_deref(), Some("v"));
        write_test(&path, &test, "test/").unwrap();
        assert_eq!(read_test(&path, "test/", &mut Skipped::default()).unwrap(), test);

        let orphan = Test { averaged: Vec::new(), each: test.each };
        let message = write_test(&path, &orphan, "test").unwrap_err().to_string();
        assert!(message.contains("task hpdv2-000000: an annotator ranked it"), "{message}");
    }

    #[test]
    fn bad_entries_are_named() {
        let message =
            |text: &str| read_train(&file(text).1, "", &mut Skipped::default()).unwrap_err().to_string();
        let entry = r#"[{"human_preference": [1, 1, 0], "prompt": "", "file_path": ["a", "b", "c"], "user_hash": ""}]"#;
        assert!(message(entry).contains("data.json: entry 0: human_preference is [1, 1, 0], but must be"));
        let text = r#"[{"prompt": "", "image_path": ["a", "b"], "rank": [1]}]"#;
        let message = read_test(&file(text).1, "", &mut Skipped::default()).unwrap_err().to_string();
        assert!(message.contains("entry 0: there are 1 ranks for 2 pictures"), "{message}");
    }
}
