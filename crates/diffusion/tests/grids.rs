//! Grids of noise levels as a caller sees them: where they start and end, and what is refused.

use byteedit_diffusion::{
    DiffusionError, FinalLevel, Grid, KarrasSpan, Levels, NoiseLevel, NoiseSchedule, NoiseScheduleConfig,
    Placement, Prediction, TimestepSpacing,
};
use proptest::prelude::*;

const SPACINGS: [TimestepSpacing; 3] =
    [TimestepSpacing::Leading, TimestepSpacing::Trailing, TimestepSpacing::Linspace];
const PLACEMENTS: [Placement; 6] = [
    Placement::Whole,
    Placement::Fractional,
    Placement::Intervals,
    Placement::Karras(KarrasSpan::Grid),
    Placement::Karras(KarrasSpan::Schedule),
    Placement::Distilled,
];

fn schedule(change: impl Fn(&mut NoiseScheduleConfig)) -> NoiseSchedule {
    let mut config = NoiseScheduleConfig::stable_diffusion();
    change(&mut config);
    NoiseSchedule::new(config).expect("a schedule that differs from Stable Diffusion's in sound numbers")
}

fn clean(placement: Placement) -> Grid {
    Grid { placement, end: FinalLevel::Clean }
}

fn sd_levels(n: usize, spacing: TimestepSpacing, placement: Placement) -> Result<Levels, DiffusionError> {
    schedule(|_| ()).levels(n, spacing, clean(placement))
}

fn timesteps(levels: &Levels) -> Vec<f64> {
    levels.as_slice()[..levels.n_steps()].iter().map(|level| level.timestep).collect()
}

#[test]
fn whole_placements_round_and_look_their_levels_up() {
    let levels = sd_levels(3, TimestepSpacing::Linspace, Placement::Whole).unwrap();
    assert_eq!(timesteps(&levels), [999.0, 500.0, 0.0]);
    let sd = schedule(|_| ());
    assert_eq!(levels.as_slice()[1], sd.level(500).unwrap());
    assert_eq!(levels.end(), NoiseLevel::CLEAN);
    assert!(sd.level(1000).is_err());
}

#[test]
fn a_fractional_level_lies_between_its_neighbours_in_sigma() {
    let sd = schedule(|_| ());
    let levels = sd_levels(3, TimestepSpacing::Linspace, Placement::Fractional).unwrap();
    let sigma = |t: usize| sd.level(t).unwrap().karras_sigma();
    let middle = levels.as_slice()[1];
    assert!((middle.karras_sigma() - f64::midpoint(sigma(499), sigma(500))).abs() < 1e-9);
    assert_eq!(timesteps(&levels), [999.0, 499.5, 0.0]);
}

#[test]
fn a_karras_grid_spans_the_schedule_or_the_grid() {
    let span = |span| sd_levels(10, TimestepSpacing::Leading, Placement::Karras(span)).unwrap();
    let whole = timesteps(&span(KarrasSpan::Schedule));
    assert_eq!((whole[0], whole[9]), (999.0, 0.0));
    assert!(whole.iter().all(|t| t.fract() == 0.0));
    let inner = timesteps(&span(KarrasSpan::Grid));
    assert!((inner[0] - 901.0).abs() < 1e-6 && (inner[9] - 1.0).abs() < 1e-6, "{inner:?}");
}

#[test]
fn a_consistency_model_is_sampled_on_its_distillation_timesteps() {
    let levels = sd_levels(4, TimestepSpacing::Leading, Placement::Distilled).unwrap();
    assert_eq!(timesteps(&levels), [999.0, 759.0, 499.0, 259.0]);
}

#[test]
fn zero_terminal_snr_starts_with_noise_alone_and_stays_finite_in_sigma_space() {
    let zero = schedule(|config| {
        config.rescale_betas_zero_snr = true;
        config.prediction_type = Prediction::V;
    });
    let start = |placement| zero.levels(5, TimestepSpacing::Trailing, clean(placement)).unwrap().start();
    assert_eq!(start(Placement::Whole), NoiseLevel { timestep: 999.0, alpha_bar: 0.0 });
    for placement in [Placement::Fractional, Placement::Intervals, Placement::Karras(KarrasSpan::Grid)] {
        // diffusers starts at ᾱ = 2⁻²⁴, a sigma of 4096.
        assert!((start(placement).karras_sigma() - 4096.0).abs() < 0.01, "{placement:?}");
    }
}

#[test]
fn too_many_steps_are_refused_with_the_limit() {
    for (n, placement, limit) in [
        (0, Placement::Whole, "1 to 1000"),
        (1001, Placement::Fractional, "1 to 1000"),
        (51, Placement::Distilled, "1 to 50"),
    ] {
        let message = sd_levels(n, TimestepSpacing::Trailing, placement).unwrap_err().to_string();
        assert!(message.contains(&format!("{n} sampling steps")) && message.contains(limit), "{message}");
    }
    assert!(sd_levels(1000, TimestepSpacing::Linspace, Placement::Intervals).is_err());
}

#[test]
fn settings_that_lead_off_the_schedule_are_named() {
    for (offset, n) in [(1, 1000), (usize::MAX, 2)] {
        let far = schedule(|config| config.steps_offset = offset);
        for placement in [Placement::Whole, Placement::Karras(KarrasSpan::Grid)] {
            let message = far.levels(n, TimestepSpacing::Leading, clean(placement)).unwrap_err().to_string();
            assert!(message.contains("`steps_offset` is"), "{message}");
        }
    }
    let short = schedule(|config| config.num_train_timesteps = 10);
    let message = short.levels(4, TimestepSpacing::Leading, clean(Placement::Distilled)).unwrap_err();
    assert!(message.to_string().contains("`original_inference_steps` is 50"), "{message}");
}

#[test]
fn epsilon_prediction_cannot_start_at_zero_snr() {
    let mut config = NoiseScheduleConfig::stable_diffusion();
    config.rescale_betas_zero_snr = true;
    let message = NoiseSchedule::new(config).unwrap_err().to_string();
    assert!(message.contains("v_prediction"), "{message}");
}

proptest! {
    #[test]
    fn every_grid_falls_from_the_schedule_to_its_end(
        trained in 1_usize..300, n in 1_usize..301, offset in 0_usize..2, which in 0_usize..18,
    ) {
        let (spacing, placement) = (SPACINGS[which % 3], PLACEMENTS[which / 3]);
        let schedule = schedule(|config| {
            config.num_train_timesteps = trained;
            config.steps_offset = offset;
        });
        for end in [FinalLevel::Clean, FinalLevel::First] {
            // Levels are checked to fall by their own constructor; a refusal must have its reason.
            match schedule.levels(n, spacing, Grid { placement, end }) {
                Ok(levels) => {
                    prop_assert_eq!(levels.n_steps(), n);
                    prop_assert!(levels.start().timestep <= (trained - 1) as f64);
                    prop_assert!(levels.as_slice().iter().all(|level| level.timestep >= 0.0));
                    prop_assert_eq!(levels.end() == NoiseLevel::CLEAN, end == FinalLevel::Clean);
                }
                Err(refusal) => {
                    let is_distilled = placement == Placement::Distilled;
                    let has_room = 2 * n < trained && (!is_distilled || (trained >= 50 && n <= 50));
                    prop_assert!(!has_room, "{n} of {trained}, {spacing:?}, {placement:?}: {refusal}");
                }
            }
        }
    }
}
