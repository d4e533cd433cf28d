//! What a step will take at its peak, before one is made: known from the configuration and the networks, and compared with what
//! there is.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use byteedit_models::Component;
use byteedit_models::footprint;
use byteedit_models::unet::UNet2DConditionConfig;
use byteedit_models::vae::{AutoencoderKL, AutoencoderKLConfig};
use byteedit_nn::parameters::{ParameterVisitor, visit_parameters};

use super::config::PeflRunConfig;
use super::objective::is_frozen;
use super::student::Student;
use crate::optim::n_kept;
use crate::{Result, TrainError};

/// Bytes of a number in f32.
const NUMBER_BYTES: u64 = 4;
/// The program with its libraries, threads and built-in files, measured on edits with the small model.
const PROGRAM_BYTES: u64 = 70_000_000;
/// Tapes over the holes between freed tensors of other sizes, which stay while training. Measured once, at Stable Diffusion's
/// size with one picture of 512 px: 10.9 GB at the peak where weights, what learns and tapes come to 9.8 GB.
const TAPES_PER_HOLES: u64 = 2;

/// Memory in bytes at the peak of a step of feedback learning, on the processor.
///
/// Gradients come as tapes go, so that the two are never there as a whole at once: the way back begins with all of the one,
/// the update with all of the other. A state is written between two steps, a tensor at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepMemory {
    /// All weights, those of the critics too.
    pub weights_bytes: u64,
    /// What is kept of what learns while there is a tape: moments, averages, and the gradients of micro-batches before.
    pub learning_bytes: u64,
    /// The gradients of a micro-batch.
    pub gradients_bytes: u64,
    /// What tapes keep with the tensors of the way back, and what the kernels keep.
    pub tapes_bytes: u64,
    /// The program itself, and holes between tensors; about.
    pub others_bytes: u64,
}

impl StepMemory {
    /// Of a student with its autoencoder, whose critics have `n_of_critics` numbers.
    pub(super) fn of(
        config: &PeflRunConfig,
        student: &Student,
        vae: &AutoencoderKL,
        n_of_critics: usize,
    ) -> Self {
        let n_weights = student.num_params() + vae.num_params() + n_of_critics;
        let mut learning = Learning { config, n_numbers: 0, n_kept: 0 };
        visit_parameters(student, &mut learning);
        let Learning { n_numbers, n_kept, .. } = learning;
        let n_sums = if config.training.n_accumulate > 1 { n_numbers } else { 0 };
        let tapes_bytes = tapes_bytes(config, student.base.unet.config(), vae.config());
        Self {
            weights_bytes: NUMBER_BYTES * n_weights as u64,
            learning_bytes: NUMBER_BYTES * (n_kept + n_sums) as u64,
            gradients_bytes: NUMBER_BYTES * n_numbers as u64,
            tapes_bytes,
            others_bytes: PROGRAM_BYTES + tapes_bytes / TAPES_PER_HOLES,
        }
    }

    /// All of it: the resident size that a system shows.
    pub fn total_bytes(&self) -> u64 {
        self.needed_bytes() + self.others_bytes
    }

    /// What is not only about right.
    fn needed_bytes(&self) -> u64 {
        self.weights_bytes + self.learning_bytes + self.tapes_bytes.max(self.gradients_bytes)
    }

    /// Refuses a run, one that begins or one that goes on, whose steps cannot do with `limit_bytes`; where these are not known
    /// it is tried.
    ///
    /// # Errors
    /// [`TrainError::Memory`], which names both numbers and what would help.
    pub(super) fn check(
        &self,
        config: &PeflRunConfig,
        limit_bytes: Option<u64>,
        goes_on: bool,
    ) -> Result<()> {
        let needed_bytes = self.needed_bytes();
        match limit_bytes {
            Some(limit_bytes) if needed_bytes > limit_bytes => {
                Err(TrainError::Memory { needed_bytes, limit_bytes, remedy: remedy(config, goes_on) })
            }
            _ => Ok(()),
        }
    }
}

/// The U-Net's call, twice under guidance, the decoder behind it and, beside both, the call of the denoising error. A critic's
/// own tape comes and goes while theirs wait, in less than the decoder needs on its way back; an adversary's waits too, but is
/// that of a network which is small beside theirs.
fn tapes_bytes(config: &PeflRunConfig, unet: &UNet2DConditionConfig, vae: &AutoencoderKLConfig) -> u64 {
    let (batch, side, tape) = (config.training.batch_size, unet.sample_size, config.tape());
    let call = footprint::unet_on_tape(unet, batch, side, tape);
    let mut passes = call;
    if config.rollout.guidance_scale > 1.0 {
        passes = passes.and_then(call);
    }
    passes = passes.and_then(footprint::vae_decoder_on_tape(vae, batch, side * vae.downscale(), tape));
    if config.loss.w_diffusion > 0.0 {
        passes = passes.and_then(call);
    }
    (passes.peak.tensors_bytes + passes.peak.kernels_bytes) as u64
}

/// What a configuration leaves to be tried, best first; a run that goes on may change nothing but its tape.
fn remedy(config: &PeflRunConfig, goes_on: bool) -> String {
    let mut remedies = Vec::new();
    if !config.recompute {
        remedies.push("set recompute=true".to_owned());
    }
    if config.training.batch_size > 1 && !goes_on {
        let batch_size = config.training.batch_size;
        remedies.push(format!(
            "lower training.batch_size from {batch_size} and raise training.n_accumulate by as much"
        ));
    }
    if config.lora.is_none() && !goes_on {
        remedies.push(r#"let branches alone learn with lora={"rank":4,"alpha":4}"#.to_owned());
    }
    remedies.push("end other programs".to_owned());
    remedies.join(", or ")
}

/// Counts numbers that learn.
struct Learning<'a> {
    config: &'a PeflRunConfig,
    n_numbers: usize,
    /// What is kept of them from step to step: what the optimiser has, and an average.
    n_kept: usize,
}

impl ParameterVisitor for Learning<'_> {
    fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
        if is_frozen(self.config, name) {
            return;
        }
        let shape = param.lazy_shape().to_vec();
        let n_numbers: usize = shape.iter().product();
        self.n_numbers += n_numbers;
        self.n_kept += n_numbers * (n_kept(self.config.training.muon, name, &shape) + 1);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use byteedit_models::lora::LoraConfig;
    use byteedit_models::presets::{Preset, sd15_inpaint};

    use super::*;
    use crate::base::BaseModel;
    use crate::optim::MuonConfig;
    use crate::pefl::{as_it_learns, toys};

    fn paper(change: fn(&mut PeflRunConfig)) -> u64 {
        let Preset { unet, vae, .. } = sd15_inpaint();
        assert_eq!(unet.sample_size * vae.downscale(), 512);
        let mut config = PeflRunConfig::paper();
        (config.training.batch_size, config.loss.w_diffusion) = (1, 0.0);
        change(&mut config);
        tapes_bytes(&config, &unet, &vae)
    }

    /// At 512 px, where the decoder's tensors of 256 channels alone are 268 MB each.
    #[test]
    fn inputs_alone_are_a_third_of_everything_for_stable_diffusion() {
        let inputs = paper(|_| ()) as f64;
        assert!((1.5e9..2.5e9).contains(&inputs), "{inputs}");
        let whole = paper(|config| config.recompute = false) as f64;
        assert!((2.5..3.2).contains(&(whole / inputs)), "{whole} for {inputs}");
        assert!(paper(|config| config.rollout.guidance_scale = 2.0) as f64 > inputs);
        let denoised = paper(|config| (config.recompute, config.loss.w_diffusion) = (false, 1.0)) as f64;
        assert!(denoised > whole, "{denoised} with the denoising error, {whole} without");
    }

    fn toy(config: &PeflRunConfig) -> StepMemory {
        let student = as_it_learns(config, toys::student(), &Device::default()).unwrap();
        StepMemory::of(config, &student, &toys::vae(), 1000)
    }

    #[test]
    fn what_learns_has_two_moments_an_average_and_a_gradient() {
        let config = toys::accelerating();
        let all = toy(&config);
        let BaseModel { unet, .. } = toys::base();
        let coherent = toys::coherent(toys::SIDE);
        // Of the adversary all but its mask token, which is as wide as its body.
        let n_learning = unet.num_params() + coherent.num_params() - 16;
        assert_eq!(all.learning_bytes, 12 * n_learning as u64);
        assert_eq!(all.gradients_bytes, 4 * n_learning as u64);
        let n_weights = toys::student().num_params() + toys::vae().num_params() + 1000;
        assert_eq!(all.weights_bytes, 4 * n_weights as u64);
        assert!(all.total_bytes() > all.weights_bytes + all.learning_bytes + all.tapes_bytes);

        let mut accumulating = config.clone();
        accumulating.training.n_accumulate = 2;
        let summed = StepMemory { learning_bytes: 16 * n_learning as u64, ..all };
        assert_eq!(toy(&accumulating), summed);
        let mut by_muon = config.clone();
        by_muon.training.muon = Some(MuonConfig::default());
        let by_muon = toy(&by_muon).learning_bytes;
        assert!((8 * n_learning as u64..12 * n_learning as u64).contains(&by_muon), "{by_muon}");
        let branches = toy(&PeflRunConfig { lora: Some(LoraConfig::of_attention(2)), ..config });
        assert!(branches.learning_bytes < all.learning_bytes && branches.weights_bytes > all.weights_bytes);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers_and_what_is_left_to_try() {
        let config = toys::config();
        let memory = StepMemory {
            weights_bytes: 4_000_000_000,
            learning_bytes: 11_000_000_000,
            gradients_bytes: 4_000_000_000,
            tapes_bytes: 2_000_000_000,
            others_bytes: 1_070_000_000,
        };
        assert_eq!(memory.total_bytes(), 20_070_000_000);
        let check = |limit_bytes| memory.check(&config, limit_bytes, false);
        assert!(check(None).is_ok() && check(Some(19_000_000_000)).is_ok());
        let refused = |config: &PeflRunConfig, goes_on: bool| {
            memory.check(config, Some(16_000_000_000), goes_on).unwrap_err().to_string()
        };
        let message = refused(&config, false);
        for part in ["19.00 GB", "16.00 GB", "recompute=true", "training.batch_size from 2", "lora={"] {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
        // Anything else would make it another run.
        let message = refused(&config, true);
        assert!(message.ends_with("; set recompute=true, or end other programs"), "{message}");
        let mut least = PeflRunConfig { recompute: true, lora: Some(LoraConfig::of_attention(2)), ..config };
        least.training.batch_size = 1;
        let message = refused(&least, false);
        assert!(message.ends_with("; end other programs"), "{message}");
    }

    #[test]
    fn tapes_and_gradients_are_never_there_as_a_whole_at_once() {
        let memory = |gradients_bytes, tapes_bytes| StepMemory {
            weights_bytes: 1,
            learning_bytes: 10,
            gradients_bytes,
            tapes_bytes,
            others_bytes: 1000,
        };
        assert_eq!((memory(200, 300).total_bytes(), memory(400, 300).total_bytes()), (1311, 1411));
    }
}
