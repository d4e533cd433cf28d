//! Editing a picture with a diffusion model: replace what a mask covers, erase it, or extend the picture.
//!
//! ```text
//! EditRequest ─► passes ─► crop ─► Canvas ─► encode ─► denoise ─► decode ─► match colour ─► paste ─► EditResult
//!    (valid by     (one, or many for   (the model's        (the one loop of       (only where the mask,
//!  construction)    an outpainting)     own size)         byteedit-diffusion)      grown and feathered, says so)
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`model`] | a loaded model: its parts, that they fit each other, which words it knows |
//! | [`request`] | what is asked for, checked once at the door |
//! | [`canvas`] | painting a batch of pictures of the model's own size |
//! | [`boxed`] | masks of every size at one size on the canvas, for models that were trained so |
//! | [`frames`] | batches of pictures of any size, whole or around their boxes |
//! | [`pipeline`] | whole pictures of any size around it: crop, paste, outpainting windows |
//! | [`memory`] | what an edit will take, known before it begins |
//! | [`result`] | what comes back: pictures, warnings, timings |
//! | [`seam`] | how visible the edge of an edit is |
//! | [`watch`] | progress and cancellation |
//!
//! ```no_run
//! use std::path::Path;
//!
//! use burn::tensor::Device;
//! use byteedit_edit::{EditModel, EditRequest, Prompt, Settings, Task, TaskKind, Watch};
//! use byteedit_image::{Format, Limits, Mask, Rect, decode};
//!
//! let model = EditModel::load(Path::new("models/mini"), &Device::default())?;
//! let limits = Limits::default();
//! let picture = decode(&std::fs::read("table.jpg")?, &limits)?;
//! let edit_mask = Mask::from_rect(picture.size(), Rect::new(100, 80, 120, 120))?;
//! let task = Task::Edit { edit_mask, prompt: Prompt::new("a red apple")? };
//! let settings = Settings::new(TaskKind::Edit, &model.info().defaults());
//! let request = EditRequest::new(picture, task, settings, limits)?;
//! let result = model.edit(&request, &mut Watch::silent())?;
//! std::fs::write("apple.png", result.pictures[0].encode(Format::Png)?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Tasks differ in the mask and in the prompt, never in the loop. Every sample outside the mask (grown
//! and feathered as asked) stays bit-identical, at the picture's own depth and profile.

pub mod boxed;
pub mod canvas;
mod condition;
mod encoder;
mod error;
pub mod frames;
pub mod hole;
pub mod memory;
pub mod model;
mod network;
pub mod pipeline;
pub mod request;
pub mod result;
pub mod seam;
pub mod watch;

pub use boxed::BoxView;
pub use canvas::{Canvas, Painted};
pub use error::{EditError, Result};
pub use hole::Hole;
pub use memory::{MemoryNeed, NetworkConfigs};
pub use model::{
    AppliedLora, Concept, Defaults, EditModel, EmbeddedFiles, ModelCard, ModelInfo, ModelParts, UnknownWord,
};
pub use request::{
    EditRequest, Framing, MAX_BOX_SHARE, MAX_COUNT, MAX_PADDING, MAX_RADIUS, Prompt, Sampling, Settings,
    Sides, Task, TaskKind,
};
pub use result::{EditResult, EditedPicture, Timings, Warning, Work};
pub use seam::Seam;
pub use watch::{Progress, Watch};
