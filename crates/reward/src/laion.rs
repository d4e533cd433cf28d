//! LAION's aesthetic predictors: heads on the features that CLIP ViT-L/14 has of a picture
//! ([first](https://github.com/LAION-AI/aesthetic-predictor),
//! [second](https://github.com/christophschuhmann/improved-aesthetic-predictor)).

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use byteedit_models::clip::CLIPModel;
use byteedit_models::component::parse;
use byteedit_models::store::{component_from_file, load_component};
use byteedit_models::{Component, ModelError};
use byteedit_nn::{Init, Linear};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::preprocess::Preprocessing;
use crate::reward::{Reward, Shown};
use crate::score_mlp::{ScoreMlp, ScoreMlpConfig};

/// How beautiful people would find a picture, from 1 to 10.
#[derive(Debug, Clone)]
pub struct LaionAesthetic {
    network: CLIPModel,
    head: Head,
    preprocessing: Preprocessing,
}

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one of them for each reward")]
enum Head {
    Linear(LinearHead),
    Mlp(ScoreMlp),
}

impl LaionAesthetic {
    /// The first predictor, one linear: `clip` is a folder as `openai/clip-vit-large-patch14` is published, `head` a
    /// file such as `sa_0_4_vit_l_14_linear.pth`.
    ///
    /// # Errors
    /// Missing, broken or unfitting files.
    pub fn load_v1(clip: &Path, head: &Path, device: &Device) -> Result<Self> {
        let network: CLIPModel = load_component(clip, device)?;
        let config = LinearHeadConfig { class_name: None, d_features: network.config().projection_dim };
        let head = component_from_file(&config, head, device)?;
        Ok(Self::v1(network, head))
    }

    /// The second predictor, five linears: `clip` as in [`Self::load_v1`], `head` a file such as
    /// `sac+logos+ava1-l14-linearMSE.pth`, whose widths are [`ScoreMlpConfig::published`].
    ///
    /// # Errors
    /// Missing, broken or unfitting files.
    pub fn load_v2(clip: &Path, head: &Path, device: &Device) -> Result<Self> {
        let network: CLIPModel = load_component(clip, device)?;
        let config = ScoreMlpConfig::published(network.config().projection_dim);
        let head = component_from_file(&config, head, device)?;
        Ok(Self::v2(network, head))
    }

    /// The first predictor of loaded networks.
    pub fn v1(network: CLIPModel, head: LinearHead) -> Self {
        Self::new(network, Head::Linear(head))
    }

    /// The second predictor of loaded networks.
    pub fn v2(network: CLIPModel, head: ScoreMlp) -> Self {
        Self::new(network, Head::Mlp(head))
    }

    fn new(network: CLIPModel, head: Head) -> Self {
        let preprocessing = Preprocessing::clip(network.config().vision_config.image_size);
        Self { network, head, preprocessing }
    }
}

impl Reward for LaionAesthetic {
    fn name(&self) -> &'static str {
        match self.head {
            Head::Linear(_) => "laion_aesthetic_v1",
            Head::Mlp(_) => "laion_aesthetic_v2",
        }
    }

    fn sees_prompt(&self) -> bool {
        false
    }

    fn sees_mask(&self) -> bool {
        false
    }

    fn n_parameters(&self) -> usize {
        let of_head = match &self.head {
            Head::Linear(head) => head.num_params(),
            Head::Mlp(head) => head.num_params(),
        };
        self.network.num_params() + of_head
    }

    fn score(&self, shown: &Shown) -> Result<Tensor<1>> {
        let features = self.network.image_features(self.preprocessing.forward(shown.pixels()));
        Ok(match &self.head {
            Head::Linear(head) => head.forward(features),
            Head::Mlp(head) => head.forward(features),
        })
    }
}

/// `config.json` of [`LinearHead`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearHeadConfig {
    /// `LinearHead`, where a file says so.
    #[serde(rename = "_class_name", default, skip_serializing)]
    pub class_name: Option<String>,
    /// Width of the features.
    pub d_features: usize,
}

/// A score that is linear in the features.
#[derive(Module, Debug)]
pub struct LinearHead {
    /// `[1, d_features]`; checkpoints hold it alone, without a name.
    pub linear: Linear,
    #[module(skip)]
    config: LinearHeadConfig,
}

impl LinearHead {
    /// # Shapes
    /// - `features`: `[batch, d_features]`
    /// - returns `[batch]`
    pub fn forward(&self, features: Tensor<2>) -> Tensor<1> {
        let [batch, _] = features.dims();
        self.linear.forward(features).reshape([batch])
    }
}

impl Component for LinearHead {
    type Config = LinearHeadConfig;

    const CLASS: &'static str = "LinearHead";
    const LIBRARY: &'static str = "byteedit";
    const WEIGHTS_FILE: &'static str = "model.safetensors";
    const RENAMES: &'static [(&'static str, &'static str)] = &[("linear.", "")];

    fn parse_config(json: &str) -> std::result::Result<Self::Config, ModelError> {
        parse(Self::CLASS, json)
    }

    fn from_config(config: &Self::Config, init: &mut Init) -> Self {
        Self { linear: Linear::new(init, [config.d_features, 1]), config: config.clone() }
    }

    fn config(&self) -> &Self::Config {
        &self.config
    }
}
