//! How much a model's answers to one question differ from seed to seed. Definitions of our own.
//!
//! Neither says whether the answers are any good: noise differs most of all. They are read beside the
//! judge's figures, and beside the same distance between answers to two different prompts.

use byteedit_image::{Mask, UnitImage};

use super::LEVELS;

/// Root of the mean squared difference of two pictures' samples inside a region, in levels; `None` for an
/// empty region.
///
/// # Panics
/// If the three differ in size.
pub fn rms_difference(a: &UnitImage, b: &UnitImage, region: &Mask) -> Option<f64> {
    super::assert_one_size(a, b, region);
    let pixels = a.data().chunks_exact(3).zip(b.data().chunks_exact(3)).zip(region.repaints());
    let (mut sum, mut n) = (0.0, 0_usize);
    for ((a, b), _) in pixels.filter(|(_, inside)| *inside) {
        sum += a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
        n += 3;
    }
    (n > 0).then(|| LEVELS * (sum / n as f64).sqrt())
}

/// `1 - cos` of the angle between two feature vectors; `None` if one of them is zero.
///
/// # Panics
/// If their lengths differ.
pub fn cosine_distance(a: &[f32], b: &[f32]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "numbers of features");
    let product =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let norms = (product(a, a) * product(b, b)).sqrt();
    (norms > 0.0).then(|| 1.0 - product(a, b) / norms)
}

/// Mean of a distance over all pairs of `items`; `None` where there is no pair, or a distance is not defined.
pub fn mean_over_pairs<T>(items: &[T], distance: impl Fn(&T, &T) -> Option<f64>) -> Option<f64> {
    let pairs = (0..items.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    let distances: Vec<f64> = pairs.map(|(i, j)| distance(&items[i], &items[j])).collect::<Option<_>>()?;
    (!distances.is_empty()).then(|| distances.iter().sum::<f64>() / distances.len() as f64)
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;

    use super::super::tests::{boxed, composed};
    use super::*;

    #[test]
    fn only_the_region_counts() {
        let size = Size::new(8, 6);
        let region = boxed(size, 2, 1, 3, 2);
        let flat = |value: f32| UnitImage::filled(size, [value; 3]);
        let inside = composed(&flat(0.2 + 10.0 / 255.0), &flat(0.2), &region);
        assert!((rms_difference(&inside, &flat(0.2), &region).unwrap() - 10.0).abs() < 1e-4);
        assert_eq!(rms_difference(&inside, &inside, &region), Some(0.0));
        assert_eq!(rms_difference(&inside, &inside, &Mask::filled(size, 0)), None);
    }

    #[test]
    fn angles_and_pairs_have_their_closed_forms() {
        let right = cosine_distance(&[1.0, 0.0], &[0.0, 3.0]).unwrap();
        let same = cosine_distance(&[1.0, 2.0], &[2.0, 4.0]).unwrap();
        assert!((right - 1.0).abs() < 1e-12 && same.abs() < 1e-12);
        assert_eq!(cosine_distance(&[0.0], &[1.0]), None);
        // |1-2|, |1-4|, |2-4|.
        let mean = mean_over_pairs(&[1.0_f64, 2.0, 4.0], |a, b| Some((a - b).abs())).unwrap();
        assert!((mean - 2.0).abs() < 1e-12);
        assert_eq!(mean_over_pairs(&[1.0_f64], |a, b| Some(a - b)), None);
    }
}
