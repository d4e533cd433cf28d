//! Prompts exchanged among an evaluation's own cases: the control that tells obedience from context.
//!
//! Where each case is painted with another's prompt and still judged by its own, only chance is left: about
//! one in as many as there are concepts. More would mean that the mask or the picture gives the answer away.

use byteedit_data::Stream;

/// Keeps the draws apart from those of samples, intervals and sheets, which share the seed.
const DOMAIN: u64 = 0x7072_6f6d;

/// For each of `n` cases the one whose prompt it is given: one cycle through all of them (Sattolo's
/// algorithm), so none keeps its own. Empty for fewer than two.
pub(crate) fn exchanged(n: usize, seed: u64) -> Vec<usize> {
    if n < 2 {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..n).collect();
    let mut draws = Stream::new([seed, DOMAIN, n as u64, 0]);
    for last in (1..n).rev() {
        order.swap(last, draws.below(last));
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everybody_gives_and_takes_once_and_nobody_keeps(n in 2_usize..60, seed in any::<u64>()) {
            let order = exchanged(n, seed);
            prop_assert!(order.iter().enumerate().all(|(at, from)| at != *from));
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            prop_assert_eq!(exchanged(n, seed), order);
        }
    }

    #[test]
    fn one_case_has_nobody_to_exchange_with() {
        assert!(exchanged(1, 0).is_empty() && exchanged(0, 0).is_empty());
    }
}
