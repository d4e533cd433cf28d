//! `config.json` of `UNet2DConditionModel`, as diffusers writes it.

use byteedit_nn::TimeConditioning;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ModelError;
use crate::component::{OFF, check_extra_keys, parse, unsupported};
use crate::limits::{check_epsilon, check_layers, check_levels, check_widths};

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

/// What the time embedding does in a residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResnetTimeScaleShift {
    /// It is added before the second norm, as in Stable Diffusion.
    #[default]
    Default,
    /// It scales and shifts behind the second norm.
    ScaleShift,
}

impl ResnetTimeScaleShift {
    /// The same in the words of the block.
    pub fn conditioning(self) -> TimeConditioning {
        match self {
            Self::Default => TimeConditioning::Shift,
            Self::ScaleShift => TimeConditioning::ScaleShift,
        }
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
    /// How residual blocks hear of the time.
    #[serde(default)]
    pub resnet_time_scale_shift: ResnetTimeScaleShift,
    /// "text" if the pooled text is added to the time embedding, as in `DeepFloyd` IF; none in Stable Diffusion.
    #[serde(default)]
    pub addition_embed_type: Option<String>,
    /// Heads of that pooling.
    #[serde(default = "sixty_four")]
    pub addition_embed_type_num_heads: usize,
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
    ("addition_time_embed_dim", OFF),
    ("attention_type", &["\"default\""]),
    ("center_input_sample", OFF),
    ("class_embed_type", OFF),
    ("class_embeddings_concat", OFF),
    ("conv_in_kernel", &["3"]),
    ("conv_out_kernel", &["3"]),
    ("cross_attention_norm", OFF),
    ("downsample_padding", &["1"]),
    ("dropout", &["0.0", "0"]),
    ("dual_cross_attention", OFF),
    ("encoder_hid_dim", OFF),
    ("encoder_hid_dim_type", OFF),
    ("mid_block_only_cross_attention", OFF),
    ("mid_block_scale_factor", &["1", "1.0"]),
    ("mid_block_type", &["\"UNetMidBlock2DCrossAttn\""]),
    ("num_attention_heads", OFF),
    ("num_class_embeds", OFF),
    ("only_cross_attention", OFF),
    ("projection_class_embeddings_input_dim", OFF),
    ("resnet_out_scale_factor", &["1.0", "1"]),
    ("resnet_skip_time_act", OFF),
    ("reverse_transformer_layers_per_block", OFF),
    ("time_cond_proj_dim", OFF),
    ("time_embedding_act_fn", OFF),
    ("time_embedding_dim", OFF),
    ("time_embedding_type", &["\"positional\""]),
    ("timestep_post_act", OFF),
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

    /// Whether the pooled text is added to the time embedding.
    pub fn adds_text(&self) -> bool {
        self.addition_embed_type.is_some()
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
        self.check_numbers()?;
        self.check_added_text()?;
        let n_blocks = self.block_out_channels.len();
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
            if self.norm_num_groups == 0 || channels % self.norm_num_groups != 0 {
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
            let Some(n_layers) = self.transformer_layers_per_block.at(block) else {
                let value = &self.transformer_layers_per_block;
                return Err(unsupported(
                    CLASS,
                    "transformer_layers_per_block",
                    value,
                    "one for each block is needed",
                ));
            };
            check_layers(CLASS, &[("transformer_layers_per_block", n_layers)])?;
        }
        Ok(())
    }

    fn check_added_text(&self) -> Result<(), ModelError> {
        let Some(kind) = &self.addition_embed_type else { return Ok(()) };
        if kind != "text" {
            return Err(unsupported(
                CLASS,
                "addition_embed_type",
                kind,
                "and only null or \"text\" is supported",
            ));
        }
        let (n_heads, width) = (self.addition_embed_type_num_heads, self.cross_attention_dim);
        if n_heads == 0 || !width.is_multiple_of(n_heads) {
            let remedy = format!("cross_attention_dim {width} cannot be split into that many heads");
            return Err(unsupported(CLASS, "addition_embed_type_num_heads", n_heads, remedy));
        }
        Ok(())
    }

    /// Checks the range of each number by itself, and of those that the time features are made from.
    fn check_numbers(&self) -> Result<(), ModelError> {
        check_levels(CLASS, &self.block_out_channels)?;
        check_layers(CLASS, &[("layers_per_block", self.layers_per_block)])?;
        check_widths(
            CLASS,
            &[
                ("in_channels", self.in_channels),
                ("out_channels", self.out_channels),
                ("cross_attention_dim", self.cross_attention_dim),
            ],
        )?;
        check_epsilon(CLASS, "norm_eps", self.norm_eps)?;
        let channels = self.block_out_channels[0];
        if !channels.is_multiple_of(2) {
            let remedy = "but the first width must be even: half of the time features are sines";
            return Err(unsupported(CLASS, "block_out_channels", channels, remedy));
        }
        let half = channels / 2;
        if self.freq_shift >= half as f64 {
            let remedy = format!("but it must be below {half}, half of block_out_channels[0]");
            return Err(unsupported(CLASS, "freq_shift", self.freq_shift, remedy));
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

fn sixty_four() -> usize {
    64
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
