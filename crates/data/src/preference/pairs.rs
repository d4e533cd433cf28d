//! From judgements to what a reward model learns from: pairs, and triplets of prompt, best and worst.

use std::cmp::Ordering;

use super::record::{Axis, Candidate, PreferenceRecord, Source};
use super::verdict::Verdict;
use crate::Result;

/// Two candidates of one record, one of them better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair<'a> {
    record: &'a PreferenceRecord,
    better: usize,
    worse: usize,
}

impl<'a> Pair<'a> {
    /// The record that says so; it has the prompt too.
    pub fn record(&self) -> &'a PreferenceRecord {
        self.record
    }

    /// The picture that was edited and its mask, where there is one.
    pub fn source(&self) -> Option<&'a Source> {
        self.record.source.as_ref()
    }

    /// The preferred candidate.
    pub fn better(&self) -> &'a Candidate {
        &self.record.candidates[self.better]
    }

    /// The other one.
    pub fn worse(&self) -> &'a Candidate {
        &self.record.candidates[self.worse]
    }

    /// Numbers of the better and the worse candidate in their record, counted from 0.
    pub fn numbers(&self) -> [usize; 2] {
        [self.better, self.worse]
    }
}

/// Two candidates of one record that were judged and found equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tie<'a> {
    /// The record that says so.
    pub record: &'a PreferenceRecord,
    /// Numbers of the two candidates, the smaller first, counted from 0.
    pub candidates: [usize; 2],
}

/// A prompt with its best and its worst picture, `(c, x_p, x_n)`: the data of the aesthetic reward
/// (Ren et al. 2024, Section 3.1), whose loss is `-log σ(R(c, x_p) - R(c, x_n))`.
pub type Triplet<'a> = Pair<'a>;

/// All that a set of records says about which candidate is better.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairSet<'a> {
    /// The decided pairs, in the order of the records.
    pub pairs: Vec<Pair<'a>>,
    /// Candidates that were judged equal: nothing for a ranking loss, but not to be lost either.
    pub ties: Vec<Tie<'a>>,
    /// One for each record whose best and worst candidate are known without doubt.
    pub triplets: Vec<Triplet<'a>>,
    /// How many records say nothing: not judged at all, or not on the axis.
    pub n_unjudged: usize,
}

impl<'a> PairSet<'a> {
    /// The pairs, ties and triplets of `records`; where they have scores, of those on `axis`.
    ///
    /// A best and a worst candidate give the pairs that follow from them (the best with each other, each
    /// other with the worst), and nothing about the others among themselves.
    ///
    /// # Errors
    /// [`DataError::Record`](crate::DataError::Record) for a record that makes no sense.
    pub fn new(records: &'a [PreferenceRecord], axis: Axis) -> Result<Self> {
        let mut set = Self::default();
        for record in records {
            set.add(record, axis)?;
        }
        Ok(set)
    }

    /// Adds what `record` says.
    ///
    /// # Errors
    /// As [`PairSet::new`]; nothing was added then.
    pub fn add(&mut self, record: &'a PreferenceRecord, axis: Axis) -> Result<()> {
        record.check()?;
        let Some(verdict) = Verdict::of(record, axis) else {
            self.n_unjudged += 1;
            return Ok(());
        };
        let n = record.candidates.len();
        for (first, second) in (0..n).flat_map(|first| (first + 1..n).map(move |second| (first, second))) {
            match verdict.compare(first, second) {
                Some(Ordering::Less) => self.pairs.push(Pair { record, better: first, worse: second }),
                Some(Ordering::Greater) => self.pairs.push(Pair { record, better: second, worse: first }),
                Some(Ordering::Equal) => self.ties.push(Tie { record, candidates: [first, second] }),
                None => {}
            }
        }
        if let (Some(better), Some(worse)) = (verdict.best(n), verdict.worst(n)) {
            self.triplets.push(Pair { record, better, worse });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::preference::{Gsb, Judgement, Scores};

    fn record(n: usize, judgement: Judgement) -> PreferenceRecord {
        let candidates = (0..n).map(|index| Candidate::new(format!("{index}.png"))).collect();
        let task = PreferenceRecord::task("t", None, "a red apple", candidates);
        PreferenceRecord { judgement: Some(judgement), ..task }
    }

    fn numbers(set: &PairSet) -> Vec<[usize; 2]> {
        set.pairs.iter().map(Pair::numbers).collect()
    }

    #[test]
    fn the_best_and_the_worst_of_a_prompt_are_its_triplet() {
        let extremes = [record(4, Judgement::Extremes { best: 2, worst: 0 })];
        let set = PairSet::new(&extremes, Axis::Structure).unwrap();
        // The best before each other, each other before the worst: 2 n - 3, and no tie in the middle.
        assert_eq!(numbers(&set), [[1, 0], [2, 0], [3, 0], [2, 1], [2, 3]]);
        assert_eq!((set.ties.len(), set.triplets[0].numbers()), (0, [2, 0]));
        assert_eq!(
            (set.triplets[0].better().path.as_str(), set.triplets[0].worse().path.as_str()),
            ("2.png", "0.png")
        );
        assert_eq!(
            (set.triplets[0].record().prompt.as_str(), set.triplets[0].source()),
            ("a red apple", None)
        );

        let ranked = [record(4, Judgement::Ranking(vec![2, 1, 4, 2]))];
        let set = PairSet::new(&ranked, Axis::Structure).unwrap();
        assert_eq!((set.triplets[0].numbers(), set.ties[0].candidates), ([1, 2], [0, 3]));
        // Two that share the first place are no best one.
        let shared = [record(3, Judgement::Ranking(vec![1, 1, 3]))];
        assert!(PairSet::new(&shared, Axis::Structure).unwrap().triplets.is_empty());
    }

    #[test]
    fn good_same_and_bad_are_about_the_first_candidate() {
        let records = [Gsb::Good, Gsb::Same, Gsb::Bad].map(|gsb| record(2, Judgement::Gsb(gsb)));
        let set = PairSet::new(&records, Axis::Structure).unwrap();
        assert_eq!((numbers(&set), set.ties.len()), (vec![[0, 1], [1, 0]], 1));
        assert_eq!(set.ties[0].record, &records[1]);
    }

    #[test]
    fn scores_are_compared_on_the_axis_asked_for() {
        let scores = Scores {
            coherence: Some(vec![4.5, 2.0, 2.0]),
            structure: Some(vec![1.0, 3.0, 5.0]),
            aesthetics: None,
        };
        let records = [
            record(3, Judgement::Scores(scores)),
            PreferenceRecord { judgement: None, ..record(2, Judgement::Gsb(Gsb::Same)) },
        ];
        let on = |axis| PairSet::new(&records, axis).unwrap();
        assert_eq!(numbers(&on(Axis::Coherence)), [[0, 1], [0, 2]]);
        assert_eq!((on(Axis::Coherence).ties.len(), on(Axis::Coherence).n_unjudged), (1, 1));
        assert_eq!(numbers(&on(Axis::Structure)), [[1, 0], [2, 0], [2, 1]]);
        assert_eq!((on(Axis::Aesthetics).pairs.len(), on(Axis::Aesthetics).n_unjudged), (0, 2));
    }

    #[test]
    fn a_record_without_sense_is_refused() {
        let records = [record(3, Judgement::Ranking(vec![1, 2]))];
        let message = PairSet::new(&records, Axis::Structure).unwrap_err().to_string();
        assert!(message.contains("task t: ranking has 2 ranks for 3 candidates"), "{message}");
    }

    proptest! {
        #[test]
        fn distinct_ranks_decide_every_pair(
            ranks in (2_u32..9).prop_flat_map(|n| Just((1..=n).collect::<Vec<_>>()).prop_shuffle()),
        ) {
            let n = ranks.len();
            let records = [record(n, Judgement::Ranking(ranks.clone()))];
            let set = PairSet::new(&records, Axis::Structure).unwrap();
            prop_assert_eq!((set.pairs.len(), set.ties.len(), set.triplets.len()), (n * (n - 1) / 2, 0, 1));
            prop_assert!(numbers(&set).iter().all(|&[better, worse]| ranks[better] < ranks[worse]));
        }

        #[test]
        fn pairs_are_antisymmetric_and_ties_are_what_is_left(
            ranks in (2_u32..7).prop_flat_map(|n| prop::collection::vec(1..=n, n as usize)),
        ) {
            let n = ranks.len();
            // A tenth of a score for each rank, from the top: the same judgement said in other words.
            let same = |rank: &u32| 5.0 - 0.1 * *rank as f32;
            let scores = Scores { structure: Some(ranks.iter().map(same).collect()), ..Scores::default() };
            let records = [record(n, Judgement::Ranking(ranks)), record(n, Judgement::Scores(scores))];
            let [ranked, scored] = [0, 1].map(|i| PairSet::new(&records[i..=i], Axis::Structure).unwrap());
            prop_assert_eq!(numbers(&ranked), numbers(&scored));
            for [better, worse] in numbers(&ranked) {
                prop_assert!(!numbers(&ranked).contains(&[worse, better]));
                prop_assert!(!ranked.ties.iter().any(|tie| tie.candidates == [better.min(worse), better.max(worse)]));
            }
            prop_assert_eq!(ranked.pairs.len() + ranked.ties.len(), n * (n - 1) / 2);
        }

        #[test]
        fn swapping_the_candidates_swaps_the_verdict(first in 1_u32..3, second in 1_u32..3) {
            let records = [[first, second], [second, first]].map(|ranks| record(2, Judgement::Ranking(ranks.to_vec())));
            let [there, back] = [0, 1].map(|i| PairSet::new(&records[i..=i], Axis::Structure).unwrap());
            let swapped: Vec<_> = numbers(&back).iter().map(|&[better, worse]| [worse, better]).collect();
            prop_assert_eq!(numbers(&there), swapped);
            prop_assert_eq!(there.ties.len(), back.ties.len());
        }
    }
}
