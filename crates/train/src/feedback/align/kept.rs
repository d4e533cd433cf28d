//! What CLIP made of pictures before, batch by batch, from which an alignment that was stopped goes on.
//!
//! Which pictures fit badly and what they exchange follows from all of it, and costs little beside: so other numbers of the
//! configuration ask CLIP nothing either.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use byteedit_data::KeptLines;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use super::ALIGN_KEPT;
use super::folder::FolderAlignInputs;
use crate::Result;

/// What the files are called.
const NAME: &str = "clip";
/// To be raised with every change after which the same picture or caption is read or seen otherwise, or a line is laid out
/// otherwise: lines of before are then not used.
const VERSION: u32 = 1;

/// What CLIP makes of a picture and of its captions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sight {
    pub(super) features: Features,
    /// How well the caption fits that the picture has.
    pub(super) given_score: f64,
    /// Features of its other caption, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) other: Option<Features>,
}

/// The pictures of a batch in their order, or why one of them is none.
pub(super) type Sights = Vec<Result<Sight, String>>;

/// Numbers that a line holds as base64 of their bytes, exact and in less than half the room of decimals.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Features(pub(super) Vec<f32>);

impl Serialize for Features {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|value| value.to_le_bytes()).collect();
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
        let values = bytes.as_chunks::<4>().0.iter();
        Ok(Self(values.map(|value| f32::from_le_bytes(*value)).collect()))
    }
}

/// The batches that CLIP has seen, and the file to which others are added.
#[derive(Debug)]
pub(super) struct KeptSights {
    lines: KeptLines,
    batches: HashMap<String, Sights>,
}

impl KeptSights {
    /// Opens the file of a CLIP and of where it computes in the folder of the pictures, or makes it.
    ///
    /// # Errors
    /// [`DataError::Held`](byteedit_data::DataError::Held) for a file that another alignment adds to;
    /// [`DataError::Io`](byteedit_data::DataError::Io).
    pub(super) fn open(inputs: &FolderAlignInputs<'_>) -> Result<Self> {
        let FolderAlignInputs { folder, clip_hash, arithmetic, .. } = *inputs;
        let basis = json!({ "version": VERSION, "clip": clip_hash, "arithmetic": arithmetic }).to_string();
        let folder = folder.join(ALIGN_KEPT);
        let (lines, batches) = KeptLines::open::<Batch<Sights>>(&folder, NAME, "alignment", &basis)?;
        let batches = batches.into_iter().map(|Batch { key, sights }| (key, sights)).collect();
        Ok(Self { lines, batches })
    }

    /// What CLIP made of a batch, if it has seen it.
    pub(super) fn take(&mut self, key: &str) -> Option<Sights> {
        self.batches.remove(key)
    }

    /// Adds what it makes of one that it had not seen.
    ///
    /// # Errors
    /// [`DataError::Io`](byteedit_data::DataError::Io).
    pub(super) fn add(&mut self, key: String, sights: &[Result<Sight, String>]) -> Result<()> {
        Ok(self.lines.add([Batch { key, sights }])?)
    }
}

/// A line of the file, behind the first. In their last bits features depend on which pictures go through CLIP together, so that
/// batches count as wholes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<S> {
    /// A hash of its files and captions.
    key: String,
    sights: S,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_comes_back_to_the_last_bit() {
        let features = |first: f32| Features(vec![first.sqrt(), -1e-30 / first, f32::MIN_POSITIVE]);
        let sight = Sight { features: features(2.0), given_score: 0.1 + 0.2, other: Some(features(3.0)) };
        let bare = Sight { other: None, ..sight.clone() };
        let sights: Sights = vec![Ok(sight), Err("it is no picture".to_owned()), Ok(bare)];
        let line = serde_json::to_string(&Batch { key: "a".to_owned(), sights: &sights }).unwrap();
        assert!(!line.contains("null"), "{line}");
        assert_eq!(serde_json::from_str::<Batch<Sights>>(&line).unwrap().sights, sights);
    }
}
