//! The Fréchet distance of an evaluation's sets of pictures, with an interval.

use std::collections::BTreeMap;

use byteedit_data::Stream;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{Estimate, Z, nine_digits};
use crate::judging::{Opinions, opinion_of};
use crate::measure::Subject;
use crate::metric::frechet::{FeatureMoments, FrechetReference};

/// Sets that are compared with the truth.
const COMPARED: [Subject; 2] = [Subject::Result, Subject::TruthThroughVae];
/// Resamples behind an interval; each takes two decompositions for every set.
const N_RESAMPLES: usize = 50;
/// Keeps the draws apart from those of samples, other intervals and sheets, which share the seed.
const DOMAIN: u64 = 0x6672_6563;

/// `frechet-judge/frame`: how far sets of pictures are from the truths of the same cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frechet {
    /// Numbers that the judge describes a picture by.
    pub n_features: usize,
    /// The distance, over the same cases on both sides. A percentile interval of so biased an estimate need not hold it, so the interval is
    /// 1.96 standard deviations over resampled cases to either side, cut at 0.
    pub subjects: BTreeMap<Subject, Estimate>,
    /// The distance of the even cases' pictures from the truths of the odd ones, half as many and of other
    /// scenes. The truths' own is what there is where nothing differs but the scenes: the floor for the
    /// others here, not for the distances over the same cases.
    pub unpaired: BTreeMap<Subject, f64>,
}

/// Features of one case's pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Features {
    pub(crate) truth: Vec<f32>,
    /// Of the pictures that are compared with it.
    pub(crate) compared: [Vec<f32>; 2],
}

impl Features {
    /// Those of a case, if all its pictures have an opinion.
    pub(crate) fn of(opinions: &Opinions) -> Option<Self> {
        let features = |subject| opinion_of(opinions, subject).map(|opinion| opinion.features.clone());
        let [first, second] = COMPARED.map(features);
        Some(Self { truth: features(Subject::Truth)?, compared: [first?, second?] })
    }
}

/// Features of every case's pictures.
#[derive(Clone, Debug, Default)]
pub(crate) struct FeatureSets {
    truth: Vec<Vec<f32>>,
    compared: [Vec<Vec<f32>>; 2],
}

impl FeatureSets {
    /// Takes those of one case.
    pub(crate) fn add(&mut self, features: &Features) {
        let Features { truth, compared } = features;
        self.truth.push(truth.clone());
        for (set, features) in self.compared.iter_mut().zip(compared) {
            set.push(features.clone());
        }
    }

    /// The distances; `None` for fewer than four cases, whose halves have no covariance.
    pub(crate) fn frechet(&self, seed: u64) -> Option<Frechet> {
        let n = self.truth.len();
        let every: Vec<usize> = (0..n).collect();
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
        Some(Frechet { n_features: self.truth.first()?.len(), subjects, unpaired: self.unpaired()? })
    }

    /// Of the even cases from the truths of the odd ones.
    fn unpaired(&self) -> Option<BTreeMap<Subject, f64>> {
        let [even, odd] = [0, 1].map(|first| (first..self.truth.len()).step_by(2).collect::<Vec<_>>());
        let reference = FrechetReference::new(moments(&self.truth, &odd)?);
        let sets = COMPARED.into_iter().zip(&self.compared).chain([(Subject::Truth, &self.truth)]);
        let distance = |set: &[Vec<f32>]| Some(nine_digits(reference.distance(&moments(set, &even)?)));
        sets.map(|(subject, set)| Some((subject, distance(set)?))).collect()
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
            let opinions = vec![
                (Subject::Result, opinion(&moved)),
                (Subject::TruthThroughVae, opinion(&truth)),
                (Subject::Truth, opinion(&truth)),
            ];
            sets.add(&Features::of(&opinions).unwrap());
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
        let floor = found.unpaired[&Subject::Truth];
        let of_vae = found.unpaired[&Subject::TruthThroughVae];
        assert!(floor > 0.0 && floor < 0.5 && (of_vae - floor).abs() < 1e-9, "{floor} and {of_vae}");
        let shifted = found.unpaired[&Subject::Result];
        assert!((shifted - 12.0).abs() < 4.0 && (shifted - result.mean).abs() > 1e-6, "{shifted}");
        assert_eq!((found.n_features, result.n), (3, 40));
        assert_eq!(sets(40, 2.0).frechet(1), Some(found));
    }

    #[test]
    fn too_few_cases_have_no_distance() {
        assert!(sets(3, 1.0).frechet(1).is_none() && sets(4, 1.0).frechet(1).is_some());
    }
}
