//! How good a reward is on judged preferences: how often it prefers what was preferred, beside scorers that know
//! nothing and a control without the right pictures.
//!
//! ```text
//! records.jsonl ─► Judged ─► pictures ─┬─ Scorer, own and others' pictures ─┬─► accuracy over pairs ─► RewardReport,
//!                                      └─ trivial scorers ──────────────────┘    calibration, AUC      plot, sheet
//! ```
//!
//! Pairs of one task belong together: every interval is over tasks. Use [`Judged::read`], then [`eval_reward`], then
//! [`RewardEvaluation::write`].

mod accuracy;
mod calibration;
mod heat_map;
mod judged;
mod markdown;
mod pictures;
mod plot;
mod report;
mod run;
mod scorer;
mod sheet;
mod summary;
mod trivial;

pub use accuracy::Accuracy;
pub use calibration::{Bin, Calibration};
pub use heat_map::heat_map;
pub use judged::Judged;
pub use report::{
    PixelFigures, PlaceFigures, PromptFigures, RankedCandidate, RecordsSummary, RewardEvaluation,
    RewardIdentity, RewardReport, Row, TrivialFigures, TrueOrder,
};
pub use run::eval_reward;
pub use scorer::Scorer;
pub use trivial::{Prefers, Trivial};

#[cfg(test)]
mod tests;
