//! Stages 1 to 3: from a picture's source to the editor's guess of it, the last call of the U-Net with a gradient
//! (Ren et al. 2024, Section 3.1).

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use byteedit_diffusion::{
    Denoise, Denoiser, Guided, KeepUnmasked, Levels, NoiseSchedule, NoiseSource, SamplerKind,
};

use super::phase::{PhaseConfig, RolloutConfig, part_of_temperature};
use super::student::Bound;
use crate::Result;
use crate::base::{BaseModel, Batch};

/// Deterministic steps, as in the paper's lineage.
const DDIM: SamplerKind = SamplerKind::Ddim { eta: 0.0 };

/// How rollouts of a run go.
pub(super) struct Rollouts {
    pub(super) schedule: NoiseSchedule,
    pub(super) config: RolloutConfig,
    /// Whether kept latents are blended in at every step, as the editor does with this model.
    pub(super) keeps_unmasked: bool,
    /// `[1, n_tokens]`, the empty prompt.
    pub(super) empty_ids: Tensor<2, Int>,
}

/// What a rollout is of.
pub(super) struct Question<'a> {
    pub(super) phase: PhaseConfig,
    /// `t'`.
    pub(super) t_prime: usize,
    pub(super) batch: &'a Batch,
    /// Latents of the picture without what is under its mask, `[batch, channels, side, side]`.
    pub(super) known: &'a Tensor<4>,
    /// Of the same shape, standard normal.
    pub(super) noise: &'a Tensor<4>,
}

impl Rollouts {
    /// `ẑ_0`, the latents of `G(x, m, c, t')`, on the tape that `model` is on; all before the last call is computed without.
    ///
    /// # Shapes
    /// - returns `[batch, channels, side, side]`
    ///
    /// # Errors
    /// A schedule that does not have the phase's steps.
    pub(super) fn x_0(&self, model: &BaseModel, question: &Question<'_>) -> Result<Tensor<4>> {
        let levels = self.levels(question.phase)?;
        let x_t = self.x_t(&model.valid(), question, &levels)?;
        self.guess(model, question, &levels, x_t)
    }

    /// The levels of all of a phase's steps.
    pub(super) fn levels(&self, phase: PhaseConfig) -> Result<Levels> {
        Ok(DDIM.levels(&self.schedule, phase.t)?)
    }

    /// Stage 3: the one call, at step `t'`.
    pub(super) fn guess(
        &self,
        model: &BaseModel,
        question: &Question<'_>,
        levels: &Levels,
        x_t: Tensor<4>,
    ) -> Result<Tensor<4>> {
        let level = levels.as_slice()[question.phase.place(question.t_prime)];
        self.with_denoiser(model, question, |denoiser| Ok(denoiser.denoise(x_t, level)))
    }

    /// Stages 1 and 2: the latents at step `t'`.
    pub(super) fn x_t(
        &self,
        model: &BaseModel,
        question: &Question<'_>,
        levels: &Levels,
    ) -> Result<Tensor<4>> {
        let Question { phase, t_prime, known, noise, .. } = *question;
        let start = levels.as_slice()[phase.place(phase.start(&self.config))];
        let x_t = if self.config.starts_from_noise() {
            noise.clone() * DDIM.initial_noise_scale(&self.schedule, start)
        } else {
            start.noised(known.clone(), noise.clone())
        };
        let steps = phase.rollout_steps(&self.config, t_prime);
        if steps.is_empty() {
            return Ok(x_t);
        }
        let part = levels.segment(steps)?;
        let temperature = part_of_temperature(self.config.temperature, &part, levels);
        self.with_denoiser(model, question, |denoiser| {
            // A deterministic sampler draws nothing from it.
            let mut draws = NoiseSource::new(&vec![0; x_t.dims()[0]]);
            let sampler = DDIM.build(&self.schedule)?;
            Ok(Denoise::new(part, sampler, denoiser, x_t, &mut draws)?
                .at_temperature(temperature)?
                .finish()?)
        })
    }

    /// The denoiser that the editor would use.
    fn with_denoiser<T>(
        &self,
        model: &BaseModel,
        question: &Question<'_>,
        run: impl FnOnce(&dyn Denoiser) -> Result<T>,
    ) -> Result<T> {
        let guidance = self.config.guidance();
        let empty_ids = (guidance.scale > 1.0).then_some(&self.empty_ids);
        let network = Bound::new(model, question.batch, empty_ids);
        let guided = Guided { network, prediction: self.schedule.prediction(), guidance };
        if !self.keeps_unmasked {
            return run(&guided);
        }
        let (known, noise) = (question.known.clone(), question.noise.clone());
        run(&KeepUnmasked::new(guided, known, noise, question.batch.edit_mask.clone())?)
    }
}

#[cfg(test)]
mod tests;
