//! Peak signal-to-noise ratio inside a region: `psnr/mask`.

use byteedit_image::{Mask, UnitImage};

use super::assert_one_size;

/// What two equal pictures score, in dB. Below the error of this figure, 1e-10, differences cannot
/// be seen nor stored in 8 bits; an infinite score would take any mean over pictures with it.
pub const MAX_PSNR_DB: f64 = 100.0;

/// `-10 log10(MSE)` in dB against the peak 1, where MSE is the mean of squared differences over the
/// region's pixels *and their three channels*; at most [`MAX_PSNR_DB`]. `None` for an empty region.
///
/// # Panics
/// If the three differ in size.
pub fn psnr(result: &UnitImage, truth: &UnitImage, region: &Mask) -> Option<f64> {
    assert_one_size(result, truth, region);
    let pixels = result.data().chunks_exact(3).zip(truth.data().chunks_exact(3));
    let (mut squares, mut n_values) = (0.0, 0_usize);
    for (result, truth) in pixels.zip(region.repaints()).filter(|(_, inside)| *inside).map(|(pair, _)| pair) {
        squares +=
            result.iter().zip(truth).map(|(r, t)| (f64::from(*r) - f64::from(*t)).powi(2)).sum::<f64>();
        n_values += result.len();
    }
    if n_values == 0 {
        return None;
    }
    let mse = squares / n_values as f64;
    // Not `min`, which would turn a NaN into the best score there is.
    Some(if mse < 1e-10 { MAX_PSNR_DB } else { -10.0 * mse.log10() })
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;
    use proptest::prelude::*;

    use super::super::tests::{boxed, composed, picture};
    use super::*;

    const SIZE: Size = Size::new(9, 7);

    #[test]
    fn an_offset_of_a_tenth_is_20_db() {
        let truth = UnitImage::filled(SIZE, [0.2, 0.3, 0.4]);
        let result = UnitImage::filled(SIZE, [0.3, 0.2, 0.5]);
        let found = psnr(&result, &truth, &boxed(SIZE, 2, 1, 3, 3)).unwrap();
        assert!((found - 20.0).abs() < 1e-5, "{found}");
        // One channel of three is off: the mean over channels is a third.
        let result = UnitImage::filled(SIZE, [0.3, 0.3, 0.4]);
        let found = psnr(&result, &truth, &Mask::filled(SIZE, 255)).unwrap();
        assert!((found - (20.0 + 10.0 * 3.0_f64.log10())).abs() < 1e-5, "{found}");
    }

    #[test]
    fn equal_pictures_score_the_most_and_nothing_scores_nothing() {
        let truth = UnitImage::filled(SIZE, [0.2, 0.3, 0.4]);
        assert_eq!(psnr(&truth, &truth, &Mask::filled(SIZE, 255)), Some(MAX_PSNR_DB));
        assert_eq!(psnr(&truth, &truth, &Mask::filled(SIZE, 0)), None);
        let nan = UnitImage::filled(SIZE, [f32::NAN; 3]);
        assert!(psnr(&nan, &truth, &Mask::filled(SIZE, 255)).unwrap().is_nan());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pixels_outside_the_region_do_not_count(
            x in 0_usize..8, y in 0_usize..6, outside in 0.0_f32..1.0, inside in 0.0_f32..0.9,
        ) {
            let region = boxed(SIZE, x, y, SIZE.width - x, 1);
            let truth = picture(SIZE, |x, y| [0.1 * x as f32, 0.1 * y as f32, 0.5]);
            let painted = UnitImage::filled(SIZE, [inside; 3]);
            let elsewhere = UnitImage::filled(SIZE, [outside; 3]);
            let kept = psnr(&composed(&painted, &truth, &region), &truth, &region);
            prop_assert_eq!(psnr(&composed(&painted, &elsewhere, &region), &truth, &region), kept);
        }
    }
}
