//! Battles of two models, as arenas collect them: `[{"model_a", "model_b", "winner", "judge", "tstamp"}]` with
//! `winner` one of `model_a`, `model_b`, `tie` and `tie (bothbad)`.
//!
//! From such lists Elo and Bradley-Terry ratings are made. A plain list does not show its pictures; ours
//! add `task_id`, `prompt`, `image_a` and `image_b`, and only lists that have these can be read.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{check_text_only, checked, foreign, read_entries, unfit, verdict_of, write_json};
use crate::Result;
use crate::preference::{Candidate, Gsb, Judgement, PreferenceRecord, Skipped};

#[derive(Serialize, Deserialize)]
struct Battle {
    model_a: String,
    model_b: String,
    winner: Winner,
    /// Seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tstamp: Option<f64>,
    #[serde(rename = "judge", default, skip_serializing_if = "Option::is_none")]
    annotator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image_a: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image_b: Option<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Winner {
    #[serde(rename = "model_a")]
    A,
    #[serde(rename = "model_b")]
    B,
    #[serde(rename = "tie")]
    Tie,
    #[serde(rename = "tie (bothbad)")]
    BothBad,
}

/// The records of `path`; both kinds of tie become [`Gsb::Same`]. A battle without a `task_id` is named by
/// its place in the file. The time is kept as its number of seconds.
///
/// # Errors
/// [`DataError::Io`](crate::DataError::Io) and [`DataError::Foreign`](crate::DataError::Foreign) for a
/// file or a battle that is not as described or does not name its pictures.
pub fn read(path: &Path, skipped: &mut Skipped) -> Result<Vec<PreferenceRecord>> {
    read_entries(path, skipped, |index, battle: Battle| {
        let place = format!("entry {index}");
        let (Some(image_a), Some(image_b)) = (battle.image_a, battle.image_b) else {
            let reason = "the battle does not name its pictures; add image_a and image_b";
            return Err(foreign(path, place, reason));
        };
        let candidates = [(image_a, battle.model_a), (image_b, battle.model_b)]
            .map(|(path, model)| Candidate { model: Some(model), ..Candidate::new(path) });
        let gsb = match battle.winner {
            Winner::A => Gsb::Good,
            Winner::B => Gsb::Bad,
            Winner::Tie | Winner::BothBad => Gsb::Same,
        };
        let task_id = battle.task_id.unwrap_or_else(|| format!("battle-{index:06}"));
        let task =
            PreferenceRecord::task(task_id, None, battle.prompt.unwrap_or_default(), candidates.to_vec());
        let record = PreferenceRecord {
            judgement: Some(Judgement::Gsb(gsb)),
            annotator: battle.annotator,
            created_at: battle.tstamp.map(|seconds| seconds.to_string()),
            ..task
        };
        checked(path, place, record)
    })
}

/// Writes `records` as battles; the time only where it is a number of seconds.
///
/// # Errors
/// [`DataError::Record`](crate::DataError::Record) for edits, for what is not a judged pair and for
/// candidates without a model; [`DataError::Io`](crate::DataError::Io) where the file cannot be written.
pub fn write(path: &Path, records: &[PreferenceRecord]) -> Result<()> {
    let battle = |record: &PreferenceRecord| {
        check_text_only(record, "an arena's list")?;
        let ([a, b], gsb) = verdict_of(record)?;
        let model = |candidate: &Candidate| {
            let reason = format!("{} names no model, but a battle is of two models", candidate.path);
            candidate.model.clone().ok_or_else(|| unfit(record, reason))
        };
        Ok(Battle {
            model_a: model(a)?,
            model_b: model(b)?,
            winner: match gsb {
                Gsb::Good => Winner::A,
                Gsb::Same => Winner::Tie,
                Gsb::Bad => Winner::B,
            },
            tstamp: record.created_at.as_ref().and_then(|time| time.parse().ok()),
            annotator: record.annotator.clone(),
            task_id: Some(record.task_id.clone()),
            prompt: Some(record.prompt.clone()),
            image_a: Some(a.path.clone()),
            image_b: Some(b.path.clone()),
        })
    };
    write_json(path, &records.iter().map(battle).collect::<Result<Vec<_>>>()?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn battles_survive_there_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("battles.json");
        let battle = |winner: &str, rest: &str| {
            format!(r#"{{"model_a": "ours", "model_b": "theirs", "winner": "{winner}"{rest}}}"#)
        };
        let seen = r#", "tstamp": 1700000000.25, "judge": "j", "image_a": "a.png", "image_b": "b.png""#;
        let battles = ["model_a", "model_b", "tie", "tie (bothbad)"].map(|winner| battle(winner, seen));
        fs::write(&path, format!("[{}]", battles.join(","))).unwrap();
        let records = read(&path, &mut Skipped::default()).unwrap();
        let verdicts: Vec<_> = records.iter().map(|r| r.judgement.as_ref().unwrap().gsb().unwrap()).collect();
        assert_eq!(verdicts, [Gsb::Good, Gsb::Bad, Gsb::Same, Gsb::Same]);
        assert_eq!(records[3].candidates[1].model.as_deref(), Some("theirs"));
        assert_eq!(records[3].created_at.as_deref(), Some("1700000000.25"));
        write(&path, &records).unwrap();
        assert_eq!(read(&path, &mut Skipped::default()).unwrap(), records);

        let mut nameless = records[0].clone();
        nameless.candidates[1].model = None;
        let message = write(&path, &[nameless]).unwrap_err().to_string();
        assert!(message.contains("task battle-000000: b.png names no model"), "{message}");
        fs::write(&path, format!("[{}]", battle("model_a", ""))).unwrap();
        let message = read(&path, &mut Skipped::default()).unwrap_err().to_string();
        assert!(message.contains("entry 0: the battle does not name its pictures"), "{message}");
        fs::write(&path, format!("[{}]", battle("nobody", seen))).unwrap();
        let message = read(&path, &mut Skipped::default()).unwrap_err().to_string();
        assert!(message.contains("entry 0: unknown variant `nobody`"), "{message}");
    }
}
