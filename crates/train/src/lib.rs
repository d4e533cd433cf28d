//! Training: the autoencoder and the base inpainting model, from run folder to exported checkpoint.
//!
//! - [`vae::train`] fits an `AutoencoderKL` to crops, and brings its latents to unit variance;
//! - [`decoder::train`] sharpens its decoder against an adversary, the latents as they are;
//! - [`base::train`] fits the inpainting U-Net and its text encoder to cached latents;
//! - [`judge::train`] and [`annotator::train`] fit the classifiers of what a picture shows;
//! - [`feedback`] collects candidates of several generators and has a simulated annotator compare them;
//! - [`reward::ranking::train`] and [`reward::coherent::train`] fit the paper's three rewards;
//! - [`pefl::train`] teaches the editor by these rewards, with an adversary and at fewer steps too;
//! - [`base::BaseSteps`], [`vae::VaeSteps`] and [`pefl::PeflSteps`] make steps on random data, to be timed;
//! - [`export`] writes a run as a diffusers folder, [`plot`] its log as curves;
//! - [`named`], [`optim`], [`run`] and [`training`] are what every trainer shares: parameters by name,
//!   `AdamW`, the folder of a run, the loop.
//!
//! A run stopped at any moment, `kill -9` included, continues with the same command to the same
//! weights, bit for bit on one machine with one number of threads: the data of a step depends on
//! (seed, step) alone, all randomness is drawn on the host, sums have a fixed order, and the checkpoint
//! holds every number that one step hands to the next and no file has. Nothing is printed: callers pass a
//! [`Progress`] and a stop flag.

pub mod annotator;
pub mod base;
pub mod classifier;
pub mod decoder;
mod early_stop;
mod error;
pub mod export;
pub mod feedback;
mod files;
pub mod judge;
mod latents;
pub mod named;
pub mod optim;
pub mod pefl;
mod pictures;
pub mod plot;
pub mod progress;
mod random;
pub mod reward;
pub mod run;
mod sampling;
pub mod source;
mod step;
pub mod training;
pub mod vae;
pub mod vocabulary;

pub use error::{Result, TrainError, WeightsRole};
pub use latents::PoolConfig;
pub use progress::{Outcome, Progress, RunContext, Silent, StepReport};
pub use sampling::SamplingConfig;
pub use source::Source;
