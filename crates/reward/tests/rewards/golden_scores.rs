//! Published rewards on tiny checkpoints in their own layouts and key names, from pictures that are not square to
//! scores; `scripts/golden/rewards.py` makes the files with transformers, Pillow and the authors' constants.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use byteedit_models::store::{Precision, load_component, save_component};
use byteedit_reward::{
    ClipPair, Hps, ImageReward, ImageRewardNetwork, LaionAesthetic, PickScore, Reward, RewardError, Shown,
};
use byteedit_testing::{Golden, TempDir, assert_close, case_dir, golden, tol};

use crate::support::{self, shown};

fn expected(case: &str) -> Golden {
    golden::load(case_dir!(case).join("expected.safetensors"))
}

/// A folder with copies of files, as a user would put them together.
fn folder_with<'a>(files: impl IntoIterator<Item = (&'a Path, &'a str)>) -> TempDir {
    let folder = TempDir::new().expect("the temporary folder is writable");
    for (from, name) in files {
        fs::copy(from.join(name), folder.path().join(name)).expect("the file is there");
    }
    folder
}

#[test]
fn image_reward_is_that_of_its_authors() {
    let (device, golden) = (Device::default(), expected("image_reward"));
    let reward = ImageReward::load(&case_dir!("image_reward"), &device).expect("the checkpoint loads");
    let shown = shown(golden.float("pixels", &device));
    let raw = reward.raw_score(&shown).expect("it sees no mask");
    assert_close(&raw, &golden.float("raw", &device), tol::f32_golden());
    assert_close(
        &reward.score(&shown).expect("it sees no mask"),
        &golden.float("score", &device),
        tol::f32_golden(),
    );
}

/// Under today's names and in our own format, as a trained one is kept.
#[test]
fn image_reward_survives_being_saved() {
    let (device, golden) = (Device::default(), expected("image_reward"));
    let (network, tokenizer) = support::image_reward(&device);
    let folder = TempDir::new().expect("the temporary folder is writable");
    save_component(&network, folder.path(), Precision::F32, &[].into()).expect("it can be written");
    let network: ImageRewardNetwork = load_component(folder.path(), &device).expect("what was written loads");
    let reward = ImageReward::new(network, tokenizer).expect("they fit each other");
    let score = reward.score(&shown(golden.float("pixels", &device))).expect("it sees no mask");
    assert_close(&score, &golden.float("score", &device), tol::f32_golden());
}

#[test]
fn rewards_on_clip_are_those_of_their_authors() {
    let (device, golden) = (Device::default(), expected("clip_rewards"));
    let rewards: [Box<dyn Reward>; 4] = [
        Box::new(PickScore::new(support::clip(&device), support::clip_tokenizer()).expect("they fit")),
        Box::new(Hps::new(support::open_clip(&device), support::clip_tokenizer()).expect("they fit")),
        Box::new(LaionAesthetic::v1(support::clip(&device), support::linear_head(&device))),
        Box::new(LaionAesthetic::v2(support::clip(&device), support::mlp_head(&device))),
    ];
    let shown = shown(golden.float("pixels", &device));
    for reward in rewards {
        let score = reward.score(&shown).expect("none sees a mask");
        assert_close(&score, &golden.float(reward.name(), &device), tol::f32_golden());
    }
}

#[test]
fn rewards_load_from_folders_as_they_are_published() {
    let (device, golden) = (Device::default(), expected("clip_rewards"));
    let (weights, words) = (case_dir!("clip_rewards"), support::model_case("tokenizer_clip"));
    let shown = shown(golden.float("pixels", &device));
    let folder = folder_with([
        (weights.as_path(), "config.json"),
        (weights.as_path(), "model.safetensors"),
        (words.as_path(), "vocab.json"),
        (words.as_path(), "merges.txt"),
        (words.as_path(), "tokenizer_config.json"),
    ]);
    let pick_score = PickScore::load(folder.path(), &device).expect("the folder is complete");
    let score = pick_score.score(&shown).expect("it sees no mask");
    assert_close(&score, &golden.float("pick_score", &device), tol::f32_golden());
    let hps = Hps::load(folder.path(), &weights.join("HPS.pt"), &device).expect("the folder is complete");
    assert_close(
        &hps.score(&shown).expect("it sees no mask"),
        &golden.float("hps", &device),
        tol::f32_golden(),
    );
    let v1 = LaionAesthetic::load_v1(&weights, &weights.join("aesthetic_v1.pth"), &device)
        .expect("it is complete");
    let score = v1.score(&shown).expect("it sees no mask");
    assert_close(&score, &golden.float("laion_aesthetic_v1", &device), tol::f32_golden());
}

/// Every picture with every text: what `data align` asks of a folder.
#[test]
fn features_of_pictures_and_texts_give_their_cosines() {
    let (device, golden) = (Device::default(), expected("clip_rewards"));
    let (weights, words) = (case_dir!("clip_rewards"), support::model_case("tokenizer_clip"));
    let folder = folder_with([
        (weights.as_path(), "config.json"),
        (weights.as_path(), "model.safetensors"),
        (words.as_path(), "vocab.json"),
        (words.as_path(), "merges.txt"),
        (words.as_path(), "tokenizer_config.json"),
    ]);
    let clip = ClipPair::load(folder.path(), &device).expect("the folder is complete");
    let shown = shown(golden.float("pixels", &device));
    let pictures = clip.picture_features(clip.preprocess(shown.pixels()));
    let texts = clip.text_features(shown.prompts(), &device);
    let cosines = pictures.matmul(texts.transpose());
    for item in 0..2 {
        let own = cosines.clone().narrow(0, item, 1).narrow(1, item, 1).reshape([1]);
        let expected = golden.float::<1>("hps", &device).narrow(0, item, 1);
        assert_close(&own, &expected, tol::f32_golden());
    }
}

/// Of a longer prompt the end changes nothing, and whoever asks is told so.
#[test]
fn prompts_that_are_cut_are_told() {
    let device = Device::default();
    let rewards: [Box<dyn Reward>; 2] = [
        Box::new(PickScore::new(support::clip(&device), support::clip_tokenizer()).expect("they fit")),
        Box::new(Hps::new(support::open_clip(&device), support::clip_tokenizer()).expect("they fit")),
    ];
    for reward in rewards {
        assert_eq!(reward.cuts_after("a red apple"), None, "{}", reward.name());
        assert_eq!(reward.cuts_after(&"a cat ".repeat(77)), Some(77), "{}", reward.name());
    }
}

/// The second head has the published widths or is refused, with both shapes.
#[test]
fn a_head_of_other_widths_is_refused() {
    let weights = case_dir!("clip_rewards");
    let refused = LaionAesthetic::load_v2(&weights, &weights.join("aesthetic_v2.pth"), &Device::default());
    let message = refused.expect_err("the head is tiny").to_string();
    assert!(
        message.contains("`layers.0.weight` has shape [12, 10], the model needs [1024, 10]"),
        "{message}"
    );
}

/// `ImageReward-v1.0` has the published sizes or is refused, with both shapes.
#[test]
fn an_image_reward_of_other_sizes_is_refused() {
    let refused = ImageReward::load_published(&case_dir!("image_reward"), &Device::default());
    let message = refused.expect_err("the checkpoint is tiny").to_string();
    for part in [
        "`mlp.layers.7.weight` has shape [1, 4], the model needs [1, 16]",
        "`blip.visual_encoder.pos_embed` has shape [1, 17, 24], the model needs [1, 197, 1024]",
        "`blip.text_encoder.encoder.layer.11.crossattention.self.key.weight` is missing",
    ] {
        assert!(message.contains(part), "`{part}` is not in the message: {message}");
    }
}

#[test]
fn a_tokenizer_of_another_checkpoint_is_refused() {
    let network = load_component(&support::model_case("clip_openai"), &Device::default()).expect("it loads");
    let refused = PickScore::new(network, support::clip_tokenizer());
    let what = match refused {
        Err(RewardError::Tokenizer { what, found: 734, limit: 60 }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(what, "ids");
}

/// A score depends on its own picture and prompt alone.
#[test]
fn rewards_do_not_notice_the_batch() {
    let (device, golden) = (Device::default(), expected("image_reward"));
    let (network, tokenizer) = support::image_reward(&device);
    let reward = ImageReward::new(network, tokenizer).expect("they fit each other");
    let both = shown(golden.float("pixels", &device));
    let scores = reward.score(&both).expect("it sees no mask");
    for item in 0..2 {
        let alone = Shown::new(
            both.pixels().narrow(0, item, 1),
            both.edit_mask().clone().narrow(0, item, 1),
            vec![both.prompts()[item].clone()],
        );
        let score = reward.score(&alone.expect("they fit each other")).expect("it sees no mask");
        assert_close(&score, &scores.clone().narrow(0, item, 1), tol::f32_op());
    }
}
