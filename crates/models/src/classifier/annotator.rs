//! The annotator: a plain stack of convolutions without shortcuts, whose answer is read from all
//! positions by two layers (as VGG, Simonyan & Zisserman 2015, arXiv 1409.1556, with group norms).

use burn::module::Module;
use burn::tensor::{Tensor, activation};
use byteedit_nn::{Conv2d, GroupNorm, Init, Linear};
use serde::{Deserialize, Serialize};

use super::Classifier;
use super::config::{check_groups, check_labels, check_side};
use crate::ModelError;
use crate::component::{Component, parse};
use crate::flops::conv;
use crate::limits::{check_levels, check_widths};

const CLASS: &str = "ByteeditAnnotator";
const NORM_EPSILON: f64 = 1e-5;

/// `config.json` of an [`Annotator`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnotatorConfig {
    /// `ByteeditAnnotator`, where a file says so.
    #[serde(rename = "_class_name", default, skip_serializing)]
    pub class_name: Option<String>,
    /// Side of the pictures in pixels, a multiple of two to the number of widths.
    pub side: usize,
    /// Width of each pair of convolutions; the first of a pair halves the resolution.
    pub block_out_channels: Vec<usize>,
    /// Groups of every group norm.
    pub norm_num_groups: usize,
    /// Width of the layer before the answer.
    pub d_hidden: usize,
    /// What it can say; the last is "nothing".
    pub labels: Vec<String>,
}

/// Two 3x3 convolutions at each resolution, each with a norm and a `SiLU` behind it, then two linear
/// layers over all positions.
#[derive(Module, Debug)]
pub struct Annotator {
    /// Two for each width: stride 2, stride 1.
    pub convs: Vec<Conv2d>,
    /// One behind each convolution.
    pub norms: Vec<GroupNorm>,
    /// From all positions to the features.
    pub hidden: Linear,
    /// From features to labels.
    pub classifier: Linear,
    #[module(skip)]
    config: AnnotatorConfig,
}

impl Component for Annotator {
    type Config = AnnotatorConfig;

    const CLASS: &'static str = CLASS;
    const LIBRARY: &'static str = "byteedit";
    const WEIGHTS_FILE: &'static str = "model.safetensors";

    fn parse_config(json: &str) -> Result<AnnotatorConfig, ModelError> {
        let config: AnnotatorConfig = parse(CLASS, json)?;
        let widths = &config.block_out_channels;
        check_levels(CLASS, widths)?;
        check_widths(CLASS, &[("d_hidden", config.d_hidden)])?;
        check_groups(CLASS, widths, config.norm_num_groups)?;
        check_side(CLASS, config.side, widths.len())?;
        check_labels(CLASS, &config.labels)?;
        Ok(config)
    }

    fn from_config(config: &AnnotatorConfig, init: &mut Init) -> Self {
        let (mut convs, mut norms, mut entry) = (Vec::new(), Vec::new(), 3);
        for &width in &config.block_out_channels {
            for stride in [2, 1] {
                convs.push(Conv2d::new(init, [entry, width], 3, stride, 1));
                norms.push(GroupNorm::new(init, config.norm_num_groups, width, NORM_EPSILON));
                entry = width;
            }
        }
        let n_positions = (config.side >> config.block_out_channels.len()).pow(2);
        Self {
            convs,
            norms,
            hidden: Linear::new(init, [entry * n_positions, config.d_hidden]),
            classifier: Linear::new(init, [config.d_hidden, config.labels.len()]),
            config: config.clone(),
        }
    }

    fn config(&self) -> &AnnotatorConfig {
        &self.config
    }
}

impl Classifier for Annotator {
    fn config_for(config: &AnnotatorConfig, labels: Vec<String>) -> AnnotatorConfig {
        AnnotatorConfig { labels, class_name: None, ..config.clone() }
    }

    fn labels(config: &AnnotatorConfig) -> &[String] {
        &config.labels
    }

    fn side(config: &AnnotatorConfig) -> usize {
        config.side
    }

    fn flops(config: &AnnotatorConfig) -> f64 {
        let (mut positions, mut entry, mut total) = (config.side.pow(2), 3, 0.0);
        for &width in &config.block_out_channels {
            positions /= 4;
            total += conv(entry, width, 3, positions) + conv(width, width, 3, positions);
            entry = width;
        }
        let AnnotatorConfig { d_hidden, labels, .. } = config;
        total + conv(entry * positions, *d_hidden, 1, 1) + conv(*d_hidden, labels.len(), 1, 1)
    }

    fn features(&self, pixels: Tensor<4>) -> Tensor<2> {
        let layers = self.convs.iter().zip(&self.norms);
        let x = layers.fold(pixels, |x, (conv, norm)| norm.forward_silu(conv.forward(x)));
        let [batch, channels, height, width] = x.dims();
        activation::silu(self.hidden.forward(x.reshape([batch, channels * height * width])))
    }

    fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        self.classifier.forward(features)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn config() -> AnnotatorConfig {
        Annotator::parse_config(
            r#"{"side": 8, "block_out_channels": [4, 8], "norm_num_groups": 4, "d_hidden": 6,
                "labels": ["apple", "nothing"]}"#,
        )
        .unwrap()
    }

    #[test]
    fn it_answers_and_its_operations_are_counted() {
        let annotator = Annotator::from_config(&config(), &mut Init::seeded(&Device::default(), 2));
        let pixels = Tensor::<4>::full([3, 3, 8, 8], 0.5, &Device::default());
        let features = annotator.features(pixels);
        assert_eq!(features.dims(), [3, 6]);
        assert_eq!(annotator.logits(features).dims(), [3, 2]);
        let macs = 16 * (27 * 4 + 9 * 16) + 4 * (9 * 32 + 9 * 64) + 8 * 4 * 6 + 6 * 2;
        assert!((Annotator::flops(&config()) - 2.0 * f64::from(macs)).abs() < 0.5);
    }

    #[test]
    fn what_makes_no_annotator_is_refused_by_name() {
        let refused = |from: &str, to: &str| {
            let json = serde_json::to_string(&config()).unwrap().replace(from, to);
            Annotator::parse_config(&json).unwrap_err().to_string()
        };
        assert!(refused("\"side\":8", "\"side\":10").contains("`side` is 10"));
        assert!(refused("\"d_hidden\":6", "\"d_hidden\":0").contains("`d_hidden` is 0"));
    }
}
