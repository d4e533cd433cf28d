//! Training steps on random data, to be timed: what [`super::train`] computes between two batches.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use byteedit_diffusion::{NoiseLevel, NoiseSchedule};
use byteedit_nn::Init;

use super::batch::Batch;
use super::objective::{DenoisingLoss, gflop_per_image};
use super::weights::LatentWeights;
use super::{BaseModel, BaseRunConfig};
use crate::Result;
use crate::random::{Use, normal, stream};
use crate::step::Learner;

/// A base model with its optimiser and its average, and one batch that it is shown again and again.
///
/// A step is that of the trainer: noise mixed in, text encoder and U-Net forward and backward, the norm
/// clipped, `AdamW`, the moving average. Drawing the batch and its noise is left out.
pub struct BaseSteps {
    config: BaseRunConfig,
    loss: DenoisingLoss,
    learner: Learner<BaseModel>,
    batch: Batch,
    noise: Tensor<4>,
    levels: Vec<NoiseLevel>,
}

impl BaseSteps {
    /// Random weights, and random latents of `unet.sample_size`, half of them under the mask. Only the
    /// networks, the schedule, the loss and `training` of the configuration count.
    ///
    /// # Errors
    /// A schedule or a training that is out of range.
    pub fn new(config: BaseRunConfig, device: &Device) -> Result<Self> {
        config.training.validate()?;
        let schedule = NoiseSchedule::new(config.schedule.clone())?;
        let (n, seed) = (config.training.batch_size, config.training.seed);
        let n_timesteps = schedule.alpha_bars().len();
        let levels = (0..n).map(|place| schedule.level(place * n_timesteps / n)).collect::<Result<_, _>>()?;
        let model = BaseModel::new(&config, &mut Init::seeded(device, seed));
        let learner = Learner::new(&config.training, model);
        let batch = random_batch(&config, device);
        let noise = normal(seed, Use::Diffusion, 0, batch.latents.dims(), device);
        let gains = vec![1.0; config.unet.out_channels];
        let weights = LatentWeights::new(&config.loss, &gains, device);
        let loss = DenoisingLoss { schedule, weighting: config.loss.weighting, weights };
        Ok(Self { config, loss, learner, batch, noise, levels })
    }

    /// One optimiser step.
    ///
    /// # Errors
    /// [`crate::TrainError::Diverged`], in the end, at too high a learning rate.
    pub fn advance(mut self) -> Result<Self> {
        let training = &self.config.training;
        let learning_rate = training.learning_rate.at(self.learner.step, training.n_steps);
        let (learner, _) = self.learner.advance(training, learning_rate, |model, _| {
            let noise = self.noise.clone();
            Ok(self.loss.of(model, &self.batch, noise, &self.levels))
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

fn random_batch(config: &BaseRunConfig, device: &Device) -> Batch {
    let (n, seed) = (config.training.batch_size, config.training.seed);
    let (side, n_tokens) = (config.unet.sample_size, config.text_encoder.max_position_embeddings);
    let shape = [n, config.unet.out_channels, side, side];
    let mask: Vec<f32> = (0..n * side * side).map(|i| if i % side < side / 2 { 1.0 } else { 0.0 }).collect();
    let mut draws = stream(seed, Use::Items, 0);
    let ids: Vec<i64> =
        (0..n * n_tokens).map(|_| draws.below(config.text_encoder.vocab_size) as i64).collect();
    Batch {
        latents: normal(seed, Use::Validation, 0, shape, device),
        edit_mask: Tensor::from_data(TensorData::new(mask, [n, 1, side, side]), device),
        masked_latents: normal(seed, Use::Validation, n as u64, shape, device),
        ids: Tensor::<2, Int>::from_data(TensorData::new(ids, [n, n_tokens]), device),
    }
}

#[cfg(test)]
mod tests {
    use byteedit_models::unet::UNet2DConditionConfig;

    use super::*;
    use crate::named::parameters_of;

    fn tiny() -> BaseRunConfig {
        let mut config = BaseRunConfig::mini();
        config.unet = UNet2DConditionConfig::from_json(
            r#"{"sample_size": 4, "in_channels": 9, "out_channels": 4, "down_block_types": ["CrossAttnDownBlock2D"],
                "up_block_types": ["CrossAttnUpBlock2D"], "block_out_channels": [8], "layers_per_block": 1,
                "norm_num_groups": 4, "cross_attention_dim": 128, "attention_head_dim": 2}"#,
        )
        .unwrap();
        config.training.batch_size = 2;
        config
    }

    #[test]
    fn a_step_moves_weights_and_average_and_counts() {
        let steps = BaseSteps::new(tiny(), &Device::default()).unwrap();
        let before = parameters_of(&steps.learner.model);
        let steps = steps.advance().unwrap();
        let moved =
            |name: &str, now: Tensor<1>| (now - before[name].clone()).abs().max().into_scalar::<f32>() > 0.0;
        // `conv_out` starts at zero and stands between the loss and all else, so it is what moves first.
        let name = "unet.conv_out.weight";
        assert!(moved(name, parameters_of(&steps.learner.model).remove(name).unwrap()));
        assert!(moved(name, steps.learner.ema.shadow[name].clone()));
        assert_eq!((steps.learner.step, steps.learner.optimizer.step), (1, 1));
    }

    #[test]
    fn the_operations_are_those_of_the_whole_batch() {
        let one = BaseSteps::new(tiny(), &Device::default()).unwrap().gflop_per_step();
        let mut config = tiny();
        config.training.batch_size = 6;
        let three = BaseSteps::new(config, &Device::default()).unwrap().gflop_per_step();
        assert!((three / one - 3.0).abs() < 1e-9);
    }
}
