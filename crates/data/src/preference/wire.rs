//! A record as it stands in a file: flat, with the judgement as one of several optional keys.

use serde::{Deserialize, Serialize};

use super::record::{Candidate, Gsb, Judgement, PreferenceRecord, Scores, Source};
use crate::world::Task;

/// One line of a preference file. Unknown keys are refused: a misspelt judgement would be no judgement.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    task_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<Task>,
    prompt: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mask: Option<String>,
    candidates: Vec<Candidate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ranking: Option<Vec<u32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    best: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    worst: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gsb: Option<Gsb>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scores: Option<Scores>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    annotator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ms: Option<u64>,
    #[serde(default)]
    gold: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

impl TryFrom<Line> for PreferenceRecord {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        let extremes = match (line.best, line.worst) {
            (Some(best), Some(worst)) => Some(Judgement::Extremes { best, worst }),
            (None, None) => None,
            (best, _) => {
                let [present, absent] = if best.is_some() { ["best", "worst"] } else { ["worst", "best"] };
                return Err(format!("there is `{present}` without `{absent}`; give both"));
            }
        };
        let judgements = [
            ("ranking", line.ranking.map(Judgement::Ranking)),
            ("best and worst", extremes),
            ("gsb", line.gsb.map(Judgement::Gsb)),
            ("scores", line.scores.map(Judgement::Scores)),
        ];
        let mut given = judgements.into_iter().filter_map(|(name, judgement)| Some((name, judgement?)));
        let first = given.next();
        if let (Some((first, _)), Some((second, _))) = (&first, given.next()) {
            return Err(format!("there are {first} as well as {second}; a record has one kind of judgement"));
        }
        let source = match (line.task, line.image, line.mask) {
            (Some(task), Some(image), Some(mask)) => Some(Source { task, image, mask }),
            (None, None, None) => None,
            (task, image, mask) => {
                let keys = [("task", task.is_none()), ("image", image.is_none()), ("mask", mask.is_none())];
                let absent: Vec<_> = keys.iter().filter(|(_, absent)| *absent).map(|(key, _)| *key).collect();
                let absent = absent.join(" and ");
                return Err(format!("{absent} is missing; give task, image and mask, or none of them"));
            }
        };
        Ok(Self {
            task_id: line.task_id,
            source,
            prompt: line.prompt,
            candidates: line.candidates,
            judgement: first.map(|(_, judgement)| judgement),
            annotator: line.annotator,
            ms: line.ms,
            gold: line.gold,
            created_at: line.created_at,
        })
    }
}

impl From<PreferenceRecord> for Line {
    fn from(record: PreferenceRecord) -> Self {
        let (task, image, mask) = match record.source {
            Some(Source { task, image, mask }) => (Some(task), Some(image), Some(mask)),
            None => (None, None, None),
        };
        let mut line = Self {
            task_id: record.task_id,
            task,
            prompt: record.prompt,
            image,
            mask,
            candidates: record.candidates,
            ranking: None,
            best: None,
            worst: None,
            gsb: None,
            scores: None,
            annotator: record.annotator,
            ms: record.ms,
            gold: record.gold,
            created_at: record.created_at,
        };
        match record.judgement {
            Some(Judgement::Ranking(ranks)) => line.ranking = Some(ranks),
            Some(Judgement::Extremes { best, worst }) => {
                (line.best, line.worst) = (Some(best), Some(worst));
            }
            Some(Judgement::Gsb(gsb)) => line.gsb = Some(gsb),
            Some(Judgement::Scores(scores)) => line.scores = Some(scores),
            None => {}
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::preference::{read, write};

    fn candidates(n: usize) -> impl Strategy<Value = Vec<Candidate>> {
        let params = prop::collection::btree_map("[a-z]{1,4}", any::<f64>().prop_map(Value::from), 0..3);
        let one = (prop::option::of(".{0,5}"), prop::option::of(any::<u64>()), params);
        prop::collection::vec(one, n).prop_map(|all| {
            let candidate = |(index, (model, seed, params))| Candidate {
                path: format!("out/{index}.png"),
                model,
                seed,
                params: Map::from_iter(params),
            };
            all.into_iter().enumerate().map(candidate).collect()
        })
    }

    fn judgement(n: usize) -> impl Strategy<Value = Judgement> {
        let score = || prop::option::of(prop::collection::vec(1.0_f32..=5.0, n));
        let scores = (prop::collection::vec(1.0_f32..=5.0, n), score(), score());
        prop_oneof![
            prop::collection::vec(1..=n as u32, n).prop_map(Judgement::Ranking),
            (0..n, 1..n).prop_map(move |(best, step)| Judgement::Extremes { best, worst: (best + step) % n }),
            scores.prop_map(|(structure, coherence, aesthetics)| {
                Judgement::Scores(Scores { coherence, structure: Some(structure), aesthetics })
            }),
        ]
    }

    fn record() -> impl Strategy<Value = PreferenceRecord> {
        let source =
            prop::sample::select(vec![None, Some(Task::Edit), Some(Task::Erase), Some(Task::Outpaint)]);
        let told = (
            prop::option::of(".{0,6}"),
            prop::option::of(any::<u64>()),
            any::<bool>(),
            prop::option::of(".{0,6}"),
        );
        (2_usize..6)
            .prop_flat_map(move |n| {
                let of_two = prop::sample::select(vec![Gsb::Good, Gsb::Same, Gsb::Bad]);
                let judged = (prop::option::of(judgement(n)), of_two, any::<bool>());
                ("[a-z]{1,6}", source.clone(), "a.{0,12}", candidates(n), judged, told.clone())
            })
            .prop_map(|(task_id, task, prompt, candidates, (judgement, gsb, two), told)| {
                let (annotator, ms, gold, created_at) = told;
                let judgement =
                    if two && candidates.len() == 2 { Some(Judgement::Gsb(gsb)) } else { judgement };
                let source = task.map(|task| Source { task, image: "i.png".into(), mask: "m.png".into() });
                PreferenceRecord {
                    task_id,
                    source,
                    prompt,
                    candidates,
                    judgement,
                    annotator,
                    ms,
                    gold,
                    created_at,
                }
            })
    }

    proptest! {
        #[test]
        fn records_are_written_back_as_they_were_read(records in prop::collection::vec(record(), 0..4)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("records.jsonl");
            write(&path, &records).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            let again = read(&path).unwrap();
            prop_assert_eq!(&again, &records);
            write(&path, &again).unwrap();
            prop_assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn a_line_is_as_documented() {
        let line = concat!(
            r#"{"task_id":"t","task":"edit","prompt":"a cat","image":"i.png","mask":"m.png","candidates":[{"path":"#,
            r#""0.png","model":"mini","seed":7,"params":{"steps":20}},{"path":"1.png"}],"best":1,"worst":0,"#,
            r#""annotator":"ann","ms":1500,"gold":true,"created_at":"2024-05-01T10:00:00Z"}"#
        );
        let record: PreferenceRecord = serde_json::from_str(line).unwrap();
        assert_eq!(record.judgement, Some(Judgement::Extremes { best: 1, worst: 0 }));
        assert_eq!(record.files().collect::<Vec<_>>(), ["i.png", "m.png", "0.png", "1.png"]);
        assert_eq!(serde_json::to_string(&record).unwrap(), line);
    }
}
