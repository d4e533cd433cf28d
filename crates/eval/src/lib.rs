//! Evaluation of editing models: questions with exact answers, metrics with names, means with
//! intervals.
//!
//! ```text
//! World ─► Cases ─┬─ Editor::paint ────────┐
//!                 ├─ truth ─ reconstruct ──┼─ finish ─► metrics ─► bootstrap ─► Report, contact sheets
//!                 └─ harmonic fill ────────┘
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`metric`] | what is measured, one definition in each file |
//! | [`bootstrap`] | means with 95 % intervals over samples |
//! | [`editor`] | the contract with a model |
//! | [`case`] | questions drawn from the mini world |
//! | [`figures`], [`report`] | what was found |
//!
//! Frames are shown to the model whole, at its own resolution, so that the figures are about the model;
//! how a region is cut out of a large photograph is the business of `byteedit-edit` and tested there.
//! Every figure of the model stands beside that of the truth sent through its autoencoder, which its
//! denoiser cannot beat, and beside a control that it has to beat.
//!
//! Use [`eval_world`], then [`Evaluation::write`]. Nothing is printed; progress goes to a callback.

pub mod bootstrap;
pub mod case;
mod config;
pub mod editor;
mod error;
pub mod figures;
mod gallery;
mod measure;
pub mod metric;
mod progress;
pub mod report;
mod section;
mod suite;

pub use bootstrap::Estimate;
pub use case::{Case, Cases};
pub use config::{EvalConfig, GuidanceScales};
pub use editor::{Editor, ModelIdentity};
pub use error::{EvalError, Result};
pub use figures::Figures;
pub use gallery::{Example, Group};
pub use measure::Subject;
pub use metric::Metric;
pub use progress::Progress;
pub use report::{Evaluation, Report};
pub use section::Section;
pub use suite::eval_world;
