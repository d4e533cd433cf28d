//! The head that `ImageReward` and LAION's second aesthetic predictor share.

use burn::module::Module;
use burn::tensor::Tensor;
use byteedit_models::component::{parse, unsupported};
use byteedit_models::{Component, ModelError};
use byteedit_nn::{Init, Linear};
use serde::{Deserialize, Serialize};

const CLASS: &str = "ScoreMlp";
/// The largest width, as of every layer here.
const MAX_WIDTH: usize = 65_536;
/// Whether a dropout lies behind each linear, which checkpoints count as a layer though it has no weights.
const HAS_DROPOUT: [bool; 5] = [true, true, true, false, false];

/// `config.json` of [`ScoreMlp`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreMlpConfig {
    /// `ScoreMlp`, where a file says so.
    #[serde(rename = "_class_name", default, skip_serializing)]
    pub class_name: Option<String>,
    /// Width of the features.
    pub d_features: usize,
    /// Widths between the five linears.
    pub widths: [usize; 4],
}

impl ScoreMlpConfig {
    /// The published widths.
    pub const PUBLISHED_WIDTHS: [usize; 4] = [1024, 128, 64, 16];

    /// The published head for features of this width.
    pub fn published(d_features: usize) -> Self {
        Self { class_name: None, d_features, widths: Self::PUBLISHED_WIDTHS }
    }

    /// Checks what the types leave open.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`], which names the key, its value and what is accepted.
    pub fn validate(&self) -> Result<(), ModelError> {
        let wrong =
            [self.d_features].into_iter().chain(self.widths).find(|width| !(1..=MAX_WIDTH).contains(width));
        match wrong {
            Some(width) => {
                Err(unsupported(CLASS, "widths", width, format!("but it must be from 1 to {MAX_WIDTH}")))
            }
            None => Ok(()),
        }
    }
}

/// Five linears without activations between them: together one linear map, in a form that learns otherwise.
#[derive(Module, Debug)]
pub struct ScoreMlp {
    /// The linears; `None` where checkpoints count a dropout.
    pub layers: Vec<Option<Linear>>,
    #[module(skip)]
    config: ScoreMlpConfig,
}

impl ScoreMlp {
    /// # Shapes
    /// - `features`: `[batch, d_features]`
    /// - returns `[batch]`
    pub fn forward(&self, features: Tensor<2>) -> Tensor<1> {
        let [batch, _] = features.dims();
        self.layers.iter().flatten().fold(features, |x, linear| linear.forward(x)).reshape([batch])
    }

    /// The head with weights by which signals pass at their size: a start for encoders that have learned nothing yet, whose
    /// gradients the authors' start makes vanish.
    #[must_use]
    pub fn with_unit_gain(mut self, init: &mut Init) -> Self {
        for linear in self.layers.iter_mut().flatten() {
            let [d_out, d_in] = linear.weight.shape().dims();
            linear.weight = init.normal([d_out, d_in], (d_in as f64).sqrt().recip());
        }
        self
    }

    /// [`ScoreMlp::forward`] in training: what the first three linears give is multiplied by what `kept` says for the number of the
    /// linear and its shape, 0 where a feature is dropped.
    ///
    /// # Shapes
    /// - `features`: `[batch, d_features]`
    /// - returns `[batch]`
    pub fn forward_dropping(
        &self,
        features: Tensor<2>,
        mut kept: impl FnMut(usize, [usize; 2]) -> Tensor<2>,
    ) -> Tensor<1> {
        let [batch, _] = features.dims();
        let linears = self.layers.iter().flatten().zip(HAS_DROPOUT).enumerate();
        let score = linears.fold(features, |x, (place, (linear, has_dropout))| {
            let x = linear.forward(x);
            let shape = x.dims();
            if has_dropout { x * kept(place, shape) } else { x }
        });
        score.reshape([batch])
    }
}

impl Component for ScoreMlp {
    type Config = ScoreMlpConfig;

    const CLASS: &'static str = CLASS;
    const LIBRARY: &'static str = "byteedit";
    const WEIGHTS_FILE: &'static str = "model.safetensors";

    fn parse_config(json: &str) -> Result<Self::Config, ModelError> {
        let config: ScoreMlpConfig = parse(CLASS, json)?;
        config.validate()?;
        Ok(config)
    }

    /// Weights of deviation `1 / (d_features + 1)` and biases of 0, as the authors of `ImageReward` begin.
    fn from_config(config: &Self::Config, init: &mut Init) -> Self {
        let std = 1.0 / (config.d_features as f64 + 1.0);
        let [a, b, c, d] = config.widths;
        let sides = [[config.d_features, a], [a, b], [b, c], [c, d], [d, 1]];
        let mut layers = Vec::new();
        for ([d_in, d_out], has_dropout) in sides.into_iter().zip(HAS_DROPOUT) {
            let bias = Some(init.constant([d_out], 0.0));
            layers.push(Some(Linear::of(init.normal([d_out, d_in], std), bias)));
            layers.extend(has_dropout.then_some(None));
        }
        Self { layers, config: config.clone() }
    }

    fn config(&self) -> &Self::Config {
        &self.config
    }
}
