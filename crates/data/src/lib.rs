//! Training and evaluation data: the mini world, the paper's mask strategy and folders of pictures.
//!
//! - [`world`] composes captioned objects on photographs, so that every task has an exact truth;
//! - [`mask`] draws edit masks as the paper does (section 4.1): global, irregular, square, outward,
//!   and dilated instance masks merged with random ones;
//! - [`folder`] reads a folder of pictures described by `metadata.jsonl`;
//! - [`preference`] holds what people prefer: records, pairs, checks, formats of other data sets;
//! - [`captions`] holds pictures with true and wrong captions;
//! - [`prompts`] chooses diverse prompts from many;
//! - [`color`] names the colour of a region by measuring its pixels, for captions and for scoring;
//! - [`FileLock`] holds a file for one process at a time, [`KeptLines`] what such a process has done so far.
//!
//! The crate knows no model and no tensor. All randomness comes from [`Stream`], a counter-based
//! generator keyed by the caller, so that a sample depends on its address alone and never on the
//! order in which samples are drawn.

pub mod captions;
pub mod color;
pub mod error;
mod file_lock;
pub mod folder;
mod json_lines;
mod kept_lines;
pub mod mask;
pub mod picture;
mod picture_io;
pub mod preference;
mod problem;
pub mod prompts;
mod recolor;
mod resample;
mod stream;
pub mod world;

pub use color::ColorWord;
pub use error::DataError;
pub use file_lock::{FileLock, LockError};
pub use folder::{FolderDataset, FolderItem};
pub use kept_lines::{KeptLines, first_digits};
pub use mask::{Mask, MaskKind, MaskStrategy, Rect};
pub use picture::{Rgb8, Rgba8};
pub use stream::Stream;
pub use world::{
    Glimpse, GlimpseSpec, PairSpec, Photos, Renderings, Sample, SampleSpec, Split, Task, View, World,
};

/// Result of this crate's fallible functions.
pub type Result<T, E = DataError> = std::result::Result<T, E>;
