//! Judgements of every kind, asked the same question: which of two candidates is better.

use std::cmp::Ordering;

use super::record::{Axis, Gsb, Judgement, PreferenceRecord};

/// A judgement, ready to compare candidates by number.
#[derive(Clone, Copy)]
pub(super) enum Verdict<'a> {
    Ranks(&'a [u32]),
    Scores(&'a [f32]),
    Extremes([usize; 2]),
    Gsb(Gsb),
}

impl<'a> Verdict<'a> {
    /// What `record` says, with scores on `axis`; `None` if nothing.
    pub(super) fn of(record: &'a PreferenceRecord, axis: Axis) -> Option<Self> {
        Some(match record.judgement.as_ref()? {
            Judgement::Ranking(ranks) => Self::Ranks(ranks),
            &Judgement::Extremes { best, worst } => Self::Extremes([best, worst]),
            &Judgement::Gsb(gsb) => Self::Gsb(gsb),
            Judgement::Scores(scores) => Self::Scores(scores.on(axis)?),
        })
    }

    /// `Less` if `first` comes before `second`, being better; `None` if that is not known.
    pub(super) fn compare(self, first: usize, second: usize) -> Option<Ordering> {
        match self {
            Self::Ranks(ranks) => Some(ranks[first].cmp(&ranks[second])),
            Self::Scores(scores) => scores[second].partial_cmp(&scores[first]),
            Self::Extremes([best, worst]) => {
                let place = |candidate| [candidate != best, candidate == worst];
                Some(place(first).cmp(&place(second))).filter(|order| order.is_ne())
            }
            Self::Gsb(gsb) => Some(match (gsb, first < second) {
                (Gsb::Same, _) => Ordering::Equal,
                (Gsb::Good, true) | (Gsb::Bad, false) => Ordering::Less,
                (Gsb::Good, false) | (Gsb::Bad, true) => Ordering::Greater,
            }),
        }
    }

    /// The one of `n` candidates that is better than every other, if there is one.
    pub(super) fn best(self, n: usize) -> Option<usize> {
        self.beyond_all(n, Ordering::Less)
    }

    /// The one of `n` candidates that is worse than every other, if there is one.
    pub(super) fn worst(self, n: usize) -> Option<usize> {
        self.beyond_all(n, Ordering::Greater)
    }

    fn beyond_all(self, n: usize, order: Ordering) -> Option<usize> {
        let beyond = |one: usize, other: usize| one == other || self.compare(one, other) == Some(order);
        (0..n).find(|&one| (0..n).all(|other| beyond(one, other)))
    }
}
