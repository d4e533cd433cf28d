//! The equations of diffusion: noise schedules, predictions, guidance, samplers, losses.
//!
//! Nothing here knows a network, a picture or a device. A caller brings a [`Network`], wraps it
//! ([`Preconditioned`] or [`Guided`], then perhaps [`KeepUnmasked`]) until it is a [`Denoiser`], and
//! iterates the one loop there is, [`Denoise`].
//!
//! # Which `x` travels through the loop
//!
//! The **variance-preserving** one: `x_t = α x_0 + σ ε` with `α = √ᾱ`, `σ = √(1 − ᾱ)`. It is what
//! the networks of this field take as input, and it stays finite at zero terminal SNR, where
//! `α = 0`. Samplers that were published in sigma space (Euler, Euler ancestral, the Karras grid)
//! use `X = x_t / α = x_0 + s ε` with `s = σ / α`; each of them converts its coefficients in its own
//! file, and `s` is [`NoiseLevel::karras_sigma`] wherever it appears.
//!
//! # Example
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use byteedit_diffusion::{
//!     Denoise, Denoiser, DrawNoise, NoiseLevel, NoiseSchedule, NoiseScheduleConfig, NoiseSource,
//!     SamplerKind,
//! };
//!
//! /// The best guess for data that are standard normal.
//! struct StandardNormal;
//! impl Denoiser for StandardNormal {
//!     fn denoise(&self, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
//!         x_t * level.alpha()
//!     }
//! }
//!
//! let schedule = NoiseSchedule::new(NoiseScheduleConfig::stable_diffusion())?;
//! let kind: SamplerKind = "dpm++2m".parse()?;
//! let mut noise = NoiseSource::new(&[17]);
//! let x_t = noise.draw([4, 8, 8], &Device::default());
//! let levels = kind.levels(&schedule, 20)?;
//! let mut denoise = Denoise::new(levels, kind.build(&schedule)?, &StandardNormal, x_t, &mut noise)?;
//! for step in denoise.by_ref() {
//!     assert!(step.index < step.n_steps);
//! }
//! let x_0 = denoise.finish()?;
//! assert_eq!(x_0.dims(), [1, 4, 8, 8]);
//! # Ok::<(), byteedit_diffusion::DiffusionError>(())
//! ```

mod config;
mod denoise;
mod denoiser;
mod error;
mod forward;
mod guidance;
mod keep_unmasked;
mod level;
mod levels;
mod linear;
pub mod loss;
mod noise;
mod prediction;
pub mod sampler;
mod schedule;

pub use config::{BetaSchedule, FinalSigma, NoiseScheduleConfig};
pub use denoise::{Denoise, Step, check_temperature, is_own_temperature, own_temperature};
pub use denoiser::{Denoiser, Network, Preconditioned};
pub use error::DiffusionError;
pub use forward::{add_noise, offset_noise};
pub use guidance::{Guidance, GuidanceInterval, Guided};
pub use keep_unmasked::KeepUnmasked;
pub use level::NoiseLevel;
pub use levels::Levels;
pub use noise::{DrawNoise, NoiseSource, standard_normal};
pub use prediction::Prediction;
pub use sampler::{Sampler, SamplerKind, Transition};
pub use schedule::{FinalLevel, Grid, KarrasSpan, NoiseSchedule, Placement, TimestepSpacing};
