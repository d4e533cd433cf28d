//! `config.json` of `AutoencoderKL`, as diffusers writes it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ModelError;
use crate::component::{OFF, check_extra_keys, parse, unsupported};
use crate::limits::{check_layers, check_levels, check_widths};

const CLASS: &str = "AutoencoderKL";

/// The fields that Stable Diffusion sets; others must have a value that changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AutoencoderKLConfig {
    /// Colour channels in.
    #[serde(default = "three")]
    pub in_channels: usize,
    /// Colour channels out.
    #[serde(default = "three")]
    pub out_channels: usize,
    /// Channels of the latent.
    #[serde(default = "four")]
    pub latent_channels: usize,
    /// Width at each resolution, highest first; each but the last is followed by a halving.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks at each resolution of the encoder; one more in the decoder.
    #[serde(default = "one")]
    pub layers_per_block: usize,
    /// Groups of every group norm.
    #[serde(default = "thirty_two")]
    pub norm_num_groups: usize,
    /// Height and width it was trained at.
    #[serde(default = "thirty_two")]
    pub sample_size: usize,
    /// What latents are multiplied by to have unit variance.
    #[serde(default = "sd_scaling_factor")]
    pub scaling_factor: f64,
    /// Whether the lowest resolution has self-attention; without it the network has no memory of the
    /// size it was trained at.
    #[serde(default = "yes")]
    pub mid_block_add_attention: bool,
    /// A 1x1 convolution after the encoder.
    #[serde(default = "yes")]
    pub use_quant_conv: bool,
    /// A 1x1 convolution before the decoder.
    #[serde(default = "yes")]
    pub use_post_quant_conv: bool,
    /// `DownEncoderBlock2D` for each resolution.
    #[serde(default)]
    pub down_block_types: Vec<String>,
    /// `UpDecoderBlock2D` for each resolution.
    #[serde(default)]
    pub up_block_types: Vec<String>,
    /// Keys without an effect here, kept for writing the file back.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Keys that diffusers writes and the values under which they change nothing.
const NEUTRAL: &[(&str, &[&str])] = &[
    ("act_fn", &["\"silu\""]),
    ("force_upcast", &[]),
    ("latents_mean", OFF),
    ("latents_std", OFF),
    ("shift_factor", &["null", "0.0", "0"]),
];

impl AutoencoderKLConfig {
    /// Parses and checks `config.json`.
    ///
    /// # Errors
    /// [`ModelError::Json`] or [`ModelError::Unsupported`], which names the key, its value and what is
    /// accepted.
    pub fn from_json(json: &str) -> Result<Self, ModelError> {
        let mut config: Self = parse(CLASS, json)?;
        let n_blocks = config.block_out_channels.len();
        fill(&mut config.down_block_types, "DownEncoderBlock2D", n_blocks);
        fill(&mut config.up_block_types, "UpDecoderBlock2D", n_blocks);
        config.check()?;
        Ok(config)
    }

    /// How many pixels one latent stands for, along each side.
    pub fn downscale(&self) -> usize {
        1 << (self.block_out_channels.len() - 1)
    }

    fn check(&self) -> Result<(), ModelError> {
        check_extra_keys(CLASS, &self.extra, NEUTRAL)?;
        check_levels(CLASS, &self.block_out_channels)?;
        check_layers(CLASS, &[("layers_per_block", self.layers_per_block)])?;
        check_widths(
            CLASS,
            &[
                ("in_channels", self.in_channels),
                ("out_channels", self.out_channels),
                ("latent_channels", self.latent_channels),
            ],
        )?;
        let n_blocks = self.block_out_channels.len();
        for &channels in &self.block_out_channels {
            if self.norm_num_groups == 0 || channels % self.norm_num_groups != 0 {
                let remedy = format!("it is not a multiple of norm_num_groups {}", self.norm_num_groups);
                return Err(unsupported(CLASS, "block_out_channels", channels, remedy));
            }
        }
        for (key, types, wanted) in [
            ("down_block_types", &self.down_block_types, "DownEncoderBlock2D"),
            ("up_block_types", &self.up_block_types, "UpDecoderBlock2D"),
        ] {
            if types.len() != n_blocks || types.iter().any(|name| name != wanted) {
                let remedy = format!("{n_blocks} times {wanted} is what this version supports");
                return Err(unsupported(CLASS, key, types, remedy));
            }
        }
        if !(self.scaling_factor.is_finite() && self.scaling_factor > 0.0) {
            return Err(unsupported(
                CLASS,
                "scaling_factor",
                self.scaling_factor,
                "a positive number is needed",
            ));
        }
        Ok(())
    }
}

fn fill(types: &mut Vec<String>, name: &str, n_blocks: usize) {
    if types.is_empty() {
        types.resize(n_blocks, name.to_owned());
    }
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn three() -> usize {
    3
}

fn four() -> usize {
    4
}

fn thirty_two() -> usize {
    32
}

fn sd_scaling_factor() -> f64 {
    0.18215
}
