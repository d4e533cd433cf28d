//! Every number of feedback learning, by the paper's symbols (Ren et al. 2024, Sections 3.1 to 3.3 and 4.1). A departure
//! from the paper is a switch; [`PeflRunConfig::paper`] has none of them on, but for the denoising error that the paper's
//! weight of 0.01 is read as being beside (`loss.w_diffusion`; 0 is the equations alone).

use std::collections::BTreeMap;
use std::path::Path;

use byteedit_diffusion::own_temperature;
use byteedit_edit::Hole;
use byteedit_models::lora::LoraConfig;
use byteedit_nn::Tape;
use byteedit_reward::losses::FakeRegion;
use serde::{Deserialize, Serialize};

use super::phase::{PhaseConfig, RolloutConfig};
use crate::base::{DenoisingLossConfig, SamplesConfig};
use crate::optim::{AdamWConfig, Decay, EmaConfig, LrSchedule};
use crate::run::read_config;
use crate::source::PairConfig;
use crate::training::{MAX_HELD_OUT, ReportConfig, TrainingConfig};
use crate::{Result, TrainError};

/// A run of perceptual feedback learning, with an adversary or without.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeflRunConfig {
    /// What is asked of the editor: `D_train`.
    pub data: PairConfig,
    /// The noise levels, phase by phase; each goes on with the weights of the one before it.
    pub phases: Vec<PhaseConfig>,
    /// Stages 1 and 2.
    pub rollout: RolloutConfig,
    /// What is minimised.
    pub loss: PeflLossConfig,
    /// The loss of base training, on the same pictures.
    pub diffusion: DenoisingLossConfig,
    /// The coherent reward as it learns beside the editor; null leaves `w_adv` without a say.
    pub adversary: Option<AdversaryConfig>,
    /// Whether the text encoder learns too. The paper trains its `G`, the U-Net.
    #[serde(default)]
    pub trains_text_encoder: bool,
    /// Low-rank branches that learn in the place of the U-Net's own weights. The paper trains all of these; with branches
    /// a run has moments for hundreds of thousands of numbers where the U-Net has hundreds of millions, states of a few
    /// megabytes, and leaves a file as small beside the model, `lora/pytorch_lora_weights.safetensors`. Left out, the weights
    /// learn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
    /// Whether the parts of U-Net and decoder are computed once more on the way back, instead of a tape that keeps all that
    /// lies between them: memory against one more forward pass of both. The gradient is the same, up to the order of sums.
    /// For each picture of 512 px the tapes of Stable Diffusion's two networks, the pass of the denoising error included,
    /// are some 7 GB when whole and 2 GB with this (counted by the formulas of `byteedit_models::footprint`); those of the
    /// rewards and of VGG come to it. The small model needs none of it. On other devices than the processor it changes
    /// nothing. It may be changed when a run goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recompute: bool,
    /// What keeps rewards from being hacked.
    pub guard: GuardConfig,
    /// How the grids and the held-out pictures are painted, and what the exported model has as its defaults.
    pub samples: SamplesConfig,
    /// The loop.
    pub training: TrainingConfig,
    /// What the run was made from: filled in by the trainer, to be left out.
    #[serde(default)]
    pub provenance: PeflProvenance,
}

/// `w_diffusion L_diffusion + w_pefl (w_aesthetic L_alpha + w_alignment L_beta + eta (L_reg + L_vgg)) + w_adv L_gamma`:
/// the paper's Eqs. 2, 3, 4, 7 and 8 with the weights that its Section 4.1 leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeflLossConfig {
    /// Of the denoising error at a timestep of its own, on the same pictures. The paper has no such term in its
    /// equations; with it, as `ReFL` has it (Xu et al. 2023), 0.01 below is a weight beside something.
    pub w_diffusion: f64,
    /// Of the feedback (the paper's Section 4.1: 0.01).
    pub w_pefl: f64,
    /// Of the adversary's opinion (the paper's Section 4.1: 0.05).
    pub w_adv: f64,
    /// `η` of the paper's Eq. 4, before the distances to the source.
    pub eta: f64,
    /// Of the aesthetic reward, 1 in the paper's Eq. 2.
    pub w_aesthetic: f64,
    /// Of the alignment reward, 1 in the paper's Eq. 7. A picture without a prompt has none.
    pub w_alignment: f64,
    /// Weight under the mask of the distances to the source, 1 in the paper's Eq. 3. There the source is the answer: at 1 an
    /// extension of a picture is asked to be the picture it was cut from.
    pub w_inside: f64,
    /// Whether rewards see kept pixels as they were, as a user will, in the place of the decoder's.
    pub pastes: bool,
    /// What the aesthetic and alignment rewards see of a picture is mirrored half of the time, and has normal noise of this
    /// deviation in it (in units of the range of a picture): what only one rounding of one picture would please a reward by
    /// is lost in it, as in randomised smoothing (Cohen et al. 2019, arXiv 1902.02918). The paper has none; 0 is neither.
    #[serde(default)]
    pub reward_noise: f64,
}

/// The coherent reward as an adversary (the paper's Section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdversaryConfig {
    /// Its learning rate by the step of the run.
    pub learning_rate: LrSchedule,
    /// Its gradient norm is scaled down to this.
    pub max_grad_norm: f64,
    /// The editor's steps for each of its own. Its optimiser counts the run's steps, so that corrections of its first
    /// moments are those of a longer run.
    pub every: u64,
    /// Which pixels of the editor's pictures count as generated: all in the paper's Eq. 6.
    pub fake_region: FakeRegion,
    /// Whether true pictures go through the autoencoder too, so that its traces tell nothing. The paper has none of it.
    pub real_through_vae: bool,
}

/// Against reward hacking: the paper trusts its adversary alone; `ReFL` and `UniFL` report that rewards are soon over-optimised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardConfig {
    /// Held-out samples of each task that are painted at a validation.
    pub n_per_task: usize,
    /// The first so many edits are painted from two seeds.
    pub n_diverse: usize,
    /// Held-out pairs on which the denoising error is measured; a multiple of 4.
    pub n_denoised: usize,
    /// Validations in a row without a better held-out reward after which the run ends.
    pub patience: u64,
    /// Saturation, contrast, fine detail and diversity may be so many times what they were, or as many times less;
    /// beyond that no weights are kept. Above 1.
    pub max_drift: f64,
}

/// What a run was made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeflProvenance {
    /// SHA-256 of the U-Net's weights that it started from.
    pub init_unet_sha256: String,
    /// SHA-256 of the text encoder's. A run that an earlier program began has none: the weights lie with its states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_text_encoder_sha256: Option<String>,
    /// SHA-256 of the autoencoder's weights.
    pub vae_sha256: String,
    /// Hash of the training pairs.
    pub data_sha256: String,
    /// SHA-256 of the weights of everybody who judges, by role.
    #[serde(default)]
    pub critics: BTreeMap<String, String>,
    /// What the model is shown inside the mask.
    pub hole: Hole,
    /// Whether kept latents are blended in at every step.
    pub keeps_unmasked: bool,
}

impl PeflRunConfig {
    /// The paper's numbers; where it is silent, those of `ImageReward`'s `ReFL`. For a Stable Diffusion inpainting model
    /// at 512 px.
    pub fn paper() -> Self {
        let mini = Self::mini();
        Self {
            data: PairConfig::of_all_kinds(512),
            rollout: RolloutConfig::paper(),
            loss: PeflLossConfig {
                w_diffusion: 1.0,
                w_pefl: 0.01,
                w_adv: 0.05,
                eta: 1.0,
                w_aesthetic: 1.0,
                w_alignment: 1.0,
                w_inside: 1.0,
                pastes: false,
                reward_noise: 0.0,
            },
            diffusion: DenoisingLossConfig {
                caption_dropout: 0.1,
                weighting: byteedit_diffusion::loss::LossWeighting::Output,
                weight_outside: 1.0,
                channel_gain_power: 0.0,
                timestep_shift: 1.0,
                offset_noise: 0.0,
            },
            recompute: true,
            // Not before the learning rate has risen.
            guard: GuardConfig { n_per_task: 8, n_diverse: 4, n_denoised: 16, patience: 5, max_drift: 1.5 },
            samples: SamplesConfig {
                guidance_scale: 7.5,
                temperature: own_temperature(),
                erase_temperature: own_temperature(),
                outpaint_temperature: own_temperature(),
                ..mini.samples.clone()
            },
            training: TrainingConfig {
                report: ReportConfig {
                    log_every: 10,
                    validate_every: 500,
                    sample_every: 1000,
                    checkpoint_every: 500,
                },
                n_steps: 10_000,
                batch_size: 4,
                n_accumulate: 16,
                learning_rate: LrSchedule { peak: 2e-6, warmup_steps: 1000, decay: Decay::Constant },
                ema: EmaConfig { decay: 0.9999 },
                ..mini.training
            },
            ..mini
        }
    }

    /// The same method for the small model: rates and averages for a run of hundreds of steps, since at this size the
    /// paper's constants move nothing. Pairs and denoising error are those of the base model's preset: an editor has its
    /// feedback on what it was trained for.
    pub fn mini() -> Self {
        Self {
            data: PairConfig::mini(),
            phases: vec![PhaseConfig::QUALITY],
            rollout: RolloutConfig::paper(),
            loss: PeflLossConfig {
                w_diffusion: 1.0,
                w_pefl: 0.1,
                w_adv: 0.05,
                eta: 0.1,
                w_aesthetic: 0.2,
                w_alignment: 1.0,
                w_inside: 0.1,
                pastes: true,
                reward_noise: 0.1,
            },
            diffusion: crate::base::BaseRunConfig::mini().loss,
            adversary: None,
            trains_text_encoder: false,
            lora: None,
            recompute: false,
            guard: GuardConfig { n_per_task: 32, n_diverse: 8, n_denoised: 64, patience: 4, max_drift: 1.5 },
            samples: crate::base::BaseRunConfig::mini().samples,
            training: TrainingConfig {
                seed: 0,
                n_steps: 600,
                batch_size: 8,
                n_accumulate: 2,
                learning_rate: LrSchedule { peak: 1.5e-5, warmup_steps: 30, decay: Decay::Constant },
                optimizer: AdamWConfig::default(),
                muon: None,
                max_grad_norm: 1.0,
                // A half-life of 30 steps.
                ema: EmaConfig { decay: 0.977 },
                report: ReportConfig {
                    log_every: 5,
                    validate_every: 60,
                    sample_every: 120,
                    checkpoint_every: 60,
                },
            },
            provenance: PeflProvenance::default(),
        }
    }

    /// This run with the adversary, first at the noise levels before and then at 8 steps (the paper's Section 3.3).
    #[must_use]
    pub fn accelerating(self) -> Self {
        let n_first = self.training.n_steps / 4;
        let adversary = AdversaryConfig {
            learning_rate: LrSchedule { peak: 1e-4, ..self.training.learning_rate },
            max_grad_norm: 1.0,
            every: 1,
            fake_region: if self.loss.pastes { FakeRegion::MaskAgainstRest } else { FakeRegion::All },
            real_through_vae: self.loss.pastes,
        };
        Self {
            phases: vec![PhaseConfig::QUALITY, PhaseConfig { from_step: n_first, ..PhaseConfig::SPEED }],
            adversary: Some(adversary),
            samples: SamplesConfig {
                n_steps: PhaseConfig::SPEED.t,
                guidance_scale: 2.0,
                ..self.samples.clone()
            },
            ..self
        }
    }

    /// What the gradient tape keeps.
    pub(super) fn tape(&self) -> Tape {
        if self.recompute { Tape::Inputs } else { Tape::Whole }
    }

    /// Reads the resolved configuration of a run.
    ///
    /// # Errors
    /// [`TrainError::Io`] or [`TrainError::Json`] if the folder has none of this kind.
    pub fn of_run(folder: &Path) -> Result<Self> {
        read_config(folder)
    }

    /// Checks every number.
    ///
    /// # Errors
    /// [`TrainError::Config`] or a part's own error names the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        self.data.validate()?;
        PhaseConfig::validate_all(&self.phases, self.training.n_steps)?;
        self.rollout.validate()?;
        self.loss.validate()?;
        self.diffusion.validate()?;
        if let Some(adversary) = &self.adversary {
            adversary.validate()?;
        }
        if let Some(lora) = &self.lora {
            lora.validate()?;
        }
        self.guard.validate()?;
        self.samples.validate()?;
        self.training.validate()?;
        let report = &self.training.report;
        if report.validate_every == 0 {
            let limit = "1 or more: held-out figures choose the weights";
            return Err(TrainError::config("training.report.validate_every", 0, limit));
        }
        Ok(())
    }
}

impl PeflLossConfig {
    fn validate(&self) -> Result<()> {
        let Self {
            w_diffusion,
            w_pefl,
            w_adv,
            eta,
            w_aesthetic,
            w_alignment,
            w_inside,
            pastes: _,
            reward_noise,
        } = *self;
        for (key, weight) in [
            ("loss.w_diffusion", w_diffusion),
            ("loss.w_pefl", w_pefl),
            ("loss.w_adv", w_adv),
            ("loss.eta", eta),
            ("loss.w_aesthetic", w_aesthetic),
            ("loss.w_alignment", w_alignment),
            ("loss.w_inside", w_inside),
            ("loss.reward_noise", reward_noise),
        ] {
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(TrainError::config(key, weight, "0 or more"));
            }
        }
        Ok(())
    }
}

impl AdversaryConfig {
    fn validate(&self) -> Result<()> {
        self.learning_rate.validate()?;
        if !(self.max_grad_norm > 0.0 && self.max_grad_norm.is_finite()) {
            return Err(TrainError::config(
                "adversary.max_grad_norm",
                self.max_grad_norm,
                "a positive number",
            ));
        }
        if self.every == 0 {
            return Err(TrainError::config("adversary.every", 0, "1 or more"));
        }
        Ok(())
    }
}

impl GuardConfig {
    fn validate(&self) -> Result<()> {
        let Self { n_per_task, n_diverse, n_denoised, patience, max_drift } = *self;
        if !(1..=MAX_HELD_OUT).contains(&n_per_task) {
            return Err(TrainError::config(
                "guard.n_per_task",
                n_per_task,
                format!("from 1 to {MAX_HELD_OUT}"),
            ));
        }
        if n_diverse > n_per_task {
            let limit = format!("at most guard.n_per_task {n_per_task}");
            return Err(TrainError::config("guard.n_diverse", n_diverse, limit));
        }
        if n_denoised == 0 || !n_denoised.is_multiple_of(4) || n_denoised > MAX_HELD_OUT {
            let limit = format!("a positive multiple of 4 up to {MAX_HELD_OUT}");
            return Err(TrainError::config("guard.n_denoised", n_denoised, limit));
        }
        if patience == 0 {
            return Err(TrainError::config("guard.patience", 0, "1 or more"));
        }
        if max_drift.is_nan() || max_drift <= 1.0 {
            return Err(TrainError::config("guard.max_drift", max_drift, "above 1"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_and_survive_their_files() {
        let presets = [PeflRunConfig::mini(), PeflRunConfig::paper()];
        for preset in presets.iter().cloned().chain(presets.iter().cloned().map(PeflRunConfig::accelerating))
        {
            preset.validate().unwrap();
            let text = serde_json::to_string(&preset).unwrap();
            assert_eq!(serde_json::from_str::<PeflRunConfig>(&text).unwrap(), preset);
        }
    }

    #[test]
    fn the_paper_s_preset_has_the_paper_s_numbers() {
        let paper = PeflRunConfig::paper();
        assert_eq!((paper.loss.w_pefl, paper.loss.w_adv), (0.01, 0.05));
        let LrSchedule { peak, warmup_steps, .. } = paper.training.learning_rate;
        assert_eq!((peak, warmup_steps, paper.training.ema.decay), (2e-6, 1000, 0.9999));
        let steps = |phase: &PhaseConfig| (phase.t, phase.t_1, phase.t_2);
        let phases: Vec<_> = paper.accelerating().phases.iter().map(steps).collect();
        assert_eq!(phases, [(20, 15, 10), (8, 6, 3)]);
    }

    #[test]
    fn what_suits_the_small_model_alone_is_not_the_paper_s() {
        let PairConfig { picture_size, p_edit, untold, box_share, masks, .. } = PeflRunConfig::paper().data;
        assert_eq!(
            (picture_size, p_edit, untold, box_share),
            (512, 0.6, byteedit_data::world::Untold::default(), None)
        );
        assert!(masks != PeflRunConfig::mini().data.masks);
    }

    #[test]
    fn no_preset_ends_before_its_learning_rate_has_risen() {
        for config in [PeflRunConfig::paper(), PeflRunConfig::mini()] {
            let patience = config.guard.patience * config.training.report.validate_every;
            assert!(patience > config.training.learning_rate.warmup_steps, "{patience}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let message = |change: fn(&mut PeflRunConfig)| {
            let mut config = PeflRunConfig::mini().accelerating();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        for (message, key) in [
            (message(|c| c.loss.w_pefl = -1.0), "`loss.w_pefl` is -1"),
            (message(|c| c.loss.eta = f64::NAN), "`loss.eta` is NaN"),
            (message(|c| c.phases.clear()), "`phases`"),
            (message(|c| c.phases[1].t_2 = 7), "`phases.T2` is 7"),
            (message(|c| c.phases[1].t_1 = 9), "`phases.T1` is 9"),
            (message(|c| c.phases[1].from_step = 0), "`phases.from_step` is 0"),
            (message(|c| c.phases[1].from_step = 600), "`phases.from_step` is 600"),
            (message(|c| c.rollout.temperature = 0.0), "temperature"),
            (message(|c| c.adversary.as_mut().unwrap().every = 0), "`adversary.every` is 0"),
            (message(|c| c.guard.max_drift = 1.0), "`guard.max_drift` is 1"),
            (
                message(|c| c.lora = Some(LoraConfig { rank: 0, ..LoraConfig::of_attention(4) })),
                "LoRA: `rank` is 0",
            ),
            (message(|c| c.guard.n_denoised = 5), "`guard.n_denoised` is 5"),
            (message(|c| c.training.report.validate_every = 0), "validate_every"),
        ] {
            assert!(message.contains(key), "{message}");
        }
    }
}
