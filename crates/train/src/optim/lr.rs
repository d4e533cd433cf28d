//! The learning rate as a function of the step: linear warm-up, then constant or a half cosine
//! (Loshchilov & Hutter 2017, arXiv 1608.03983, Eq. 5 without restarts).

use serde::{Deserialize, Serialize};

use crate::{Result, TrainError};

/// What follows the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Decay {
    /// The peak to the end.
    Constant,
    /// Half a cosine from the peak to `floor` times the peak, which the step after the last would have.
    Cosine {
        /// Share of the peak that is left at the end, 0 to 1.
        floor: f64,
    },
}

/// Learning rate by step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LrSchedule {
    /// The highest learning rate, positive.
    pub peak: f64,
    /// Steps over which it rises linearly from `peak / warmup_steps`; 0 for none.
    pub warmup_steps: u64,
    /// What follows.
    pub decay: Decay,
}

impl LrSchedule {
    /// The learning rate of step `step`, counted from 0, in a run of `n_steps`.
    pub fn at(&self, step: u64, n_steps: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        match self.decay {
            Decay::Constant => self.peak,
            Decay::Cosine { floor } => {
                let span = n_steps.saturating_sub(self.warmup_steps).max(1);
                let progress = ((step - self.warmup_steps) as f64 / span as f64).min(1.0);
                let share = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
                self.peak * (floor + (1.0 - floor) * share)
            }
        }
    }

    /// Checks every number.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(self.peak > 0.0 && self.peak.is_finite()) {
            return Err(TrainError::config("learning_rate.peak", self.peak, "a positive number"));
        }
        match self.decay {
            Decay::Cosine { floor } if !(0.0..=1.0).contains(&floor) => {
                Err(TrainError::config("learning_rate.decay.cosine.floor", floor, "from 0 to 1"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_is_linear_and_reaches_the_peak() {
        let lr = LrSchedule { peak: 2.0, warmup_steps: 4, decay: Decay::Constant };
        for (step, expected) in [(0, 0.5), (1, 1.0), (2, 1.5), (3, 2.0), (4, 2.0), (999, 2.0)] {
            assert!((lr.at(step, 1000) - expected).abs() < 1e-12, "step {step}: {}", lr.at(step, 1000));
        }
        let none = LrSchedule { warmup_steps: 0, ..lr };
        assert!((none.at(0, 10) - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_cosine_goes_from_peak_to_floor() {
        let lr = LrSchedule { peak: 1.0, warmup_steps: 10, decay: Decay::Cosine { floor: 0.1 } };
        for (step, expected) in [(10, 1.0), (60, 0.55), (110, 0.1), (500, 0.1)] {
            assert!((lr.at(step, 110) - expected).abs() < 1e-12, "step {step}: {}", lr.at(step, 110));
        }
        assert!((10..109).all(|step| lr.at(step + 1, 110) < lr.at(step, 110)));
        // A run shorter than its warm-up never decays.
        assert!((lr.at(4, 5) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let good = LrSchedule { peak: 1.0, warmup_steps: 0, decay: Decay::Cosine { floor: 0.0 } };
        assert!(good.validate().is_ok());
        let message = LrSchedule { peak: 0.0, ..good }.validate().unwrap_err().to_string();
        assert!(message.contains("`learning_rate.peak` is 0"), "{message}");
        assert!(LrSchedule { decay: Decay::Cosine { floor: 1.5 }, ..good }.validate().is_err());
    }
}
