//! VGG16's convolutions (Simonyan & Zisserman 2015, arXiv 1409.1556, configuration D), with torchvision's names: what
//! perceptual losses compare pictures in.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use byteedit_nn::{Conv2d, Init};
use serde::{Deserialize, Serialize};

use crate::ModelError;
use crate::component::{Component, parse};
use crate::limits::check_widths;

const CLASS: &str = "Vgg16Features";

/// Convolutions in each of the five blocks, and their width over the first block's.
const BLOCKS: [(usize, usize); 5] = [(2, 1), (2, 2), (3, 4), (3, 8), (3, 8)];

/// `config.json` of [`Vgg16Features`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vgg16Config {
    /// `Vgg16Features`, where a file says so.
    #[serde(rename = "_class_name", default, skip_serializing)]
    pub class_name: Option<String>,
    /// Width of the first block: 64 in the published network.
    pub base_width: usize,
}

/// Thirteen 3x3 convolutions in five blocks, each but the last with a pooling behind it.
#[derive(Module, Debug)]
pub struct Vgg16Features {
    /// First to last. Checkpoints count the activations and poolings between them.
    pub convs: Vec<Conv2d>,
    #[module(skip)]
    config: Vgg16Config,
}

impl Vgg16Features {
    /// What comes out of each block's last activation (`relu1_2`, `relu2_2`, `relu3_3`, `relu4_3`, `relu5_3`), as
    /// LPIPS taps it (Zhang et al. 2018, arXiv 1801.03924).
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, height, width]`, normalised, at least 16 px on each side
    /// - returns `[batch, width of block i, height / 2^i, width / 2^i]` for `i` from 0 to 4, rounded down
    pub fn forward(&self, pixels: Tensor<4>) -> [Tensor<4>; 5] {
        let (mut convs, mut x) = (self.convs.iter(), Some(pixels));
        std::array::from_fn(|block| {
            let entry = x.take().expect("every block leaves its result; this is a bug");
            let entry = if block == 0 { entry } else { max_pool2d(entry, MaxPoolOptions::new([2, 2])) };
            let result = convs.by_ref().take(BLOCKS[block].0).fold(entry, |x, conv| relu(conv.forward(x)));
            x = Some(result.clone());
            result
        })
    }
}

impl Component for Vgg16Features {
    type Config = Vgg16Config;

    const CLASS: &'static str = CLASS;
    const LIBRARY: &'static str = "torchvision";
    const WEIGHTS_FILE: &'static str = "model.safetensors";
    /// As torchvision downloads it.
    const PYTORCH_FILES: &'static [&'static str] = &["vgg16-397923af.pth"];
    const RENAMES: &'static [(&'static str, &'static str)] = &[
        ("convs.0.", "features.0."),
        ("convs.1.", "features.2."),
        ("convs.2.", "features.5."),
        ("convs.3.", "features.7."),
        ("convs.4.", "features.10."),
        ("convs.5.", "features.12."),
        ("convs.6.", "features.14."),
        ("convs.7.", "features.17."),
        ("convs.8.", "features.19."),
        ("convs.9.", "features.21."),
        ("convs.10.", "features.24."),
        ("convs.11.", "features.26."),
        ("convs.12.", "features.28."),
    ];
    /// The whole network's answers, behind the convolutions.
    const BUFFERS: &'static [&'static str] = &[
        "classifier.0.weight",
        "classifier.0.bias",
        "classifier.3.weight",
        "classifier.3.bias",
        "classifier.6.weight",
        "classifier.6.bias",
    ];

    fn parse_config(json: &str) -> Result<Self::Config, ModelError> {
        let config: Vgg16Config = parse(CLASS, json)?;
        check_widths(CLASS, &[("base_width", config.base_width)])?;
        Ok(config)
    }

    fn from_config(config: &Self::Config, init: &mut Init) -> Self {
        let mut channels_in = 3;
        let mut convs = Vec::new();
        for (n_convs, factor) in BLOCKS {
            for _ in 0..n_convs {
                let channels_out = factor * config.base_width;
                convs.push(Conv2d::same3x3(init, [channels_in, channels_out]));
                channels_in = channels_out;
            }
        }
        Self { convs, config: config.clone() }
    }

    fn config(&self) -> &Self::Config {
        &self.config
    }
}
