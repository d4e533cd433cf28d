//! Samplers on denoisers whose trajectories are known in closed form, in f64.
//!
//! For data `N(0, s_d² I)` the best denoiser is linear, `D(x_t) = α s_d² x_t / v` with the variance
//! `v = α² s_d² + σ²` of `x_t`, and the probability flow keeps `x_t / √v` constant. For data that are
//! one point `c`, `D(x_t) = c`, and every method must land on it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use burn::tensor::{DType, Device, Tensor};
use byteedit_diffusion::sampler::{Ddim, DpmPp2M, Euler, EulerAncestral, Lcm};
use byteedit_diffusion::{
    Denoise, Denoiser, DrawNoise, KeepUnmasked, Levels, NoiseLevel, NoiseSchedule, NoiseScheduleConfig,
    NoiseSource, Prediction, Sampler, SamplerKind, TimestepSpacing, Transition,
};
use proptest::prelude::*;

fn item(value: f64) -> Tensor<4> {
    Tensor::full([1, 1, 1, 1], value, (&Device::default(), DType::F64))
}

fn value(tensor: Tensor<4>) -> f64 {
    tensor.into_data().as_slice::<f64>().unwrap()[0]
}

/// The same number at every draw.
struct Constant(f64);

impl DrawNoise for Constant {
    fn n_images(&self) -> usize {
        1
    }

    fn draw(&mut self, _: [usize; 3], _: &Device) -> Tensor<4> {
        item(self.0)
    }
}

/// The best denoiser for centred normal data of this standard deviation.
struct Gaussian {
    s_d: f64,
}

impl Gaussian {
    fn variance(&self, level: NoiseLevel) -> f64 {
        level.alpha_bar * self.s_d.powi(2) + 1.0 - level.alpha_bar
    }
}

impl Denoiser for Gaussian {
    fn denoise(&self, x_t: Tensor<4>, level: NoiseLevel) -> Tensor<4> {
        x_t.mul_scalar(level.alpha() * self.s_d.powi(2) / self.variance(level))
    }
}

/// The best denoiser for data that are a single point.
struct Point(f64);

impl Denoiser for Point {
    fn denoise(&self, x_t: Tensor<4>, _: NoiseLevel) -> Tensor<4> {
        x_t.zeros_like().add_scalar(self.0)
    }
}

/// `n` steps between two levels, equal in log-SNR: one smooth grid that is only refined.
fn equal_log_snr(n: usize, from: f64, to: f64) -> Levels {
    let level = |i: usize| {
        let log_snr = from + (to - from) * i as f64 / n as f64;
        NoiseLevel { timestep: 0.0, alpha_bar: (1.0 + (-log_snr).exp()).recip() }
    };
    Levels::new((0..=n).map(level).collect()).unwrap()
}

const DATA: Gaussian = Gaussian { s_d: 0.6 };

/// Distance from the exact end of the probability flow after `n` steps.
fn flow_error(sampler: Box<dyn Sampler>, n: usize) -> f64 {
    let levels = equal_log_snr(n, -5.0, 4.0);
    let exact = (DATA.variance(levels.end()) / DATA.variance(levels.start())).sqrt();
    let mut no_noise = Constant(f64::NAN);
    let denoise = Denoise::new(levels, sampler, &DATA, item(1.0), &mut no_noise).unwrap();
    (value(denoise.finish().unwrap()) - exact).abs()
}

/// `log₂` of the error's fall when the number of steps doubles.
fn observed_order(error: impl Fn(usize) -> f64) -> f64 {
    (error(160) / error(320)).log2()
}

#[test]
fn ddim_and_euler_converge_with_order_one() {
    for order in [
        observed_order(|n| flow_error(Box::new(Euler), n)),
        observed_order(|n| flow_error(Box::<Ddim>::default(), n)),
    ] {
        assert!((order - 1.0).abs() < 0.05, "observed order {order}");
    }
}

#[test]
fn dpmpp_2m_converges_with_order_two() {
    let order = observed_order(|n| flow_error(Box::<DpmPp2M>::default(), n));
    assert!((order - 2.0).abs() < 0.1, "observed order {order}");
    assert!(flow_error(Box::<DpmPp2M>::default(), 20) < flow_error(Box::new(Euler), 20) / 5.0);
}

/// The variance after `n` stochastic steps on Gaussian data, from each step's gain and added noise.
fn sampled_variance(mut sampler: impl Sampler, n: usize) -> f64 {
    let levels = equal_log_snr(n, -5.0, 4.0);
    let mut variance = DATA.variance(levels.start());
    for (index, pair) in levels.as_slice().windows(2).enumerate() {
        let mut respond = |x: f64, noise: f64| {
            let (x_t, x_0) = (item(x), DATA.denoise(item(x), pair[0]));
            let transition = Transition { x_t, x_0, from: pair[0], to: pair[1], index, n_steps: n };
            value(sampler.step(transition, &mut Constant(noise)))
        };
        variance = respond(1.0, 0.0).powi(2) * variance + respond(0.0, 1.0).powi(2);
    }
    variance
}

#[test]
fn ancestral_steps_keep_the_variance_with_order_one() {
    let exact = DATA.variance(equal_log_snr(1, -5.0, 4.0).end());
    for order in [
        observed_order(|n| (sampled_variance(EulerAncestral, n) - exact).abs()),
        observed_order(|n| (sampled_variance(Ddim::new(1.0).unwrap(), n) - exact).abs()),
        observed_order(|n| (sampled_variance(Ddim::new(0.5).unwrap(), n) - exact).abs()),
    ] {
        assert!((order - 1.0).abs() < 0.1, "observed order {order}");
    }
}

#[test]
fn a_consistency_step_has_the_variance_of_its_definition() {
    // With c_skip = 0 each step forgets all but D(x_t), then adds σ' noise.
    let levels = equal_log_snr(1, -2.0, 1.0);
    let (from, to) = (NoiseLevel { timestep: 1e9, ..levels.start() }, levels.end());
    let gain = from.alpha() * DATA.s_d.powi(2) / DATA.variance(from);
    let mut lcm = Lcm { timestep_scaling: 10.0 };
    let mut respond = |x: f64, noise: f64| {
        let (x_t, x_0) = (item(x), DATA.denoise(item(x), from));
        let transition = Transition { x_t, x_0, from, to, index: 0, n_steps: 2 };
        value(lcm.step(transition, &mut Constant(noise)))
    };
    assert!((respond(1.0, 0.0) - to.alpha() * gain).abs() < 1e-12);
    assert!((respond(0.0, 1.0) - to.sigma()).abs() < 1e-12);
}

fn schedule(zero_snr: bool, spacing: TimestepSpacing) -> NoiseSchedule {
    NoiseSchedule::new(NoiseScheduleConfig {
        timestep_spacing: Some(spacing),
        set_alpha_to_one: true,
        rescale_betas_zero_snr: zero_snr,
        prediction_type: Prediction::V,
        ..NoiseScheduleConfig::stable_diffusion()
    })
    .unwrap()
}

fn all_kinds() -> impl Iterator<Item = SamplerKind> {
    SamplerKind::ALL.into_iter().chain([SamplerKind::Ddim { eta: 1.0 }])
}

#[test]
fn every_sampler_lands_on_a_single_point() {
    for zero_snr in [false, true] {
        for spacing in [TimestepSpacing::Leading, TimestepSpacing::Trailing, TimestepSpacing::Linspace] {
            let schedule = schedule(zero_snr, spacing);
            for kind in all_kinds() {
                for n in [1, 2, 7, 30] {
                    let levels = kind.levels(&schedule, n).unwrap();
                    let mut noise = NoiseSource::new(&[1]);
                    let denoise = Denoise::new(
                        levels,
                        kind.build(&schedule).unwrap(),
                        &Point(-0.4),
                        item(1.3),
                        &mut noise,
                    );
                    let end = value(denoise.unwrap().finish().unwrap());
                    // A consistency model's own boundary condition keeps c_skip = 2.5e-5 of x_t where
                    // the last of 30 steps starts at timestep 19.
                    let tolerance = if kind == SamplerKind::Lcm { 2e-5 } else { 0.0 };
                    assert!((end + 0.4).abs() <= tolerance, "{kind} {n} {spacing:?} {zero_snr}: {end}");
                }
            }
        }
    }
}

#[test]
fn a_deterministic_walk_to_a_point_never_leaves_its_line() {
    let schedule = schedule(false, TimestepSpacing::Trailing);
    for kind in [SamplerKind::Ddim { eta: 0.0 }, SamplerKind::Euler, SamplerKind::DpmPp2M { karras: true }] {
        let levels = kind.levels(&schedule, 9).unwrap();
        let (c, epsilon) = (-0.4, 1.3);
        let on_line = |level: NoiseLevel| level.alpha() * c + level.sigma() * epsilon;
        let start = item(on_line(levels.start()));
        let mut noise = Constant(f64::NAN);
        let sampler = kind.build(&schedule).unwrap();
        let model = Point(c);
        let denoise = Denoise::new(levels.clone(), sampler, &model, start, &mut noise).unwrap();
        for (step, &level) in denoise.zip(&levels.as_slice()[1..]) {
            assert!((value(step.x_t) - on_line(level)).abs() < 1e-12, "{kind} at step {}", step.index);
        }
    }
}

#[test]
fn zero_terminal_snr_stays_finite_everywhere() {
    let schedule = schedule(true, TimestepSpacing::Trailing);
    for kind in all_kinds() {
        let levels = kind.levels(&schedule, 10).unwrap();
        let mut noise = NoiseSource::new(&[2]);
        let sampler = kind.build(&schedule).unwrap();
        for step in Denoise::new(levels, sampler, &DATA, item(0.8), &mut noise).unwrap() {
            assert!(value(step.x_t).is_finite() && value(step.x_0).is_finite(), "{kind} step {}", step.index);
        }
    }
    // At α = 0 itself, where a multistep method has an infinite step behind it.
    let levels = [0.0, 0.1, 0.5, 1.0].map(|alpha_bar| NoiseLevel { timestep: 900.0, alpha_bar });
    for kind in all_kinds() {
        let mut noise = NoiseSource::new(&[2]);
        let sampler = kind.build(&schedule).unwrap();
        let levels = Levels::new(levels.to_vec()).unwrap();
        let end = Denoise::new(levels, sampler, &DATA, item(0.8), &mut noise).unwrap().finish().unwrap();
        assert!(value(end).is_finite(), "{kind}");
    }
}

#[test]
fn a_finished_inpainting_holds_the_source() {
    let schedule = schedule(false, TimestepSpacing::Trailing);
    let row = |values: [f64; 2]| Tensor::<4>::from_data([[[values]]], (&Device::default(), DType::F64));
    for kind in all_kinds().filter(|&kind| kind != SamplerKind::Lcm) {
        let keep = KeepUnmasked::new(Point(-0.4), row([0.7, 0.7]), row([1.1, 1.1]), row([0.0, 1.0])).unwrap();
        let mut noise = NoiseSource::new(&[4]);
        let levels = kind.levels(&schedule, 6).unwrap();
        let sampler = kind.build(&schedule).unwrap();
        let end =
            Denoise::new(levels, sampler, &keep, row([1.1, 1.1]), &mut noise).unwrap().finish().unwrap();
        let end = end.into_data();
        assert_eq!(end.as_slice::<f64>().unwrap(), [0.7, -0.4], "{kind}");
    }
}

fn one_step(sampler: &mut dyn Sampler, from: NoiseLevel, to: NoiseLevel) -> f64 {
    let transition = Transition { x_t: item(0.9), x_0: item(-0.3), from, to, index: 0, n_steps: 2 };
    value(sampler.step(transition, &mut Constant(0.7)))
}

proptest! {
    #[test]
    fn the_sigma_space_samplers_are_their_published_formulas(
        low in 0.001..0.99_f64, rise in 0.001..1.0_f64,
    ) {
        let (from, to) = (low, low + (1.0 - low) * rise.min(0.999));
        let [from, to] = [from, to].map(|alpha_bar| NoiseLevel { timestep: 0.0, alpha_bar });
        // k-diffusion, with X = x / α and s = σ / α.
        let (s, s_to) = (from.karras_sigma(), to.karras_sigma());
        let x = 0.9 / from.alpha();
        let d = (x + 0.3) / s;
        let euler = to.alpha() * (x + (s_to - s) * d);
        prop_assert!((one_step(&mut Euler, from, to) - euler).abs() < 1e-10);
        let s_up = (s_to.powi(2) * (s.powi(2) - s_to.powi(2)) / s.powi(2)).sqrt();
        let s_down = (s_to.powi(2) - s_up.powi(2)).max(0.0).sqrt();
        let ancestral = to.alpha() * (x + (s_down - s) * d + s_up * 0.7);
        // s_down is a difference of near equals where a step is small.
        prop_assert!((one_step(&mut EulerAncestral, from, to) - ancestral).abs() < 1e-6);
    }

    #[test]
    fn euler_is_ddim_and_ancestral_euler_is_ddim_with_eta_one(low in 0.0..0.99_f64, rise in 0.001..1.0_f64) {
        let (from, to) = (low, low + (1.0 - low) * rise);
        let [from, to] = [from, to].map(|alpha_bar| NoiseLevel { timestep: 0.0, alpha_bar });
        let ddim = |eta| one_step(&mut Ddim::new(eta).unwrap(), from, to);
        prop_assert!((one_step(&mut Euler, from, to) - ddim(0.0)).abs() < 1e-12);
        prop_assert!((one_step(&mut EulerAncestral, from, to) - ddim(1.0)).abs() < 1e-7);
    }
}
