//! Which noise levels a sampler visits.
//!
//! diffusers' sampler classes place their steps in slightly different ways on one schedule, and the
//! pictures differ by it; [`Placement`] names those ways.

use super::{NoiseSchedule, TimestepSpacing, karras};
use crate::config::BetaSchedule;
use crate::error::DiffusionError;
use crate::level::NoiseLevel;
use crate::levels::Levels;

/// `ᾱ` of noise alone in sigma space, where the true sigma would be infinite; diffusers' number.
const SIGMA_SPACE_ZERO_SNR: f64 = 1.0 / (1 << 24) as f64;

/// How a family of samplers turns the spacing into noise levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// At whole timesteps (DDIM).
    Whole,
    /// The same, but linspace is not rounded and lies between two timesteps, linear in sigma
    /// (Euler, Euler ancestral).
    Fractional,
    /// At the upper ends of `n` intervals that are spread down to 0 (DPM-Solver).
    Intervals,
    /// At sigmas whose `1/7`-th powers are equally spaced (Karras et al. 2022, Eq. 5).
    Karras(KarrasSpan),
    /// At some of the timesteps that a consistency model was distilled on; ignores the spacing.
    Distilled,
}

/// Between which sigmas a Karras grid is laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KarrasSpan {
    /// From the first to the last level of [`Placement::Fractional`], at fractional timesteps
    /// (Euler).
    Grid,
    /// Over all that was trained, at whole timesteps: the nearest or, on a cosine schedule, the next
    /// lower (DPM-Solver).
    Schedule,
}

/// Where the last step arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalLevel {
    /// At the clean latent.
    Clean,
    /// At training timestep 0.
    First,
}

/// A placement of steps and the end of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Where the steps start.
    pub placement: Placement,
    /// Where the last one arrives.
    pub end: FinalLevel,
}

impl NoiseSchedule {
    /// The levels of `n_steps` steps.
    ///
    /// # Errors
    /// [`DiffusionError::Steps`] for no steps, or for more than the placement has room for;
    /// [`DiffusionError::OutOfRange`] if `steps_offset` leads beyond the last timestep, or
    /// `original_inference_steps` does not fit the schedule.
    pub fn levels(
        &self,
        n_steps: usize,
        spacing: TimestepSpacing,
        grid: Grid,
    ) -> Result<Levels, DiffusionError> {
        self.require_room(n_steps, spacing, grid.placement)?;
        let timesteps = self.timesteps(n_steps, spacing, grid.placement)?;
        let mut levels: Vec<NoiseLevel> = match grid.placement {
            Placement::Whole | Placement::Distilled => {
                timesteps.into_iter().map(|t| self.at_whole(t)).collect()
            }
            Placement::Fractional | Placement::Intervals => {
                timesteps.into_iter().map(|t| self.at_fractional(t)).collect()
            }
            Placement::Karras(span) => self.karras(&timesteps, span),
        };
        levels.push(match grid.end {
            FinalLevel::Clean => NoiseLevel::CLEAN,
            FinalLevel::First => self.level(0)?,
        });
        Levels::new(levels)
    }

    fn require_room(
        &self,
        n_steps: usize,
        spacing: TimestepSpacing,
        placement: Placement,
    ) -> Result<(), DiffusionError> {
        let (trained, original) = (self.alpha_bars.len(), self.config.original_inference_steps);
        if placement == Placement::Distilled && !(1..=trained).contains(&original) {
            return Err(DiffusionError::OutOfRange {
                name: "original_inference_steps",
                value: original as f64,
                range: "from 1 to num_train_timesteps",
            });
        }
        let limit = match placement {
            Placement::Distilled => original,
            // The n + 1 ends of n intervals have to be different timesteps.
            Placement::Intervals if spacing != TimestepSpacing::Trailing => trained - 1,
            _ => trained,
        };
        if (1..=limit).contains(&n_steps) { Ok(()) } else { Err(DiffusionError::Steps { n_steps, limit }) }
    }

    /// `n` descending timesteps, all within the schedule.
    fn timesteps(
        &self,
        n: usize,
        spacing: TimestepSpacing,
        placement: Placement,
    ) -> Result<Vec<f64>, DiffusionError> {
        let (trained, offset) = (self.alpha_bars.len(), self.config.steps_offset);
        let timesteps = match placement {
            Placement::Distilled => self.distilled(n).collect(),
            Placement::Intervals => spacing.interval_tops(n, trained, offset),
            Placement::Whole | Placement::Fractional | Placement::Karras(_) => {
                spacing.timesteps(n, trained, offset)
            }
        };
        if timesteps[0] > (trained - 1) as f64 {
            return Err(DiffusionError::OutOfRange {
                name: "steps_offset",
                value: offset as f64,
                range: "small enough to keep leading timesteps below num_train_timesteps; use fewer \
                        steps or trailing spacing",
            });
        }
        Ok(timesteps)
    }

    /// Every so many of the timesteps `k − 1, 2k − 1, …` of the distillation, `k = ⌊T / original⌋`.
    fn distilled(&self, n: usize) -> impl Iterator<Item = f64> {
        let original = self.config.original_inference_steps;
        let k = self.alpha_bars.len() / original;
        let stride = original as f64 / n as f64;
        let skipped = move |i: usize| (i as f64 * stride).floor() as usize;
        (0..n).map(move |i| ((original - skipped(i)) * k - 1) as f64)
    }

    /// As many Karras levels as there are timesteps, which give the span of [`KarrasSpan::Grid`].
    fn karras(&self, timesteps: &[f64], span: KarrasSpan) -> Vec<NoiseLevel> {
        let trained: Vec<f64> = (0..self.alpha_bars.len()).map(|t| self.sigma_at(t)).collect();
        let n = timesteps.len();
        let (max, min) = match span {
            KarrasSpan::Schedule => (trained[trained.len() - 1], trained[0]),
            KarrasSpan::Grid => (self.sigma_between(timesteps[0]), self.sigma_between(timesteps[n - 1])),
        };
        let placed: fn(f64) -> f64 = match (span, self.config.beta_schedule) {
            (KarrasSpan::Grid, _) => |t| t,
            (KarrasSpan::Schedule, BetaSchedule::SquaredCosine) => f64::floor,
            (KarrasSpan::Schedule, _) => f64::round_ties_even,
        };
        let timestep = |sigma| placed(karras::timestep_of_sigma(&trained, sigma));
        karras::sigmas(max, min, n).map(|s| NoiseLevel::from_karras_sigma(timestep(s), s)).collect()
    }

    /// The level of the whole timestep that is nearest to one within the schedule.
    fn at_whole(&self, timestep: f64) -> NoiseLevel {
        let timestep = timestep.round_ties_even();
        NoiseLevel { timestep, alpha_bar: self.alpha_bars[timestep as usize] }
    }

    /// The level of a timestep within the schedule, between whole ones too.
    fn at_fractional(&self, timestep: f64) -> NoiseLevel {
        NoiseLevel::from_karras_sigma(timestep, self.sigma_between(timestep))
    }

    /// `σ / α` of a trained timestep, finite.
    fn sigma_at(&self, timestep: usize) -> f64 {
        let alpha_bar = match self.alpha_bars[timestep] {
            0.0 => SIGMA_SPACE_ZERO_SNR,
            alpha_bar => alpha_bar,
        };
        NoiseLevel { timestep: 0.0, alpha_bar }.karras_sigma()
    }

    /// `σ / α` between two trained timesteps, linear in `t`.
    fn sigma_between(&self, timestep: f64) -> f64 {
        let (low, part) = (timestep.floor() as usize, timestep.fract());
        let sigma = self.sigma_at(low);
        if part == 0.0 { sigma } else { sigma + part * (self.sigma_at(low + 1) - sigma) }
    }
}
