//! The judge's verdicts by concept and by group of concepts.

use std::collections::BTreeMap;

use byteedit_data::World;
use serde::{Deserialize, Serialize};

use crate::bootstrap::Estimate;
use crate::measure::{Measured, Subject};
use crate::metric::Metric;

/// Whose verdicts are broken down.
const SUBJECTS: [Subject; 3] = [Subject::Result, Subject::Truth, Subject::TruthThroughVae];

/// How often the judge saw what was asked for, among the cases that ask for one concept or group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breakdown {
    /// The concept or the group.
    pub name: String,
    /// Share of `judge-top-1` over its cases.
    pub subjects: BTreeMap<Subject, Estimate>,
    /// What the judge saw most often where it did not see what was asked for, and how many times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_for: Option<(String, usize)>,
}

/// One case's concept and what the judge said of the model's answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub(crate) concept: usize,
    /// A label of the judge.
    pub(crate) said: usize,
    pub(crate) is_right: bool,
}

/// Tables by group, then by concept, of what was asked for at all, in the world's order.
pub(crate) fn breakdowns(
    world: &World,
    labels: &[String],
    cases: &[(Verdict, &Measured)],
) -> [Vec<Breakdown>; 2] {
    let concepts = world.concepts();
    let mut groups: Vec<&str> = concepts.iter().map(|concept| concept.group.as_str()).collect();
    groups.dedup();
    let of = |name: &str, is_in: &dyn Fn(usize) -> bool| {
        let own: Vec<_> = cases.iter().filter(|(verdict, _)| is_in(verdict.concept)).collect();
        (!own.is_empty()).then(|| breakdown(name, labels, &own))
    };
    let groups =
        groups.into_iter().filter_map(|group| of(group, &|at| concepts[at].group == group)).collect();
    let concepts = concepts
        .iter()
        .enumerate()
        .filter_map(|(at, concept)| of(&concept.name, &|other| other == at))
        .collect();
    [groups, concepts]
}

fn breakdown(name: &str, labels: &[String], cases: &[&(Verdict, &Measured)]) -> Breakdown {
    let share = |subject: Subject| {
        let key = (Metric::JudgeTop1, subject);
        let values: Vec<f64> = cases.iter().filter_map(|(_, measured)| measured.get(&key).copied()).collect();
        Some((subject, Estimate::of_share(&values)?))
    };
    let mut wrong: BTreeMap<usize, usize> = BTreeMap::new();
    for (verdict, _) in cases.iter().filter(|(verdict, _)| !verdict.is_right) {
        *wrong.entry(verdict.said).or_default() += 1;
    }
    // The first label of those that are equally frequent.
    let most = wrong.into_iter().max_by_key(|&(label, n)| (n, std::cmp::Reverse(label)));
    Breakdown {
        name: name.to_owned(),
        subjects: SUBJECTS.into_iter().filter_map(share).collect(),
        taken_for: most.map(|(label, n)| (labels[label].clone(), n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_the_usual_mistake_are_counted() {
        let labels = ["apple", "duck", "nothing"].map(str::to_owned);
        let measured = |hit: f64| Measured::from([((Metric::JudgeTop1, Subject::Result), hit)]);
        let [hit, miss] = [measured(1.0), measured(0.0)];
        let verdict = |said| Verdict { concept: 0, said, is_right: said == 0 };
        let cases = [(verdict(0), &hit), (verdict(2), &miss), (verdict(2), &miss), (verdict(1), &miss)];
        let found = breakdown("apple", &labels, &cases.iter().collect::<Vec<_>>());
        let Estimate { mean, n, .. } = found.subjects[&Subject::Result];
        assert_eq!((mean, n), (0.25, 4));
        assert_eq!(found.taken_for, Some(("nothing".to_owned(), 2)));
        let right = breakdown("apple", &labels, &[&cases[0]]);
        assert_eq!((right.taken_for, right.subjects.len()), (None, 1));
    }
}
