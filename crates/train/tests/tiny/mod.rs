//! Runs so small that a step takes milliseconds, on the committed world.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use byteedit_data::World;
use byteedit_models::Component;
use byteedit_models::store::{Precision, save_component};
use byteedit_models::text::CLIPTextConfig;
use byteedit_models::unet::UNet2DConditionConfig;
use byteedit_models::vae::{AutoencoderKL, AutoencoderKLConfig};
use byteedit_nn::Init;
use byteedit_train::annotator::{self, AnnotatorRunConfig};
use byteedit_train::base::{self, BaseInputs, BaseRunConfig};
use byteedit_train::decoder::{self, DecoderInputs, DecoderRunConfig};
use byteedit_train::judge::{self, JudgeRunConfig};
use byteedit_train::training::{ReportConfig, TrainingConfig};
use byteedit_train::vae::{self, VaeInputs, VaeRunConfig, VaeValidationConfig};
use byteedit_train::{Outcome, PoolConfig, Progress, Result, RunContext, Silent, Source};

pub fn source() -> Source {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/world.pack");
    Source::World(World::open(&pack).expect("the committed world opens"))
}

fn tiny_vae() -> AutoencoderKLConfig {
    AutoencoderKLConfig::from_json(
        r#"{"latent_channels": 8, "block_out_channels": [8, 8, 8], "layers_per_block": 1, "norm_num_groups": 4,
            "mid_block_add_attention": false, "sample_size": 32}"#,
    )
    .expect("the configuration is valid")
}

fn tiny_training(training: TrainingConfig) -> TrainingConfig {
    let report = ReportConfig { log_every: 1, validate_every: 6, sample_every: 10, checkpoint_every: 3 };
    TrainingConfig { n_steps: 16, batch_size: 4, n_accumulate: 1, report, ..training }
}

pub fn vae_config() -> VaeRunConfig {
    let preset = VaeRunConfig::mini();
    VaeRunConfig {
        vae: tiny_vae(),
        crop_size: 32,
        validation: VaeValidationConfig { n_crops: 2, n_pictures: 2, picture_size: 32 },
        training: tiny_training(preset.training),
        ..preset
    }
}

pub fn decoder_config() -> DecoderRunConfig {
    let preset = DecoderRunConfig::mini();
    DecoderRunConfig {
        crop_size: 32,
        discriminator_channels: vec![8, 16],
        validation: VaeValidationConfig { n_crops: 2, n_pictures: 2, picture_size: 32 },
        training: tiny_training(preset.training),
        ..preset
    }
}

pub fn base_config() -> BaseRunConfig {
    let mut config = BaseRunConfig::mini();
    config.unet = UNet2DConditionConfig::from_json(
        r#"{"sample_size": 8, "in_channels": 17, "out_channels": 8, "down_block_types": ["CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D"], "block_out_channels": [16], "layers_per_block": 1,
            "norm_num_groups": 4, "cross_attention_dim": 16, "attention_head_dim": 2}"#,
    )
    .expect("the configuration is valid");
    config.text_encoder = CLIPTextConfig::from_json(
        r#"{"vocab_size": 0, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2}"#,
    )
    .expect("the configuration is valid");
    config.data.picture_size = 32;
    // Four fresh samples for each step: within a run the window slides over more than its capacity.
    config.pool = PoolConfig { capacity: 48, n_initial: 32, uses_per_sample: 1.0 };
    config.validation.n_samples = 8;
    config.samples.n_per_task = 1;
    config.samples.n_steps = 2;
    config.training = tiny_training(config.training);
    config
}

/// A folder with an autoencoder of random weights.
pub fn write_vae(folder: &Path) {
    write_vae_of(folder, 5);
}

pub fn write_vae_of(folder: &Path, seed: u64) {
    let vae = AutoencoderKL::from_config(&tiny_vae(), &mut Init::seeded(&Device::default(), seed));
    save_component(&vae, folder, Precision::F16, &BTreeMap::new()).expect("the folder can be written");
}

/// Keeps the warnings.
#[derive(Default)]
pub struct Warnings(pub Vec<String>);

impl Progress for Warnings {
    fn on_warning(&mut self, message: &str) {
        self.0.push(message.to_owned());
    }
}

pub fn train_vae(config: &VaeRunConfig, source: &Source, folder: &Path) -> Result<Outcome> {
    let inputs = VaeInputs { source, init: None };
    train_vae_with(config, &inputs, folder, &mut Silent, &AtomicBool::new(false))
}

pub fn train_decoder(
    config: &DecoderRunConfig,
    inputs: &DecoderInputs<'_>,
    folder: &Path,
    progress: &mut dyn Progress,
    stop: &AtomicBool,
) -> Result<Outcome> {
    decoder::train(config, inputs, RunContext { folder, device: &Device::default(), progress, stop })
}

pub fn train_vae_with(
    config: &VaeRunConfig,
    inputs: &VaeInputs<'_>,
    folder: &Path,
    progress: &mut dyn Progress,
    stop: &AtomicBool,
) -> Result<Outcome> {
    vae::train(config, inputs, RunContext { folder, device: &Device::default(), progress, stop })
}

pub fn judge_config() -> JudgeRunConfig {
    let mut config = judge::mini();
    config.network.side = 16;
    config.network.block_out_channels = vec![8, 16];
    config.n_validation = 20;
    config.training = tiny_training(config.training);
    config
}

pub fn annotator_config() -> AnnotatorRunConfig {
    let mut config = annotator::mini();
    config.network.side = 16;
    config.network.block_out_channels = vec![8, 16];
    config.n_validation = 20;
    config.training = tiny_training(config.training);
    config
}

pub fn train_judge(
    config: &JudgeRunConfig,
    source: &Source,
    folder: &Path,
    progress: &mut dyn Progress,
    stop: &AtomicBool,
) -> Result<Outcome> {
    judge::train(config, source, RunContext { folder, device: &Device::default(), progress, stop })
}

pub fn train_base(config: &BaseRunConfig, inputs: &BaseInputs<'_>, folder: &Path) -> Result<Outcome> {
    train_base_with(config, inputs, folder, &mut Silent, &AtomicBool::new(false))
}

pub fn train_base_with(
    config: &BaseRunConfig,
    inputs: &BaseInputs<'_>,
    folder: &Path,
    progress: &mut dyn Progress,
    stop: &AtomicBool,
) -> Result<Outcome> {
    base::train(config, inputs, RunContext { folder, device: &Device::default(), progress, stop })
}

/// A run of two steps in `folder/run`, its autoencoder in `folder/vae`.
pub fn train_and_export(source: &Source, folder: &Path) {
    write_vae(&folder.join("vae"));
    let mut config = base_config();
    config.training.n_steps = 2;
    config.training.report.sample_every = 0;
    let inputs = BaseInputs { source, vae: &folder.join("vae"), init: None };
    let outcome = train_base(&config, &inputs, &folder.join("run")).expect("the run is valid");
    assert_eq!(outcome, Outcome::Finished);
}
