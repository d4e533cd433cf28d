//! How a run paints, in the words of its configuration.

use byteedit_data::Task;
use byteedit_diffusion::{Guidance, SamplerKind, check_temperature, is_own_temperature, own_temperature};
use byteedit_edit::{Defaults, Sampling, TaskKind};
use serde::{Deserialize, Serialize};

use crate::{Result, TrainError};

/// Sampler, steps and how strongly prompts are followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingConfig {
    /// Sampler by name.
    pub sampler: String,
    /// Its steps, 1 or more.
    pub n_steps: usize,
    /// Guidance scale, 0 or more; up to 1 there is none.
    pub guidance_scale: f64,
    /// Temperature of edits, above 0 and up to 1, the schedule's own.
    pub temperature: f64,
    /// The same for erasing.
    #[serde(default = "own_temperature", skip_serializing_if = "is_own_temperature")]
    pub erase_temperature: f64,
    /// The same for outpainting.
    #[serde(default = "own_temperature", skip_serializing_if = "is_own_temperature")]
    pub outpaint_temperature: f64,
}

impl From<&Defaults> for SamplingConfig {
    fn from(defaults: &Defaults) -> Self {
        Self {
            sampler: defaults.sampler.name().to_owned(),
            n_steps: defaults.n_steps,
            guidance_scale: defaults.guidance_scale,
            temperature: defaults.temperature,
            erase_temperature: defaults.erase_temperature,
            outpaint_temperature: defaults.outpaint_temperature,
        }
    }
}

/// The world's task by the editor's name.
fn task_kind(task: Task) -> TaskKind {
    match task {
        Task::Edit => TaskKind::Edit,
        Task::Erase => TaskKind::Erase,
        Task::Outpaint => TaskKind::Outpaint,
    }
}

impl SamplingConfig {
    /// How a task is painted, as the editor paints it by default.
    ///
    /// # Errors
    /// A sampler that nobody knows.
    pub fn of_task(&self, task: Task) -> Result<Sampling> {
        let Self { sampler, n_steps, guidance_scale, temperature, erase_temperature, outpaint_temperature } =
            self;
        let defaults = Defaults {
            sampler: sampler.parse::<SamplerKind>()?,
            n_steps: *n_steps,
            guidance_scale: *guidance_scale,
            temperature: *temperature,
            erase_temperature: *erase_temperature,
            outpaint_temperature: *outpaint_temperature,
            ..Defaults::default()
        };
        Ok(Sampling::new(task_kind(task), &defaults))
    }

    /// Checks every number; `n_steps` is what a configuration calls the steps.
    ///
    /// # Errors
    /// [`TrainError::Config`] or [`TrainError::Diffusion`] names the first that is out of range.
    pub(crate) fn validate(&self, n_steps: &'static str) -> Result<()> {
        self.sampler.parse::<SamplerKind>()?;
        if self.n_steps == 0 {
            return Err(TrainError::config(n_steps, 0, "1 or more"));
        }
        check_temperature("temperature", self.temperature)?;
        check_temperature("erase_temperature", self.erase_temperature)?;
        check_temperature("outpaint_temperature", self.outpaint_temperature)?;
        Ok(Guidance::with_scale(self.guidance_scale).validate()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_before_a_setting_existed_goes_on() {
        let json = r#"{"sampler":"ddim","n_steps":20,"guidance_scale":1.5,"temperature":0.5}"#;
        let config: SamplingConfig = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&config).unwrap(), json);
    }

    #[test]
    fn every_task_is_painted_at_its_temperature() {
        let config = SamplingConfig {
            temperature: 0.5,
            erase_temperature: 0.75,
            outpaint_temperature: 0.625,
            ..SamplingConfig::from(&Defaults::default())
        };
        let of = |task| config.of_task(task).unwrap().temperature.to_bits();
        assert_eq!([Task::Edit, Task::Erase, Task::Outpaint].map(of), [0.5, 0.75, 0.625].map(f64::to_bits));
    }
}
