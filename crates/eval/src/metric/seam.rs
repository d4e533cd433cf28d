//! What the eye finds first: an offset of colour, or a jump, along the edge of the mask.
//!
//! Definitions of our own. Both compare with the truth, whose pixels outside the mask are the
//! result's, so both are 0 for the truth itself. A model cannot reach 0, because its autoencoder
//! loses something: the figure to beat is that of the truth sent through the autoencoder and pasted.

use byteedit_image::{Mask, Size, UnitImage};

use super::{LEVELS, assert_one_size, channel_differences, neighbor_pairs};

/// Width in pixels of the band inside the mask in which [`color_error`] looks, and radius of its
/// local means.
pub const BAND: u32 = 4;

/// The slow part of the colour error along the inside of the edge (`seam-color`), in levels:
///
/// ```text
/// mean over the band B and the channels of | mean over q in B, |q - p|∞ <= BAND, of (y_q - x_q) |
/// ```
///
/// with `y` the result, `x` the truth and `B` the repainted pixels at most [`BAND`] pixels from a
/// kept one. The inner mean removes texture, which may differ from the truth's without being wrong,
/// and leaves the tone, which may not. `None` where the mask has no edge inside the picture.
///
/// # Panics
/// If the three differ in size.
pub fn color_error(result: &UnitImage, truth: &UnitImage, edit_mask: &Mask) -> Option<f64> {
    assert_one_size(result, truth, edit_mask);
    let near_kept = edit_mask.invert().dilate(BAND);
    let in_band: Vec<bool> =
        near_kept.repaints().zip(edit_mask.repaints()).map(|(near, repaint)| near && repaint).collect();
    let (mut sum, mut n_pixels) = (0.0, 0_usize);
    for at in (0..in_band.len()).filter(|&at| in_band[at]) {
        let mut error = [0.0; 3];
        let mut n_near = 0_usize;
        for near in window(at, truth.size()).filter(|&near| in_band[near]) {
            for (channel, error) in error.iter_mut().enumerate() {
                let at = 3 * near + channel;
                *error += f64::from(result.data()[at]) - f64::from(truth.data()[at]);
            }
            n_near += 1;
        }
        sum += error.iter().map(|error| error.abs()).sum::<f64>() / n_near as f64;
        n_pixels += 1;
    }
    (n_pixels > 0).then(|| LEVELS * sum / (3 * n_pixels) as f64)
}

/// How much more, or less, the result jumps across the edge than the truth (`seam-gradient`), in
/// levels: `| J(y) - J(x) |` with `J` the mean of `|a - b|` over all pairs of neighbours of which
/// one is repainted and one kept, and over the channels. `None` where the mask has no edge inside
/// the picture.
///
/// # Panics
/// If the three differ in size.
pub fn gradient_error(result: &UnitImage, truth: &UnitImage, edit_mask: &Mask) -> Option<f64> {
    assert_one_size(result, truth, edit_mask);
    let repaint: Vec<bool> = edit_mask.repaints().collect();
    let (mut difference, mut n_pairs) = (0.0, 0_usize);
    for pair in neighbor_pairs(truth.size()).filter(|(a, b)| repaint[*a] != repaint[*b]) {
        let jump = |image: &UnitImage| channel_differences(image, pair).iter().map(|d| d.abs()).sum::<f64>();
        difference += jump(result) - jump(truth);
        n_pairs += 1;
    }
    (n_pairs > 0).then(|| LEVELS * difference.abs() / (3 * n_pairs) as f64)
}

/// The pixels at most [`BAND`] columns and rows away.
fn window(at: usize, size: Size) -> impl Iterator<Item = usize> {
    let reach = BAND as usize;
    let (x, y) = (at % size.width, at / size.width);
    let columns = x.saturating_sub(reach)..(x + reach + 1).min(size.width);
    let rows = y.saturating_sub(reach)..(y + reach + 1).min(size.height);
    rows.flat_map(move |y| columns.clone().map(move |x| y * size.width + x))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{boxed, composed, picture};
    use super::*;

    const SIZE: Size = Size::new(40, 32);

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-3, "{found} instead of {expected}");
    }

    #[test]
    fn an_offset_is_its_own_size_in_both() {
        let mask = boxed(SIZE, 10, 8, 20, 16);
        let truth = UnitImage::filled(SIZE, [0.5; 3]);
        let result = composed(&UnitImage::filled(SIZE, [0.5 + 10.0 / 255.0; 3]), &truth, &mask);
        close(color_error(&result, &truth, &mask), 10.0);
        close(gradient_error(&result, &truth, &mask), 10.0);
        // An offset of one channel of three counts a third.
        let result = composed(&UnitImage::filled(SIZE, [0.5, 0.5 - 9.0 / 255.0, 0.5]), &truth, &mask);
        close(color_error(&result, &truth, &mask), 3.0);
        close(gradient_error(&result, &truth, &mask), 3.0);
    }

    #[test]
    fn texture_that_differs_is_no_offset() {
        let mask = boxed(SIZE, 10, 8, 20, 16);
        let grain = |phase: usize| {
            picture(SIZE, |x, y| [if (x + y + phase).is_multiple_of(2) { 0.6 } else { 0.4 }; 3])
        };
        let result = composed(&grain(1), &grain(0), &mask);
        // Each pixel is off by 51 levels, and the local means of at least 25 pixels by two at most.
        assert!(color_error(&result, &grain(0), &mask).unwrap() < 51.0 / 12.0);
        // The truth jumps by 51 levels across every pair, the inverted grain by none.
        close(gradient_error(&result, &grain(0), &mask), 51.0);
    }

    #[test]
    fn a_mask_without_an_edge_has_no_seam() {
        let truth = UnitImage::filled(SIZE, [0.5; 3]);
        for mask in [Mask::filled(SIZE, 255), Mask::filled(SIZE, 0)] {
            assert_eq!(color_error(&truth, &truth, &mask), None);
            assert_eq!(gradient_error(&truth, &truth, &mask), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_truth_has_no_error_and_the_middle_does_not_count(
            x in 1_usize..12, y in 1_usize..8, value in 0.0_f32..1.0,
        ) {
            let mask = boxed(SIZE, x, y, 26, 22);
            let truth = picture(SIZE, |x, y| [((7 * x + 3 * y) % 11) as f32 / 11.0, 0.3, 0.02 * x as f32]);
            prop_assert_eq!(color_error(&truth, &truth, &mask), Some(0.0));
            prop_assert_eq!(gradient_error(&truth, &truth, &mask), Some(0.0));
            let band = BAND as usize;
            let middle = boxed(SIZE, x + band, y + band, 26 - 2 * band, 22 - 2 * band);
            let result = composed(&UnitImage::filled(SIZE, [value; 3]), &truth, &middle);
            prop_assert_eq!(color_error(&result, &truth, &mask), Some(0.0));
            prop_assert_eq!(gradient_error(&result, &truth, &mask), Some(0.0));
        }
    }
}
