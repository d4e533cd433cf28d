//! Every sampler against diffusers, over whole schedules (`scripts/golden/samplers.py`).
//!
//! Both sides call the same closed-form network and are given the same noise, so what is compared is
//! the schedule, the grid, the conversions and the update rule.
//!
//! # Tolerance
//!
//! diffusers multiplies `ᾱ` up and takes its coefficients in f32; ours are f64. Measured against the
//! largest value, that leaves 1e-6, and 8e-6 where the schedule was rescaled to zero SNR in f32. Wrong
//! details are far away: in diffusers itself, leading timesteps that are off by one move the result by
//! 1e-3 to 6e-3, the other solver type of DPM++ 2M by 3e-3, a wrong last level by 4e-4.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod replay;

use burn::tensor::Tensor;
use byteedit_diffusion::{
    Denoise, Denoiser, Guidance, KeepUnmasked, NoiseLevel, NoiseSchedule, NoiseScheduleConfig,
    Preconditioned, Prediction, SamplerKind, TimestepSpacing, Transition, add_noise, standard_normal,
};
use byteedit_testing::{Golden, Tol, assert_close, distance};
use replay::{Case, Replayed, SineNetwork, latents, values};

const TOL: Tol = Tol { relative_l2: 2e-5, relative_max: 2e-5 };

fn final_latents(case: &Case, golden: &Golden) -> Tensor<4> {
    let (schedule, kind) = (case.schedule(), case.kind());
    let levels = kind.levels(&schedule, case.steps).unwrap().truncated(case.strength).unwrap();
    let (x_t, clean) = (latents(golden, "x_T"), latents(golden, "clean"));
    let start = if levels.n_steps() == case.steps {
        x_t.clone().mul_scalar(kind.initial_noise_scale(&schedule, levels.start()))
    } else {
        levels.start().noised(clean.clone(), x_t.clone())
    };
    // The Euler classes keep X = x / α, which is x itself only where they end without noise.
    let alpha_end = levels.end().alpha();
    let scale = if kind == SamplerKind::Euler { alpha_end.recip() } else { 1.0 };
    let model = Preconditioned { network: SineNetwork, prediction: schedule.prediction() };
    let sampler = kind.build(&schedule).unwrap();
    let mut noise = Replayed::new(golden);
    let run = |denoiser: &dyn Denoiser, noise: &mut Replayed| {
        Denoise::new(levels, sampler, denoiser, start, noise).unwrap().finish().unwrap().mul_scalar(scale)
    };
    if !case.blend {
        return run(&model, &mut noise);
    }
    let keep = KeepUnmasked::new(model, clean, x_t, latents(golden, "edit_mask")).unwrap();
    keep.restore(run(&keep, &mut noise))
}

#[test]
fn whole_schedules_end_where_those_of_diffusers_do() {
    let golden = replay::tensors();
    let cases: Vec<Case> = replay::index().cases.into_iter().filter(|case| !case.fixed_stride).collect();
    assert!(cases.len() > 35, "the golden file lost its cases");
    for case in cases {
        let distance = distance(&final_latents(&case, &golden), &latents(&golden, &case.tensor));
        let Case { tensor, sampler, steps, config, .. } = case;
        assert!(distance.is_within(TOL), "{tensor}, {sampler} in {steps} steps: {distance}\n{config}");
    }
}

/// The grids on which diffusers' DDIM goes to `t − ⌊T/n⌋` and then stands at another timestep: the
/// update rule is compared on its levels, since the grid is a decided difference.
#[test]
fn ddim_follows_the_stride_of_diffusers_when_led_by_it() {
    let golden = replay::tensors();
    let cases: Vec<Case> = replay::index().cases.into_iter().filter(|case| case.fixed_stride).collect();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let (schedule, n_steps) = (case.schedule(), case.steps);
        let mut sampler = case.kind().build(&schedule).unwrap();
        let model = Preconditioned { network: SineNetwork, prediction: schedule.prediction() };
        let levels = case.kind().levels(&schedule, n_steps).unwrap();
        let mut x_t = latents(&golden, "x_T");
        for (index, &from) in levels.as_slice()[..n_steps].iter().enumerate() {
            let target = (from.timestep as usize).checked_sub(schedule.alpha_bars().len() / n_steps);
            let to = target.map_or(NoiseLevel::CLEAN, |t| schedule.level(t).unwrap());
            let x_0 = model.denoise(x_t.clone(), from);
            let transition = Transition { x_t, x_0, from, to, index, n_steps };
            x_t = sampler.step(transition, &mut Replayed::new(&golden));
        }
        assert_close(&x_t, &latents(&golden, &case.tensor), TOL);
    }
}

/// Every entry of every stored grid of one sampler.
fn assert_grid(golden: &Golden, key: &str, kind: SamplerKind, config: NoiseScheduleConfig) {
    let schedule = NoiseSchedule::new(config).unwrap();
    let steps_of = |&n: &usize| kind.levels(&schedule, n).unwrap().as_slice()[..n].to_vec();
    let levels: Vec<NoiseLevel> = replay::index().grid_steps.iter().flat_map(steps_of).collect();
    let timesteps = values(golden, &format!("{key}/timesteps"));
    assert_eq!(timesteps.len(), levels.len(), "{key}");
    for (level, &expected) in levels.iter().zip(timesteps) {
        // Euler's Karras grid has timesteps computed from a logarithm in f32: its neighbours differ by
        // 6e-3 there, of which rounding is 3e-5. Linear instead of logarithmic would be off by 0.06.
        let tolerance = if schedule.config().use_karras_sigmas { 5e-3 } else { 0.0 };
        let timestep = level.timestep as f32;
        assert!((timestep - expected).abs() <= tolerance, "{key}: {timestep} is not {expected}");
    }
    if matches!(kind, SamplerKind::Ddim { .. } | SamplerKind::Lcm) {
        return; // These classes keep no sigmas.
    }
    let sigmas = values(golden, &format!("{key}/sigmas"));
    for (level, expected) in levels.iter().zip(sigmas) {
        // 1 − ᾱ of the first timestep is 1e-3, and f32 rounds ᾱ to 6e-8.
        let sigma = level.karras_sigma() as f32;
        assert!((sigma / expected - 1.0).abs() < 1e-4, "{key}: {sigma} is not {expected}");
    }
}

#[test]
fn grids_are_those_of_diffusers() {
    let golden = replay::tensors();
    for (name, spacing, steps_offset) in [
        ("leading", TimestepSpacing::Leading, 1),
        ("trailing", TimestepSpacing::Trailing, 0),
        ("linspace", TimestepSpacing::Linspace, 0),
    ] {
        let config = NoiseScheduleConfig {
            timestep_spacing: Some(spacing),
            steps_offset,
            ..NoiseScheduleConfig::stable_diffusion()
        };
        for kind in SamplerKind::ALL {
            assert_grid(&golden, &format!("grid/{kind}/{name}"), kind, config.clone());
        }
        let karras = NoiseScheduleConfig { use_karras_sigmas: true, ..config };
        assert_grid(&golden, &format!("grid/euler-karras/{name}"), SamplerKind::Euler, karras);
    }
}

#[test]
fn guidance_rescale_is_that_of_diffusers() {
    let golden = replay::tensors();
    let guidance = Guidance { rescale: 0.7, ..Guidance::with_scale(7.5) };
    let [negative, positive, rescaled] =
        ["negative", "positive", "rescaled"].map(|name| latents(&golden, &format!("guidance/{name}")));
    assert_close(&guidance.combine(negative, positive), &rescaled, TOL);
}

#[test]
fn the_forward_process_is_that_of_diffusers() {
    let golden = replay::tensors();
    let schedule = NoiseSchedule::new(NoiseScheduleConfig::stable_diffusion()).unwrap();
    let levels = [10, 900].map(|t| schedule.level(t).unwrap());
    let (clean, noise) = (latents(&golden, "clean"), latents(&golden, "x_T"));
    let x_t = add_noise(clean.clone(), noise.clone(), &levels);
    assert_close(&x_t, &latents(&golden, "forward/x_t"), TOL);
    let velocity = Prediction::V.target(clean, noise, &levels);
    assert_close(&velocity, &latents(&golden, "forward/velocity"), TOL);
}

/// Bit for bit, against a second implementation of the definition in `src/noise.rs`.
#[test]
fn seeded_noise_is_what_its_definition_says() {
    let golden = replay::tensors();
    for (seed, draw) in [(0, 0), (17, 3), (u64::MAX, 1 << 40)] {
        let expected = values(&golden, &format!("seeded/{seed}/{draw}"));
        assert_eq!(standard_normal(seed, draw, expected.len()), expected, "seed {seed}, draw {draw}");
    }
}
