//! The judge: a residual network that averages over positions before it answers (He et al. 2016, arXiv
//! 1512.03385, with group norms).

use burn::module::Module;
use burn::tensor::Tensor;
use byteedit_nn::{Conv2d, Downsample2D, GroupNorm, Init, Linear, NormSettings, ResnetBlock2D};
use serde::{Deserialize, Serialize};

use super::Classifier;
use super::config::{check_groups, check_labels, check_side};
use crate::ModelError;
use crate::component::{Component, parse};
use crate::flops::{conv, resnet};
use crate::limits::{check_layers, check_levels};

const CLASS: &str = "ByteeditJudge";
const NORM_EPSILON: f64 = 1e-5;

/// `config.json` of a [`Judge`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeConfig {
    /// `ByteeditJudge`, where a file says so.
    #[serde(rename = "_class_name", default, skip_serializing)]
    pub class_name: Option<String>,
    /// Side of the pictures in pixels, a multiple of two to the number of widths.
    pub side: usize,
    /// Width at each resolution, highest first; the first is half of the picture's.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks at each resolution.
    pub layers_per_block: usize,
    /// Groups of every group norm.
    pub norm_num_groups: usize,
    /// What it can say; the last is "nothing".
    pub labels: Vec<String>,
}

/// Residual blocks at halved and halved resolutions, mean over positions, one linear layer.
#[derive(Module, Debug)]
pub struct Judge {
    /// 3x3 at stride 2.
    pub conv_in: Conv2d,
    /// For each resolution its blocks, one after the other.
    pub blocks: Vec<ResnetBlock2D>,
    /// Between two resolutions.
    pub downsamplers: Vec<Downsample2D>,
    /// Before the mean.
    pub norm_out: GroupNorm,
    /// From features to labels.
    pub classifier: Linear,
    #[module(skip)]
    config: JudgeConfig,
}

impl Component for Judge {
    type Config = JudgeConfig;

    const CLASS: &'static str = CLASS;
    const LIBRARY: &'static str = "byteedit";
    const WEIGHTS_FILE: &'static str = "model.safetensors";

    fn parse_config(json: &str) -> Result<JudgeConfig, ModelError> {
        let config: JudgeConfig = parse(CLASS, json)?;
        let widths = &config.block_out_channels;
        check_levels(CLASS, widths)?;
        check_layers(CLASS, &[("layers_per_block", config.layers_per_block)])?;
        check_groups(CLASS, widths, config.norm_num_groups)?;
        check_side(CLASS, config.side, widths.len())?;
        check_labels(CLASS, &config.labels)?;
        Ok(config)
    }

    fn from_config(config: &JudgeConfig, init: &mut Init) -> Self {
        let widths = &config.block_out_channels;
        let norm = NormSettings { n_groups: config.norm_num_groups, epsilon: NORM_EPSILON };
        let (first, last) = (widths[0], widths[widths.len() - 1]);
        let conv_in = Conv2d::new(init, [3, first], 3, 2, 1);
        let (mut blocks, mut downsamplers, mut entry) = (Vec::new(), Vec::new(), first);
        for (level, &width) in widths.iter().enumerate() {
            for _ in 0..config.layers_per_block {
                blocks.push(ResnetBlock2D::new(init, [entry, width], None, norm));
                entry = width;
            }
            if level + 1 < widths.len() {
                downsamplers.push(Downsample2D::padded(init, width));
            }
        }
        Self {
            conv_in,
            blocks,
            downsamplers,
            norm_out: GroupNorm::new(init, norm.n_groups, last, NORM_EPSILON),
            classifier: Linear::new(init, [last, config.labels.len()]),
            config: config.clone(),
        }
    }

    fn config(&self) -> &JudgeConfig {
        &self.config
    }
}

impl Classifier for Judge {
    fn config_for(config: &JudgeConfig, labels: Vec<String>) -> JudgeConfig {
        JudgeConfig { labels, class_name: None, ..config.clone() }
    }

    fn labels(config: &JudgeConfig) -> &[String] {
        &config.labels
    }

    fn side(config: &JudgeConfig) -> usize {
        config.side
    }

    fn flops(config: &JudgeConfig) -> f64 {
        let widths = &config.block_out_channels;
        let mut positions = (config.side / 2).pow(2);
        let mut entry = widths[0];
        let mut total = conv(3, entry, 3, positions);
        for (level, &width) in widths.iter().enumerate() {
            for _ in 0..config.layers_per_block {
                total += resnet(entry, width, positions);
                entry = width;
            }
            if level + 1 < widths.len() {
                positions /= 4;
                total += conv(width, width, 3, positions);
            }
        }
        total + conv(entry, config.labels.len(), 1, 1)
    }

    fn features(&self, pixels: Tensor<4>) -> Tensor<2> {
        let mut x = self.conv_in.forward(pixels); // [batch, widths[0], side / 2, side / 2]
        for (level, blocks) in self.blocks.chunks(self.config.layers_per_block).enumerate() {
            x = blocks.iter().fold(x, |x, block| block.forward(x, None));
            if let Some(downsampler) = self.downsamplers.get(level) {
                x = downsampler.forward(x);
            }
        }
        let x = self.norm_out.forward_silu(x);
        let [batch, channels, height, width] = x.dims();
        x.reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels])
    }

    fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        self.classifier.forward(features)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};
    use byteedit_testing::{assert_close, tol};

    use super::*;
    use crate::store::{Precision, component_from_bytes, component_to_bytes};

    fn config() -> JudgeConfig {
        Judge::parse_config(
            r#"{"side": 16, "block_out_channels": [8, 16], "layers_per_block": 2, "norm_num_groups": 4,
                "labels": ["apple", "duck", "nothing"]}"#,
        )
        .unwrap()
    }

    fn pixels() -> Tensor<4> {
        let values: Vec<f32> = (0..2 * 3 * 16 * 16).map(|i| (0.7 * i as f32).sin()).collect();
        Tensor::from_data(TensorData::new(values, [2, 3, 16, 16]), &Device::default())
    }

    #[test]
    fn it_answers_each_picture_by_itself() {
        let judge = Judge::from_config(&config(), &mut Init::seeded(&Device::default(), 1));
        let features = judge.features(pixels());
        assert_eq!(features.dims(), [2, 16]);
        let logits = judge.logits(features);
        assert_eq!(logits.dims(), [2, 3]);
        let alone = judge.logits(judge.features(pixels().narrow(0, 1, 1)));
        assert_close(&logits.narrow(0, 1, 1), &alone, tol::f32_net());
    }

    #[test]
    fn it_is_saved_and_read_back() {
        let judge = Judge::from_config(&config(), &mut Init::seeded(&Device::default(), 1));
        let path = std::path::Path::new("judge");
        let bytes =
            component_to_bytes(&judge, path, Precision::F32, &std::collections::BTreeMap::new()).unwrap();
        let read: Judge = component_from_bytes(&config(), &bytes, path, &Device::default()).unwrap();
        assert_close(&read.features(pixels()), &judge.features(pixels()), tol::exact());
    }

    #[test]
    fn what_makes_no_judge_is_refused_by_name() {
        let refused = |from: &str, to: &str| {
            let json = serde_json::to_string(&config()).unwrap().replace(from, to);
            Judge::parse_config(&json).unwrap_err().to_string()
        };
        assert!(refused("\"side\":16", "\"side\":18").contains("`side` is 18"));
        assert!(refused("[8,16]", "[8,18]").contains("norm_num_groups 4"));
        assert!(refused("\"duck\"", "\"apple\"").contains("each of them once"));
        assert!(refused("\"nothing\"", "\"void\"").contains("must be nothing"));
        assert!(refused("[8,16]", "[]").contains("`block_out_channels`"));
        assert!(refused("\"labels\"", "\"label\"").contains("unknown field"));
    }

    #[test]
    fn operations_are_counted() {
        // 3x3 convolutions: 3 -> 8 at 8x8; four 8 -> 8 at 8x8; one 8 -> 8 at 4x4; 8 -> 16 with its shortcut and
        // three 16 -> 16 at 4x4; the linear layer.
        let macs = 64 * (27 * 8 + 4 * 9 * 64) + 16 * (9 * 64 + 10 * 128 + 3 * 9 * 256) + 16 * 3;
        assert!((Judge::flops(&config()) - 2.0 * f64::from(macs)).abs() < 0.5);
    }
}
