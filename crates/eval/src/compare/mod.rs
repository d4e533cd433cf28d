//! Several arms (models, or settings of one) on the same questions with the same noise, compared case by case as in the
//! paper's ablation: better, the same, worse.
//!
//! ```text
//!                 ┌─ every arm, own seed ────┐            ┌─► means of each arm ──────────┐
//! World ─► Cases ─┤                           ├─► scores ──┤                               ├─► CompareReport,
//!                 └─ reference, second seed ──┘            └─► tie band ─► pairs: G, S, B ─┘   contact sheets
//! ```
//!
//! The paper's judges are people. Here two scores without any network stand for them ([`Score`]), and a difference within
//! the *tie band* is a tie. The band is fixed by the reference, the first arm, alone: half of the time its own score moves
//! further when nothing but the noise changes. Use [`eval_compare`], then [`Comparison::write`]. [`tune_guidance`] chooses
//! beforehand, on another split, how strongly each arm is to follow prompts.

mod answered;
mod arm;
mod band;
mod config;
mod contest;
mod gsb;
mod guidance;
mod kept;
mod markdown;
mod report;
mod run;
mod score;
mod sheet;
mod summary;

pub use arm::{Arm, ArmSettings, check_distinct, pairs};
pub use config::CompareConfig;
pub use gsb::{Counts, Gsb, MAX_SAME_SHARE};
pub use guidance::{GuidanceConfig, GuidanceReport, TunedArm, tune_guidance};
pub use kept::KeptArm;
pub use report::{
    ArmFigures, ArmReport, CompareReport, CompareSheet, CompareTiming, Comparison, PairFigures,
    SectionComparison, ShownCase,
};
pub use run::{CompareEvent, CompareProgress, eval_compare};
pub use score::Score;
