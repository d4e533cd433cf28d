//! From and to the formats of other data sets and tools.
//!
//! Each file holds one format: what it looks like, `read` into our records and `write` from them. What a
//! format has no place for (models, seeds, times) is left out when written; what it cannot hold without
//! changing the question or the answer is an error that says so. Keys of theirs that we do not know are
//! passed over, and so are bad entries, as far as the caller's [`Skipped`] allows.
//!
//! | format | judgement | pictures |
//! |---|---|---|
//! | [`image_reward`] | ranks of several | named |
//! | [`hpdv2`], training and test | one of two; ranks of several, averaged and of each annotator | named |
//! | [`pref_paint`] | ranks and scores of several inpaintings | named, with source and mask |
//! | [`pick_a_pic`] | one of two, or a tie | inside the parquet file |
//! | [`label_studio`] | one of two, or a tie | named, with source and mask |
//! | [`arena`] | one of two models, or a tie | named |

pub mod arena;
pub mod hpdv2;
pub mod image_reward;
pub mod label_studio;
pub mod pick_a_pic;
pub mod pref_paint;

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Skipped;
use super::record::{Candidate, Gsb, PreferenceRecord};
use crate::{DataError, Result, picture_io};

/// A whole JSON file.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = picture_io::read(path)?;
    serde_json::from_slice(&bytes).map_err(|error| foreign(path, "the file", error))
}

/// One of many entries, read by itself: a bad one spoils no other.
struct Attempt<T>(Result<T, String>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Attempt<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entry = Value::deserialize(deserializer)?;
        Ok(Self(serde_json::from_value(entry).map_err(|error| error.to_string())))
    }
}

/// What `convert` makes of each entry of a list in JSON and its number.
fn read_entries<T: DeserializeOwned, R>(
    path: &Path,
    skipped: &mut Skipped,
    convert: impl Fn(usize, T) -> Result<R>,
) -> Result<Vec<R>> {
    let mut converted = Vec::new();
    for (index, Attempt(entry)) in read_json::<Vec<Attempt<T>>>(path)?.into_iter().enumerate() {
        let entry = entry.map_err(|reason| foreign(path, format!("entry {index}"), reason));
        converted.extend(skipped.pass(entry.and_then(|entry| convert(index, entry)))?);
    }
    Ok(converted)
}

/// Replaces `path` by `value` as JSON.
fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(value).map_err(|error| DataError::writing(path)(error.into()))?;
    picture_io::write(path, &bytes)
}

fn foreign(path: &Path, place: impl ToString, reason: impl ToString) -> DataError {
    DataError::Foreign { path: path.to_owned(), place: place.to_string(), reason: reason.to_string() }
}

/// `record`, made from `place` of `path`, if it makes sense.
fn checked(path: &Path, place: impl ToString, record: PreferenceRecord) -> Result<PreferenceRecord> {
    match record.problems().into_iter().next() {
        Some(reason) => Err(foreign(path, place, reason)),
        None => Ok(record),
    }
}

/// What keeps `record` from being written in some format.
fn unfit(record: &PreferenceRecord, reason: impl ToString) -> DataError {
    DataError::Record { task_id: record.task_id.clone(), reason: reason.to_string() }
}

/// Refuses an edit where a format knows only pictures made from a prompt.
fn check_text_only(record: &PreferenceRecord, format: &str) -> Result<()> {
    match &record.source {
        None => Ok(()),
        Some(source) => {
            let image = &source.image;
            let reason = format!("{format} has no place for the source picture {image}; keep our own format");
            Err(unfit(record, reason))
        }
    }
}

/// The ranks of all candidates, or why a format that needs them cannot have them.
fn ranking_of(record: &PreferenceRecord) -> Result<Vec<u32>> {
    record.check()?;
    let ranking = record.judgement.as_ref().and_then(|judgement| judgement.ranking(record.candidates.len()));
    let reason = "its judgement ranks not all candidates; the format needs a ranking, or gsb of two";
    ranking.ok_or_else(|| unfit(record, reason))
}

/// The two candidates and how the first compares, or why a format of pairs cannot have them.
fn duel_of(record: &PreferenceRecord) -> Result<([&Candidate; 2], Option<Gsb>)> {
    record.check()?;
    let [first, second] = record.candidates.as_slice() else {
        let n = record.candidates.len();
        return Err(unfit(
            record,
            format!("the format compares 2 candidates, but there are {n}; cut it into pairs"),
        ));
    };
    let gsb = match &record.judgement {
        None => None,
        Some(judgement) => {
            let reason = "scores say nothing of two candidates without an axis; give gsb or a ranking";
            Some(judgement.gsb().ok_or_else(|| unfit(record, reason))?)
        }
    };
    Ok(([first, second], gsb))
}

/// As [`duel_of`], of a record that was judged.
fn verdict_of(record: &PreferenceRecord) -> Result<([&Candidate; 2], Gsb)> {
    let (candidates, gsb) = duel_of(record)?;
    let gsb = gsb.ok_or_else(|| unfit(record, "it is not judged, but the format holds judged ones only"))?;
    Ok((candidates, gsb))
}

/// Ranks as ours are, from 1 to their number: as they are if they lie there, else by how many are before
/// each, so that ranks counted from 0 and ranks with gaps keep their order and their ties.
fn normal_ranks(ranks: &[i64]) -> Vec<u32> {
    let n = ranks.len() as i64;
    let before = |rank: &i64| ranks.iter().filter(|other| *other < rank).count() as u32;
    if ranks.iter().all(|rank| (1..=n).contains(rank)) {
        return ranks.iter().map(|&rank| rank as u32).collect();
    }
    ranks.iter().map(|rank| before(rank) + 1).collect()
}

/// `name` inside `folder`, both relative; `folder` may be empty.
fn inside(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{}/{name}", folder.trim_end_matches('/')) }
}

/// The name of `path` inside `folder`, which [`inside`] put before it.
fn name_in<'a>(record: &PreferenceRecord, folder: &str, path: &'a str) -> Result<&'a str> {
    if folder.is_empty() {
        return Ok(path);
    }
    let name = path.strip_prefix(folder.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
    name.ok_or_else(|| {
        unfit(record, format!("the picture {path} is not in {folder}, where the format has it"))
    })
}

#[cfg(test)]
mod tests {
    use super::normal_ranks;

    #[test]
    fn ranks_keep_their_order_whatever_they_are_counted_from() {
        assert_eq!(normal_ranks(&[2, 1, 2, 4]), [2, 1, 2, 4]);
        assert_eq!(normal_ranks(&[1, 0, 2, 1]), [2, 1, 4, 2]);
        assert_eq!(normal_ranks(&[10, -3, 10]), [2, 1, 2]);
        assert_eq!(normal_ranks(&[]), [0_u32; 0]);
    }
}
