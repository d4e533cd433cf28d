//! Terms of pictures of which everything is known.

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_reward::{CoherentReward, RewardError};
use byteedit_testing::{assert_close, tol};

use super::*;
use crate::pefl::toys::{self, Bright, Broken};
use crate::random::{Use, normal};

const SIDE: usize = 16;
/// Numbers of a picture.
const N: f64 = (3 * SIDE * SIDE) as f64;

/// All weights 0 but the one before them.
const NOTHING: PeflLossConfig = PeflLossConfig {
    w_diffusion: 0.0,
    w_pefl: 1.0,
    w_adv: 0.0,
    eta: 0.0,
    w_aesthetic: 0.0,
    w_alignment: 0.0,
    w_inside: 1.0,
    pastes: false,
    reward_noise: 0.0,
};

/// Two pictures whose left halves were repainted; nothing was asked of the second.
struct Case {
    pixels: Tensor<4>,
    truth: Tensor<4>,
    edit_mask: Tensor<4>,
    prompts: Vec<String>,
}

impl Case {
    fn new(pixels: Tensor<4>, truth: Tensor<4>) -> Self {
        let prompts = vec!["a cup".to_owned(), String::new()];
        Self { pixels, truth, edit_mask: left_halves(), prompts }
    }

    /// Of noise, compared with other noise.
    fn noise() -> Self {
        let noise = |first| normal(1, Use::Validation, first, [2, 3, SIDE, SIDE], &Device::default()) * 0.5;
        Self::new(noise(0), noise(2))
    }

    /// 0.5 under the mask and 0.25 elsewhere, where 0 would be right.
    fn two_shades() -> Self {
        let zeros = Tensor::zeros([2, 3, SIDE, SIDE], &Device::default());
        Self::new(zeros.clone() + left_halves() * 0.25 + 0.25, zeros)
    }

    fn judged(&self) -> Judged<'_> {
        Judged {
            pixels: self.pixels.clone(),
            truth: &self.truth,
            real: &self.truth,
            edit_mask: &self.edit_mask,
            prompts: &self.prompts,
            is_rewarded: true,
            disturbance: None,
        }
    }

    /// What is thought of them.
    fn judgement(&self, critics: &Critics, config: &PeflLossConfig) -> Judgement {
        critics.ask(&self.judged(), None, config).unwrap()
    }
}

fn left_halves() -> Tensor<4> {
    let mask: Vec<f32> = (0..2 * SIDE * SIDE).map(|at| f32::from(u8::from(at % SIDE < SIDE / 2))).collect();
    Tensor::from_data(TensorData::new(mask, [2, 1, SIDE, SIDE]), &Device::default())
}

fn nobody() -> Critics {
    Critics { aesthetic: None, alignment: None, features: None }
}

/// The largest gradient of some pixels, those where `mask` is 1.
fn steepest(judgement: &Judgement, mask: Tensor<4>) -> f64 {
    (judgement.gradient.clone() * mask).abs().max().into_scalar::<f64>()
}

#[track_caller]
fn assert_near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() <= 1e-5 * expected.abs(), "{actual} for {expected}");
}

#[test]
fn the_sum_of_the_terms_has_their_value_and_their_gradient() {
    let (case, network, features) = (Case::noise(), toys::coherent(SIDE), toys::features());
    let config = PeflLossConfig {
        w_pefl: 0.3,
        w_adv: 0.7,
        eta: 0.4,
        w_aesthetic: 2.0,
        w_alignment: 0.5,
        w_inside: 0.1,
        pastes: true,
        ..NOTHING
    };
    let critics = Critics {
        aesthetic: Some(Box::new(Bright)),
        alignment: Some(Box::new(Bright)),
        features: Some(features.clone()),
    };
    let judged = case.judged();
    let judgement = critics.ask(&judged, Some((&network, Region::Mask)), &config).unwrap();
    let names: Vec<_> = judgement.terms.iter().map(|term| term.name).collect();
    assert_eq!(names, ["aesthetic", "alignment", "l1", "vgg", "coherent"]);
    let pixels = case.pixels.clone().autodiff().require_grad();
    let loss = judgement.loss(pixels.clone());
    let gradient = pixels.grad(&loss.backward()).unwrap();

    // All of it on one tape.
    let pixels = case.pixels.clone().autodiff().require_grad();
    let (seen, places) =
        (|| pasted(pixels.clone(), &case.truth, &case.edit_mask, true), places(&case.edit_mask, 0.1));
    let reward = |weights: &[f64]| {
        reward_term(&Bright, &judged.shown(pixels.clone(), true).unwrap(), weights).unwrap()
    };
    let far = distance(pixels.clone(), case.truth.clone(), &places)
        + feature_distance(&features, pixels.clone(), case.truth.clone(), &places);
    let incoherent = coherent_term(&network, unit(seen()), &case.edit_mask, Region::Mask);
    let total = (reward(&[1.0, 1.0]) * 2.0 + reward(&[1.0, 0.0]) * 0.5 + far * 0.4) * 0.3 + incoherent * 0.7;
    let expected = pixels.grad(&total.backward()).unwrap();
    assert_close(&gradient, &expected, tol::f32_op());
    assert_close(&loss.inner(), &total.inner(), tol::f32_op());
}

#[test]
fn the_distance_to_the_source_counts_less_under_the_mask() {
    let case = Case::two_shades();
    let inside = left_halves();
    for w_inside in [0.0, 0.1, 1.0] {
        let config = PeflLossConfig { w_pefl: 0.5, eta: 0.4, w_inside, ..NOTHING };
        let judgement = case.judgement(&nobody(), &config);
        let [term] = &judgement.terms[..] else { panic!("there is one term") };
        // Half of the numbers are 0.5, half 0.25.
        assert_eq!(term.name, "l1");
        assert_near(term.value, 0.25 * w_inside + 0.125);
        assert_near(judgement.total, 0.2 * term.value);
        // Of the mean over two pictures.
        assert_near(steepest(&judgement, inside.clone()), 0.2 * w_inside / (2.0 * N));
        assert_near(steepest(&judgement, inside.clone().neg() + 1.0), 0.2 / (2.0 * N));
        let squares = f64::midpoint(1.0, w_inside * w_inside) * N;
        assert_near(term.gradient_norm, 0.2 / (2.0 * N) * squares.sqrt());
    }
}

#[test]
fn a_picture_of_which_nothing_was_asked_cannot_disobey() {
    let zeros = Tensor::zeros([2, 3, SIDE, SIDE], &Device::default());
    let case = Case::new(zeros.clone(), zeros);
    let critics = Critics { alignment: Some(Box::new(Bright)), ..nobody() };
    let judgement = case.judgement(&critics, &PeflLossConfig { w_alignment: 1.0, ..NOTHING });
    // Mid grey has a reward of 2; the second of two pictures counts 0.
    assert_near(judgement.terms[0].value, (-2.0_f64).exp().ln_1p() / 2.0);
    let only = |item: usize| {
        let on = |other: usize| {
            Tensor::full([1, 1, SIDE, SIDE], f64::from(u8::from(item == other)), &Device::default())
        };
        Tensor::cat(vec![on(0), on(1)], 0)
    };
    // d(-log σ(R)) = -σ(-R) dR with R = 4 mean((x + 1) / 2).
    let slope = 1.0 / (1.0 + 2.0_f64.exp()) * 2.0 / N / 2.0;
    assert_near(steepest(&judgement, only(0)), slope);
    assert!(steepest(&judgement, only(1)) == 0.0);
}

#[test]
fn a_reward_that_is_no_number_is_named() {
    let config = PeflLossConfig { w_aesthetic: 1.0, w_alignment: 1.0, ..NOTHING };
    let critics =
        Critics { aesthetic: Some(Box::new(Bright)), alignment: Some(Box::new(Broken)), ..nobody() };
    let error = critics.ask(&Case::noise().judged(), None, &config).err().unwrap();
    assert!(matches!(&error, TrainError::Term { name: "alignment", value, .. } if value.is_nan()), "{error}");
    assert!(error.to_string().contains("the term `alignment` of the loss is NaN"), "{error}");
    // At a weight of 0 it is not asked.
    let config = PeflLossConfig { w_alignment: 0.0, ..config };
    assert!(critics.ask(&Case::noise().judged(), None, &config).is_ok());
}

#[test]
fn what_a_reward_refuses_is_refused() {
    let mut case = Case::noise();
    case.edit_mask = case
        .edit_mask
        .slice_assign([1..2, 0..1, 0..SIDE, 0..SIDE], Tensor::zeros([1, 1, SIDE, SIDE], &Device::default()));
    let reward = CoherentReward::new(toys::coherent(SIDE), Region::Mask);
    let critics = Critics { aesthetic: Some(Box::new(reward)), ..nobody() };
    let config = PeflLossConfig { w_aesthetic: 1.0, ..NOTHING };
    let error = critics.ask(&case.judged(), None, &config).err().unwrap();
    assert!(matches!(error, TrainError::Reward(RewardError::EmptyMask { item: 1 })), "{error}");
}

#[test]
fn noisier_than_t_2_only_the_source_and_the_adversary_have_a_say() {
    let (case, network) = (Case::noise(), toys::coherent(SIDE));
    let critics =
        Critics { aesthetic: Some(Box::new(Broken)), alignment: Some(Box::new(Broken)), ..nobody() };
    let config = PeflLossConfig { w_adv: 1.0, eta: 1.0, w_aesthetic: 1.0, w_alignment: 1.0, ..NOTHING };
    let judged = Judged { is_rewarded: false, ..case.judged() };
    let judgement = critics.ask(&judged, Some((&network, Region::All)), &config).unwrap();
    let names: Vec<_> = judgement.terms.iter().map(|term| term.name).collect();
    assert_eq!(names, ["l1", "coherent"]);
}

#[test]
fn terms_without_a_weight_are_none() {
    let case = Case::noise();
    let critics = Critics { aesthetic: Some(Box::new(Broken)), ..nobody() };
    let judgement = case.judgement(&critics, &NOTHING);
    assert!(judgement.terms.is_empty() && judgement.total == 0.0);
    // Still a loss, so that a step that nobody critics is a step.
    let pixels = case.pixels.clone().autodiff().require_grad();
    let gradient = pixels.grad(&judgement.loss(pixels.clone()).backward()).unwrap();
    assert!(gradient.abs().max().into_scalar::<f32>() == 0.0);
}

#[test]
fn what_is_pasted_over_moves_no_reward() {
    let (case, outside) = (Case::noise(), left_halves().neg() + 1.0);
    let critics = Critics { aesthetic: Some(Box::new(Bright)), ..nobody() };
    let judgement =
        |pastes| case.judgement(&critics, &PeflLossConfig { w_aesthetic: 1.0, pastes, ..NOTHING });
    let (pasted, whole) = (judgement(true), judgement(false));
    assert!(steepest(&pasted, outside.clone()) == 0.0 && steepest(&pasted, left_halves()) > 0.0);
    assert!(steepest(&whole, outside.clone()) > 0.0);
    // It sees the source there.
    let seen = case.pixels.clone() * left_halves() + case.truth.clone() * outside;
    let alike = Case::new(seen, case.truth.clone());
    assert_near(
        pasted.terms[0].value,
        alike.judgement(&critics, &PeflLossConfig { w_aesthetic: 1.0, ..NOTHING }).terms[0].value,
    );
    assert!((pasted.terms[0].value - whole.terms[0].value).abs() > 1e-4);
}

#[test]
fn a_disturbed_picture_is_mirrored_with_its_mask_and_has_the_noise_in_it() {
    let case = Case::noise();
    let noise = case.truth.clone() * 0.01;
    let disturbance = Some(Disturbance { noise: noise.clone(), mirrors: true });
    let judged = Judged { disturbance, ..case.judged() };
    let shown = judged.shown(case.pixels.clone(), false).unwrap();
    assert_close(&shown.pixels(), &(unit(case.pixels.clone()) + noise).flip([3]), tol::f32_op());
    assert_close(shown.edit_mask(), &case.edit_mask.clone().flip([3]), tol::f32_op());
}
