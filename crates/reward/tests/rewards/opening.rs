//! Which reward a folder holds, told by its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_models::Component;
use byteedit_models::store::{Precision, save_component};
use byteedit_nn::Init;
use byteedit_reward::{
    ClipPair, CoherentNetwork, ImageRewardNetwork, PickScore, Reward, RewardError, ScoreMlp, ScoreMlpConfig,
    Shown, Standardisation, Standardised, load_network, open, open_files,
};
use byteedit_testing::{TempDir, assert_close, case_dir, tol};

use crate::support;

fn empty_folder() -> TempDir {
    TempDir::new().expect("the temporary folder is writable")
}

fn save<C: Component>(component: &C, folder: &Path) {
    save_component(component, folder, Precision::F32, &BTreeMap::new()).expect("it can be written");
}

/// Copies `name` from the folder of a golden case, under another name.
fn copy(from: &Path, name: &str, folder: &Path, new_name: &str) {
    fs::copy(from.join(name), folder.join(new_name)).expect("the file is there");
}

/// CLIP with its tokenizer, as transformers lays it out.
fn clip_folder() -> TempDir {
    let (folder, words) = (empty_folder(), support::model_case("tokenizer_clip"));
    for name in ["config.json", "model.safetensors"] {
        copy(&case_dir!("clip_rewards"), name, folder.path(), name);
    }
    for name in ["vocab.json", "merges.txt", "tokenizer_config.json"] {
        copy(&words, name, folder.path(), name);
    }
    folder
}

/// `ImageReward` of random weights, as a trained one is kept.
fn image_reward_folder() -> TempDir {
    let (folder, device) = (empty_folder(), Device::default());
    let (golden, _) = support::image_reward(&device);
    let network = ImageRewardNetwork::from_config(golden.config(), &mut Init::seeded(&device, 5));
    save(&network, folder.path());
    copy(&case_dir!("image_reward"), "vocab.txt", folder.path(), "vocab.txt");
    folder
}

fn coherent_folder() -> TempDir {
    let folder = empty_folder();
    save(&support::coherent(&Device::default()), folder.path());
    folder
}

fn pictures() -> Shown {
    let values = (0..2 * 3 * 26 * 34).map(|i| (i as f32 * 0.618_034).fract()).collect::<Vec<f32>>();
    support::shown(Tensor::from_data(TensorData::new(values, [2, 3, 26, 34]), &Device::default()))
}

#[track_caller]
fn opened(folder: &Path) -> Box<dyn Reward> {
    open(folder, &Device::default()).expect("the folder is complete")
}

#[track_caller]
fn refusal(folder: &Path) -> String {
    open(folder, &Device::default()).err().expect("it cannot be opened").to_string()
}

#[test]
fn trained_rewards_are_told_apart_by_their_configurations() {
    let (image_reward, coherent) = (image_reward_folder(), coherent_folder());
    let [image_reward, coherent] = [&image_reward, &coherent].map(|folder| opened(folder.path()));
    assert_eq!((image_reward.name(), coherent.name()), ("image_reward", "coherent"));
    // What was repainted, not the picture around it.
    assert!(coherent.sees_mask() && !coherent.sees_prompt());
    assert!(coherent.pixel_scores(&pictures()).is_some() && image_reward.pixel_scores(&pictures()).is_none());
}

#[test]
fn published_rewards_are_told_apart_by_the_names_of_their_files() {
    let (folder, weights) = (clip_folder(), case_dir!("clip_rewards"));
    let path = folder.path();
    assert_eq!(opened(path).name(), "pick_score");
    copy(&weights, "HPS.pt", path, "HPS_v2.1_compressed.pt");
    assert_eq!(opened(path).name(), "hps");
    copy(&weights, "aesthetic_v1.pth", path, "sa_0_4_vit_l_14_linear.pth");
    let message = refusal(path);
    assert!(message.contains("HPS_v2.1_compressed.pt") && message.contains("_linear.pth"), "{message}");
    fs::remove_file(path.join("HPS_v2.1_compressed.pt")).expect("it is there");
    assert_eq!(opened(path).name(), "laion_aesthetic_v1");
    fs::remove_file(path.join("sa_0_4_vit_l_14_linear.pth")).expect("it is there");
    // The tiny one has other widths than the published one, and that says which one it was taken for.
    copy(&weights, "aesthetic_v2.pth", path, "sac+logos+ava1-l14-linearMSE.pth");
    assert!(refusal(path).contains("the model needs [1024, 10]"));
}

#[test]
fn a_published_image_reward_needs_no_configuration() {
    let (folder, case) = (empty_folder(), case_dir!("image_reward"));
    for name in ["ImageReward.pt", "vocab.txt"] {
        copy(&case, name, folder.path(), name);
    }
    assert!(refusal(folder.path()).contains("the model needs [1, 16]"));
    // The vocabulary comes from a folder with a configuration of its own.
    fs::write(folder.path().join("config.json"), r#"{"model_type": "bert"}"#).expect("it can be written");
    assert!(refusal(folder.path()).contains("the model needs [1, 16]"));
}

#[test]
fn a_reward_from_memory_is_the_one_from_its_folder() {
    for folder in [image_reward_folder(), coherent_folder()] {
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap_or_default();
        let names = ["config.json", "model.safetensors", "vocab.txt"];
        let contents = names.map(read);
        let files: Vec<(&str, &[u8])> =
            names.into_iter().zip(&contents).map(|(name, content)| (name, content.as_slice())).collect();
        let device = Device::default();
        let from_memory = open_files("built-in", &files, &device).expect("the files are complete");
        let score = |reward: &dyn Reward| reward.score(&pictures()).expect("no mask is empty");
        assert_close(&score(from_memory.as_ref()), &score(opened(folder.path()).as_ref()), tol::exact());
        let message =
            open_files("built-in", &files[..1], &device).err().expect("most is missing").to_string();
        assert!(message.contains("reward built-in holds: there is no "), "{message}");
    }
}

/// How many bytes of numbers a safetensors file has behind its header.
fn data_bytes(path: &Path) -> usize {
    let bytes = fs::read(path).expect("it is there");
    let n_header = u64::from_le_bytes(*bytes.first_chunk().expect("its header has a length"));
    bytes.len() - 8 - n_header as usize
}

#[test]
fn a_reward_knows_how_many_numbers_it_has() {
    let n_of = |folder: &TempDir| opened(folder.path()).n_parameters();
    for folder in [image_reward_folder(), coherent_folder()] {
        assert_eq!(data_bytes(&folder.path().join("model.safetensors")), 4 * n_of(&folder));
    }
    let (folder, weights) = (clip_folder(), case_dir!("clip_rewards"));
    let (path, n_of_clip) = (folder.path(), n_of(&folder));
    // This one is in 16 bits.
    assert_eq!(data_bytes(&path.join("model.safetensors")), 2 * n_of_clip);
    let pick_score = PickScore::load(path, &Device::default()).expect("the folder is complete");
    let standardised = Standardised::new(pick_score, Standardisation { mean: 20.0, std: 2.0 });
    assert_eq!(standardised.n_parameters(), n_of_clip);
    copy(&weights, "HPS.pt", path, "HPS_v2.1_compressed.pt");
    assert_eq!((opened(path).name(), n_of(&folder)), ("hps", n_of_clip));
    fs::remove_file(path.join("HPS_v2.1_compressed.pt")).expect("it is there");
    copy(&weights, "aesthetic_v1.pth", path, "sa_0_4_vit_l_14_linear.pth");
    // A weight for each of ten features, and a bias.
    assert_eq!(n_of(&folder), n_of_clip + 11);
}

/// What a trainer is to go on with, or a text encoder to be looked through.
#[test]
fn a_network_of_another_reward_is_named() {
    fn refusal<C: Component>(folder: &Path) -> String {
        let refused: Result<C, RewardError> = load_network(folder, &Device::default());
        refused.map(drop).expect_err("it is of another class").to_string()
    }
    let (image_reward, coherent, clip) = (image_reward_folder(), coherent_folder(), clip_folder());
    load_network::<ImageRewardNetwork>(image_reward.path(), &Device::default()).expect("it is its own");
    for (message, classes) in [
        (refusal::<CoherentNetwork>(image_reward.path()), ["ImageReward", "CoherentReward"]),
        (refusal::<ImageRewardNetwork>(coherent.path()), ["CoherentReward", "ImageReward"]),
        (refusal::<ImageRewardNetwork>(clip.path()), ["CLIPModel", "ImageReward"]),
    ] {
        let [found, wanted] = classes;
        assert!(message.contains(&format!("holds `{found}`, but `{wanted}` is needed")), "{message}");
    }
    ClipPair::load(clip.path(), &Device::default()).expect("the folder is complete");
    let message = ClipPair::load(coherent.path(), &Device::default()).err().map(|error| error.to_string());
    assert!(message.is_some_and(|message| message.contains("but `CLIPModel` is needed")));
    fs::write(clip.path().join("config.json"), r#"{"model_type": "bert"}"#).expect("it can be written");
    assert!(refusal::<ImageRewardNetwork>(clip.path()).contains("is of `bert`"));
}

#[test]
fn what_is_no_reward_is_told_what_would_be_one() {
    let folder = empty_folder();
    for (path, says) in [
        (folder.path().join("nowhere"), "nowhere holds: there is no such folder"),
        (folder.path().to_owned(), "there is neither config.json nor ImageReward.pt in it"),
    ] {
        let message = refusal(&path);
        assert!(message.contains(says) && message.contains("`dinov2_config`"), "{message}");
    }
    let config = ScoreMlpConfig { class_name: None, d_features: 4, widths: [4, 3, 2, 2] };
    save(&ScoreMlp::from_config(&config, &mut Init::seeded(&Device::default(), 1)), folder.path());
    assert!(refusal(folder.path()).contains("its config.json is of `ScoreMlp`"));
}
