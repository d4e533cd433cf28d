//! Embeddings as points on the unit sphere, and how near they lie to each other.

use rayon::prelude::*;

use crate::{DataError, Result};

/// Vectors of one length, each scaled to unit length.
pub(super) struct Embeddings {
    n_dims: usize,
    values: Vec<f32>,
}

impl Embeddings {
    /// `embeddings`, of any length of vector but one.
    ///
    /// # Errors
    /// [`DataError::Embedding`] for a vector of another length than the first, of none, or with a number
    /// that is not finite, and for one of zeros, which points nowhere.
    pub(super) fn new(embeddings: &[Vec<f32>]) -> Result<Self> {
        let n_dims = embeddings.first().map_or(0, Vec::len);
        let mut values = Vec::with_capacity(n_dims * embeddings.len());
        for (index, embedding) in embeddings.iter().enumerate() {
            let bad = |reason| DataError::Embedding { index, reason };
            if embedding.len() != n_dims || n_dims == 0 {
                let n = embedding.len();
                return Err(bad(format!(
                    "it has {n} numbers, but must have as many as the first, {n_dims}, and one at least"
                )));
            }
            if let Some(value) = embedding.iter().find(|value| !value.is_finite()) {
                return Err(bad(format!("it has the number {value}, but all must be finite")));
            }
            let norm = embedding.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            if norm == 0.0 {
                return Err(bad(
                    "all its numbers are 0, so it points nowhere; leave its prompt out".to_owned()
                ));
            }
            values.extend(embedding.iter().map(|value| (f64::from(*value) / norm) as f32));
        }
        Ok(Self { n_dims, values })
    }

    /// Number of points.
    pub(super) fn len(&self) -> usize {
        self.values.len().checked_div(self.n_dims).unwrap_or(0)
    }

    /// Point `index`, of unit length.
    pub(super) fn point(&self, index: usize) -> &[f32] {
        &self.values[index * self.n_dims..][..self.n_dims]
    }

    /// Cosine of the angle between two points, -1 to 1.
    pub(super) fn cosine(&self, first: usize, second: usize) -> f32 {
        dot(self.point(first), self.point(second))
    }

    /// The points that stay if each goes that has a cosine above `limit` with an earlier one that stays.
    pub(super) fn without_likeness(&self, limit: f32) -> Vec<usize> {
        let mut kept: Vec<usize> = Vec::new();
        for index in 0..self.len() {
            if !kept.par_iter().with_min_len(256).any(|&other| self.cosine(index, other) > limit) {
                kept.push(index);
            }
        }
        kept
    }

    /// For each of `members`, the cosine with the nearest other member; `None` for less than two members.
    pub(super) fn nearest(&self, members: &[usize]) -> Option<Vec<f32>> {
        let nearest = |&one: &usize| {
            let others = members.iter().filter(|&&other| other != one);
            others.map(|&other| self.cosine(one, other)).fold(f32::NEG_INFINITY, f32::max)
        };
        (members.len() > 1).then(|| members.par_iter().map(nearest).collect())
    }

    /// For each of `members`, the mean Euclidean distance to the `k` nearest other members, or to all of
    /// them where there are fewer; 0 where there is none.
    pub(super) fn mean_distances(&self, members: &[usize], k: usize) -> Vec<f32> {
        let mean = |&one: &usize| {
            let others = members.iter().filter(|&&other| other != one);
            let mut distances: Vec<_> =
                others.map(|&other| squared_distance(self.point(one), self.point(other)).sqrt()).collect();
            let k = k.min(distances.len());
            if k == 0 {
                return 0.0;
            }
            distances.select_nth_unstable_by(k - 1, f32::total_cmp);
            distances[..k].sort_unstable_by(f32::total_cmp);
            distances[..k].iter().sum::<f32>() / k as f32
        };
        members.par_iter().map(mean).collect()
    }
}

/// `a · b`.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |a, b| a * b)
}

/// `|a - b|²`.
pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |a, b| (a - b) * (a - b))
}

/// Sum of `term` over two vectors of one length, in eight strands that a processor takes at once. The order
/// is the same everywhere, so the last bit is too.
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    const STRANDS: usize = 8;
    let mut sums = [0.0_f32; STRANDS];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<STRANDS>(), b.as_chunks::<STRANDS>());
    for (a, b) in a.iter().zip(b) {
        for strand in 0..STRANDS {
            sums[strand] += term(a[strand], b[strand]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| term(*a, *b)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_cosines_are_those_of_the_angle() {
        let at = |degrees: f32| {
            let radians = degrees.to_radians();
            vec![3.0 * radians.cos(), 3.0 * radians.sin()]
        };
        let points = Embeddings::new(&[0.0, 30.0, 90.0, 180.0].map(at)).unwrap();
        let close = |a: f32, b: f32| (a - b).abs() < 1e-6;
        assert!(close(points.cosine(0, 1), 0.75_f32.sqrt()) && close(points.cosine(0, 3), -1.0));
        let nearest = points.nearest(&[0, 1, 2]).unwrap();
        assert!(close(nearest[0], nearest[1]) && close(nearest[2], 0.5), "{nearest:?}");
        assert_eq!(points.nearest(&[2]), None);
        // Chords: 2 sin(angle / 2).
        let chord = |degrees: f32| 2.0 * (0.5 * degrees.to_radians()).sin();
        let means = points.mean_distances(&[0, 1, 2, 3], 2);
        assert!(close(means[0], 0.5 * (chord(30.0) + chord(90.0))), "{means:?}");
        assert!(close(means[3], 0.5 * (chord(90.0) + chord(150.0))), "{means:?}");
        assert_eq!(points.mean_distances(&[1], 5), [0.0]);
        assert_eq!(points.without_likeness(0.8), [0, 2, 3]);
    }

    #[test]
    fn sums_leave_no_number_out() {
        for n in [0, 1, 7, 8, 9, 31] {
            let ones = vec![1.0; n];
            let counted: Vec<_> = (1..=n).map(|i| i as f32).collect();
            // Whole numbers below 2²⁴: sums are exact in any order.
            assert_eq!(dot(&ones, &counted) as usize, n * (n + 1) / 2);
            assert_eq!(squared_distance(&counted, &vec![0.0; n]) as usize, n * (n + 1) * (2 * n + 1) / 6);
        }
    }

    #[test]
    fn embeddings_that_point_nowhere_are_named() {
        let message = |embeddings: &[Vec<f32>]| Embeddings::new(embeddings).err().unwrap().to_string();
        let one = vec![1.0, 0.0];
        assert!(message(&[one.clone(), vec![1.0]]).contains("embedding 1: it has 1 numbers"));
        assert!(message(&[Vec::new()]).contains("embedding 0: it has 0 numbers"));
        assert!(
            message(&[one.clone(), vec![f32::NAN, 0.0]])
                .contains("it has the number NaN, but all must be finite")
        );
        assert!(message(&[one, vec![0.0, 0.0]]).contains("embedding 1: all its numbers are 0"));
        assert_eq!(Embeddings::new(&[]).unwrap().len(), 0);
    }
}
