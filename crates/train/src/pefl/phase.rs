//! The steps of a phase and where its gradients lie (Ren et al. 2024, Sections 3.1 and 3.3).
//!
//! Steps count down: `T` is the noisiest, 1 the last. Stage 1 brings a picture straight to step `T1`, stage 2 denoises it
//! without a gradient to a step `t'` that is drawn from `1..=T2`, stage 3 is the one call with a gradient, at `t'`.

use std::ops::Range;

use byteedit_diffusion::{Guidance, Levels, check_temperature, own_temperature};
use serde::{Deserialize, Serialize};

use crate::{Result, TrainError};

/// A phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseConfig {
    /// The optimiser step that it begins with: 0 for the first, later for each that follows.
    pub from_step: u64,
    /// Denoising steps in all.
    #[serde(rename = "T")]
    pub t: usize,
    /// The step that a picture is noised to, at most `T`.
    #[serde(rename = "T1")]
    pub t_1: usize,
    /// The noisiest step with a gradient, at most `T1`.
    #[serde(rename = "T2")]
    pub t_2: usize,
}

/// What stage 1 starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// The picture without what is under its mask, as the model is shown it, at `T1`: the paper's.
    MaskedInput,
    /// Noise alone at `T`, as an editor starts.
    Noise,
}

/// Stages 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutConfig {
    /// What stage 1 starts from.
    pub start: Start,
    /// Guidance scale of stage 2 and of stage 3; up to 1 there is none, as in the paper's lineage.
    pub guidance_scale: f64,
    /// Temperature of the rollouts, above 0 and up to 1, the schedule's own.
    pub temperature: f64,
    /// Whether `t'` is drawn from all steps and stage 1 starts from noise, so that the noisiest steps learn too (the paper's
    /// Section 4.4 against Section 3.3); beyond `T2` the aesthetic and alignment rewards, which do not know such pictures, have no say.
    pub full_range: bool,
}

impl RolloutConfig {
    /// As the paper has it.
    pub const fn paper() -> Self {
        Self {
            start: Start::MaskedInput,
            guidance_scale: 1.0,
            temperature: own_temperature(),
            full_range: false,
        }
    }

    /// How strongly prompts are followed.
    pub(super) fn guidance(&self) -> Guidance {
        Guidance::with_scale(self.guidance_scale)
    }

    /// Checks every number.
    pub(super) fn validate(&self) -> Result<()> {
        self.guidance().validate()?;
        Ok(check_temperature("temperature", self.temperature)?)
    }

    pub(super) fn starts_from_noise(&self) -> bool {
        self.full_range || self.start == Start::Noise
    }
}

impl PhaseConfig {
    /// The paper's first: 20 steps.
    pub const QUALITY: Self = Self { from_step: 0, t: 20, t_1: 15, t_2: 10 };
    /// Its second: 8.
    pub const SPEED: Self = Self { from_step: 0, t: 8, t_1: 6, t_2: 3 };

    /// The phase of an optimiser step.
    ///
    /// # Panics
    /// If there is no phase, which [`PhaseConfig::validate_all`] refuses.
    pub(super) fn at(phases: &[Self], step: u64) -> Self {
        *phases.iter().rfind(|phase| phase.from_step <= step).expect("the first phase begins with step 0")
    }

    /// Checks a list of phases for a run of `n_steps`.
    pub(super) fn validate_all(phases: &[Self], n_steps: u64) -> Result<()> {
        if phases.is_empty() {
            return Err(TrainError::config("phases", "empty", "a list of one phase or more"));
        }
        let mut earliest = 0;
        for (place, phase) in phases.iter().enumerate() {
            let begins = if place == 0 { phase.from_step == 0 } else { phase.from_step >= earliest };
            if !begins || phase.from_step >= n_steps.max(1) {
                let limit = format!(
                    "0 for the first phase, for each other more than for the one before it and below training.n_steps \
                     {n_steps}; a run of another length needs its own list of phases"
                );
                return Err(TrainError::config("phases.from_step", phase.from_step, limit));
            }
            earliest = phase.from_step + 1;
            for (key, value, most, limit) in [
                ("phases.T", phase.t, 1000, "from 1 to 1000"),
                ("phases.T1", phase.t_1, phase.t, "from 1 to T"),
                ("phases.T2", phase.t_2, phase.t_1, "from 1 to T1"),
            ] {
                if !(1..=most).contains(&value) {
                    return Err(TrainError::config(key, value, limit));
                }
            }
        }
        Ok(())
    }

    /// The step that stage 1 leads to.
    pub(super) fn start(&self, rollout: &RolloutConfig) -> usize {
        if rollout.starts_from_noise() { self.t } else { self.t_1 }
    }

    /// The noisiest step that `t'` can be.
    pub(super) fn last_with_gradient(&self, rollout: &RolloutConfig) -> usize {
        if rollout.full_range { self.t } else { self.t_2 }
    }

    /// Position of step `k` in the levels of all `T` steps.
    pub(super) fn place(&self, step: usize) -> usize {
        self.t - step
    }

    /// The steps of stage 2 as positions in the levels; empty where stage 1 leads to `t'` itself.
    pub(super) fn rollout_steps(&self, rollout: &RolloutConfig, t_prime: usize) -> Range<usize> {
        self.place(self.start(rollout))..self.place(t_prime)
    }
}

/// The temperature of a part of a trajectory, so that all parts together have `temperature`.
pub(super) fn part_of_temperature(temperature: f64, part: &Levels, whole: &Levels) -> f64 {
    temperature.powf(part.n_steps() as f64 / whole.n_steps() as f64)
}

#[cfg(test)]
mod tests {
    use byteedit_diffusion::{NoiseSchedule, NoiseScheduleConfig, SamplerKind, TimestepSpacing};

    use super::*;

    #[test]
    fn steps_lie_at_the_paper_s_timesteps() {
        let config = NoiseScheduleConfig {
            timestep_spacing: Some(TimestepSpacing::Trailing),
            ..NoiseScheduleConfig::stable_diffusion()
        };
        let schedule = NoiseSchedule::new(config).unwrap();
        let ddim = SamplerKind::Ddim { eta: 0.0 };
        for (phase, step, timestep) in [
            (PhaseConfig::QUALITY, 20, 999.0),
            (PhaseConfig::QUALITY, 15, 749.0),
            (PhaseConfig::QUALITY, 10, 499.0),
            (PhaseConfig::SPEED, 6, 749.0),
            (PhaseConfig::SPEED, 3, 374.0),
        ] {
            let levels = ddim.levels(&schedule, phase.t).unwrap();
            let found = levels.as_slice()[phase.place(step)].timestep;
            assert!((found - timestep).abs() < 1e-9, "{phase:?}, step {step}: {found}");
        }
    }

    #[test]
    fn a_rollout_goes_from_its_start_to_the_step_with_the_gradient() {
        let (phase, paper) = (PhaseConfig::QUALITY, RolloutConfig::paper());
        assert_eq!(phase.rollout_steps(&paper, 10), 5..10);
        assert_eq!(phase.rollout_steps(&paper, 1), 5..19);
        let whole = RolloutConfig { full_range: true, ..paper };
        assert_eq!((phase.rollout_steps(&whole, 20), phase.last_with_gradient(&whole)), (0..0, 20));
        assert_eq!((phase.start(&paper), phase.last_with_gradient(&paper)), (15, 10));
    }

    #[test]
    fn phases_follow_each_other() {
        let phases = [PhaseConfig::QUALITY, PhaseConfig { from_step: 100, ..PhaseConfig::SPEED }];
        let t = |step| PhaseConfig::at(&phases, step).t;
        assert_eq!((t(0), t(99), t(100), t(5000)), (20, 20, 8, 8));
    }
}
