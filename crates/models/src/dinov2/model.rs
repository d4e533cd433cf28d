//! The network: patches, a class token, transformer, norm.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use byteedit_nn::kernels::{add, attention, gelu};
use byteedit_nn::{Init, LayerNorm, Linear, PatchEmbedding};

use super::Dinov2Config;
use crate::ModelError;
use crate::component::Component;

/// Pixels to tokens.
#[derive(Module, Debug)]
pub struct Dinov2Model {
    /// A token for the whole and one for each patch.
    pub embeddings: Dinov2Embeddings,
    /// The layers.
    pub encoder: Dinov2Encoder,
    /// After the last layer.
    pub layernorm: LayerNorm,
    #[module(skip)]
    config: Dinov2Config,
}

/// The class token and the patches, each with its position.
#[derive(Module, Debug)]
pub struct Dinov2Embeddings {
    /// `[1, 1, hidden_size]`
    pub cls_token: Param<Tensor<3>>,
    /// `[1, hidden_size]`, in the place of patches that its own training hides; not used here.
    pub mask_token: Param<Tensor<2>>,
    /// `[1, 1 + patches, hidden_size]`, for pictures of `image_size`
    pub position_embeddings: Param<Tensor<3>>,
    /// One linear map of every patch.
    pub patch_embeddings: Dinov2PatchEmbeddings,
}

/// Checkpoints have one level more here.
#[derive(Module, Debug)]
pub struct Dinov2PatchEmbeddings {
    /// `[hidden_size, 3, patch, patch]`
    pub projection: PatchEmbedding,
}

/// The stack of layers.
#[derive(Module, Debug)]
pub struct Dinov2Encoder {
    /// First to last.
    pub layer: Vec<Dinov2Layer>,
}

/// Self-attention and feed-forward, each behind a norm, scaled and added to its input.
#[derive(Module, Debug)]
pub struct Dinov2Layer {
    /// Before attention.
    pub norm1: LayerNorm,
    /// Self-attention.
    pub attention: Dinov2Attention,
    /// Of what attention adds.
    pub layer_scale1: Dinov2LayerScale,
    /// Before the feed-forward.
    pub norm2: LayerNorm,
    /// Feed-forward.
    pub mlp: Dinov2Mlp,
    /// Of what the feed-forward adds.
    pub layer_scale2: Dinov2LayerScale,
}

/// Self-attention.
#[derive(Module, Debug)]
pub struct Dinov2Attention {
    /// `[hidden_size, hidden_size]`
    pub q_proj: Linear,
    /// `[hidden_size, hidden_size]`
    pub k_proj: Linear,
    /// `[hidden_size, hidden_size]`
    pub v_proj: Linear,
    /// `[hidden_size, hidden_size]`
    pub o_proj: Linear,
    /// Heads.
    pub n_heads: usize,
}

/// A factor for each feature of a branch (Touvron et al. 2021, arXiv 2103.17239).
#[derive(Module, Debug)]
pub struct Dinov2LayerScale {
    /// `[hidden_size]`
    pub lambda1: Param<Tensor<1>>,
}

/// Two linears around an exact GELU.
#[derive(Module, Debug)]
pub struct Dinov2Mlp {
    /// `[mlp_ratio * hidden_size, hidden_size]`
    pub fc1: Linear,
    /// `[hidden_size, mlp_ratio * hidden_size]`
    pub fc2: Linear,
}

impl Dinov2Model {
    /// The tokens of pictures: the class token, then the patches row by row.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, height, width]`, both multiples of the patch's side, normalised
    /// - returns `[batch, 1 + patches, hidden_size]`
    ///
    /// # Panics
    /// If height or width is no multiple of the patch's side.
    pub fn forward(&self, pixels: Tensor<4>) -> Tensor<3> {
        let x = self.embeddings.forward(pixels, self.config.grid());
        self.layernorm.forward(self.encoder.layer.iter().fold(x, |x, layer| layer.forward(x)))
    }
}

impl Dinov2Embeddings {
    /// `grid` is how many patches along a side the table of positions is for.
    fn forward(&self, pixels: Tensor<4>, grid: usize) -> Tensor<3> {
        let patch = self.patch_embeddings.projection.weight.dims()[3];
        let [_, _, height, width] = pixels.dims();
        let patches = self.patch_embeddings.projection.forward(pixels);
        let [batch, n_patches, d_model] = patches.dims();
        let class = self.cls_token.val().expand([batch, 1, d_model]);
        let positions = self.positions(grid, [height / patch, width / patch]);
        add(Tensor::cat(vec![class, patches], 1), positions.expand([batch, 1 + n_patches, d_model]))
    }

    /// The positions for `rows` by `columns` patches, `[1, 1 + rows * columns, hidden_size]`: the table, or what a
    /// bicubic interpolation makes of it.
    fn positions(&self, grid: usize, [rows, columns]: [usize; 2]) -> Tensor<3> {
        let table = self.position_embeddings.val();
        if [rows, columns] == [grid; 2] {
            return table;
        }
        let d_model = table.dims()[2];
        let class = table.clone().narrow(1, 0, 1);
        let patches = table.narrow(1, 1, grid * grid).reshape([1, grid, grid, d_model]).permute([0, 3, 1, 2]);
        let options = InterpolateOptions::new(InterpolateMode::Bicubic)
            .with_align_corners(false)
            .with_output_size([rows, columns]);
        let patches = interpolate(patches, options);
        let patches = patches.permute([0, 2, 3, 1]).reshape([1, rows * columns, d_model]);
        Tensor::cat(vec![class, patches], 1)
    }
}

impl Dinov2Layer {
    fn new(init: &mut Init, config: &Dinov2Config) -> Self {
        let width = config.hidden_size;
        let square = |init: &mut Init| Linear::new(init, [width, width]);
        let scale = |init: &mut Init| Dinov2LayerScale {
            lambda1: init.constant([width], config.layerscale_value as f32),
        };
        Self {
            norm1: LayerNorm::new(init, width, config.layer_norm_eps),
            attention: Dinov2Attention {
                q_proj: square(init),
                k_proj: square(init),
                v_proj: square(init),
                o_proj: square(init),
                n_heads: config.num_attention_heads,
            },
            layer_scale1: scale(init),
            norm2: LayerNorm::new(init, width, config.layer_norm_eps),
            mlp: Dinov2Mlp {
                fc1: Linear::new(init, [width, config.mlp_ratio * width]),
                fc2: Linear::new(init, [config.mlp_ratio * width, width]),
            },
            layer_scale2: scale(init),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let seen = self.attention.forward(self.norm1.forward(x.clone()));
        let x = add(x, self.layer_scale1.forward(seen));
        let made = self.mlp.forward(self.norm2.forward(x.clone()));
        add(x, self.layer_scale2.forward(made))
    }
}

impl Dinov2Attention {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [q, k, v] = [&self.q_proj, &self.k_proj, &self.v_proj].map(|project| project.forward(x.clone()));
        self.o_proj.forward(attention(q, k, v, self.n_heads))
    }
}

impl Dinov2LayerScale {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        x * self.lambda1.val().unsqueeze::<3>()
    }
}

impl Dinov2Mlp {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(gelu(self.fc1.forward(x)))
    }
}

impl Component for Dinov2Model {
    type Config = Dinov2Config;

    const CLASS: &'static str = "Dinov2Model";
    const LIBRARY: &'static str = "transformers";
    const WEIGHTS_FILE: &'static str = "model.safetensors";
    const PYTORCH_FILES: &'static [&'static str] = &["pytorch_model.bin"];
    /// Files have the names of before transformers 5.
    const RENAMES: &'static [(&'static str, &'static str)] = &[
        ("attention.q_proj.", "attention.attention.query."),
        ("attention.k_proj.", "attention.attention.key."),
        ("attention.v_proj.", "attention.attention.value."),
        ("attention.o_proj.", "attention.output.dense."),
    ];

    fn parse_config(json: &str) -> Result<Self::Config, ModelError> {
        Dinov2Config::from_json(json)
    }

    fn from_config(config: &Self::Config, init: &mut Init) -> Self {
        let width = config.hidden_size;
        let n_positions = 1 + config.grid().pow(2);
        let projection = PatchEmbedding::new(init, [3, width], config.patch_size, true);
        Self {
            embeddings: Dinov2Embeddings {
                cls_token: init.normal([1, 1, width], 0.02),
                mask_token: init.constant([1, width], 0.0),
                position_embeddings: init.normal([1, n_positions, width], 0.02),
                patch_embeddings: Dinov2PatchEmbeddings { projection },
            },
            encoder: Dinov2Encoder {
                layer: (0..config.num_hidden_layers).map(|_| Dinov2Layer::new(init, config)).collect(),
            },
            layernorm: LayerNorm::new(init, width, config.layer_norm_eps),
            config: config.clone(),
        }
    }

    fn config(&self) -> &Self::Config {
        &self.config
    }
}
