//! Distance between two sets of pictures by a classifier's features: `frechet-judge/frame`.
//!
//! As the Fréchet Inception distance (Heusel et al. 2017, arXiv 1706.08500, Eq. 6), but with the features
//! of the world's judge, so its values compare with nothing but each other. Gaussians are fitted to both
//! sets; the distance is
//!
//! ```text
//! |μ₁ - μ₂|² + tr(C₁ + C₂ - 2 (C₁^½ C₂ C₁^½)^½)
//! ```
//!
//! For few samples it is biased upwards, so beside the distance over the same scenes on both sides stand those
//! of one half of the scenes from the truths of the other half, the truths' own among them.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Mean and covariance of a set of feature vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureMoments {
    mean: DVector<f64>,
    /// With `n - 1` in the denominator.
    covariance: DMatrix<f64>,
}

impl FeatureMoments {
    /// Moments of `samples`, vectors of one length; `None` of fewer than two.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn of(samples: &[&[f32]]) -> Option<Self> {
        if samples.len() < 2 {
            return None;
        }
        let (n, width) = (samples.len(), samples[0].len());
        // One column for each sample.
        let columns = DMatrix::from_iterator(
            width,
            n,
            samples.iter().flat_map(|sample| {
                assert_eq!(sample.len(), width, "numbers of features");
                sample.iter().map(|&value| f64::from(value))
            }),
        );
        let mean = columns.column_mean();
        let mut centered = columns;
        centered.column_iter_mut().for_each(|mut column| column -= &mean);
        let covariance = &centered * centered.transpose() / (n - 1) as f64;
        Some(Self { mean, covariance })
    }

    /// `C^½`.
    fn root(&self) -> DMatrix<f64> {
        let SymmetricEigen { eigenvectors, eigenvalues } = self.covariance.clone().symmetric_eigen();
        let roots = eigenvalues.map(|value| value.max(0.0).sqrt());
        &eigenvectors * DMatrix::from_diagonal(&roots) * eigenvectors.transpose()
    }
}

/// One set of pictures to which others are compared.
#[derive(Clone, Debug)]
pub struct FrechetReference {
    moments: FeatureMoments,
    root: DMatrix<f64>,
}

impl FrechetReference {
    /// Takes the root of the covariance once, for all comparisons.
    pub fn new(moments: FeatureMoments) -> Self {
        let root = moments.root();
        Self { moments, root }
    }

    /// The squared Fréchet distance, as it is usually reported; 0 or more.
    ///
    /// # Panics
    /// If the numbers of features differ.
    pub fn distance(&self, other: &FeatureMoments) -> f64 {
        let between = &self.root * &other.covariance * &self.root;
        // Rounding leaves the product a little asymmetric.
        let between = (&between + between.transpose()) * 0.5;
        let roots = between.symmetric_eigenvalues().map(|value| value.max(0.0).sqrt());
        let spread = self.moments.covariance.trace() + other.covariance.trace() - 2.0 * roots.sum();
        ((&self.moments.mean - &other.mean).norm_squared() + spread).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(samples: &[Vec<f32>]) -> FeatureMoments {
        let samples: Vec<&[f32]> = samples.iter().map(Vec::as_slice).collect();
        FeatureMoments::of(&samples).unwrap()
    }

    fn given<const N: usize>(mean: [f64; N], covariance: [[f64; N]; N]) -> FeatureMoments {
        FeatureMoments {
            mean: DVector::from_row_slice(&mean),
            covariance: DMatrix::from_fn(N, N, |row, column| covariance[row][column]),
        }
    }

    fn distance(a: &FeatureMoments, b: &FeatureMoments) -> f64 {
        FrechetReference::new(a.clone()).distance(b)
    }

    #[test]
    fn moments_have_their_closed_form() {
        let found = moments(&[vec![1.0, 0.0], vec![3.0, 2.0], vec![5.0, 4.0]]);
        let expected = given([3.0, 2.0], [[4.0, 4.0], [4.0, 4.0]]);
        assert!((found.mean - expected.mean).norm() < 1e-12);
        assert!((found.covariance - expected.covariance).norm() < 1e-12);
        assert!(FeatureMoments::of(&[&[1.0][..]]).is_none());
    }

    #[test]
    fn equal_sets_have_no_distance_even_where_they_are_flat() {
        let samples: Vec<Vec<f32>> =
            (0..9).map(|i| [0.3, 1.7, 0.9].map(|f| (f * i as f32).sin()).to_vec()).collect();
        let full = moments(&samples);
        assert!(distance(&full, &full) < 1e-9);
        // Three samples of three numbers lie in a plane.
        let flat = moments(&samples[..3]);
        assert!(distance(&flat, &flat) < 1e-7, "{}", distance(&flat, &flat));
    }

    #[test]
    fn gaussians_of_known_moments_have_the_known_distance() {
        // Along axes: (3 - 1)² + (2 - 5)² and (√4 - √9)² + (√16 - √1)².
        let a = given([1.0, 5.0], [[4.0, 0.0], [0.0, 16.0]]);
        let b = given([3.0, 2.0], [[9.0, 0.0], [0.0, 1.0]]);
        assert!((distance(&a, &b) - (4.0 + 9.0 + 1.0 + 9.0)).abs() < 1e-9);
        assert!((distance(&b, &a) - distance(&a, &b)).abs() < 1e-9);
        // Turned by 45 degrees: C has the eigenvalues 4 and 16, and the roots of the unit matrix and of C
        // commute: (2 - 1)² + (4 - 1)².
        let turned = given([0.0, 0.0], [[10.0, 6.0], [6.0, 10.0]]);
        let unit = given([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]);
        assert!((distance(&turned, &unit) - 10.0).abs() < 1e-9);
        // Where they do not commute: tr((C₁^½ C₂ C₁^½)^½)² = tr(C₁ C₂) + 2 √det(C₁ C₂) in two dimensions.
        let axes = given([0.0, 0.0], [[4.0, 0.0], [0.0, 1.0]]);
        let trace = 4.0 * 10.0 + 10.0;
        let expected = 5.0 + 20.0 - 2.0 * (trace + 2.0 * f64::sqrt(4.0 * 64.0)).sqrt();
        assert!((distance(&axes, &turned) - expected).abs() < 1e-9);
    }
}
