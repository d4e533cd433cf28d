//! The gradient of every reward with respect to the pixels is its slope.
//!
//! In f64, where the differences of a step of 1e-5 keep nine digits: the kernels of f32 have tests of their own, and
//! here their references run.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use byteedit_nn::parameters::{ParameterMapper, map_parameters};
use byteedit_reward::losses::reward_loss;
use byteedit_reward::{CoherentReward, Hps, ImageReward, LaionAesthetic, PickScore, Region, Reward, Shown};
use byteedit_testing::{assert_close, tol};

use crate::support;

/// Of the pixels, which lie between 0 and 1.
const STEP: f64 = 1e-5;
/// Relative. A central difference is off by the third derivative times `STEP² / 6`, and by the rounding of a score
/// near 5 over a step, 1e-15 / 1e-5; slopes here are 1e-3 and more. Found: 4e-8 at most.
const TOLERANCE: f64 = 1e-6;

struct Double;

impl ParameterMapper for Double {
    fn map<const D: usize>(&mut self, _: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| value.cast(FloatDType::F64))
    }
}

fn double<M: Module>(network: M) -> M {
    map_parameters(network, &mut Double)
}

/// Numbers around `middle`, `spread` to both sides.
fn numbers(seed: usize, middle: f64, spread: f64) -> Tensor<4> {
    let shape = [2, 3, 13, 17];
    let number = |i: usize| middle + spread * (2.0 * ((i + 97 * seed) as f64 * 0.618_034).fract() - 1.0);
    let values: Vec<f64> = (0..shape.iter().product()).map(number).collect();
    Tensor::from_data(TensorData::new(values, shape), (&Device::flex(), DType::F64))
}

/// Compares the slope of `score` along a direction that treats every pixel differently with what the gradient says of
/// it.
fn check(what: &str, score: impl Fn(&Shown) -> Tensor<1>) {
    let (pixels, direction) = (numbers(1, 0.5, 0.4), numbers(2, 0.0, 1.0));
    // Items are told apart.
    let weights = || Tensor::<1>::from_data(TensorData::from([1.0, -0.5]), (&Device::flex(), DType::F64));
    let at = |step: f64| {
        let shown = support::shown(pixels.clone() + direction.clone() * step);
        (score(&shown) * weights()).sum().into_scalar::<f64>()
    };
    let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
    let tracked = Tensor::from_inner(pixels.clone()).require_grad();
    let grads = (score(&support::shown(tracked.clone())) * weights()).sum().backward();
    let gradient = tracked.grad(&grads).expect("the score depends on the pixels");
    let along = (gradient * direction.clone()).sum().into_scalar::<f64>();
    assert!(slope.abs() > 1e-3, "{what}: a slope of {slope:e} tells nothing");
    assert!((along - slope).abs() < TOLERANCE * slope.abs(), "{what}: {along} for a slope of {slope}");
}

fn check_reward(reward: &impl Reward) {
    check(reward.name(), |shown| reward.score(shown).expect("something is under each mask"));
}

#[test]
fn image_reward_has_its_slope() {
    let (network, tokenizer) = support::image_reward(&Device::default());
    check_reward(&ImageReward::new(double(network), tokenizer).expect("they fit each other"));
}

#[test]
fn image_reward_has_its_slope_around_masks() {
    let (network, tokenizer) = support::image_reward(&Device::default());
    let around = double(support::looking_at(&network, Region::Mask));
    check_reward(&ImageReward::new(around, tokenizer).expect("they fit each other"));
}

#[test]
fn rewards_on_clip_have_their_slopes() {
    let device = Device::default();
    let clip = || double(support::clip(&device));
    check_reward(&PickScore::new(clip(), support::clip_tokenizer()).expect("they fit each other"));
    check_reward(&Hps::new(clip(), support::clip_tokenizer()).expect("they fit each other"));
    check_reward(&LaionAesthetic::v1(clip(), double(support::linear_head(&device))));
    check_reward(&LaionAesthetic::v2(clip(), double(support::mlp_head(&device))));
}

#[test]
fn the_coherent_reward_has_its_slope() {
    for region in [Region::All, Region::Mask] {
        check_reward(&CoherentReward::new(double(support::coherent(&Device::default())), region));
    }
}

/// On the kernels of f32, which training runs on, the gradients are those of their references in f64.
#[test]
fn kernels_change_no_gradient() {
    fn gradient(reward: &impl Reward, dtype: FloatDType) -> Tensor<4> {
        let pixels = Tensor::from_inner(numbers(1, 0.5, 0.4).cast(dtype)).require_grad();
        let score = reward.score(&support::shown(pixels.clone())).expect("something is under each mask");
        pixels.grad(&score.sum().backward()).expect("the score depends on the pixels")
    }
    fn check(single: &impl Reward, double: &impl Reward) {
        let (found, expected) = (gradient(single, FloatDType::F32), gradient(double, FloatDType::F64));
        assert_close(&found, &expected, tol::f32_net());
    }
    let device = Device::default();
    let ((network, tokenizer), clip) = (support::image_reward(&device), support::clip(&device));
    let image_reward = |network| ImageReward::new(network, tokenizer.clone()).expect("they fit each other");
    check(&image_reward(network.clone()), &image_reward(double(network)));
    let pick_score =
        |network| PickScore::new(network, support::clip_tokenizer()).expect("they fit each other");
    check(&pick_score(clip.clone()), &pick_score(double(clip)));
    let coherent = |network| CoherentReward::new(network, Region::Mask);
    check(&coherent(support::coherent(&device)), &coherent(double(support::coherent(&device))));
}

/// The loss is taken of every pixel, then the mean.
#[test]
fn its_loss_by_pixels_has_its_slope() {
    let reward = CoherentReward::new(double(support::coherent(&Device::default())), Region::All);
    check("loss", |shown| Region::All.mean(reward_loss(reward.pixel_logits(shown)), shown.edit_mask()));
}
