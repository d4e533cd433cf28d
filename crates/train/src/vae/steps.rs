//! Training steps on random data, to be timed: what [`super::train`] computes between two batches.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use byteedit_models::Component;
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::Init;

use super::VaeRunConfig;
use super::objective::{gflop_per_image, reconstruction_loss};
use crate::Result;
use crate::random::{Use, normal};
use crate::step::Learner;

/// An autoencoder with its optimiser and its average, and one batch that it is shown again and again.
///
/// A step is that of the trainer: encoder, posterior and decoder forward and backward, the norm clipped,
/// `AdamW`, the moving average. Drawing the batch and its noise is left out.
pub struct VaeSteps {
    config: VaeRunConfig,
    learner: Learner<AutoencoderKL>,
    pixels: Tensor<4>,
    noise: Tensor<4>,
}

impl VaeSteps {
    /// Random weights, and random pictures of `crop_size`. Only the network, the loss and `training` of
    /// the configuration count besides.
    ///
    /// # Errors
    /// Numbers that are out of range.
    pub fn new(config: VaeRunConfig, device: &Device) -> Result<Self> {
        config.validate()?;
        let (n, seed, side) = (config.training.batch_size, config.training.seed, config.crop_size);
        let latent_side = side / config.vae.downscale();
        let vae = AutoencoderKL::from_config(&config.vae, &mut Init::seeded(device, seed));
        let learner = Learner::new(&config.training, vae);
        let pixels = normal(seed, Use::Pictures, 0, [n, 3, side, side], device).clamp(-1.0, 1.0);
        let shape = [n, config.vae.latent_channels, latent_side, latent_side];
        let noise = normal(seed, Use::Posterior, 0, shape, device);
        Ok(Self { config, learner, pixels, noise })
    }

    /// One optimiser step.
    ///
    /// # Errors
    /// [`crate::TrainError::Diverged`], in the end, at too high a learning rate.
    pub fn advance(mut self) -> Result<Self> {
        let training = &self.config.training;
        let learning_rate = training.learning_rate.at(self.learner.step, training.n_steps);
        let (learner, _) = self.learner.advance(training, learning_rate, |model, _| {
            let noise = |_| self.noise.clone();
            Ok(reconstruction_loss(model, self.pixels.clone(), noise, &self.config.loss))
        })?;
        self.learner = learner;
        Ok(self)
    }

    /// Numbers that are trained.
    pub fn n_parameters(&self) -> usize {
        self.learner.model.num_params()
    }

    /// Billions of floating-point operations of a step.
    pub fn gflop_per_step(&self) -> f64 {
        self.config.training.images_per_step() as f64 * gflop_per_image(&self.config)
    }
}

#[cfg(test)]
mod tests {
    use byteedit_models::vae::AutoencoderKLConfig;

    use super::*;
    use crate::named::parameters_of;

    #[test]
    fn steps_move_weights_and_average_and_count() {
        let vae = r#"{"latent_channels": 4, "block_out_channels": [8, 8], "norm_num_groups": 4,
            "mid_block_add_attention": false}"#;
        let mut config =
            VaeRunConfig { vae: AutoencoderKLConfig::from_json(vae).unwrap(), ..VaeRunConfig::mini() };
        config.crop_size = 8;
        config.training.batch_size = 2;
        let steps = VaeSteps::new(config, &Device::default()).unwrap();
        let before = parameters_of(&steps.learner.model);
        let steps = steps.advance().unwrap().advance().unwrap();
        let name = "decoder.conv_out.weight";
        for now in [
            parameters_of(&steps.learner.model).remove(name).unwrap(),
            steps.learner.ema.shadow[name].clone(),
        ] {
            assert!((now - before[name].clone()).abs().max().into_scalar::<f32>() > 0.0);
        }
        assert_eq!((steps.learner.step, steps.learner.optimizer.step), (2, 2));
        assert!(steps.gflop_per_step() > 0.0);
    }
}
