//! Evaluation of editing models: questions with exact answers, metrics with names, means with
//! intervals.
//!
//! ```text
//! World ─► Cases ─┬─ Editor::paint ────────┐
//!                 ├─ truth ─ reconstruct ──┼─ finish ─► metrics, Judge ─► bootstrap ─► Report, contact sheets
//!                 └─ harmonic fill ────────┘
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`metric`] | what is measured, one definition in each file |
//! | [`bootstrap`] | means with 95 % intervals over samples |
//! | [`editor`] | the contract with a model |
//! | [`judge`] | the classifier that says what a picture shows |
//! | [`case`] | questions drawn from the mini world |
//! | [`figures`], [`report`] | what was found |
//! | [`compare`] | several models, or settings of one, on the same questions: better, the same, worse |
//! | [`reward`] | how good a reward is on judged preferences |
//!
//! Frames are shown to the model whole, at its own resolution, so that the figures are about the model;
//! how a region is cut out of a large photograph is the business of `byteedit-edit` and tested there.
//! Every figure of the model stands beside that of the truth sent through its autoencoder, which its
//! denoiser cannot beat, and beside a control that it has to beat: an empty prompt, another case's prompt, the
//! classical fill.
//!
//! Use [`eval_world`], then [`Evaluation::write`]; [`compare`] and [`reward`] say where they begin. Nothing is printed;
//! progress goes to a callback.

pub mod bootstrap;
mod breakdown;
pub mod case;
pub mod compare;
mod config;
pub mod editor;
mod error;
mod feature_sets;
pub mod figures;
mod gallery;
pub mod judge;
mod judging;
mod kept;
mod measure;
pub mod metric;
mod painter;
mod progress;
pub mod report;
pub mod reward;
mod section;
mod section_run;
mod shuffle;
mod suite;

pub use bootstrap::Estimate;
pub use breakdown::Breakdown;
pub use case::{Case, Cases};
pub use config::{EvalConfig, GuidanceScales};
pub use editor::{Editor, ModelIdentity};
pub use error::{EvalError, Result};
pub use feature_sets::Frechet;
pub use figures::Figures;
pub use gallery::{Example, Group, Order};
pub use judge::{Judge, Opinion, TrainedJudge};
pub use kept::Keep;
pub use measure::Subject;
pub use metric::Metric;
pub use progress::Progress;
pub use report::{Evaluation, Report};
pub use section::Section;
pub use suite::eval_world;
