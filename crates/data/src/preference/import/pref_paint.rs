//! `PrefPaint` (<https://github.com/Kenkenzaii/PrefPaint>): `{img_id: {img_name: [score, rank]}}`, where rank
//! 1 is the best, beside the folders
//!
//! ```text
//! inpaint/{img_name}.png               the answers
//! masks/{img_id}_mask.png              white where they were painted
//! masks_color/{img_id}_mask_color.png  the picture with its hole
//! ```
//!
//! There are no prompts: the holes are of outpainting and of pictures warped to another view.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{Attempt, checked, foreign, normal_ranks, ranking_of, read_json, unfit, write_json};
use crate::preference::{Candidate, Judgement, PreferenceRecord, Skipped, Source};
use crate::{Result, Task};

/// Where a candidate's score is kept, in its parameters. It has no fixed scale, so it is none of ours.
const SCORE: &str = "score";

/// Score and rank of each answer.
type Answers = BTreeMap<String, (f64, i64)>;

/// The records of `path`, whose folders lie where the records will. The format does not say which task its
/// holes are: `task` does, and cannot be [`Task::Edit`], which needs a prompt.
///
/// # Errors
/// [`DataError::Io`](crate::DataError::Io) and [`DataError::Foreign`](crate::DataError::Foreign) for a
/// file or an entry that is not as described.
pub fn read(path: &Path, task: Task, skipped: &mut Skipped) -> Result<Vec<PreferenceRecord>> {
    let record = |id: String, answers: Answers| {
        let place = format!("entry {id}");
        let source = Source {
            task,
            image: format!("masks_color/{id}_mask_color.png"),
            mask: format!("masks/{id}_mask.png"),
        };
        let candidate = |(name, (score, _)): (&String, &(f64, i64))| {
            let mut candidate = Candidate::new(format!("inpaint/{name}.png"));
            candidate.params.insert(SCORE.to_owned(), Value::from(*score));
            candidate
        };
        let ranks: Vec<_> = answers.values().map(|&(_, rank)| rank).collect();
        let candidates = answers.iter().map(candidate).collect();
        let judgement = Some(Judgement::Ranking(normal_ranks(&ranks)));
        checked(
            path,
            place,
            PreferenceRecord { judgement, ..PreferenceRecord::task(id, Some(source), "", candidates) },
        )
    };
    if task == Task::Edit {
        return Err(foreign(path, "the file", "its holes have no prompt, so the task cannot be `edit`"));
    }
    let mut records = Vec::new();
    for (id, Attempt(answers)) in read_json::<BTreeMap<String, Attempt<Answers>>>(path)? {
        let answers = answers.map_err(|reason| foreign(path, format!("entry {id}"), reason));
        records.extend(skipped.pass(answers.and_then(|answers| record(id, answers)))?);
    }
    Ok(records)
}

/// Writes `records` to `path`; the folders are as they were.
///
/// # Errors
/// [`DataError::Record`](crate::DataError::Record) for a record with a prompt, with files elsewhere than in
/// the folders of the format, without a `score` among each candidate's parameters, or whose judgement does
/// not rank all candidates; [`DataError::Io`](crate::DataError::Io) where the file cannot be written.
pub fn write(path: &Path, records: &[PreferenceRecord]) -> Result<()> {
    let mut entries: BTreeMap<String, Answers> = BTreeMap::new();
    for record in records {
        let id = &record.task_id;
        if !record.prompt.is_empty() {
            let prompt = &record.prompt;
            return Err(unfit(record, format!("PrefPaint has no place for the prompt {prompt:?}")));
        }
        let mask = format!("masks/{id}_mask.png");
        if record.source.as_ref().is_none_or(|source| source.mask != mask) {
            return Err(unfit(record, format!("PrefPaint needs its mask at {mask}; move it there")));
        }
        let ranks = ranking_of(record)?;
        let answer = |(candidate, rank): (&Candidate, u32)| {
            let file = &candidate.path;
            let name = file.strip_prefix("inpaint/").and_then(|name| name.strip_suffix(".png"));
            let name =
                name.ok_or_else(|| unfit(record, format!("{file} is no PNG in the folder inpaint")))?;
            let score = candidate.params.get(SCORE).and_then(Value::as_f64);
            let reason =
                || format!("{file} has no number `{SCORE}` among its params, but PrefPaint needs one");
            Ok((name.to_owned(), (score.ok_or_else(|| unfit(record, reason()))?, i64::from(rank))))
        };
        let answers = record.candidates.iter().zip(ranks).map(answer).collect::<Result<_>>()?;
        if entries.insert(id.clone(), answers).is_some() {
            return Err(unfit(record, "PrefPaint holds one judgement of each picture, but there are two"));
        }
    }
    write_json(path, &entries)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn ranked_inpaintings_survive_there_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.json");
        let text = r#"{"street_0":{"street_0_0":[0.30000000000000004,2],"street_0_1":[-1.5,3],"street_0_2":[2.0,1]}}"#;
        fs::write(&path, text).unwrap();
        let records = read(&path, Task::Outpaint, &mut Skipped::default()).unwrap();
        let source = records[0].source.as_ref().unwrap();
        assert_eq!(source.image, "masks_color/street_0_mask_color.png");
        assert_eq!(records[0].candidates[2].path, "inpaint/street_0_2.png");
        assert_eq!(records[0].judgement, Some(Judgement::Ranking(vec![2, 3, 1])));
        write(&path, &records).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);

        let message = |change: fn(&mut PreferenceRecord)| {
            let mut record = records[0].clone();
            change(&mut record);
            write(&path, &[record]).unwrap_err().to_string()
        };
        assert!(message(|r| r.prompt = "a cat".into()).contains("no place for the prompt \"a cat\""));
        assert!(message(|r| r.source = None).contains("needs its mask at masks/street_0_mask.png"));
        assert!(message(|r| r.candidates[0].path = "x.png".into()).contains("x.png is no PNG in the folder"));
        assert!(message(|r| r.candidates[0].params.clear()).contains("has no number `score`"));
        let message = read(&path, Task::Edit, &mut Skipped::default()).unwrap_err().to_string();
        assert!(message.contains("cannot be `edit`"), "{message}");
    }
}
