//! Structural similarity (Wang et al. 2004, Eq. 13): `ssim-rgb/mask`.
//!
//! The variant that the equation's authors use: a Gaussian window of 11 x 11 pixels with a standard
//! deviation of 1.5, `K1 = 0.01`, `K2 = 0.03`, population (not sample) moments, peak 1. It is
//! computed on each sRGB channel and averaged over the three, not on luma. Windows that reach beyond
//! the picture see it mirrored. This is scikit-image's `structural_similarity` with
//! `gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1`.
//!
//! A window near the edge of a region also sees kept pixels, which are equal in result and truth:
//! compare figures of the same masks only.

use byteedit_image::{Mask, Size, UnitImage};

use super::assert_one_size;

const SIGMA: f64 = 1.5;
const RADIUS: usize = 5;
const TAPS: usize = 2 * RADIUS + 1;
/// `(K1 L)²` with `L = 1`.
const C1: f64 = 0.01 * 0.01;
/// `(K2 L)²` with `L = 1`.
const C2: f64 = 0.03 * 0.03;

/// Mean of [`ssim_map`] over the region, from -1 to 1; `None` for an empty region.
///
/// # Panics
/// If the three differ in size.
pub fn ssim(result: &UnitImage, truth: &UnitImage, region: &Mask) -> Option<f64> {
    assert_one_size(result, truth, region);
    let map = ssim_map(result, truth);
    let inside = || map.iter().zip(region.repaints()).filter(|(_, inside)| *inside).map(|(value, _)| value);
    let n_pixels = inside().count();
    (n_pixels > 0).then(|| inside().sum::<f64>() / n_pixels as f64)
}

/// The similarity at every pixel, row by row, averaged over the channels; 1 where the surroundings
/// are equal.
///
/// # Panics
/// If the two differ in size.
pub fn ssim_map(result: &UnitImage, truth: &UnitImage) -> Vec<f64> {
    let size = truth.size();
    assert_eq!(result.size(), size, "sizes of result and truth");
    let kernel = gaussian();
    let mut map = vec![0.0; size.area()];
    for channel in 0..3 {
        let x = plane(result, channel);
        let y = plane(truth, channel);
        let mu_x = weighted_mean(&x, size, &kernel);
        let mu_y = weighted_mean(&y, size, &kernel);
        let square_x = weighted_mean(&product(&x, &x), size, &kernel);
        let square_y = weighted_mean(&product(&y, &y), size, &kernel);
        let cross = weighted_mean(&product(&x, &y), size, &kernel);
        for (at, value) in map.iter_mut().enumerate() {
            let (m_x, m_y) = (mu_x[at], mu_y[at]);
            let (var_x, var_y) = (square_x[at] - m_x * m_x, square_y[at] - m_y * m_y);
            let covariance = cross[at] - m_x * m_y;
            let similarity = (2.0 * m_x * m_y + C1) * (2.0 * covariance + C2)
                / ((m_x * m_x + m_y * m_y + C1) * (var_x + var_y + C2));
            *value += similarity / 3.0;
        }
    }
    map
}

/// The window along one axis, with sum 1.
fn gaussian() -> [f64; TAPS] {
    let weight = |tap: usize| (-0.5 * ((tap as f64 - RADIUS as f64) / SIGMA).powi(2)).exp();
    let kernel: [f64; TAPS] = std::array::from_fn(weight);
    let sum: f64 = kernel.iter().sum();
    kernel.map(|weight| weight / sum)
}

fn plane(image: &UnitImage, channel: usize) -> Vec<f64> {
    image.data().iter().skip(channel).step_by(3).map(|&value| f64::from(value)).collect()
}

fn product(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

/// The window's mean around each pixel: along rows, then along columns.
fn weighted_mean(plane: &[f64], size: Size, kernel: &[f64; TAPS]) -> Vec<f64> {
    let Size { width, height } = size;
    let sum_along = |source: &[f64], place: &dyn Fn(usize) -> usize, at: usize, len: usize| -> f64 {
        let taps = kernel.iter().enumerate();
        taps.map(|(tap, weight)| weight * source[place(mirrored(at, tap, len))]).sum()
    };
    let pixels = || (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let rows: Vec<f64> = pixels().map(|(x, y)| sum_along(plane, &|x| y * width + x, x, width)).collect();
    pixels().map(|(x, y)| sum_along(&rows, &|y| y * width + x, y, height)).collect()
}

/// Position `at + tap - RADIUS` of a line of `len` that is mirrored at its ends (`cba|abc|cba`).
fn mirrored(at: usize, tap: usize, len: usize) -> usize {
    let period = 2 * len as isize;
    let folded = ((at + tap) as isize - RADIUS as isize).rem_euclid(period);
    folded.min(period - 1 - folded) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{boxed, picture};
    use super::*;

    #[test]
    fn constant_pictures_have_the_closed_form() {
        let size = Size::new(14, 13);
        let (a, b) = (UnitImage::filled(size, [0.25; 3]), UnitImage::filled(size, [0.75; 3]));
        // Equal variances of 0: the luminance term alone is left.
        let expected = (2.0 * 0.25 * 0.75 + C1) / (0.25 * 0.25 + 0.75 * 0.75 + C1);
        for value in ssim_map(&a, &b) {
            assert!((value - expected).abs() < 1e-9, "{value} instead of {expected}");
        }
    }

    #[test]
    fn only_the_region_counts() {
        let size = Size::new(30, 12);
        let truth = picture(size, |x, y| [((3 * x + 5 * y) % 7) as f32 / 7.0; 3]);
        let result = picture(size, |x, y| if x < 10 { [0.5; 3] } else { truth.pixel(x, y) });
        // Windows of columns from 15 on see no changed pixel.
        assert_eq!(ssim(&result, &truth, &boxed(size, 15, 0, 15, 12)), Some(1.0));
        assert!(ssim(&result, &truth, &boxed(size, 0, 0, 8, 12)).unwrap() < 0.5);
        assert_eq!(ssim(&result, &truth, &Mask::filled(size, 0)), None);
    }

    #[test]
    fn lines_are_mirrored_at_their_ends() {
        let line = |at| (0..TAPS).map(|tap| mirrored(at, tap, 4)).collect::<Vec<_>>();
        assert_eq!(line(0), [3, 3, 2, 1, 0, 0, 1, 2, 3, 3, 2]);
        assert_eq!(line(3), [1, 0, 0, 1, 2, 3, 3, 2, 1, 0, 0]);
        assert!((0..TAPS).all(|tap| mirrored(0, tap, 1) == 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn it_is_symmetric_bounded_and_1_for_equals(
            width in 1_usize..16, height in 1_usize..16,
            noise in prop::collection::vec(0.0_f32..1.0, 6 * 16 * 16),
        ) {
            let size = Size::new(width, height);
            let (a, b) = noise.split_at(noise.len() / 2);
            let image = |values: &[f32]| UnitImage::new(size, values[..3 * size.area()].to_vec()).unwrap();
            let (a, b) = (image(a), image(b));
            for ((forward, backward), equal) in
                ssim_map(&a, &b).into_iter().zip(ssim_map(&b, &a)).zip(ssim_map(&a, &a))
            {
                prop_assert!((forward - backward).abs() < 1e-12);
                prop_assert!(forward.abs() <= 1.0 + 1e-9);
                prop_assert!((equal - 1.0).abs() < 1e-9);
            }
        }
    }
}
