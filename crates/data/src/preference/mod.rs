//! What people prefer: records of judgements, the pairs that they hold, and the formats of others.
//!
//! A file has one JSON object per line, a [`PreferenceRecord`]: a prompt, for an edit also the source
//! picture and its mask, the candidates, and exactly one kind of judgement:
//!
//! | keys | meaning |
//! |---|---|
//! | `ranking` | the rank of each candidate, 1 the best; equal ranks are a tie |
//! | `best`, `worst` | numbers of two candidates, counted from 0 |
//! | `gsb` | the first candidate against the second: `good`, `same` or `bad` |
//! | `scores` | 1 to 5 for each candidate on `coherence`, `structure` and `aesthetics` |
//!
//! A record without any of them is a task that waits for an annotator. Paths are relative to the file.
//!
//! ```text
//! people ──► annotate ──► records.jsonl ──► validate ──► pairs, triplets ──► a reward's training
//! other data sets ──► import ──┘
//! ```
//!
//! ```no_run
//! # fn main() -> byteedit_data::Result<()> {
//! use std::path::Path;
//!
//! use byteedit_data::preference::{Axis, PairSet, Skipped, import, read, validate, write};
//!
//! let folder = Path::new("feedback");
//! let mut skipped = Skipped::default(); // nothing may be
//! let records = import::image_reward::read(&folder.join("train.json"), "images", &mut skipped)?;
//! write(&folder.join("records.jsonl"), &records)?;
//! assert!(validate(&folder.join("records.jsonl"), Axis::Aesthetics)?.is_sound());
//! for pair in PairSet::new(&records, Axis::Aesthetics)?.pairs {
//!     assert_ne!(pair.better().path, pair.worse().path);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - [`Reader`] streams a file and may skip a few bad lines, which it lists;
//! - [`validate`](fn@validate) says whether a whole file is worth training on;
//! - [`PairSet`] turns judgements into pairs, ties kept apart;
//! - [`annotate`] gives tasks to people and takes their answers back;
//! - [`import`] converts from and to the formats of other data sets.

pub mod annotate;
mod check;
pub mod import;
mod jsonl;
mod pairs;
mod record;
mod report;
mod skipped;
mod validate;
mod verdict;
mod wire;

pub use crate::problem::Problem;
pub use jsonl::{Numbered, Reader, read, write};
pub use pairs::{Pair, PairSet, Tie, Triplet};
pub use record::{Axis, Candidate, Gsb, Judgement, PreferenceRecord, SCORES, Scores, Source};
pub use report::Report;
pub use skipped::{SkipBad, Skipped};
pub use validate::validate;
