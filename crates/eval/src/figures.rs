//! From the values of many cases to means with intervals.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bootstrap::Estimate;
use crate::measure::{Measured, Subject};
use crate::metric::Metric;

/// One metric of one section, for everything it was measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// What was measured.
    pub metric: Metric,
    /// Mean over the cases, by whose picture it was.
    pub subjects: BTreeMap<Subject, Estimate>,
    /// The model's figure compared with another subject's, case by case: the mean of the differences
    /// (model minus other), or of the ratios for a metric that [is one](Metric::is_ratio). An
    /// interval on one side of 0, or of 1, tells the two apart even where the intervals of their
    /// means overlap.
    pub model_against: BTreeMap<Subject, Estimate>,
    /// The quotient of the model's mean and the other's, over the cases that have both, for a metric
    /// where that is [fair](Metric::has_quotient).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub model_times: BTreeMap<Subject, Estimate>,
}

/// Summarises cases, metric by metric in the order of [`Metric`]; intervals are drawn from `seed`.
pub(crate) fn summarized(cases: &[Measured], seed: u64) -> Vec<Figures> {
    let mut metrics: Vec<Metric> = cases.iter().flat_map(BTreeMap::keys).map(|(metric, _)| *metric).collect();
    metrics.sort_unstable();
    metrics.dedup();
    metrics.into_iter().map(|metric| figures(metric, cases, seed)).collect()
}

/// The mean over cases of one metric's values: of shares, of ratios, or of what else they are; `None` without values.
pub(crate) fn mean_of(metric: Metric, values: &[f64], seed: u64) -> Option<Estimate> {
    if metric.is_share() { Estimate::of_share(values) } else { of_compared(metric, values, seed) }
}

/// How the first value of each pair compares with the second, one pair for each case: the mean of the differences, or
/// of the ratios for a metric that is one; `None` without pairs.
pub(crate) fn compared(metric: Metric, pairs: impl Iterator<Item = [f64; 2]>, seed: u64) -> Option<Estimate> {
    let of_pair = |[one, other]: [f64; 2]| if metric.is_ratio() { one / other } else { one - other };
    of_compared(metric, &pairs.map(of_pair).collect::<Vec<f64>>(), seed)
}

fn of_compared(metric: Metric, values: &[f64], seed: u64) -> Option<Estimate> {
    if metric.is_ratio() { Estimate::of_ratios(values, seed) } else { Estimate::of(values, seed) }
}

fn figures(metric: Metric, cases: &[Measured], seed: u64) -> Figures {
    let value = |case: &Measured, subject: Subject| case.get(&(metric, subject)).copied();
    let both = |case: &Measured, other: Subject| Some([value(case, Subject::Result)?, value(case, other)?]);
    let mean = |subject| {
        let values: Vec<f64> = cases.iter().filter_map(|case| value(case, subject)).collect();
        Some((subject, mean_of(metric, &values, seed)?))
    };
    let comparison = |other| {
        let pairs = cases.iter().filter_map(|case| both(case, other));
        Some((other, compared(metric, pairs, seed)?))
    };
    let quotient = |other| {
        let pairs: Vec<[f64; 2]> = cases.iter().filter_map(|case| both(case, other)).collect();
        Some((other, Estimate::of_quotient(&pairs, seed).filter(|_| metric.has_quotient())?))
    };
    Figures {
        metric,
        subjects: Subject::ALL.into_iter().filter_map(mean).collect(),
        model_against: Subject::COMPARED.into_iter().filter_map(comparison).collect(),
        model_times: [Subject::TruthThroughVae].into_iter().filter_map(quotient).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(values: &[(Metric, Subject, f64)]) -> Measured {
        values.iter().map(|&(metric, subject, value)| ((metric, subject), value)).collect()
    }

    #[test]
    fn comparisons_are_made_within_a_case() {
        use Subject::{HarmonicFill, Result};
        // Easy and hard cases differ by far more than model and fill do.
        let cases: Vec<Measured> = (0..20)
            .map(|i| {
                let hardness = f64::from(i);
                case(&[
                    (Metric::Psnr, Result, 30.0 - hardness),
                    (Metric::Psnr, HarmonicFill, 29.0 - hardness),
                ])
            })
            .collect();
        let [figures] = summarized(&cases, 1).try_into().unwrap();
        let gain = figures.model_against[&HarmonicFill];
        assert_eq!((gain.mean, gain.low, gain.high, gain.n), (1.0, 1.0, 1.0, 20));
        let [model, fill] = [Result, HarmonicFill].map(|subject| figures.subjects[&subject]);
        assert!(model.low < fill.high, "the means' own intervals overlap");
    }

    #[test]
    fn what_is_not_defined_does_not_count() {
        use Subject::{EmptyPrompt, Result};
        let cases = [
            case(&[(Metric::ColorWord, Result, 1.0), (Metric::ColorWord, EmptyPrompt, 0.0)]),
            case(&[(Metric::SeamColor, Result, 3.0)]),
            case(&[(Metric::ColorWord, Result, 0.0)]),
        ];
        let [seam, color] = summarized(&cases, 1).try_into().unwrap();
        assert_eq!((seam.metric, seam.subjects[&Result].mean), (Metric::SeamColor, 3.0));
        assert!(seam.model_against.is_empty());
        assert_eq!((color.subjects[&Result].mean, color.subjects[&Result].n), (0.5, 2));
        assert_eq!((color.model_against[&EmptyPrompt].mean, color.model_against[&EmptyPrompt].n), (1.0, 1));
        assert!(summarized(&[], 1).is_empty());
    }

    #[test]
    fn ratios_are_compared_by_their_ratio() {
        use Subject::{Result, TruthThroughVae};
        let of = |model, vae| {
            case(&[(Metric::GradientEnergy, Result, model), (Metric::GradientEnergy, TruthThroughVae, vae)])
        };
        let [figures] = summarized(&[of(0.25, 0.5), of(1.0, 2.0)], 1).try_into().unwrap();
        assert!((figures.subjects[&Result].mean - 0.5).abs() < 1e-12);
        assert!((figures.model_against[&TruthThroughVae].mean - 0.5).abs() < 1e-12);
        assert!(figures.model_times.is_empty());
    }

    #[test]
    fn an_error_is_told_as_a_multiple_of_the_references() {
        use Subject::{Result, TruthThroughVae};
        let of = |model, vae| {
            case(&[(Metric::SeamColor, Result, model), (Metric::SeamColor, TruthThroughVae, vae)])
        };
        let [figures] = summarized(&[of(1.0, 3.0), of(5.0, 1.0)], 1).try_into().unwrap();
        assert!((figures.model_times[&TruthThroughVae].mean - 1.5).abs() < 1e-12);
    }
}
