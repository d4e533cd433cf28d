//! From scores to figures.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use byteedit_data::preference::PreferenceRecord;

use super::accuracy::{Accuracy, ByTask, accuracy, rightness};
use super::calibration::{Calibration, calibration};
use super::judged::Case;
use super::report::{PlaceFigures, PromptFigures, TrivialFigures, TrueOrder};
use super::trivial::{Prefers, Trivial};
use crate::bootstrap::{Estimate, nine_digits};

/// Under which names the simulated annotator writes what it measured, one in each of its files.
const TRUE_VALUES: [&str; 3] = ["structure", "obedience", "coherence"];

/// What the candidates of a case were given.
#[derive(Clone, Debug)]
pub(super) struct Scores {
    /// By the reward.
    pub(super) own: Vec<f64>,
    /// By the reward, with the pictures of another task; `None` where there is no other.
    pub(super) shuffled: Option<Vec<f64>>,
    /// By each of [`Trivial::ALL`].
    pub(super) trivial: [Vec<f64>; Trivial::ALL.len()],
}

/// Cases with their scores.
#[derive(Clone, Copy)]
pub(super) struct Scored<'a> {
    pub(super) cases: &'a [Case],
    pub(super) scores: &'a [Scores],
}

impl<'a> Scored<'a> {
    fn each(self) -> impl Iterator<Item = (&'a Case, &'a Scores)> {
        self.cases.iter().zip(self.scores)
    }

    fn own(self) -> impl Iterator<Item = (&'a Case, &'a [f64])> {
        self.each().map(|(case, scores)| (case, scores.own.as_slice()))
    }

    /// How often the reward is right.
    pub(super) fn accuracy(self) -> Option<Accuracy> {
        accuracy(self.own())
    }

    /// How often it is right about the cases that `is_meant` says.
    fn accuracy_where(self, is_meant: impl Fn(&Case) -> bool) -> Option<Accuracy> {
        accuracy(self.own().filter(|(case, _)| is_meant(case)))
    }

    /// How often it is right without the pictures that it should see.
    pub(super) fn shuffled(self) -> Option<Accuracy> {
        accuracy(self.each().filter_map(|(case, scores)| Some((case, scores.shuffled.as_deref()?))))
    }

    /// How often each trivial scorer is right, turned to its better side.
    pub(super) fn trivial(self) -> Option<Vec<TrivialFigures>> {
        Trivial::ALL.into_iter().map(|scorer| self.of_trivial(scorer)).collect()
    }

    fn of_trivial(self, scorer: Trivial) -> Option<TrivialFigures> {
        let [more, less] = [Prefers::More, Prefers::Less].map(|prefers| {
            let rights = self.compared(|scores, pair| right_turned(scores, scorer, prefers, pair));
            Some(TrivialFigures { scorer, prefers, accuracy: rights.accuracy()? })
        });
        let (more, less) = (more?, less?);
        Some(if less.accuracy.share.mean > more.accuracy.share.mean { less } else { more })
    }

    /// How much more often the reward is right than a trivial scorer.
    pub(super) fn margin(self, other: &TrivialFigures) -> Option<Estimate> {
        let difference = |scores: &Scores, pair| {
            rightness(&scores.own, pair) - right_turned(scores, other.scorer, other.prefers, pair)
        };
        self.compared(difference).estimate()
    }

    /// A value for each pair.
    fn compared(self, value: impl Fn(&Scores, [usize; 2]) -> f64) -> ByTask {
        let mut by_task = ByTask::default();
        for (case, scores) in self.each() {
            by_task.extend(case.pairs.iter().map(|&pair| (case.task, value(scores, pair))));
        }
        by_task
    }

    /// Agreement with values that were written down before they were judged, for each kind of value that there is.
    pub(super) fn true_orders(self) -> Vec<TrueOrder> {
        TRUE_VALUES.into_iter().filter_map(|name| self.true_order(name)).collect()
    }

    fn true_order(self, name: &str) -> Option<TrueOrder> {
        let (mut ceiling, mut reward) = (ByTask::default(), ByTask::default());
        for (case, scores) in self.own() {
            let Some(values) = true_values(&case.record, name) else { continue };
            for &[better, worse] in &case.pairs {
                let pair = match values[better].partial_cmp(&values[worse]) {
                    Some(Ordering::Greater) => [better, worse],
                    Some(Ordering::Less) => [worse, better],
                    Some(Ordering::Equal) | None => continue,
                };
                let agrees = f64::from(u8::from(pair == [better, worse]));
                ceiling.extend([(case.task, agrees)]);
                reward.extend([(case.task, rightness(scores, pair))]);
            }
        }
        let (ceiling, reward) = (ceiling.accuracy()?, reward.accuracy()?);
        Some(TrueOrder { value: name.to_owned(), ceiling, reward })
    }

    /// By what was asked.
    pub(super) fn kinds(self) -> BTreeMap<String, Accuracy> {
        let kinds: BTreeSet<&str> = self.cases.iter().map(Case::kind).collect();
        let of = |kind: &str| Some((kind.to_owned(), self.accuracy_where(|case| case.kind() == kind)?));
        kinds.into_iter().filter_map(of).collect()
    }

    /// By the places of the two candidates.
    pub(super) fn places(self) -> Vec<PlaceFigures> {
        let mut places: BTreeMap<[usize; 2], (ByTask, usize)> = BTreeMap::new();
        for (case, scores) in self.own() {
            for &[better, worse] in &case.pairs {
                let of_place = places.entry([better.min(worse), better.max(worse)]).or_default();
                of_place.0.extend([(case.task, rightness(scores, [better, worse]))]);
                of_place.1 += usize::from(better < worse);
            }
        }
        let figures = |(places, (rights, n_first)): ([usize; 2], (ByTask, usize))| {
            let accuracy = rights.accuracy()?;
            let first_is_better = nine_digits(n_first as f64 / accuracy.n_pairs as f64);
            Some(PlaceFigures { places, first_is_better, accuracy })
        };
        places.into_iter().filter_map(figures).collect()
    }

    /// By whether the prompt is one of training.
    pub(super) fn prompts(self) -> PromptFigures {
        PromptFigures {
            seen: self.accuracy_where(|case| case.is_seen),
            unseen: self.accuracy_where(|case| !case.is_seen),
        }
    }

    /// Whether differences of scores, times `scale`, are the logarithms of odds.
    pub(super) fn calibration(self, scale: f64) -> Calibration {
        calibration(self.own().flat_map(|(case, scores)| {
            case.pairs.iter().map(move |&[better, worse]| {
                let (one, other) = (better.min(worse), better.max(worse));
                (scale * (scores[one] - scores[other]), one == better)
            })
        }))
    }
}

/// How right a trivial scorer is about a pair when it is turned to one of its sides.
fn right_turned(scores: &Scores, scorer: Trivial, prefers: Prefers, [better, worse]: [usize; 2]) -> f64 {
    let values = &scores.trivial[scorer as usize];
    let turned = [values[better], values[worse]].map(|value| prefers.sign() * value);
    rightness(&turned, [0, 1])
}

/// What was measured of each candidate, if it was of all of them.
fn true_values(record: &PreferenceRecord, name: &str) -> Option<Vec<f64>> {
    record.candidates.iter().map(|candidate| candidate.params.get(name)?.as_f64()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::reward::judged::tests::case;

    /// Scores of which only the reward's and the sharpness differ.
    fn scores(own: &[f64], sharpness: &[f64]) -> Scores {
        let flat = || vec![1.0; own.len()];
        Scores { own: own.to_vec(), shuffled: None, trivial: [sharpness.to_vec(), flat(), flat(), flat()] }
    }

    #[track_caller]
    fn assert_share(found: Option<Accuracy>, expected: f64, n_pairs: usize) {
        let found = found.unwrap();
        assert!((found.share.mean - expected).abs() < 1e-8, "{found:?} instead of {expected}");
        assert_eq!(found.n_pairs, n_pairs);
    }

    #[test]
    fn perfect_and_inverted_scorers_are_told() {
        let cases = [case(0, &[1, 2, 3]), case(1, &[3, 1, 2]), case(2, &[1, 1, 3])];
        let perfect = [[3.0, 2.0, 1.0], [1.0, 3.0, 2.0], [3.0, 3.0, 1.0]];
        let of = |sign: f64| perfect.map(|own| scores(&own.map(|score| sign * score), &[0.0; 3]));
        for (sign, share) in [(1.0, 1.0), (-1.0, 0.0), (0.0, 0.5)] {
            let scores = of(sign);
            let scored = Scored { cases: &cases, scores: &scores };
            assert_share(scored.accuracy(), share, 8);
            assert_share(scored.kinds().get("prompt alone").copied(), share, 8);
            assert_eq!(scored.shuffled(), None);
        }
    }

    #[test]
    fn a_trivial_scorer_is_turned_to_its_better_side() {
        let cases = [case(0, &[1, 2, 3]), case(1, &[2, 1, 3])];
        // The worse, the sharper, but for one pair of six; the reward is always right.
        let of = [scores(&[3.0, 2.0, 1.0], &[1.0, 2.0, 3.0]), scores(&[2.0, 3.0, 1.0], &[1.0, 2.0, 3.0])];
        let scored = Scored { cases: &cases, scores: &of };
        let trivial = scored.trivial().unwrap();
        assert_eq!((trivial[0].scorer, trivial[0].prefers), (Trivial::Sharpness, Prefers::Less));
        assert_share(Some(trivial[0].accuracy), 5.0 / 6.0, 6);
        for figures in &trivial[1..] {
            assert_share(Some(figures.accuracy), 0.5, 6);
        }
        let margin = scored.margin(&trivial[0]).unwrap();
        assert!((margin.mean - 1.0 / 6.0).abs() < 1e-8 && margin.low > -1e-12, "{margin:?}");
    }

    #[test]
    fn the_ceiling_is_what_the_labels_agree_with_their_values() {
        let mut cases = [case(0, &[1, 2, 3]), case(1, &[1, 2, 3]), case(2, &[1, 2, 3])];
        for (case, values) in cases.iter_mut().zip([[0.9, 0.5, 0.1], [0.5, 0.9, 0.9]]) {
            for (candidate, value) in case.record.candidates.iter_mut().zip(values) {
                candidate.params.insert("structure".to_owned(), json!(value));
            }
        }
        let of = [[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]].map(|own| scores(&own, &[0.0; 3]));
        let orders = Scored { cases: &cases, scores: &of }.true_orders();
        let [found] = orders.as_slice() else { panic!("{orders:?}") };
        assert_eq!(found.value, "structure");
        // The first task agrees in three pairs. In the second one pair has equal values, and two are the other way round, as
        // the reward says. The third has no values.
        assert_share(Some(found.ceiling), 3.0 / 5.0, 5);
        assert_share(Some(found.reward), 1.0, 5);
    }

    #[test]
    fn places_and_prompts_are_told_apart() {
        let mut cases = [case(0, &[1, 2, 2]), case(1, &[2, 1, 2])];
        cases[1].is_seen = true;
        let of = [scores(&[2.0, 1.0, 1.0], &[0.0; 3]), scores(&[2.0, 1.0, 0.0], &[0.0; 3])];
        let scored = Scored { cases: &cases, scores: &of };
        let found: Vec<_> = scored
            .places()
            .iter()
            .map(|figures| {
                (figures.places, (4.0 * figures.first_is_better) as usize, figures.accuracy.n_pairs)
            })
            .collect();
        assert_eq!(found, [([0, 1], 2, 2), ([0, 2], 4, 1), ([1, 2], 4, 1)]);
        assert_share(scored.prompts().unseen, 1.0, 2);
        assert_share(scored.prompts().seen, 0.5, 2);
        assert_eq!(scored.calibration(1.0).bins.iter().map(|bin| bin.observed.n).sum::<usize>(), 4);
    }
}
