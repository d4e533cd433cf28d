//! The tiny checkpoints of `scripts/golden/rewards.py`, as rewards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use byteedit_models::Component;
use byteedit_models::clip::CLIPModel;
use byteedit_models::store::{
    Precision, clip_from_open_clip, component_from_bytes, component_from_file, component_to_bytes,
    load_component, read_text,
};
use byteedit_models::tokenizer::{BertTokenizer, ClipTokenizer};
use byteedit_nn::Init;
use byteedit_reward::{
    CoherentNetwork, ImageRewardConfig, ImageRewardNetwork, LinearHead, LinearHeadConfig, Region, ScoreMlp,
    ScoreMlpConfig, Shown,
};
use byteedit_testing::case_dir;

/// The texts that the reference was given: one that fits and one that does not.
pub(crate) const PROMPTS: [&str; 2] =
    ["a red apple", "a photo of the cat on the table, unaffable; a cafe in istanbul"];

/// Pictures with their prompts, the right half of the first repainted and the upper half of the second.
pub(crate) fn shown(pixels: Tensor<4>) -> Shown {
    let [_, _, height, width] = pixels.dims();
    let options = (&pixels.device().inner(), pixels.dtype());
    let right = Tensor::<4>::ones([1, 1, height, width / 2], options);
    let left = Tensor::zeros([1, 1, height, width - width / 2], options);
    let upper = Tensor::<4>::ones([1, 1, height / 2, width], options);
    let lower = Tensor::zeros([1, 1, height - height / 2, width], options);
    let edit_mask =
        Tensor::cat(vec![Tensor::cat(vec![left, right], 3), Tensor::cat(vec![upper, lower], 2)], 0);
    Shown::new(pixels, edit_mask, PROMPTS.map(str::to_owned).to_vec()).expect("they fit each other")
}

/// A golden case of the crate below.
pub(crate) fn model_case(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/golden").join(case)
}

pub(crate) fn image_reward(device: &Device) -> (ImageRewardNetwork, BertTokenizer) {
    let folder = case_dir!("image_reward");
    let network = load_component(&folder, device).expect("the checkpoint loads");
    (network, BertTokenizer::from_dir(&folder).expect("the vocabulary is complete"))
}

/// The same weights, shown another part of the picture.
pub(crate) fn looking_at(network: &ImageRewardNetwork, region: Region) -> ImageRewardNetwork {
    let config = ImageRewardConfig { region, ..network.config().clone() };
    let bytes = component_to_bytes(network, Path::new("memory"), Precision::F32, &BTreeMap::new());
    let bytes = bytes.expect("the weights are finite");
    component_from_bytes(&config, &bytes, Path::new("memory"), &Device::default()).expect("they are its own")
}

pub(crate) fn clip(device: &Device) -> CLIPModel {
    load_component(&case_dir!("clip_rewards"), device).expect("the checkpoint loads")
}

/// The same network from a file of `open_clip`'s.
pub(crate) fn open_clip(device: &Device) -> CLIPModel {
    let folder = case_dir!("clip_rewards");
    let config = read_text(&folder.join("config.json")).expect("it is there");
    let config = CLIPModel::parse_config(&config).expect("it is a configuration");
    clip_from_open_clip(&config, &folder.join("HPS.pt"), device).expect("the checkpoint loads")
}

pub(crate) fn clip_tokenizer() -> ClipTokenizer {
    ClipTokenizer::from_dir(&model_case("tokenizer_clip")).expect("the vocabulary is complete")
}

pub(crate) fn linear_head(device: &Device) -> LinearHead {
    let config = LinearHeadConfig { class_name: None, d_features: 10 };
    let path = case_dir!("clip_rewards").join("aesthetic_v1.pth");
    component_from_file(&config, &path, device).expect("the head loads")
}

pub(crate) fn mlp_head(device: &Device) -> ScoreMlp {
    let config = ScoreMlpConfig { class_name: None, d_features: 10, widths: [12, 8, 6, 4] };
    let path = case_dir!("clip_rewards").join("aesthetic_v2.pth");
    component_from_file(&config, &path, device).expect("the head loads")
}

/// The golden `DINOv2` at a size that is not its table's, behind a head that has not learned.
pub(crate) fn coherent(device: &Device) -> CoherentNetwork {
    let dinov2 = read_text(&model_case("dinov2").join("config.json")).expect("it is there");
    let config = CoherentNetwork::parse_config(&format!(r#"{{"dinov2_config": {dinov2}, "side": 30}}"#));
    let mut network =
        CoherentNetwork::from_config(&config.expect("it is a configuration"), &mut Init::seeded(device, 3));
    network.body = load_component(&model_case("dinov2"), device).expect("the checkpoint loads");
    network
}
