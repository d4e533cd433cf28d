//! Arguments resolved into what the commands need. Every argument struct is taken apart without `..`,
//! so that a new flag does not compile until something is done with it.

mod device;
mod job;
mod manifest;
mod paint;
mod source;
mod train;

pub(crate) use device::{arithmetic, device};
pub(crate) use job::{Job, JobTask, MaskChoice};
pub(crate) use manifest::ManifestSettings;
pub(crate) use paint::{EditSettings, PaintSettings};
pub(crate) use source::{source, world};
pub(crate) use train::{
    BaseSettings, DecoderSettings, FeedbackSettings, RewardSettings, RunKind, RunSettings, VaeSettings,
    annotator_settings, default_folder, judge_settings, overlaid, run_kind,
};
