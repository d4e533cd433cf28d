//! The serialised form of a noise schedule: diffusers' `scheduler_config.json`.
//!
//! Only this module knows the format. The file is written by one of many sampler classes, but a
//! network is bound to its noise schedule alone and the sampler is chosen by the user, so the keys
//! that only describe an update rule are accepted and have no effect.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::DiffusionError;
use crate::prediction::Prediction;
use crate::schedule::TimestepSpacing;

/// Keys that describe an update rule, dynamic thresholding or the file itself, and no schedule.
///
/// `clip_sample` is among them: latents have no bounds to clip to. Of the latent pipelines of diffusers,
/// text-to-image and image-to-image switch it off whatever the file says, and inpainting does not.
const WITHOUT_EFFECT: [&str; 17] = [
    "algorithm_type",
    "clip_sample",
    "clip_sample_range",
    "disable_corrector",
    "dynamic_thresholding_ratio",
    "euler_at_final",
    "flow_shift",
    "lower_order_final",
    "predict_x0",
    "sample_max_value",
    "skip_prk_steps",
    "solver_order",
    "solver_p",
    "solver_type",
    "time_shift_type",
    "use_clipped_model_output",
    "variance_type",
];

/// Keys that would change the schedule, with the only value (as JSON) that leaves it as it is here.
///
/// A `null` always means "not used" and is dropped before this table is consulted.
const ONLY: [(&str, &str); 12] = [
    ("interpolation_type", "\"linear\""),
    ("lambda_min_clipped", "-Infinity"),
    ("sigma_max", "null"),
    ("sigma_min", "null"),
    ("thresholding", "false"),
    ("timestep_type", "\"discrete\""),
    ("trained_betas", "null"),
    ("use_beta_sigmas", "false"),
    ("use_dynamic_shifting", "false"),
    ("use_exponential_sigmas", "false"),
    ("use_flow_sigmas", "false"),
    ("use_lu_lambdas", "false"),
];

/// How `β_t` runs from `beta_start` to `beta_end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// `β_t` linear in `t` (Ho et al. 2020).
    Linear,
    /// `√β_t` linear in `t` (latent diffusion; Rombach et al. 2022).
    ScaledLinear,
    /// `ᾱ` a squared cosine, `β` capped at 0.999 (Nichol and Dhariwal 2021, Eq. 17); ignores
    /// `beta_start` and `beta_end`.
    #[serde(rename = "squaredcos_cap_v2")]
    SquaredCosine,
}

/// Where the samplers of sigma space end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalSigma {
    /// At the clean latent.
    #[default]
    Zero,
    /// At training timestep 0, which still has a little noise.
    SigmaMin,
}

/// The noise schedule that a network was trained on, and how to place sampling steps on it.
///
/// Field names and values are diffusers' keys. The first four have no default: a network sampled on
/// a guessed schedule gives wrong pictures and no error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseScheduleConfig {
    /// Number of training timesteps `T`, from 1 to 100 000.
    pub num_train_timesteps: usize,
    /// `β` of the first timestep, in (0, 1).
    pub beta_start: f64,
    /// `β` of the last timestep, at least `beta_start` and below 1.
    pub beta_end: f64,
    /// The run of `β` between them.
    pub beta_schedule: BetaSchedule,
    /// What the network outputs.
    #[serde(default)]
    pub prediction_type: Prediction,
    /// Which timesteps are sampled; if `None`, the habit of the sampler's class in diffusers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestep_spacing: Option<TimestepSpacing>,
    /// Added to every timestep of leading spacing (1 in Stable Diffusion). A missing key is 0, as in the
    /// samplers of diffusers; its latent pipelines put 1 in the place of any other value, and here the
    /// file decides.
    #[serde(default)]
    pub steps_offset: usize,
    /// Whether DDIM ends at the clean latent; if not, at training timestep 0.
    #[serde(default = "enabled")]
    pub set_alpha_to_one: bool,
    /// Whether the last timestep is noise alone (Lin et al. 2023, Algorithm 1).
    #[serde(default)]
    pub rescale_betas_zero_snr: bool,
    /// Whether Euler and DPM++ 2M use the grid of Karras et al. 2022.
    #[serde(default, skip_serializing_if = "is_default")]
    pub use_karras_sigmas: bool,
    /// Where Euler and DPM++ 2M end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub final_sigmas_type: FinalSigma,
    /// Steps of the teacher's schedule that an LCM was distilled on.
    #[serde(default = "lcm_original_steps")]
    pub original_inference_steps: usize,
    /// Multiplies the timestep in the boundary conditions of an LCM.
    #[serde(default = "lcm_timestep_scaling")]
    pub timestep_scaling: f64,
}

impl NoiseScheduleConfig {
    /// The schedule of Stable Diffusion 1.x (the `scheduler_config.json` of its checkpoints).
    pub fn stable_diffusion() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: 0.000_85,
            beta_end: 0.012,
            beta_schedule: BetaSchedule::ScaledLinear,
            prediction_type: Prediction::Epsilon,
            timestep_spacing: Some(TimestepSpacing::Leading),
            steps_offset: 1,
            set_alpha_to_one: false,
            rescale_betas_zero_snr: false,
            use_karras_sigmas: false,
            final_sigmas_type: FinalSigma::Zero,
            original_inference_steps: lcm_original_steps(),
            timestep_scaling: lcm_timestep_scaling(),
        }
    }

    /// Reads the text of a `scheduler_config.json`, whichever class wrote it.
    ///
    /// # Errors
    /// [`DiffusionError::Config`] for text that is not JSON, a missing or an unknown key;
    /// [`DiffusionError::Unsupported`] for a key that asks for another schedule than ours.
    pub fn from_json(text: &str) -> Result<Self, DiffusionError> {
        // Python writes an infinite `lambda_min_clipped` as a token that JSON does not have.
        let mut keys: Map<String, Value> = serde_json::from_str(&text.replace("-Infinity", "null"))?;
        keys.retain(|key, value| !value.is_null() && !key.starts_with('_'));
        for key in WITHOUT_EFFECT {
            keys.remove(key);
        }
        for (key, supported) in ONLY {
            let value = keys.remove(key).map_or_else(|| supported.to_owned(), |value| value.to_string());
            if value != supported {
                return Err(DiffusionError::Unsupported { key, value, supported });
            }
        }
        Ok(serde_json::from_value(Value::Object(keys))?)
    }

    /// The text of a `scheduler_config.json` that diffusers loads as a DDIM sampler.
    ///
    /// # Errors
    /// [`DiffusionError::Config`] if a number is not finite.
    pub fn to_json(&self) -> Result<String, DiffusionError> {
        let mut keys = Map::new();
        keys.insert("_class_name".into(), "DDIMScheduler".into());
        // Absent, it would be true there, and clip latents.
        keys.insert("clip_sample".into(), false.into());
        if let Value::Object(own) = serde_json::to_value(self)? {
            keys.extend(own);
        }
        Ok(serde_json::to_string_pretty(&keys)?)
    }
}

fn enabled() -> bool {
    true
}

fn lcm_original_steps() -> usize {
    50
}

fn lcm_timestep_scaling() -> f64 {
    10.0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::NoiseScheduleConfig;

    const MINIMAL: &str = r#""num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear""#;

    fn read(more: &str) -> Result<NoiseScheduleConfig, String> {
        NoiseScheduleConfig::from_json(&format!("{{{MINIMAL}{more}}}")).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_written_reads_back() {
        for config in [
            NoiseScheduleConfig::stable_diffusion(),
            NoiseScheduleConfig {
                timestep_spacing: None,
                use_karras_sigmas: true,
                rescale_betas_zero_snr: true,
                original_inference_steps: 40,
                timestep_scaling: 5.0,
                ..NoiseScheduleConfig::stable_diffusion()
            },
        ] {
            let json = config.to_json().unwrap();
            assert_eq!(NoiseScheduleConfig::from_json(&json).unwrap(), config);
            assert!(json.contains(r#""clip_sample": false"#));
        }
    }

    #[test]
    fn keys_of_update_rules_have_no_effect_and_nulls_mean_unused() {
        let plain = read("").unwrap();
        let more = r#", "_class_name": "DPMSolverMultistepScheduler", "solver_order": 3, "clip_sample": true,
            "lambda_min_clipped": -Infinity, "trained_betas": null, "use_karras_sigmas": null,
            "interpolation_type": "linear", "timestep_type": "discrete", "thresholding": false"#;
        assert_eq!(read(more).unwrap(), plain);
    }

    #[test]
    fn another_schedule_is_refused_by_name() {
        for (more, message) in [
            (r#", "beta_star": 1"#, "unknown field `beta_star`"),
            (r#", "trained_betas": [0.1]"#, "`trained_betas` is [0.1], but only null is supported"),
            (r#", "use_flow_sigmas": true"#, "`use_flow_sigmas` is true, but only false"),
            (r#", "interpolation_type": "log_linear""#, r#""log_linear", but only "linear""#),
            (r#", "lambda_min_clipped": -5.1"#, "-5.1, but only -Infinity"),
            (r#", "prediction_type": "flow""#, "unknown variant `flow`"),
        ] {
            let error = read(more).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn the_training_noise_is_never_guessed() {
        let error = NoiseScheduleConfig::from_json(r#"{"num_train_timesteps": 1000}"#).unwrap_err();
        assert!(error.to_string().contains("missing field `beta_start`"), "{error}");
        assert!(NoiseScheduleConfig::from_json("half a file {").is_err());
    }
}
