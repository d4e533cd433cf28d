//! From gradients to new weights: accumulation, clipping, `AdamW`, learning rates, moving average.
//!
//! Everything is keyed by parameter name, so that a checkpoint holds the optimiser's state in a form
//! that survives a restart, and summed in name order, so that a run repeats bit for bit.

mod adamw;
mod ema;
mod gradients;
mod lr;

pub use adamw::{AdamW, AdamWConfig, Moments, StepSize};
pub use ema::{Ema, EmaConfig};
pub use gradients::Gradients;
pub use lr::{Decay, LrSchedule};
