//! Within which difference two scores are a tie. It is fixed before any two arms are compared.

use crate::bootstrap::{median, nine_digits};

/// The median distance between the scores of one arm from two seeds, case by case, in the unit of the score; `None`
/// without cases. What changes with the noise alone is no merit of an arm: of an arm against itself, half of the cases are
/// ties.
pub(super) fn tie_band(seeds: impl Iterator<Item = [f64; 2]>) -> Option<f64> {
    let distances: Vec<f64> = seeds.map(|[first, second]| (first - second).abs()).collect();
    median(&distances).map(nine_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_median_distance_between_seeds() {
        let seeds = [[-1.0, -1.5], [-2.0, -1.0], [-9.0, -1.0]];
        assert_eq!(tie_band(seeds.into_iter()), Some(1.0));
        assert_eq!(tie_band([[-3.0, -3.0]; 4].into_iter()), Some(0.0));
        assert_eq!(tie_band(std::iter::empty()), None);
    }
}
