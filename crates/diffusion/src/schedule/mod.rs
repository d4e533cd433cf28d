//! The training noise of a network, and the grids that samplers place on it.

mod beta;
mod grid;
mod karras;
mod spacing;

pub use grid::{FinalLevel, Grid, KarrasSpan, Placement};
pub use spacing::TimestepSpacing;

use crate::config::NoiseScheduleConfig;
use crate::error::DiffusionError;
use crate::level::NoiseLevel;
use crate::prediction::Prediction;

/// `ᾱ_t` at every training timestep, with the configuration that it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSchedule {
    config: NoiseScheduleConfig,
    alpha_bars: Vec<f64>,
}

impl NoiseSchedule {
    /// Computes the schedule.
    ///
    /// # Errors
    /// [`DiffusionError::OutOfRange`] for a number outside its range and for levels that do not fall;
    /// [`DiffusionError::Unsupported`] for zero terminal SNR with epsilon prediction, since noise
    /// alone tells such a network's output nothing about `x_0` (Lin et al. 2023, Section 3.2).
    pub fn new(config: NoiseScheduleConfig) -> Result<Self, DiffusionError> {
        if config.rescale_betas_zero_snr && config.prediction_type == Prediction::Epsilon {
            return Err(DiffusionError::Unsupported {
                key: "rescale_betas_zero_snr",
                value: "true with prediction_type \"epsilon\"".to_owned(),
                supported: "true with \"v_prediction\" or \"sample\"",
            });
        }
        let alpha_bars = beta::alpha_bars(&config)?;
        Ok(Self { config, alpha_bars })
    }

    /// The configuration that the schedule was computed from.
    pub fn config(&self) -> &NoiseScheduleConfig {
        &self.config
    }

    /// What a network of this schedule outputs.
    pub fn prediction(&self) -> Prediction {
        self.config.prediction_type
    }

    /// `ᾱ` by training timestep, strictly falling.
    pub fn alpha_bars(&self) -> &[f64] {
        &self.alpha_bars
    }

    /// The level of a training timestep.
    ///
    /// # Errors
    /// [`DiffusionError::OutOfRange`] for a timestep that was not trained.
    pub fn level(&self, timestep: usize) -> Result<NoiseLevel, DiffusionError> {
        match self.alpha_bars.get(timestep) {
            Some(&alpha_bar) => Ok(NoiseLevel { timestep: timestep as f64, alpha_bar }),
            None => Err(DiffusionError::OutOfRange {
                name: "timestep",
                value: timestep as f64,
                range: "below num_train_timesteps",
            }),
        }
    }
}
