//! From a configuration to `ᾱ_t`, the share of the signal at every training timestep.

use std::f64::consts::FRAC_PI_2;

use crate::config::{BetaSchedule, NoiseScheduleConfig};
use crate::error::DiffusionError;

/// Largest `num_train_timesteps`; every known model has 1000.
const MAX_TRAIN_TIMESTEPS: usize = 100_000;

/// Cap on `β` of the cosine schedule, against a singularity at its end (Nichol and Dhariwal 2021).
const MAX_BETA: f64 = 0.999;

/// `ᾱ_t = Π (1 − β_s)` over `s ≤ t`, strictly falling, computed in f64.
///
/// # Errors
/// [`DiffusionError::OutOfRange`] for a number of timesteps or a `β` outside its range, and for levels
/// that f64 cannot tell from 1, from 0 or from each other.
pub(super) fn alpha_bars(config: &NoiseScheduleConfig) -> Result<Vec<f64>, DiffusionError> {
    validate(config)?;
    let n = config.num_train_timesteps;
    let betas: Vec<f64> = match config.beta_schedule {
        BetaSchedule::Linear => linspace(config.beta_start, config.beta_end, n).collect(),
        BetaSchedule::ScaledLinear => {
            linspace(config.beta_start.sqrt(), config.beta_end.sqrt(), n).map(|root| root * root).collect()
        }
        BetaSchedule::SquaredCosine => squared_cosine_betas(n),
    };
    let mut alpha_bars: Vec<f64> = betas
        .iter()
        .scan(1.0, |alpha_bar, beta| {
            *alpha_bar *= 1.0 - beta;
            Some(*alpha_bar)
        })
        .collect();
    if config.rescale_betas_zero_snr {
        rescale_to_zero_terminal_snr(&mut alpha_bars);
    }
    check_fall(&alpha_bars, config.rescale_betas_zero_snr)?;
    Ok(alpha_bars)
}

/// Refuses levels that would divide by zero: a first one without noise, equal ones, and one without
/// signal that is not the end of a rescaled schedule.
fn check_fall(alpha_bars: &[f64], ends_at_zero: bool) -> Result<(), DiffusionError> {
    let mut before = 1.0;
    for (timestep, &value) in alpha_bars.iter().enumerate() {
        let is_end = timestep + 1 == alpha_bars.len();
        if value >= before || (value <= 0.0 && !(ends_at_zero && is_end)) {
            let range = "below that of the timestep before and between 0 and 1; \
                         change beta_start, beta_end or num_train_timesteps";
            return Err(DiffusionError::OutOfRange { name: "alpha_bar", value, range });
        }
        before = value;
    }
    Ok(())
}

fn validate(config: &NoiseScheduleConfig) -> Result<(), DiffusionError> {
    if !(1..=MAX_TRAIN_TIMESTEPS).contains(&config.num_train_timesteps) {
        let value = config.num_train_timesteps as f64;
        return Err(DiffusionError::OutOfRange { name: "num_train_timesteps", value, range: "1 to 100000" });
    }
    for (name, value) in [("beta_start", config.beta_start), ("beta_end", config.beta_end)] {
        if !(value > 0.0 && value < 1.0) {
            return Err(DiffusionError::OutOfRange { name, value, range: "between 0 and 1, both excluded" });
        }
    }
    if config.beta_end < config.beta_start {
        let range = "at least beta_start";
        return Err(DiffusionError::OutOfRange { name: "beta_end", value: config.beta_end, range });
    }
    Ok(())
}

/// `n` equally spaced numbers from `start` to `end`, both included; `start` alone if `n` is 1.
fn linspace(start: f64, end: f64, n: usize) -> impl Iterator<Item = f64> {
    let step = (end - start) / (n.max(2) - 1) as f64;
    (0..n).map(move |i| start + step * i as f64)
}

/// `β_t` such that `ᾱ(t) ∝ cos²((t/T + 0.008) / 1.008 · π/2)` (Nichol and Dhariwal 2021, Eq. 17).
fn squared_cosine_betas(n: usize) -> Vec<f64> {
    let alpha_bar = |t: f64| ((t + 0.008) / 1.008 * FRAC_PI_2).cos().powi(2);
    let time = |i: usize| i as f64 / n as f64;
    (0..n).map(|i| (1.0 - alpha_bar(time(i + 1)) / alpha_bar(time(i))).min(MAX_BETA)).collect()
}

/// Shifts and scales `√ᾱ` so that the last is 0 and the first is kept (Lin et al. 2023,
/// Algorithm 1).
fn rescale_to_zero_terminal_snr(alpha_bars: &mut [f64]) {
    let (Some(first), Some(last)) = (alpha_bars.first().copied(), alpha_bars.last().copied()) else {
        return;
    };
    let (first, last) = (first.sqrt(), last.sqrt());
    let scale = if first > last { first / (first - last) } else { 0.0 };
    for alpha_bar in alpha_bars {
        *alpha_bar = ((alpha_bar.sqrt() - last) * scale).powi(2);
    }
}

#[cfg(test)]
mod tests {
    use super::alpha_bars;
    use crate::config::{BetaSchedule, NoiseScheduleConfig};

    fn sd() -> NoiseScheduleConfig {
        NoiseScheduleConfig::stable_diffusion()
    }

    #[test]
    fn stable_diffusion_has_the_noise_levels_that_the_method_quotes() {
        let alpha_bars = alpha_bars(&sd()).unwrap();
        // Three digits, and the gain of a network error in x_0, sqrt((1 − ᾱ) / ᾱ).
        for (t, expected, gain) in
            [(749, 0.0566, 4.08), (499, 0.278, 1.61), (374, 0.467, 1.07), (999, 0.0047, 14.6)]
        {
            let alpha_bar: f64 = alpha_bars[t];
            assert!((alpha_bar / expected - 1.0).abs() < 0.01, "{t}: {alpha_bar}");
            assert!((((1.0 - alpha_bar) / alpha_bar).sqrt() / gain - 1.0).abs() < 0.01, "{t}");
        }
    }

    #[test]
    fn every_schedule_falls_from_almost_one() {
        for beta_schedule in [BetaSchedule::Linear, BetaSchedule::ScaledLinear, BetaSchedule::SquaredCosine] {
            for rescale_betas_zero_snr in [false, true] {
                let config = NoiseScheduleConfig { beta_schedule, rescale_betas_zero_snr, ..sd() };
                let bars = alpha_bars(&config).unwrap();
                assert!(bars[0] > 0.99 && bars[0] < 1.0, "{beta_schedule:?}: {}", bars[0]);
                assert!(bars.windows(2).all(|w| w[1] < w[0]), "{beta_schedule:?} rises");
                assert_eq!(bars[999] == 0.0, rescale_betas_zero_snr, "{beta_schedule:?}: {}", bars[999]);
            }
        }
    }

    #[test]
    fn the_cosine_schedule_is_the_cosine_up_to_its_cap() {
        let bars =
            alpha_bars(&NoiseScheduleConfig { beta_schedule: BetaSchedule::SquaredCosine, ..sd() }).unwrap();
        let f = |t: f64| ((t + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
        for t in [0, 100, 500, 900, 990] {
            assert!((bars[t] - f((t + 1) as f64 / 1000.0) / f(0.0)).abs() < 1e-12, "{t}");
        }
    }

    #[test]
    fn the_rescale_keeps_the_first_level() {
        let (plain, rescaled) = (
            alpha_bars(&sd()).unwrap(),
            alpha_bars(&NoiseScheduleConfig { rescale_betas_zero_snr: true, ..sd() }).unwrap(),
        );
        assert!((plain[0] - rescaled[0]).abs() < 1e-12);
        assert!(plain.iter().zip(&rescaled).skip(1).all(|(p, r)| r < p));
    }

    #[test]
    fn levels_that_f64_cannot_tell_apart_are_refused() {
        let linear = |beta_start, beta_end, num_train_timesteps| NoiseScheduleConfig {
            beta_schedule: BetaSchedule::Linear,
            beta_start,
            beta_end,
            num_train_timesteps,
            ..sd()
        };
        for (config, fits_rescaled) in [
            (linear(1e-4, 0.02, 100_000), false), // stands still where f64 ends
            (linear(1e-17, 0.02, 1000), false),   // starts at 1
            (linear(0.999, 0.999, 108), true),    // is 0 at the last timestep, as a rescaled one is
        ] {
            let error = alpha_bars(&config).unwrap_err().to_string();
            assert!(error.contains("`alpha_bar` is") && error.contains("num_train_timesteps"), "{error}");
            let rescaled = NoiseScheduleConfig { rescale_betas_zero_snr: true, ..config };
            assert_eq!(alpha_bars(&rescaled).is_ok(), fits_rescaled, "{rescaled:?}");
        }
    }

    #[test]
    fn bad_numbers_are_named() {
        for (config, name) in [
            (NoiseScheduleConfig { num_train_timesteps: 0, ..sd() }, "num_train_timesteps"),
            (NoiseScheduleConfig { num_train_timesteps: 1 << 40, ..sd() }, "num_train_timesteps"),
            (NoiseScheduleConfig { beta_start: 0.0, ..sd() }, "beta_start"),
            (NoiseScheduleConfig { beta_end: f64::NAN, ..sd() }, "beta_end"),
            (NoiseScheduleConfig { beta_end: 0.0001, ..sd() }, "beta_end"),
        ] {
            let message = alpha_bars(&config).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
        assert_eq!(alpha_bars(&NoiseScheduleConfig { num_train_timesteps: 1, ..sd() }).unwrap().len(), 1);
    }
}
