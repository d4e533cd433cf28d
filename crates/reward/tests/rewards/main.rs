//! Rewards on tiny checkpoints: their values, their gradients, and what they see.

mod coherent;
mod golden_scores;
mod gradients;
mod opening;
mod preprocessing;
mod support;
