//! A model of a few thousand random weights that edits 16 x 16 pixels, and pictures to edit.

#![allow(dead_code, reason = "each test binary uses its own part of this file")]

use std::collections::{BTreeMap, HashSet};

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use byteedit_diffusion::{NoiseSchedule, NoiseScheduleConfig, Prediction, TimestepSpacing};
use byteedit_edit::{
    Concept, Defaults, EditModel, EditRequest, Hole, ModelCard, ModelInfo, ModelParts, Prompt, Settings,
    Task, TaskKind,
};
use byteedit_image::{Channels, Limits, Mask, Picture, Rect, Samples, Size};
use byteedit_models::Component;
use byteedit_models::text::CLIPTextModel;
use byteedit_models::tokenizer::{ClipTokenizer, TokenizerFiles};
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::Init;
use byteedit_nn::parameters::{ParameterMapper, map_parameters};

/// Side of the tiny model's canvas.
pub(crate) const RESOLUTION: usize = 16;

const TEXT: &str = r#"{"vocab_size": 514, "hidden_size": 8, "intermediate_size": 16,
    "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 12}"#;

/// Whether the U-Net sees the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In-channels 9.
    Inpainting,
    /// In-channels 4.
    Plain,
    /// In-channels 17, and a guess in the hole.
    Guessing,
}

impl Kind {
    fn latent_channels(self) -> usize {
        if self == Self::Guessing { 8 } else { 4 }
    }
}

fn vae_json(kind: Kind) -> String {
    let channels = kind.latent_channels();
    format!(
        r#"{{"block_out_channels": [8, 8], "latent_channels": {channels}, "norm_num_groups": 4,
        "scaling_factor": 0.5}}"#
    )
}

fn unet_json(kind: Kind) -> String {
    let channels = kind.latent_channels();
    let in_channels = if kind == Kind::Plain { channels } else { 2 * channels + 1 };
    format!(
        r#"{{"sample_size": 8, "in_channels": {in_channels}, "out_channels": {channels},
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "block_out_channels": [8, 8],
        "layers_per_block": 1, "norm_num_groups": 4, "cross_attention_dim": 8, "attention_head_dim": 2}}"#
    )
}

/// Fresh residual branches and the exit of a fresh U-Net are zero; a network that says nothing would
/// let every test pass.
struct Awake;

impl ParameterMapper for Awake {
    fn map<const D: usize>(&mut self, _: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let weights = param.val();
        let shape: [usize; D] = weights.dims();
        let data = weights.into_data();
        if D == 1 || data.as_slice::<f32>().unwrap().iter().any(|&weight| weight != 0.0) {
            return param;
        }
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| 0.3 * (1.7 * i as f32).sin()).collect();
        Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), &Device::default()))
    }
}

pub(crate) fn parts(kind: Kind) -> ModelParts {
    let device = Device::default();
    let mut init = Init::seeded(&device, 7);
    let unet = UNet2DConditionModel::from_config(
        &UNet2DConditionModel::parse_config(&unet_json(kind)).unwrap(),
        &mut init,
    );
    let schedule = NoiseScheduleConfig {
        prediction_type: Prediction::V,
        timestep_spacing: Some(TimestepSpacing::Trailing),
        steps_offset: 0,
        set_alpha_to_one: true,
        ..NoiseScheduleConfig::stable_diffusion()
    };
    ModelParts {
        unet: map_parameters(unet, &mut Awake),
        vae: AutoencoderKL::from_config(&AutoencoderKL::parse_config(&vae_json(kind)).unwrap(), &mut init),
        text_encoder: CLIPTextModel::from_config(&CLIPTextModel::parse_config(TEXT).unwrap(), &mut init),
        tokenizer: ClipTokenizer::from_files(&tokenizer_files(12)).unwrap(),
        schedule: NoiseSchedule::new(schedule).unwrap(),
    }
}

pub(crate) fn model(kind: Kind) -> EditModel {
    let mut info = info();
    info.card.as_mut().unwrap().hole = if kind == Kind::Guessing { Hole::Guess } else { Hole::Grey };
    EditModel::new(parts(kind), info, Device::default()).unwrap()
}

/// An inpainting model whose card asks for kept latents to be blended in.
pub(crate) fn keeping_model() -> EditModel {
    let mut info = info();
    info.card.as_mut().unwrap().keeps_unmasked = true;
    EditModel::new(parts(Kind::Inpainting), info, Device::default()).unwrap()
}

pub(crate) fn info() -> ModelInfo {
    let concept = |name: &str, group: &str| Concept { name: name.into(), group: group.into() };
    let card = ModelCard {
        schema_version: 1,
        concepts: vec![concept("apple", "food"), concept("duck", "birds")],
        words: ["a", "apple", "duck", "red"].map(String::from).to_vec(),
        ..ModelCard::default()
    };
    ModelInfo { name: "tiny".into(), hash: "0123456789".into(), card: Some(card) }
}

/// A vocabulary of the 256 bytes and no merges.
pub(crate) fn tokenizer_files(max_length: usize) -> TokenizerFiles {
    let printable: HashSet<u32> = (0x21..=0x7e).chain(0xa1..=0xac).chain(0xae..=0xff).collect();
    let symbols = printable.iter().copied().chain(0x100..0x100 + 256 - printable.len() as u32);
    let symbols: Vec<char> = symbols.filter_map(char::from_u32).collect();
    let plain = symbols.iter().map(char::to_string);
    let marked = symbols.iter().map(|symbol| format!("{symbol}</w>"));
    let special = ["<|startoftext|>", "<|endoftext|>"].map(String::from);
    let mut tokens: Vec<String> = plain.chain(marked).collect();
    tokens.sort();
    tokens.extend(special);
    let vocab: BTreeMap<String, usize> =
        tokens.into_iter().enumerate().map(|(id, token)| (token, id)).collect();
    TokenizerFiles {
        vocab_json: serde_json::to_string(&vocab).unwrap(),
        merges_txt: "#version: 0.2\n".into(),
        tokenizer_config_json: format!(r#"{{"model_max_length": {max_length}}}"#),
    }
}

/// A picture of repeatable noise.
pub(crate) fn picture(size: Size, channels: Channels, bits: u8) -> Picture {
    let n = size.area() * channels.count();
    let value = |i: usize| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    let samples = match bits {
        8 => Samples::U8((0..n).map(|i| (value(i) >> 8) as u8).collect()),
        _ => Samples::U16((0..n).map(|i| value(i) as u16).collect()),
    };
    Picture::new(size, channels, samples).unwrap()
}

pub(crate) fn rgb(width: usize, height: usize) -> Picture {
    picture(Size::new(width, height), Channels::Rgb, 8)
}

pub(crate) fn box_mask(size: Size, rect: Rect) -> Mask {
    Mask::from_rect(size, rect).unwrap()
}

/// Settings that take little time.
pub(crate) fn settings(task: TaskKind) -> Settings {
    let mut settings = Settings::new(task, &Defaults::default());
    settings.sampling.n_steps = 2;
    settings
}

pub(crate) fn prompt(text: &str) -> Prompt {
    Prompt::new(text).unwrap()
}

pub(crate) fn edit(picture: Picture, edit_mask: Mask, settings: Settings) -> EditRequest {
    let task = Task::Edit { edit_mask, prompt: prompt("a red apple") };
    EditRequest::new(picture, task, settings, Limits::default()).unwrap()
}
