//! Detail inside the mask relative to the truth's: `gradient-energy/mask`. A definition of our own.

use byteedit_image::{Mask, UnitImage};

use super::{LEVELS, assert_one_size};

/// What rounding to 8 bits alone adds to a squared difference of two samples: twice 1/12 of a level
/// squared. Added above and below, it keeps the ratio finite where the truth is flat.
const ROUNDING: f64 = 1.0 / (6.0 * LEVELS * LEVELS);

/// `(E(result) + r) / (E(truth) + r)`, where `E` is the mean squared difference between neighbouring
/// pixels that both lie in the mask, over the three channels, and `r` is what rounding to 8 bits
/// adds. 1 is as much detail as the truth has, less is blurred, more is busy or noisy. `None` if no
/// two neighbours lie in the mask.
///
/// # Panics
/// If the three differ in size.
pub fn gradient_energy(result: &UnitImage, truth: &UnitImage, edit_mask: &Mask) -> Option<f64> {
    assert_one_size(result, truth, edit_mask);
    let inside: Vec<bool> = edit_mask.repaints().collect();
    let (mut energy, mut n_pairs) = ([0.0; 2], 0_usize);
    for pair in truth.size().neighbor_pairs().filter(|(a, b)| inside[*a] && inside[*b]) {
        for (sum, image) in energy.iter_mut().zip([result, truth]) {
            *sum += image.channel_differences(pair).iter().map(|d| d * d).sum::<f64>();
        }
        n_pairs += 1;
    }
    let [result, truth] = energy.map(|sum| sum / (3 * n_pairs) as f64 + ROUNDING);
    (n_pairs > 0).then(|| result / truth)
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;

    use super::super::tests::{boxed, composed, picture};
    use super::*;

    const SIZE: Size = Size::new(20, 16);

    fn checkers(contrast: f32) -> UnitImage {
        picture(SIZE, |x, y| [0.5 + contrast * if (x + y) % 2 == 0 { 0.5 } else { -0.5 }; 3])
    }

    #[test]
    fn half_the_contrast_is_a_quarter_of_the_energy() {
        let mask = boxed(SIZE, 3, 3, 9, 8);
        let found = gradient_energy(&checkers(0.4), &checkers(0.8), &mask).unwrap();
        assert!((found - 0.25).abs() < 1e-5, "{found}");
        assert_eq!(gradient_energy(&checkers(0.4), &checkers(0.4), &mask), Some(1.0));
    }

    #[test]
    fn a_flat_truth_gives_a_finite_ratio() {
        let mask = boxed(SIZE, 3, 3, 9, 8);
        assert_eq!(gradient_energy(&checkers(0.0), &checkers(0.0), &mask), Some(1.0));
        // A difference of one level everywhere has an energy of 6 roundings.
        let found = gradient_energy(&checkers(1.0 / 255.0), &checkers(0.0), &mask).unwrap();
        assert!((found - 7.0).abs() < 1e-4, "{found}");
    }

    #[test]
    fn the_jump_at_the_edge_is_no_detail() {
        let mask = boxed(SIZE, 3, 3, 9, 8);
        let result = composed(&UnitImage::filled(SIZE, [1.0; 3]), &checkers(0.0), &mask);
        assert_eq!(gradient_energy(&result, &checkers(0.0), &mask), Some(1.0));
        assert_eq!(gradient_energy(&result, &result, &boxed(SIZE, 3, 3, 1, 1)), None);
    }
}
