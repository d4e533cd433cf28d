//! Rollouts of an editor of a few thousand weights.

use burn::tensor::{Device, Tensor};
use byteedit_diffusion::Step;
use byteedit_nn::Init;
use byteedit_testing::{assert_close, distance, tol};

use super::*;
use crate::pefl::phase::Start;
use crate::pefl::toys;
use crate::random::{Use, normal};

const PHASE: PhaseConfig = PhaseConfig { from_step: 0, t: 5, t_1: 4, t_2: 3 };
/// Pictures of a batch.
const N: usize = 2;

/// Two samples of noise.
struct Case {
    batch: Batch,
    known: Tensor<4>,
    noise: Tensor<4>,
}

impl Case {
    fn new() -> Self {
        let [channels, height, width] = toys::LATENT;
        let noise = |first| normal(0, Use::Rollout, first, [N, channels, height, width], &Device::default());
        Self { batch: toys::batch(N), known: noise(0), noise: noise(7) }
    }

    fn question(&self, t_prime: usize) -> Question<'_> {
        let Self { batch, known, noise } = self;
        Question { phase: PHASE, t_prime, batch, known, noise }
    }
}

fn rollouts(config: RolloutConfig) -> Rollouts {
    Rollouts { schedule: toys::schedule(), config, keeps_unmasked: false, empty_ids: toys::ids(1, 3) }
}

fn paper() -> Rollouts {
    rollouts(RolloutConfig::paper())
}

fn is_finite(x: Tensor<4>) -> bool {
    x.abs().sum().into_scalar::<f32>().is_finite()
}

#[test]
fn a_tape_changes_nothing_but_the_gradient() {
    let (case, model) = (Case::new(), toys::base());
    let plain = paper().x_0(&model, &case.question(1)).unwrap();
    let taped = paper().x_0(&model.train(), &case.question(1)).unwrap();
    assert!(!plain.is_tracked() && taped.is_tracked());
    assert_close(&taped.inner(), &plain, tol::f32_op());
}

#[test]
fn only_the_last_call_has_a_gradient() {
    let (case, model) = (Case::new(), toys::base().train());
    let x_0 = paper().x_0(&model, &case.question(1)).unwrap();
    let gradient = model.unet.conv_out.bias.val().grad(&x_0.sum().backward()).unwrap();
    // A network that predicts the sample adds its last bias to every number of a channel; a call before would add more.
    let [channels, height, width] = toys::LATENT;
    let expected = Tensor::full([channels], (N * height * width) as f64, &Device::default());
    assert_close(&gradient, &expected, tol::f32_op());
}

#[test]
fn at_t_1_the_picture_is_noised_and_no_step_is_made() {
    let (case, rollouts, mut broken) = (Case::new(), paper(), toys::base());
    broken.unet.conv_out.bias = Init::seeded(&Device::default(), 0).constant([toys::LATENT[0]], f32::NAN);
    let levels = DDIM.levels(&rollouts.schedule, PHASE.t).unwrap();
    let x_t = |t_prime| rollouts.x_t(&broken, &case.question(t_prime), &levels).unwrap();
    // One step after the noisiest of five.
    let expected = levels.as_slice()[1].noised(case.known.clone(), case.noise.clone());
    assert_close(&x_t(PHASE.t_1), &expected, tol::exact());
    assert!(!is_finite(x_t(PHASE.t_1 - 1)), "below T1 the model is asked");
}

#[test]
fn every_step_is_that_of_the_editor_s_loop() {
    let temperature = 0.4;
    let config =
        RolloutConfig { start: Start::Noise, guidance_scale: 3.0, temperature, ..RolloutConfig::paper() };
    let (case, model, rollouts) = (Case::new(), toys::base(), rollouts(config));
    let levels = DDIM.levels(&rollouts.schedule, PHASE.t).unwrap();
    let mut draws = NoiseSource::new(&[0; N]);
    let steps: Vec<Step> = rollouts
        .with_denoiser(&model, &case.question(1), |denoiser| {
            let sampler = DDIM.build(&rollouts.schedule)?;
            let denoise = Denoise::new(levels, sampler, denoiser, case.noise.clone(), &mut draws)?;
            Ok(denoise.at_temperature(temperature)?.collect())
        })
        .unwrap();
    for t_prime in 1..=PHASE.t {
        let x_0 = rollouts.x_0(&model, &case.question(t_prime)).unwrap();
        assert_close(&x_0, &steps[PHASE.place(t_prime)].x_0, tol::f32_net());
    }
    // The last guess is what the editor decodes.
    let x_0 = rollouts.x_0(&model, &case.question(1)).unwrap();
    assert_close(&x_0, &steps[PHASE.t - 1].x_t, tol::f32_net());
}

#[test]
fn with_the_whole_range_even_the_noisiest_step_is_one_call() {
    let rollouts = rollouts(RolloutConfig { full_range: true, ..RolloutConfig::paper() });
    let (case, model) = (Case::new(), toys::base());
    let levels = DDIM.levels(&rollouts.schedule, PHASE.t).unwrap();
    let x_t = rollouts.x_t(&model, &case.question(PHASE.t), &levels).unwrap();
    assert_close(&x_t, &case.noise, tol::exact());
}

#[test]
fn kept_latents_are_the_source_s_where_the_editor_keeps_them() {
    let (case, model) = (Case::new(), toys::base());
    let kept = |x: Tensor<4>| x * (case.batch.edit_mask.clone().neg() + 1.0);
    for keeps_unmasked in [true, false] {
        let rollouts = Rollouts { keeps_unmasked, ..paper() };
        let x_0 = rollouts.x_0(&model, &case.question(2)).unwrap();
        let distance = distance(&kept(x_0), &kept(case.known.clone()));
        assert_eq!(distance.max_abs == 0.0, keeps_unmasked, "{distance}");
    }
}

#[test]
fn without_guidance_nobody_asks_what_the_empty_prompt_would_be() {
    let (case, model) = (Case::new(), toys::listening());
    for (guidance_scale, is_asked) in [(1.0, false), (3.0, true)] {
        let x_0 = |empty_ids| {
            let config = RolloutConfig { guidance_scale, ..RolloutConfig::paper() };
            Rollouts { empty_ids, ..rollouts(config) }.x_0(&model, &case.question(2)).unwrap()
        };
        let distance = distance(&x_0(toys::ids(1, 3)), &x_0(toys::ids(1, 5)));
        assert_eq!(distance.max_abs > 0.0, is_asked, "guidance {guidance_scale}: {distance}");
    }
}
