//! `config.json` of `UNet2DConditionModel`, as diffusers writes it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ModelError;
use crate::component::{check_extra_keys, parse, unsupported};

const CLASS: &str = "UNet2DConditionModel";

/// One value for all resolutions, or one for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerBlock {
    /// The same everywhere.
    All(usize),
    /// From the highest resolution to the lowest.
    Each(Vec<usize>),
}

impl PerBlock {
    /// The value of block `index`, `None` past the end of a list.
    pub fn at(&self, index: usize) -> Option<usize> {
        match self {
            Self::All(value) => Some(*value),
            Self::Each(values) => values.get(index).copied(),
        }
    }
}

/// What stands at one resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UNetBlockType {
    /// Residual blocks, each followed by a transformer; on the way down.
    CrossAttnDownBlock2D,
    /// Residual blocks; on the way down.
    DownBlock2D,
    /// Residual blocks, each followed by a transformer; on the way up.
    CrossAttnUpBlock2D,
    /// Residual blocks; on the way up.
    UpBlock2D,
}

impl UNetBlockType {
    /// Whether it attends to the text.
    pub fn has_attention(self) -> bool {
        matches!(self, Self::CrossAttnDownBlock2D | Self::CrossAttnUpBlock2D)
    }

    fn is_down(self) -> bool {
        matches!(self, Self::CrossAttnDownBlock2D | Self::DownBlock2D)
    }
}

/// The fields that Stable Diffusion 1.x and 2.x set; others must have a value that changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UNet2DConditionConfig {
    /// Latent height and width it was trained at.
    pub sample_size: usize,
    /// Latent channels; twice them plus one for an inpainting model.
    pub in_channels: usize,
    /// Latent channels.
    pub out_channels: usize,
    /// Blocks on the way down, highest resolution first.
    pub down_block_types: Vec<UNetBlockType>,
    /// Blocks on the way up, lowest resolution first.
    pub up_block_types: Vec<UNetBlockType>,
    /// Width at each resolution, highest first.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks at each resolution on the way down; one more on the way up.
    #[serde(default = "two")]
    pub layers_per_block: usize,
    /// Groups of every group norm.
    #[serde(default = "thirty_two")]
    pub norm_num_groups: usize,
    /// Added to the variance in the residual blocks' norms.
    #[serde(default = "norm_eps")]
    pub norm_eps: f64,
    /// Width of the text features.
    pub cross_attention_dim: usize,
    /// The *number of heads* in spite of its name, for every SD 1.x and 2.x file (a naming error that
    /// diffusers keeps for compatibility).
    #[serde(default = "eight_heads")]
    pub attention_head_dim: PerBlock,
    /// Transformer blocks in a row.
    #[serde(default = "one_layer")]
    pub transformer_layers_per_block: PerBlock,
    /// Linears instead of 1x1 convolutions around the transformer (SD 2.x).
    #[serde(default)]
    pub use_linear_projection: bool,
    /// Cosine before sine in the time features.
    #[serde(default = "yes")]
    pub flip_sin_to_cos: bool,
    /// Shift of the time features' frequencies.
    #[serde(default)]
    pub freq_shift: f64,
    /// Keys without an effect here, kept for writing the file back.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Keys that diffusers writes and the values under which they change nothing.
const NEUTRAL: &[(&str, &[&str])] = &[
    ("act_fn", &["\"silu\""]),
    ("addition_embed_type_num_heads", &[]),
    ("attention_type", &["\"default\""]),
    ("conv_in_kernel", &["3"]),
    ("conv_out_kernel", &["3"]),
    ("downsample_padding", &["1"]),
    ("dropout", &["0.0", "0"]),
    ("mid_block_scale_factor", &["1", "1.0"]),
    ("mid_block_type", &["\"UNetMidBlock2DCrossAttn\""]),
    ("resnet_time_scale_shift", &["\"default\""]),
    ("resnet_out_scale_factor", &["1.0", "1"]),
    ("time_embedding_type", &["\"positional\""]),
    ("upcast_attention", &[]),
];

impl UNet2DConditionConfig {
    /// Parses and checks `config.json`.
    ///
    /// # Errors
    /// [`ModelError::Json`] or [`ModelError::Unsupported`], which names the key, its value and what is
    /// accepted.
    pub fn from_json(json: &str) -> Result<Self, ModelError> {
        let config: Self = parse(CLASS, json)?;
        config.check()?;
        Ok(config)
    }

    /// How many heads the attention at `block` has.
    pub fn n_heads(&self, block: usize) -> usize {
        self.attention_head_dim.at(block).unwrap_or(1)
    }

    /// How many transformer blocks stand in a row at `block`.
    pub fn n_transformer_layers(&self, block: usize) -> usize {
        self.transformer_layers_per_block.at(block).unwrap_or(1)
    }

    /// Whether the input is `[noisy latents, mask, masked latents]`.
    pub fn is_inpainting(&self) -> bool {
        self.in_channels == 2 * self.out_channels + 1
    }

    /// Multiple that the height and width of a latent should have for the skips to line up at once.
    pub fn size_multiple(&self) -> usize {
        1 << (self.block_out_channels.len() - 1)
    }

    fn check(&self) -> Result<(), ModelError> {
        check_extra_keys(CLASS, &self.extra, NEUTRAL)?;
        let n_blocks = self.block_out_channels.len();
        if n_blocks == 0 {
            return Err(unsupported(
                CLASS,
                "block_out_channels",
                &self.block_out_channels,
                "at least one is needed",
            ));
        }
        if self.layers_per_block == 0 {
            return Err(unsupported(CLASS, "layers_per_block", 0, "at least 1 is needed"));
        }
        let down_fits =
            self.down_block_types.len() == n_blocks && self.down_block_types.iter().all(|b| b.is_down());
        if !down_fits {
            let remedy = format!("block_out_channels asks for {n_blocks} down blocks");
            return Err(unsupported(CLASS, "down_block_types", &self.down_block_types, remedy));
        }
        let up_fits =
            self.up_block_types.len() == n_blocks && !self.up_block_types.iter().any(|b| b.is_down());
        if !up_fits {
            let remedy = format!("block_out_channels asks for {n_blocks} up blocks");
            return Err(unsupported(CLASS, "up_block_types", &self.up_block_types, remedy));
        }
        for (block, &channels) in self.block_out_channels.iter().enumerate() {
            if self.norm_num_groups == 0 || channels == 0 || channels % self.norm_num_groups != 0 {
                let remedy = format!("it is not a multiple of norm_num_groups {}", self.norm_num_groups);
                return Err(unsupported(CLASS, "block_out_channels", channels, remedy));
            }
            match self.attention_head_dim.at(block) {
                Some(n_heads) if n_heads > 0 && channels % n_heads == 0 => {}
                heads => {
                    let remedy = format!("{channels} channels cannot be split into that many heads");
                    return Err(unsupported(CLASS, "attention_head_dim", heads, remedy));
                }
            }
            if self.transformer_layers_per_block.at(block).is_none() {
                let value = &self.transformer_layers_per_block;
                return Err(unsupported(
                    CLASS,
                    "transformer_layers_per_block",
                    value,
                    "one for each block is needed",
                ));
            }
        }
        Ok(())
    }
}

fn yes() -> bool {
    true
}

fn two() -> usize {
    2
}

fn thirty_two() -> usize {
    32
}

fn norm_eps() -> f64 {
    1e-5
}

fn eight_heads() -> PerBlock {
    PerBlock::All(8)
}

fn one_layer() -> PerBlock {
    PerBlock::All(1)
}
