//! How well scores tell two kinds apart, whatever their scale.

/// Area under the receiver operating characteristic: the probability that a score of `higher` is above one of `lower`,
/// equal ones counted half (Mann & Whitney 1947); `None` if one of them is empty.
pub fn roc_auc(higher: &[f32], lower: &[f32]) -> Option<f64> {
    if higher.is_empty() || lower.is_empty() {
        return None;
    }
    let labelled =
        |scores: &[f32], is_higher| scores.iter().map(move |&score| (score, is_higher)).collect::<Vec<_>>();
    let mut all = [labelled(higher, true), labelled(lower, false)].concat();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut n_below, mut n_won) = (0_usize, 0.0);
    for equal in all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let n_higher = equal.iter().filter(|(_, is_higher)| *is_higher).count();
        let n_lower = equal.len() - n_higher;
        n_won += n_higher as f64 * (n_below as f64 + 0.5 * n_lower as f64);
        n_below += n_lower;
    }
    Some(n_won / (higher.len() as f64 * lower.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_the_share_of_pairs_in_order() {
        let auc = |higher: &[f32], lower: &[f32]| roc_auc(higher, lower).unwrap();
        assert!((auc(&[2.0, 3.0], &[0.0, 1.0]) - 1.0).abs() < 1e-12);
        assert!(auc(&[0.0], &[1.0, 2.0]).abs() < 1e-12);
        // (2 > 1), (2 = 2), (0 < 1), (0 < 2)
        assert!((auc(&[2.0, 0.0], &[1.0, 2.0]) - 1.5 / 4.0).abs() < 1e-12);
        assert!((auc(&[1.0; 3], &[1.0; 5]) - 0.5).abs() < 1e-12);
        assert_eq!(roc_auc(&[], &[1.0]), None);
    }
}
