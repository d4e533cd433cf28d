//! Label Studio: tasks to import there, and the JSON that it exports (<https://labelstud.io/guide/task_format>).
//!
//! A project with the labelling configuration of [`config`] shows a task's two candidates side by side.
//! What comes back is matched with the records by `task_id`, since Label Studio needs addresses that it can
//! serve instead of our paths.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attempt, duel_of, foreign, inside, read_json, write_json};
use crate::Result;
use crate::preference::annotate::by_id;
use crate::preference::{Gsb, Judgement, PreferenceRecord, Skipped};

/// The labelling configuration of a project: two pictures, one to be chosen, or neither; above them the
/// prompt and, for tasks `with_source`, the picture that was edited.
pub fn config(with_source: bool) -> String {
    let source = if with_source { "  <Image name=\"source\" value=\"$image\"/>\n" } else { "" };
    format!(
        r#"<View>
  <Header value="$prompt"/>
{source}  <View style="display: flex">
    <Image name="a" value="$img1"/>
    <Image name="b" value="$img2"/>
  </View>
  <Pairwise name="better" toName="a,b"/>
  <Choices name="tie" toName="a" choice="single">
    <Choice value="same"/>
  </Choices>
</View>
"#
    )
}

#[derive(Serialize, Deserialize)]
struct Task {
    data: Data,
    #[serde(default, skip_serializing)]
    annotations: Vec<Annotation>,
}

#[derive(Serialize, Deserialize)]
struct Data {
    task_id: String,
    #[serde(default)]
    prompt: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mask: Option<String>,
    #[serde(default)]
    img1: String,
    #[serde(default)]
    img2: String,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    result: Vec<Answer>,
    #[serde(default)]
    was_cancelled: bool,
    /// A number, or a user where the export was asked to be detailed.
    #[serde(default)]
    completed_by: Value,
    /// Seconds.
    #[serde(default)]
    lead_time: Option<f64>,
    #[serde(default)]
    created_at: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    value: HashMap<String, Value>,
}

/// Writes `records` as tasks to import, with `address` before each path: `/data/local-files/?d=edits` for
/// pictures in the folder `edits` below Label Studio's local storage, or the address of a server.
///
/// # Errors
/// [`DataError::Record`](crate::DataError::Record) for a record that has not exactly 2 candidates or an id
/// that two have; [`DataError::Io`](crate::DataError::Io) where the file cannot be written.
pub fn write_tasks(path: &Path, records: &[PreferenceRecord], address: &str) -> Result<()> {
    by_id(records)?;
    let task = |record: &PreferenceRecord| {
        let ([first, second], _) = duel_of(record)?;
        let at = |path: &String| inside(address, path);
        let source = record.source.as_ref();
        let data = Data {
            task_id: record.task_id.clone(),
            prompt: record.prompt.clone(),
            image: source.map(|source| at(&source.image)),
            mask: source.map(|source| at(&source.mask)),
            img1: at(&first.path),
            img2: at(&second.path),
        };
        Ok(Task { data, annotations: Vec::new() })
    };
    write_json(path, &records.iter().map(task).collect::<Result<Vec<_>>>()?)
}

/// The judged records of an export, one for each annotation of each of `tasks`, the records that were
/// written as tasks. Cancelled annotations are passed over; a bad one, and all of a bad entry, count for one of
/// `skipped`.
///
/// # Errors
/// [`DataError::Io`](crate::DataError::Io) and [`DataError::Foreign`](crate::DataError::Foreign) for a
/// file that is not as described, a task that is none of `tasks`, and an annotation that chooses nothing
/// or several things; [`DataError::Record`](crate::DataError::Record) for two tasks of one id.
pub fn read_export(
    path: &Path,
    tasks: &[PreferenceRecord],
    skipped: &mut Skipped,
) -> Result<Vec<PreferenceRecord>> {
    let by_id = by_id(tasks)?;
    let mut records = Vec::new();
    for (index, Attempt(entry)) in read_json::<Vec<Attempt<Task>>>(path)?.into_iter().enumerate() {
        let bad = |reason: String| foreign(path, format!("entry {index}"), reason);
        let given_out = entry.and_then(|Task { data, annotations }| {
            let id = data.task_id;
            let unknown = || format!("task {id} is none of those given out");
            let &task = by_id.get(id.as_str()).ok_or_else(unknown)?;
            Ok((task, annotations))
        });
        let Some((task, annotations)) = skipped.pass(given_out.map_err(bad))? else { continue };
        duel_of(task)?;
        for (number, annotation) in annotations.into_iter().enumerate() {
            if annotation.was_cancelled {
                continue;
            }
            let place = format!("entry {index}, annotation {number}");
            let record = answered(task, annotation).map_err(|reason| foreign(path, place, reason));
            records.extend(skipped.pass(record)?);
        }
    }
    Ok(records)
}

/// `task` with what `annotation` chooses, or why that is nothing.
fn answered(task: &PreferenceRecord, annotation: Annotation) -> Result<PreferenceRecord, String> {
    let gsb = choice(&annotation.result)?;
    let seconds = annotation.lead_time.filter(|seconds| *seconds >= 0.0);
    Ok(PreferenceRecord {
        judgement: Some(Judgement::Gsb(gsb)),
        annotator: annotator(&annotation.completed_by),
        ms: seconds.map(|seconds| (1000.0 * seconds).round() as u64),
        created_at: annotation.created_at,
        ..task.clone()
    })
}

/// What an annotation chooses: `selected` of a pairwise tag, or `choices` of the one about ties.
fn choice(answers: &[Answer]) -> Result<Gsb, String> {
    let mut chosen = Vec::new();
    for Answer { value } in answers {
        match value.get("selected").and_then(Value::as_str) {
            Some("left") => chosen.push(Gsb::Good),
            Some("right") => chosen.push(Gsb::Bad),
            Some(other) => return Err(format!("`{other}` is selected, but it must be left or right")),
            None => {}
        }
        let choices = value.get("choices").and_then(Value::as_array).into_iter().flatten();
        chosen.extend(choices.filter(|choice| choice.as_str() == Some("same")).map(|_| Gsb::Same));
    }
    match *chosen.as_slice() {
        [gsb] => Ok(gsb),
        [] => Err("nothing is chosen; choose left, right or same, or cancel the annotation".to_owned()),
        _ => Err(format!("{} things are chosen, but it must be one", chosen.len())),
    }
}

/// An annotator's name: a number, or the e-mail address or number of a user.
fn annotator(completed_by: &Value) -> Option<String> {
    match completed_by {
        Value::Number(id) => Some(id.to_string()),
        Value::String(name) => Some(name.clone()),
        Value::Object(user) => annotator(user.get("email").or_else(|| user.get("id"))?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::preference::{Candidate, Source};

    fn task(id: &str) -> PreferenceRecord {
        let source = Source { task: crate::Task::Edit, image: "i.png".into(), mask: "m.png".into() };
        let candidates = ["0.png", "1.png"].map(Candidate::new).to_vec();
        PreferenceRecord::task(id, Some(source), "a cat", candidates)
    }

    /// What an export of `tasks` with these annotations of its first entry says.
    fn exported(annotations: &str) -> Result<Vec<PreferenceRecord>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tasks.json");
        write_tasks(&path, &[task("a"), task("b")], "/data/local-files/?d=edits/").unwrap();
        let mut tasks: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(tasks[0]["data"]["img2"], "/data/local-files/?d=edits/1.png");
        tasks[0]["annotations"] = serde_json::from_str(annotations).unwrap();
        tasks[0]["id"] = 1.into();
        fs::write(&path, tasks.to_string()).unwrap();
        read_export(&path, &[task("b"), task("a")], &mut Skipped::default())
    }

    #[test]
    fn judgements_come_back_under_the_tasks_ids() {
        let annotation = |value: &str, rest: &str| {
            format!(
                r#"{{"result": [{{"from_name": "better", "value": {value}}}], "lead_time": 1.2345{rest}}}"#
            )
        };
        let left = annotation(r#"{"selected": "left"}"#, r#", "completed_by": 10, "created_at": "2024""#);
        let same = annotation(r#"{"choices": ["same"]}"#, r#", "completed_by": {"id": 3, "email": "a@b.c"}"#);
        let cancelled = annotation("{}", r#", "was_cancelled": true"#);
        let records = exported(&format!("[{left}, {cancelled}, {same}]")).unwrap();
        let expected = PreferenceRecord {
            judgement: Some(Judgement::Gsb(Gsb::Good)),
            annotator: Some("10".to_owned()),
            ms: Some(1235),
            created_at: Some("2024".to_owned()),
            ..task("a")
        };
        assert_eq!((records.len(), &records[0]), (2, &expected));
        assert_eq!(records[1].judgement, Some(Judgement::Gsb(Gsb::Same)));
        assert_eq!(records[1].annotator.as_deref(), Some("a@b.c"));
    }

    #[test]
    fn annotations_that_choose_not_one_thing_are_named() {
        let message =
            |value: &str| exported(&format!(r#"[{{"result": [{value}]}}]"#)).unwrap_err().to_string();
        assert!(message("").contains("entry 0, annotation 0: nothing is chosen"));
        assert!(
            message(r#"{"value": {"selected": "up"}}"#)
                .contains("`up` is selected, but it must be left or right")
        );
        let two = r#"{"value": {"selected": "left"}}, {"value": {"choices": ["same"]}}"#;
        assert!(message(two).contains("2 things are chosen"));
    }

    #[test]
    fn only_tasks_that_were_given_out_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tasks.json");
        write_tasks(&path, &[task("a")], "").unwrap();
        let message = read_export(&path, &[task("b")], &mut Skipped::default()).unwrap_err().to_string();
        assert!(message.contains("entry 0: task a is none of those given out"), "{message}");
        let mut three = task("a");
        three.candidates.push(Candidate::new("2.png"));
        let message = write_tasks(&path, &[three], "").unwrap_err().to_string();
        assert!(message.contains("compares 2 candidates, but there are 3"), "{message}");
        assert!(config(true).contains("$image") && !config(false).contains("$image"));
    }
}
