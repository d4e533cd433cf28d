//! Networks of a few thousand weights, pictures of noise and rewards that anybody can follow: what the tests of this room
//! are made with.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::Param;
use burn::tensor::{Device, Int, Tensor, TensorData};
use byteedit_data::World;
use byteedit_diffusion::NoiseSchedule;
use byteedit_models::Component;
use byteedit_models::store::{Precision, save_component};
use byteedit_models::text::{CLIPTextConfig, CLIPTextModel};
use byteedit_models::tokenizer::{ClipTokenizer, TokenizerFiles};
use byteedit_models::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use byteedit_models::vae::{AutoencoderKL, AutoencoderKLConfig};
use byteedit_models::vgg::Vgg16Features;
use byteedit_nn::parameters::{ParameterMapper, map_parameters};
use byteedit_nn::{Conv2d, Init};
use byteedit_reward::{CoherentNetwork, Reward, Shown};
use serde_json::json;

use super::config::{GuardConfig, PeflRunConfig};
use super::phase::PhaseConfig;
use super::student::Student;
use crate::Source;
use crate::base::{BaseModel, BaseRunConfig, Batch, SamplesConfig};
use crate::optim::{Decay, LrSchedule};
use crate::random::{Use, normal};
use crate::reward::coherent::CoherentRunConfig;
use crate::source::PairConfig;
use crate::training::{ReportConfig, TrainingConfig};
use crate::vocabulary::{VocabularyConfig, train_vocabulary};

/// Side of the pictures.
pub(super) const SIDE: usize = 32;
/// Channels, height and width of their latents.
pub(super) const LATENT: [usize; 3] = [4, 8, 8];
/// Tokens of a prompt.
const N_TOKENS: usize = 12;
/// Width of the U-Net.
const WIDTH: usize = 8;

/// Four times the mean of a picture, which is from 0 to 1.
pub(super) struct Bright;

/// [`Bright`] for whom nothing is a number.
pub(super) struct Broken;

impl Reward for Bright {
    fn name(&self) -> &'static str {
        "bright"
    }

    fn sees_prompt(&self) -> bool {
        false
    }

    fn sees_mask(&self) -> bool {
        false
    }

    fn n_parameters(&self) -> usize {
        0
    }

    fn score(&self, shown: &Shown) -> byteedit_reward::Result<Tensor<1>> {
        let pixels = shown.pixels();
        let [batch, channels, height, width] = pixels.dims();
        Ok(pixels.reshape([batch, channels * height * width]).mean_dim(1).reshape([batch]) * 4.0)
    }
}

impl Reward for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn sees_prompt(&self) -> bool {
        false
    }

    fn sees_mask(&self) -> bool {
        false
    }

    fn n_parameters(&self) -> usize {
        0
    }

    fn score(&self, shown: &Shown) -> byteedit_reward::Result<Tensor<1>> {
        Ok(Bright.score(shown)? * f64::NAN)
    }
}

/// The committed world.
pub(super) fn source() -> Source {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/world.pack");
    Source::World(World::open(&pack).unwrap())
}

/// A run of a few steps on pictures of [`SIDE`], without an adversary.
pub(super) fn config() -> PeflRunConfig {
    let preset = PeflRunConfig::mini();
    let learning_rate = LrSchedule { peak: 1e-3, warmup_steps: 0, decay: Decay::Constant };
    let report = ReportConfig { log_every: 1, validate_every: 1, sample_every: 0, checkpoint_every: 1 };
    PeflRunConfig {
        data: PairConfig { picture_size: SIDE, ..preset.data },
        phases: vec![PhaseConfig { from_step: 0, t: 3, t_1: 2, t_2: 2 }],
        guard: GuardConfig { n_per_task: 1, n_diverse: 1, n_denoised: 4, ..preset.guard },
        samples: SamplesConfig { n_per_task: 1, n_steps: 2, ..preset.samples },
        training: TrainingConfig {
            n_steps: 20,
            batch_size: 2,
            n_accumulate: 1,
            learning_rate,
            report,
            ..preset.training
        },
        ..preset
    }
}

/// The same with an adversary.
pub(super) fn accelerating() -> PeflRunConfig {
    PeflRunConfig { adversary: config().accelerating().adversary, ..config() }
}

/// Three resolutions of one width, so that a latent is of 4 x 4 pixels.
pub(super) fn vae() -> AutoencoderKL {
    let config = AutoencoderKLConfig::from_json(
        r#"{"latent_channels": 4, "block_out_channels": [8, 8, 8], "layers_per_block": 1, "norm_num_groups": 4,
            "mid_block_add_attention": false, "sample_size": 32}"#,
    );
    AutoencoderKL::from_config(&config.unwrap(), &mut Init::seeded(&Device::default(), 5))
}

/// An editor that has something to say: as it is built, a U-Net answers 0.
pub(super) fn base() -> BaseModel {
    let unet = UNet2DConditionConfig::from_json(
        r#"{"sample_size": 8, "in_channels": 9, "out_channels": 4, "down_block_types": ["CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D"], "block_out_channels": [8], "layers_per_block": 1,
            "norm_num_groups": 4, "cross_attention_dim": 8, "attention_head_dim": 2}"#,
    );
    let (mut init, n_ids) = (Init::seeded(&Device::default(), 3), n_ids());
    let mut unet = UNet2DConditionModel::from_config(&unet.unwrap(), &mut init);
    unet.conv_out = Conv2d::same3x3(&mut init, [WIDTH, LATENT[0]]);
    let text_encoder = json!({
        "vocab_size": n_ids, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": N_TOKENS, "eos_token_id": n_ids - 1,
    });
    let text_encoder = CLIPTextConfig::from_json(&text_encoder.to_string()).unwrap();
    BaseModel { unet, text_encoder: CLIPTextModel::from_config(&text_encoder, &mut init) }
}

/// The same with no layer that begins as nothing, as those do that follow the attention to the text.
pub(super) fn listening() -> BaseModel {
    struct Shift;

    impl ParameterMapper for Shift {
        fn map<const D: usize>(&mut self, _name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| value + 0.05)
        }
    }

    let BaseModel { unet, text_encoder } = base();
    BaseModel { unet: map_parameters(unet, &mut Shift), text_encoder }
}

/// One layer that sees pictures of `side`, a multiple of 8.
pub(super) fn coherent(side: usize) -> CoherentNetwork {
    let mut config = CoherentRunConfig::mini().network;
    let body = &mut config.dinov2_config;
    (body.hidden_size, body.num_hidden_layers, body.num_attention_heads) = (16, 1, 2);
    (body.image_size, config.side) = (side, side);
    CoherentNetwork::from_config(&config, &mut Init::seeded(&Device::default(), 9))
}

/// The smallest VGG16.
pub(super) fn features() -> Vgg16Features {
    let config = Vgg16Features::parse_config(r#"{"base_width": 2}"#).unwrap();
    Vgg16Features::from_config(&config, &mut Init::seeded(&Device::default(), 11))
}

/// An editor and its adversary.
pub(super) fn student() -> Student {
    Student { base: base(), coherent: Some(coherent(SIDE)) }
}

/// The small model's: it predicts the sample, from noise alone.
pub(super) fn schedule() -> NoiseSchedule {
    NoiseSchedule::new(BaseRunConfig::mini().schedule).unwrap()
}

/// `n` samples of noise whose left halves are to be repainted.
pub(super) fn batch(n: usize) -> Batch {
    let device = Device::default();
    let [channels, height, width] = LATENT;
    let mask: Vec<f32> =
        (0..n * height * width).map(|at| f32::from(u8::from(at % width < width / 2))).collect();
    Batch {
        latents: normal(0, Use::Validation, 0, [n, channels, height, width], &device),
        edit_mask: Tensor::from_data(TensorData::new(mask, [n, 1, height, width]), &device),
        masked_latents: normal(0, Use::Validation, n as u64, [n, channels, height, width], &device),
        ids: ids(n, 1),
    }
}

/// Token ids that mean nothing, others for another `step`. `[n, tokens]`.
pub(super) fn ids(n: usize, step: usize) -> Tensor<2, Int> {
    let ids: Vec<i64> = (0..n * N_TOKENS).map(|at| (7 * step * at % 500) as i64).collect();
    Tensor::from_data(TensorData::new(ids, [n, N_TOKENS]), &Device::default())
}

/// Its words are single tokens; others are spelled.
pub(super) fn tokenizer() -> ClipTokenizer {
    ClipTokenizer::from_files(&tokenizer_files()).unwrap()
}

fn tokenizer_files() -> TokenizerFiles {
    let vocabulary = VocabularyConfig { max_size: 600, max_length: N_TOKENS };
    train_vocabulary(["a red apple", "a duck"], &vocabulary).unwrap()
}

fn n_ids() -> usize {
    serde_json::from_str::<BTreeMap<String, usize>>(&tokenizer_files().vocab_json).unwrap().len()
}

/// Writes a model in diffusers' layout.
pub(super) fn write_model(folder: &Path) {
    let BaseModel { unet, text_encoder } = base();
    let none = BTreeMap::new();
    save_component(&unet, &folder.join("unet"), Precision::F16, &none).unwrap();
    save_component(&text_encoder, &folder.join("text_encoder"), Precision::F16, &none).unwrap();
    save_component(&vae(), &folder.join("vae"), Precision::F16, &none).unwrap();
    let TokenizerFiles { vocab_json, merges_txt, tokenizer_config_json } = tokenizer_files();
    let schedule = BaseRunConfig::mini().schedule.to_json().unwrap();
    let index = json!({
        "_class_name": "StableDiffusionInpaintPipeline", "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
    });
    let card = json!({
        "schema_version": 1, "picture_size": SIDE, "words": ["a", "apple", "duck", "red"],
        "concepts": [{"name": "apple", "group": "food"}],
        "defaults": {"n_steps": 2, "guidance_scale": 2.0, "sampler": "ddim"}, "keeps_unmasked": true,
    });
    for (name, content) in [
        ("tokenizer/vocab.json", vocab_json),
        ("tokenizer/merges.txt", merges_txt),
        ("tokenizer/tokenizer_config.json", tokenizer_config_json),
        ("scheduler/scheduler_config.json", schedule),
        ("model_index.json", index.to_string()),
        ("byteedit.json", card.to_string()),
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}
