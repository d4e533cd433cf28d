//! The coherent reward: one logit for each pixel, at any size, and which of them make the score.

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_image::Filter;
use byteedit_models::store::{Precision, load_component, save_component};
use byteedit_nn::{Init, Linear};
use byteedit_reward::preprocess::resize;
use byteedit_reward::{CoherentNetwork, CoherentReward, Region, Reward, RewardError, Shown};
use byteedit_testing::{TempDir, assert_close, tol};

use crate::support;

fn pictures(device: &Device) -> Shown {
    let values = (0..2 * 3 * 26 * 34).map(|i| (i as f32 * 0.618_034).fract()).collect::<Vec<f32>>();
    support::shown(Tensor::from_data(TensorData::new(values, [2, 3, 26, 34]), device))
}

#[test]
fn every_pixel_has_a_logit_of_its_own() {
    let device = Device::default();
    let reward = CoherentReward::new(support::coherent(&device), Region::All);
    let logits = reward.pixel_logits(&pictures(&device));
    assert_eq!(logits.dims(), [2, 1, 26, 34]);
    assert!(logits.var(3).mean().into_scalar::<f32>() > 1e-6, "the logits do not differ");
}

/// A head that answers with a pixel's place in its patch, whatever it sees.
#[test]
fn patches_lie_where_their_pixels_are() {
    let device = Device::default();
    let mut network = support::coherent(&device);
    let (side, patch) = (30, 5);
    let mut init = Init::seeded(&device, 3);
    let bias = init.vector((0..patch * patch).map(|i| i as f32).collect());
    network.head.fc2 = Linear::of(init.constant([patch * patch, 24], 0.0), Some(bias));
    let place = |y: usize, x: usize| (y % patch * patch + x % patch) as f32;
    let places: Vec<f32> = (0..side * side).map(|i| place(i / side, i % side)).collect();
    let places = Tensor::<4>::from_data(TensorData::new(places, [1, 1, side, side]), &device);
    let logits = network.pixel_logits(Tensor::full([1, 3, side, side], 0.5, &device));
    assert_close(&logits, &places, tol::f32_op());
    let wide = network.pixel_logits(Tensor::full([1, 3, 17, 45], 0.5, &device));
    assert_close(&wide, &resize(places, [17, 45], Filter::Bilinear), tol::f32_op());
}

#[test]
fn the_score_is_the_mean_logit_of_the_region() {
    let (device, network) = (Device::default(), support::coherent(&Device::default()));
    let shown = pictures(&device);
    let logits = network.pixel_logits(shown.pixels());
    let mean = |part: Tensor<4>| part.mean();
    let right = mean(logits.clone().narrow(0, 0, 1).narrow(3, 17, 17));
    let upper = mean(logits.clone().narrow(0, 1, 1).narrow(2, 0, 13));
    let all = [0, 1].map(|item| mean(logits.clone().narrow(0, item, 1)));
    let score =
        |region| CoherentReward::new(network.clone(), region).score(&shown).expect("the masks are not empty");
    assert_close(&score(Region::Mask), &Tensor::cat(vec![right, upper], 0), tol::f32_op());
    assert_close(&score(Region::All), &Tensor::cat(all.to_vec(), 0), tol::f32_op());
}

#[test]
fn nothing_under_a_mask_is_nothing_to_judge() {
    let device = Device::default();
    let edit_mask =
        Tensor::cat(vec![Tensor::ones([1, 1, 26, 34], &device), Tensor::zeros([1, 1, 26, 34], &device)], 0);
    let shown = Shown::new(pictures(&device).pixels(), edit_mask, vec![String::new(); 2]).expect("they fit");
    let score = |region| CoherentReward::new(support::coherent(&device), region).score(&shown);
    assert!(matches!(score(Region::Mask), Err(RewardError::EmptyMask { item: 1 })));
    assert!(score(Region::All).is_ok());
}

#[test]
fn it_survives_being_saved() {
    let device = Device::default();
    let folder = TempDir::new().expect("the temporary folder is writable");
    let network = support::coherent(&device);
    save_component(&network, folder.path(), Precision::F32, &[].into()).expect("it can be written");
    let loaded: CoherentNetwork = load_component(folder.path(), &device).expect("what was written loads");
    let pixels = pictures(&device).pixels();
    assert_close(&loaded.pixel_logits(pixels.clone()), &network.pixel_logits(pixels), tol::exact());
}
