//! From gradients to new weights: accumulation, clipping, `AdamW` and Muon, learning rates, moving average.
//!
//! Everything is keyed by parameter name, so that a checkpoint holds the optimiser's state in a form
//! that survives a restart, and summed in name order, so that a run repeats bit for bit.

mod adamw;
mod ema;
mod gradients;
mod lr;
mod muon;
mod optimizer;

pub use adamw::{AdamWConfig, Moments};
pub use ema::{Ema, EmaConfig};
pub use gradients::Gradients;
pub use lr::{Decay, LrSchedule};
pub use muon::MuonConfig;
pub(crate) use optimizer::n_kept;
pub use optimizer::{Optimizer, ParameterState, StepSize};
