//! What the training loop asks of feedback learning: the losses of a batch, held-out figures, grids, the best weights.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use byteedit_diffusion::loss::timestep_at;
use byteedit_diffusion::{NoiseSchedule, offset_noise};
use byteedit_models::Component;
use byteedit_models::flops::{TRAINING_FACTOR, vae_decoder, vae_encoder};
use byteedit_models::lora::is_of_branch;
use byteedit_reward::Region;

use super::config::{AdversaryConfig, PeflRunConfig};
use super::export::Exporter;
use super::guard::Guard;
use super::losses::{Critics, Disturbance, Judged, Judgement, adversary_loss};
use super::phase::PhaseConfig;
use super::pictures::{Draw, Pictures};
use super::rollout::Rollouts;
use super::student::{COHERENT, Student, TEXT_ENCODER};
use crate::Result;
use crate::base::{Batch, DenoisingLoss, LatentWeights, Painting, write_samples};
use crate::latents::Encoder;
use crate::random::{Use, normal, stream};
use crate::step::{Loss, Opponent};
use crate::training::Objective;

/// Feedback on what the editor paints.
pub(super) struct Feedback<'a> {
    config: &'a PeflRunConfig,
    encoder: Encoder<'a>,
    rollouts: Rollouts,
    denoising: DenoisingLoss,
    critics: Critics,
    pub(super) guard: Guard<'a>,
    exporter: Exporter<'a>,
    gflop_per_image: f64,
}

/// What a run's parts are made of.
pub(super) struct Parts<'a> {
    pub(super) config: &'a PeflRunConfig,
    pub(super) encoder: Encoder<'a>,
    pub(super) schedule: NoiseSchedule,
    pub(super) critics: Critics,
    pub(super) guard: Guard<'a>,
    pub(super) exporter: Exporter<'a>,
}

impl<'a> Feedback<'a> {
    pub(super) fn new(parts: Parts<'a>, student: &Student) -> Self {
        let Parts { config, mut encoder, schedule, critics, guard, exporter } = parts;
        encoder.vae = encoder.vae.with_tape(config.tape());
        let weights = LatentWeights::new(&config.diffusion, guard.gains(), &encoder.device);
        let denoising =
            DenoisingLoss { schedule: schedule.clone(), weighting: config.diffusion.weighting, weights };
        let ids: Vec<i64> = encoder.tokenizer.encode_padded("").into_iter().map(i64::from).collect();
        let shape = [1, ids.len()];
        let rollouts = Rollouts {
            schedule,
            config: config.rollout,
            keeps_unmasked: config.provenance.keeps_unmasked,
            empty_ids: Tensor::from_data(TensorData::new(ids, shape), &encoder.device),
        };
        let gflop_per_image = gflop_per_image(config, &encoder, student);
        Self { config, encoder, rollouts, denoising, critics, guard, exporter, gflop_per_image }
    }

    fn painting(&self) -> Painting<'_> {
        Painting {
            samples: &self.config.samples,
            keeps_unmasked: self.config.provenance.keeps_unmasked,
            schedule: &self.denoising.schedule,
        }
    }

    /// The figures of a model as a validation reports them.
    pub(super) fn figures(&self, student: &Student) -> Result<BTreeMap<String, f64>> {
        self.guard.measure(student, &self.critics, &self.encoder, &self.painting())
    }

    fn draw(&self, n_images: u64, first: u64) -> Result<Draw> {
        let PeflRunConfig { training, phases, rollout, .. } = self.config;
        let phase = PhaseConfig::at(phases, n_images / training.images_per_step());
        // Of the micro-batch: its pictures go through one loop together.
        let t_prime = 1 + stream(training.seed, Use::Rollout, first).below(phase.last_with_gradient(rollout));
        let pictures = Pictures::draw(&self.encoder, first, training.batch_size)?;
        let noise = normal(training.seed, Use::Rollout, first, pictures.known.dims(), &self.encoder.device);
        Ok(Draw { phase, t_prime, pictures, noise })
    }

    /// The denoising error of base training, on the same pictures.
    fn denoising_loss(&self, model: &Student, pictures: &Pictures, first: u64) -> Result<Tensor<1>> {
        let PeflRunConfig { training, diffusion, .. } = self.config;
        let n_timesteps = self.denoising.schedule.alpha_bars().len();
        let level = |place: usize| {
            let unit = f64::from(stream(training.seed, Use::Items, first + place as u64).unit());
            let position = (place as f64 + unit) / training.batch_size as f64;
            self.denoising.schedule.level(timestep_at(position, diffusion.timestep_shift, n_timesteps))
        };
        let levels = (0..training.batch_size).map(level).collect::<std::result::Result<Vec<_>, _>>()?;
        let [n, channels, height, width] = pictures.batch.latents.dims();
        let noise = |what, shape| normal(training.seed, what, first, shape, &self.encoder.device);
        let offset = noise(Use::Offset, [n, channels, 1, 1]);
        let noise =
            offset_noise(noise(Use::Diffusion, [n, channels, height, width]), offset, diffusion.offset_noise);
        let batch = Batch { ids: self.ids_with_dropout(&pictures.batch, first), ..pictures.batch.clone() };
        Ok(self.denoising.of(&model.base, &batch, noise, &levels).total)
    }

    /// How what rewards see of a batch is disturbed.
    fn disturbance(&self, first: u64, shape: [usize; 4]) -> Option<Disturbance> {
        let PeflRunConfig { training, loss, .. } = self.config;
        (loss.reward_noise > 0.0).then(|| Disturbance {
            noise: normal(training.seed, Use::LatentNoise, first, shape, &self.encoder.device)
                * loss.reward_noise,
            mirrors: stream(training.seed, Use::LatentNoise, first).chance(0.5),
        })
    }

    /// A batch's prompts, some of which are dropped.
    fn ids_with_dropout(&self, batch: &Batch, first: u64) -> Tensor<2, Int> {
        let PeflRunConfig { training, diffusion, .. } = self.config;
        let row = |place: usize| {
            let drops =
                stream(training.seed, Use::Dropout, first + place as u64).chance(diffusion.caption_dropout);
            let empty = &self.rollouts.empty_ids;
            if drops { empty.clone() } else { batch.ids.clone().narrow(0, place, 1) }
        };
        Tensor::cat((0..batch.ids.dims()[0]).map(row).collect(), 0)
    }

    /// True pictures as the adversary is shown them.
    fn real(&self, truth: &Tensor<4>) -> Tensor<4> {
        let vae = &self.encoder.vae;
        if self.config.adversary.is_some_and(|adversary| adversary.real_through_vae) {
            vae.pixels_from_latents(vae.latents_from_pixels(truth.clone()))
        } else {
            truth.clone()
        }
    }
}

impl Objective for Feedback<'_> {
    type Model = Student;

    fn loss(&mut self, model: &Student, n_images: u64, first: u64) -> Result<Loss> {
        let draw = self.draw(n_images, first)?;
        let latents = self.rollouts.x_0(&model.base, &draw.question())?;
        let pixels = self.encoder.vae.pixels_from_latents(latents);
        let real = self.real(&draw.pictures.truth);
        let disturbance = self.disturbance(first, pixels.dims());
        let judged = Judged { disturbance, ..draw.judged(&pixels, &real) };
        let coherent = model.coherent.as_ref().filter(|_| self.config.adversary.is_some()).map(Module::valid);
        let region = if self.config.loss.pastes { Region::Mask } else { Region::All };
        let opponent = coherent.as_ref().map(|network| (network, region));
        let judgement = self.critics.ask(&judged, opponent, &self.config.loss)?;
        let mut total = judgement.loss(pixels);
        let mut parts = parts(&judgement, &total);
        if self.config.loss.w_diffusion > 0.0 {
            let denoising = self.denoising_loss(model, &draw.pictures, first)?;
            total = total + denoising.clone() * self.config.loss.w_diffusion;
            parts.push(("diffusion", denoising));
        }
        if let Some((network, adversary)) = model.coherent.as_ref().zip(self.config.adversary) {
            let loss = adversary_loss(network, &judged, adversary.fake_region, self.config.loss.pastes);
            total = total + loss.clone();
            parts.push(("adversary", loss));
        }
        Ok(Loss { total, parts })
    }

    fn validate(&self, model: &Student) -> Result<BTreeMap<String, f64>> {
        self.figures(model)
    }

    fn sample(&self, model: &Student, path: &Path) -> Result<()> {
        write_samples(&model.base, &self.encoder, &self.painting(), path)
    }

    fn gflop_per_image(&self) -> f64 {
        self.gflop_per_image
    }

    fn is_frozen(&self, name: &str) -> bool {
        is_frozen(self.config, name)
    }

    fn is_found_again(&self, name: &str) -> bool {
        is_found_again(self.config, name)
    }

    fn opponent(&self) -> Option<Opponent> {
        let AdversaryConfig { learning_rate, max_grad_norm, every, .. } = self.config.adversary?;
        Some(Opponent { prefix: COHERENT, learning_rate, max_grad_norm, every })
    }

    fn patience(&self) -> Option<u64> {
        self.guard.held_out.as_ref().map(|_| self.config.guard.patience)
    }

    fn keep(&self, model: &Student) -> Result<()> {
        self.exporter.write(model)
    }
}

/// Names of the U-Net's parameters begin with this.
const UNET: &str = "base.unet.";

/// Whether a parameter of a student stays as it is.
pub(super) fn is_frozen(config: &PeflRunConfig, name: &str) -> bool {
    let is_text = name.starts_with(TEXT_ENCODER) && !config.trains_text_encoder;
    let is_beside_branches = config.lora.is_some() && name.starts_with(UNET) && !is_of_branch(name);
    is_text
        || is_beside_branches
        || name.strip_prefix(COHERENT).is_some_and(crate::reward::coherent::is_unused)
}

/// Whether a parameter that stays as it is need not be in a state: the run folder has a copy of the editor, which is known by
/// its hash, and an adversary is opened anew, its hash being among those of the critics.
fn is_found_again(config: &PeflRunConfig, name: &str) -> bool {
    let is_known = !name.starts_with(TEXT_ENCODER) || config.provenance.init_text_encoder_sha256.is_some();
    is_frozen(config, name) && is_known
}

/// Names in the log of a term's value and of its gradient's norm.
const NAMES: [(&str, &str, &str); 5] = [
    ("aesthetic", "loss_aesthetic", "pixel_grad_norm_aesthetic"),
    ("alignment", "loss_alignment", "pixel_grad_norm_alignment"),
    ("l1", "loss_l1", "pixel_grad_norm_l1"),
    ("vgg", "loss_vgg", "pixel_grad_norm_vgg"),
    ("coherent", "loss_coherent", "pixel_grad_norm_coherent"),
];

/// The terms for the log.
fn parts(judgement: &Judgement, like: &Tensor<1>) -> Vec<(&'static str, Tensor<1>)> {
    let device = like.device().inner();
    let number = |value: f64| Tensor::<1>::from_data([value as f32], &device);
    let named =
        |name: &str| NAMES.into_iter().find(|(term, _, _)| *term == name).expect("every term has its names");
    let both = |term: &super::losses::Term| {
        let (_, value, norm) = named(term.name);
        [(value, number(term.value)), (norm, number(term.gradient_norm))]
    };
    judgement.terms.iter().flat_map(both).collect()
}

/// Billions of floating-point operations that training spends on one picture, but for the rewards: a rollout of middling
/// length, the call with its gradient, the decoder's, and the denoising error.
fn gflop_per_image(config: &PeflRunConfig, encoder: &Encoder<'_>, student: &Student) -> f64 {
    let (vae, side) = (encoder.vae.config(), encoder.pairs.picture_size);
    let unet = student.base.unet.config();
    let n_tokens = student.base.text_encoder.config().max_position_embeddings;
    let call = byteedit_models::flops::unet(unet, unet.sample_size, n_tokens);
    let phase = config.phases[0];
    let start = phase.start(&config.rollout) as f64;
    let n_rollout = start - f64::midpoint(1.0, phase.last_with_gradient(&config.rollout) as f64);
    let guided = if config.rollout.guidance_scale > 1.0 { 2.0 } else { 1.0 };
    let denoising = if config.loss.w_diffusion > 0.0 { TRAINING_FACTOR } else { 0.0 };
    let total = (n_rollout * guided + TRAINING_FACTOR * guided + denoising) * call
        + TRAINING_FACTOR * vae_decoder(vae, side)
        + 3.0 * vae_encoder(vae, side);
    total / 1e9
}

#[cfg(test)]
mod tests;
