//! Steps of feedback learning on random data, to be timed: what [`super::train`] computes between two batches.

use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use byteedit_diffusion::NoiseSchedule;
use byteedit_models::vae::AutoencoderKL;
use byteedit_models::{Component, flops};
use byteedit_reward::Reward;

use super::config::PeflRunConfig;
use super::losses::Critics;
use super::memory::StepMemory;
use super::objective::is_frozen;
use super::pictures::{Draw, Pictures};
use super::rollout::Rollouts;
use super::student::Student;
use crate::base::{BaseModel, Batch};
use crate::random::{Use, normal, stream};
use crate::step::{Learner, Loss};
use crate::{Result, TrainError};

/// What is asked for wherever the rewards read.
const PROMPT: &str = "a red apple";

/// What [`PeflSteps`] are made with.
pub struct PeflParts {
    /// The editor.
    pub base: BaseModel,
    /// Its autoencoder.
    pub vae: AutoencoderKL,
    /// What the editor was trained on.
    pub schedule: NoiseSchedule,
    /// `R_alpha`.
    pub aesthetic: Box<dyn Reward>,
    /// `R_beta`.
    pub alignment: Box<dyn Reward>,
}

/// An editor with its optimiser and its average, and one batch that it is shown again and again.
///
/// A step is that of the trainer in its first phase: the rollout to `t'`, the call with the gradient, the decoder, both
/// rewards and the distance to the source, the way back, clipping, `AdamW` and the moving average. Drawing and encoding the
/// batch is left out, and so are the denoising error, `V` and the adversary.
pub struct PeflSteps {
    config: PeflRunConfig,
    vae: AutoencoderKL,
    rollouts: Rollouts,
    critics: Critics,
    learner: Learner<Student>,
    draw: Draw,
}

/// What a step's time was spent on.
#[derive(Clone, Copy, Debug)]
pub struct PeflTimings {
    /// Stages 1 and 2, without a gradient.
    pub rollout: Duration,
    /// The rest.
    pub gradient: Duration,
}

impl PeflSteps {
    /// Random latents of the U-Net's own size and pictures to go with them, the left half under the mask. Of the
    /// configuration count `phases`, of which the first, `rollout`, `loss`, `lora`, `recompute` and `training`.
    ///
    /// # Errors
    /// A configuration out of range, branches that the U-Net has no layers for, and a `t'` that the phase does not draw.
    pub fn new(config: PeflRunConfig, parts: PeflParts, t_prime: usize, device: &Device) -> Result<Self> {
        config.validate()?;
        let most = config.phases[0].last_with_gradient(&config.rollout);
        if !(1..=most).contains(&t_prime) {
            return Err(TrainError::config("t'", t_prime, format!("from 1 to {most}, the phase's T2")));
        }
        let PeflParts { base, vae, schedule, aesthetic, alignment } = parts;
        let unet = base.unet.config();
        let (channels, side) = (unet.out_channels, unet.sample_size);
        let text = base.text_encoder.config();
        let (n_tokens, n_words) = (text.max_position_embeddings, text.vocab_size);
        let (n, seed) = (config.training.batch_size, config.training.seed);
        let latents = |first| normal(seed, Use::Validation, first, [n, channels, side, side], device);
        let ids = |n: usize, index: u64| {
            let mut draws = stream(seed, Use::Items, index);
            let ids: Vec<i64> = (0..n * n_tokens).map(|_| draws.below(n_words) as i64).collect();
            Tensor::<2, Int>::from_data(TensorData::new(ids, [n, n_tokens]), device)
        };
        let known = latents(n as u64);
        let batch = Batch {
            latents: latents(0),
            edit_mask: left_half(n, side, device),
            masked_latents: known.clone(),
            ids: ids(n, 0),
        };
        let rollouts =
            Rollouts { schedule, config: config.rollout, keeps_unmasked: false, empty_ids: ids(1, 1) };
        let pixel_side = side * vae.config().downscale();
        let truth = normal(seed, Use::Pictures, 0, [n, 3, pixel_side, pixel_side], device) * 0.5;
        let pictures = Pictures {
            batch,
            truth: truth.clamp(-1.0, 1.0),
            edit_mask: left_half(n, pixel_side, device),
            known,
            prompts: vec![PROMPT.to_owned(); n],
        };
        let noise = normal(seed, Use::Rollout, 0, [n, channels, side, side], device);
        let draw = Draw { phase: config.phases[0], t_prime, pictures, noise };
        let student = super::as_it_learns(&config, Student { base, coherent: None }, device)?;
        let learner = Learner::new(&config.training, student).freezing(|name| is_frozen(&config, name));
        Ok(Self {
            vae: vae.with_tape(config.tape()),
            rollouts,
            critics: Critics { aesthetic: Some(aesthetic), alignment: Some(alignment), features: None },
            learner,
            draw,
            config,
        })
    }

    /// One optimiser step, and what its time was spent on.
    ///
    /// # Errors
    /// What a reward says, and [`TrainError::Diverged`], in the end, at too high a learning rate.
    pub fn advance(mut self) -> Result<(Self, PeflTimings)> {
        let began = Instant::now();
        let mut rollout = Duration::ZERO;
        let training = &self.config.training;
        let learning_rate = training.learning_rate.at(self.learner.step, training.n_steps);
        let (learner, _) = self.learner.advance(training, learning_rate, |student, _| {
            let question = self.draw.question();
            let levels = self.rollouts.levels(question.phase)?;
            let begins = Instant::now();
            let x_t = self.rollouts.x_t(&student.base.valid(), &question, &levels)?;
            rollout += begins.elapsed();
            let latents = self.rollouts.guess(&student.base, &question, &levels, x_t)?;
            let pixels = self.vae.pixels_from_latents(latents);
            let judged = self.draw.judged(&pixels, &self.draw.pictures.truth);
            let judgement = self.critics.ask(&judged, None, &self.config.loss)?;
            Ok(Loss { total: judgement.loss(pixels), parts: Vec::new() })
        })?;
        self.learner = learner;
        Ok((self, PeflTimings { rollout, gradient: began.elapsed().saturating_sub(rollout) }))
    }

    /// What a step is foretold to take at its peak.
    pub fn memory(&self) -> StepMemory {
        StepMemory::of(&self.config, &self.learner.model, &self.vae, self.critics.n_parameters())
    }

    /// Billions of floating-point operations of a step, but for those of the rewards. What is computed again counts once.
    pub fn gflop_per_step(&self) -> f64 {
        let PeflRunConfig { phases, rollout, lora, training, .. } = &self.config;
        let base = &self.learner.model.base;
        let (unet, text) = (base.unet.config(), base.text_encoder.config());
        let call = flops::unet(unet, unet.sample_size, text.max_position_embeddings);
        let n_rollout = phases[0].rollout_steps(rollout, self.draw.t_prime).len() as f64;
        let n_texts = if rollout.guidance_scale > 1.0 { 2.0 } else { 1.0 };
        // Forth and back to the input; to the weights it would be another way, and to branches it is next to nothing.
        let with_gradient = if lora.is_some() { 2.0 } else { flops::TRAINING_FACTOR };
        let decoder = flops::vae_decoder(self.vae.config(), unet.sample_size * self.vae.config().downscale());
        let per_picture = n_texts * (n_rollout + with_gradient) * call + 2.0 * decoder;
        training.images_per_step() as f64 * per_picture / 1e9
    }
}

/// 1 in the left half, `[n, 1, side, side]`.
fn left_half(n: usize, side: usize, device: &Device) -> Tensor<4> {
    let values: Vec<f32> =
        (0..n * side * side).map(|at| if at % side < side / 2 { 1.0 } else { 0.0 }).collect();
    Tensor::from_data(TensorData::new(values, [n, 1, side, side]), device)
}

#[cfg(test)]
mod tests {
    use byteedit_models::lora::{LoraConfig, is_of_branch};

    use super::*;
    use crate::named::parameters_of;
    use crate::pefl::toys::{self, Bright};

    fn steps(t_prime: usize) -> Result<PeflSteps> {
        let config =
            PeflRunConfig { lora: Some(LoraConfig::of_attention(2)), recompute: true, ..toys::config() };
        let parts = PeflParts {
            base: toys::listening(),
            vae: toys::vae(),
            schedule: toys::schedule(),
            aesthetic: Box::new(Bright),
            alignment: Box::new(Bright),
        };
        PeflSteps::new(config, parts, t_prime, &Device::default())
    }

    #[test]
    fn a_step_moves_branches_alone_and_says_what_its_time_was_spent_on() {
        let steps = steps(1).unwrap();
        let before = parameters_of(&steps.learner.model);
        // `A` and `B` of four projections in both attentions of four transformers, 8 wide and of rank 2.
        assert_eq!(steps.memory().gradients_bytes, 4 * 4 * 2 * 4 * 2 * (8 * 2));
        let (steps, PeflTimings { rollout, gradient }) = steps.advance().unwrap();
        assert!(rollout > Duration::ZERO && gradient > Duration::ZERO);
        let after = parameters_of(&steps.learner.model);
        let moved =
            |name: &str| (after[name].clone() - before[name].clone()).abs().max().into_scalar::<f32>() > 0.0;
        assert!(after.keys().all(|name| is_of_branch(name) || !moved(name)));
        assert!(after.keys().any(|name| name.ends_with("low_rank.b") && moved(name)));
    }

    #[test]
    fn a_step_that_the_phase_does_not_draw_is_refused() {
        for t_prime in [0, 3] {
            let message = steps(t_prime).err().unwrap().to_string();
            assert!(message.contains(&format!("`t'` is {t_prime}")), "{message}");
        }
    }

    #[test]
    fn a_longer_rollout_is_more_work() {
        let [near, far] = [1, 2].map(|t_prime| steps(t_prime).unwrap().gflop_per_step());
        assert!(near > far && far > 0.0, "{near}, {far}");
    }
}
