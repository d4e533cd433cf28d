//! The Fréchet distance of an evaluation's sets of pictures, with an interval.

use std::collections::BTreeMap;

use byteedit_data::Stream;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{Estimate, nine_digits};
use crate::judging::{Opinions, opinion_of};
use crate::measure::Subject;
use crate::metric::frechet::{FeatureMoments, FrechetReference};

/// Sets that are compared with the truth.
const COMPARED: [Subject; 2] = [Subject::Result, Subject::TruthThroughVae];
/// Resamples behind an interval; each takes two decompositions for every set.
const N_RESAMPLES: usize = 50;
/// Standard deviations from the middle to the ends of a normal's 95 %.
const Z: f64 = 1.96;
/// Keeps the draws apart from those of samples, other intervals and sheets, which share the seed.
const DOMAIN: u64 = 0x6672_6563;

/// `frechet-judge/frame`: how far sets of pictures are from the truths of the same cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frechet {
    /// Numbers that the judge describes a picture by.
    pub n_features: usize,
    /// The distance. A percentile interval of so biased an estimate need not hold it, so the interval is
    /// 1.96 standard deviations over resampled cases to either side, cut at 0.
    pub subjects: BTreeMap<Subject, Estimate>,
    /// The distance between the truths of the even and of the odd cases, other pictures of the same kind:
    /// what half as many samples give where there is no difference at all.
    pub halves_of_truth: f64,
}

/// Features of every case's pictures.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeatureSets {
    truth: Vec<Vec<f32>>,
    compared: [Vec<Vec<f32>>; 2],
}

impl FeatureSets {
    /// Takes the features of one case, if all its pictures have an opinion.
    pub(crate) fn add(&mut self, opinions: &Opinions) {
        let features = |subject| opinion_of(opinions, subject).map(|opinion| opinion.features.clone());
        let [first, second] = COMPARED.map(features);
        if let (Some(truth), Some(first), Some(second)) = (features(Subject::Truth), first, second) {
            self.truth.push(truth);
            self.compared[0].push(first);
            self.compared[1].push(second);
        }
    }

    /// The distances; `None` for fewer than four cases, whose halves have no covariance.
    pub(crate) fn frechet(&self, seed: u64) -> Option<Frechet> {
        let n = self.truth.len();
        let every: Vec<usize> = (0..n).collect();
        let halves = [0, 1].map(|first| (first..n).step_by(2).collect::<Vec<_>>());
        let [even, odd] = halves.map(|half| moments(&self.truth, &half));
        let halves_of_truth = nine_digits(FrechetReference::new(even?).distance(&odd?));
        let values = self.distances(&every)?;
        let mut draws = Stream::new([seed, DOMAIN, 0, 0]);
        let resampled = (0..N_RESAMPLES)
            .map(|_| self.distances(&(0..n).map(|_| draws.below(n)).collect::<Vec<_>>()))
            .collect::<Option<Vec<_>>>()?;
        let estimate = |at: usize| {
            let reach = Z * deviation(&resampled.iter().map(|values| values[at]).collect::<Vec<_>>());
            Estimate::rounded([values[at], (values[at] - reach).max(0.0), values[at] + reach], n)
        };
        let subjects =
            COMPARED.into_iter().enumerate().map(|(at, subject)| (subject, estimate(at))).collect();
        Some(Frechet { n_features: self.truth.first()?.len(), subjects, halves_of_truth })
    }

    /// From the truth, over some of the cases, each as often as it is listed.
    fn distances(&self, cases: &[usize]) -> Option<[f64; 2]> {
        let reference = FrechetReference::new(moments(&self.truth, cases)?);
        let [first, second] = self.compared.each_ref().map(|set| moments(set, cases));
        Some([reference.distance(&first?), reference.distance(&second?)])
    }
}

fn moments(set: &[Vec<f32>], cases: &[usize]) -> Option<FeatureMoments> {
    let samples: Vec<&[f32]> = cases.iter().map(|&case| set[case].as_slice()).collect();
    FeatureMoments::of(&samples)
}

/// Standard deviation.
fn deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Opinion;

    fn sets(n: usize, shift: f32) -> FeatureSets {
        let mut sets = FeatureSets::default();
        for case in 0..n {
            let mut draws = Stream::new([9, case as u64, 0, 0]);
            let truth: Vec<f32> = (0..3).map(|_| draws.unit()).collect();
            let moved: Vec<f32> = truth.iter().map(|value| value + shift).collect();
            let opinion =
                |features: &[f32]| Opinion { probabilities: Vec::new(), features: features.to_vec() };
            sets.add(&vec![
                (Subject::Result, opinion(&moved)),
                (Subject::TruthThroughVae, opinion(&truth)),
                (Subject::Truth, opinion(&truth)),
            ]);
        }
        sets
    }

    #[test]
    fn a_shift_is_its_own_square_and_the_truth_has_none() {
        let found = sets(40, 2.0).frechet(1).unwrap();
        let [result, vae] = COMPARED.map(|subject| found.subjects[&subject]);
        // Every feature moved by 2, in every resample.
        assert!((result.mean - 12.0).abs() < 1e-4 && result.high - result.low < 1e-3, "{result:?}");
        assert!(vae.mean < 1e-6 && vae.low == 0.0);
        assert!(found.halves_of_truth > 0.0 && found.halves_of_truth < 0.5, "{}", found.halves_of_truth);
        assert_eq!((found.n_features, result.n), (3, 40));
        assert_eq!(sets(40, 2.0).frechet(1), Some(found));
    }

    #[test]
    fn too_few_cases_have_no_distance() {
        assert!(sets(3, 1.0).frechet(1).is_none() && sets(4, 1.0).frechet(1).is_some());
    }
}
