//! Prompts lent among an evaluation's own cases: the control that tells obedience from context.
//!
//! Each case is painted with the prompt of one that asks for another concept, and still judged by its own. What
//! the judge then sees of its own concept is what it would see by accident, about one time in as many as there
//! are concepts; more means that the mask or the picture gives the answer away. How often it sees what the
//! lent prompt asks for says that the prompt was followed.

use byteedit_data::Stream;

/// Keeps the draws apart from those of samples, intervals and sheets, which share the seed.
const DOMAIN: u64 = 0x7072_6f6d;

/// For each case, given what it asks for, the one whose prompt it is lent: the next that asks for something
/// else along one random cycle through all cases (Sattolo's algorithm). `None` if all ask for the same.
pub(crate) fn lenders(asked: &[Option<usize>], seed: u64) -> Option<Vec<usize>> {
    let first = asked.first()?;
    if asked.iter().all(|other| other == first) {
        return None;
    }
    let n = asked.len();
    let mut next: Vec<usize> = (0..n).collect();
    let mut draws = Stream::new([seed, DOMAIN, n as u64, 0]);
    for last in (1..n).rev() {
        next.swap(last, draws.below(last));
    }
    let lender = |at: usize| {
        let mut from = next[at];
        while asked[from] == asked[at] {
            from = next[from];
        }
        from
    };
    Some((0..n).map(lender).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nobody_is_lent_what_it_asks_for(
            asked in prop::collection::vec(prop::option::of(0_usize..4), 2..60), seed in any::<u64>(),
        ) {
            let lent = lenders(&asked, seed);
            prop_assert_eq!(lent.is_none(), asked.iter().all(|other| *other == asked[0]));
            for (at, from) in lent.iter().flatten().enumerate() {
                prop_assert_ne!(asked[at], asked[*from]);
            }
            prop_assert_eq!(lenders(&asked, seed), lent);
        }

        #[test]
        fn where_all_differ_everybody_lends_once(n in 2_usize..60, seed in any::<u64>()) {
            let asked: Vec<Option<usize>> = (0..n).map(Some).collect();
            let mut lent = lenders(&asked, seed).unwrap();
            lent.sort_unstable();
            prop_assert_eq!(lent, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_case_has_nobody_to_lend_it_a_prompt() {
        assert!(lenders(&[Some(3)], 0).is_none() && lenders(&[], 0).is_none());
    }
}
