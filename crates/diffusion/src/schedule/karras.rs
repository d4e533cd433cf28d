//! The grid of Karras et al. 2022 (Eq. 5), and the timestep that belongs to a sigma.

/// `ρ`, as printed in the paper.
const RHO: f64 = 7.0;

/// `n` sigmas from `max` down to `min`, whose `1/ρ`-th powers are equally spaced
/// (Karras et al. 2022, Eq. 5).
pub(super) fn sigmas(max: f64, min: f64, n: usize) -> impl Iterator<Item = f64> {
    let (max_root, min_root) = (max.powf(RHO.recip()), min.powf(RHO.recip()));
    let last = (n.max(2) - 1) as f64;
    (0..n).map(move |i| (max_root + i as f64 / last * (min_root - max_root)).powf(RHO))
}

/// The fractional timestep of a sigma among the trained ones (rising), linear in `ln σ`.
pub(super) fn timestep_of_sigma(trained: &[f64], sigma: f64) -> f64 {
    let n_below = trained.partition_point(|&s| s <= sigma);
    if n_below == 0 || trained.len() == 1 {
        return 0.0;
    }
    let low = (n_below - 1).min(trained.len() - 2);
    let (ln_low, ln_high) = (trained[low].ln(), trained[low + 1].ln());
    low as f64 + ((sigma.ln() - ln_low) / (ln_high - ln_low)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::{sigmas, timestep_of_sigma};

    #[test]
    fn the_grid_is_linear_in_the_seventh_root() {
        let roots: Vec<f64> = sigmas(80.0, 0.002, 18).map(|s| s.powf(1.0 / 7.0)).collect();
        assert!((roots[0].powi(7) - 80.0).abs() < 1e-9 && (roots[17].powi(7) - 0.002).abs() < 1e-12);
        for pair in roots.windows(2) {
            assert!((pair[0] - pair[1] - (roots[0] - roots[17]) / 17.0).abs() < 1e-12);
        }
        assert_eq!(sigmas(80.0, 0.002, 1).count(), 1);
    }

    #[test]
    fn a_timestep_is_linear_in_the_logarithm_and_stays_trained() {
        let trained = [1.0, 4.0, 64.0];
        for (sigma, t) in
            [(1.0, 0.0), (2.0, 0.5), (4.0, 1.0), (16.0, 1.5), (64.0, 2.0), (0.1, 0.0), (99.0, 2.0)]
        {
            let timestep = timestep_of_sigma(&trained, sigma);
            assert!((timestep - t).abs() < 1e-12, "{sigma}: {timestep}");
        }
        assert!(timestep_of_sigma(&[3.0], 5.0).abs() < f64::EPSILON);
    }
}
