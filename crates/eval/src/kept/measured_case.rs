//! What is left of a case once it is measured: everything that tables, sheets and distances between sets need of it.

use serde::{Deserialize, Serialize};

use super::KeptPicture;
use crate::feature_sets::Features;
use crate::measure::Measured;

/// What a section keeps of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MeasuredCase {
    #[serde(with = "listed")]
    pub(crate) values: Measured,
    /// Of the truth as a whole picture through the autoencoder.
    #[serde(with = "listed")]
    pub(crate) reconstructed: Measured,
    /// Pixels outside the mask that the answer changed.
    pub(crate) n_kept_changed: usize,
    /// The judge's label of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) said: Option<usize>,
    /// What decides its place on the sheet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) score: Option<f64>,
    /// Of an outpainting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) features: Option<Features>,
    /// Spent on painting and finishing the answer.
    pub(crate) seconds: f64,
    /// The answer, where the sheet may show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) picture: Option<KeptPicture>,
}

/// Measured values as a list, since no key in JSON has two parts.
mod listed {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::measure::{Measured, Subject};
    use crate::metric::Metric;

    pub(super) fn serialize<S: Serializer>(measured: &Measured, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(measured.iter().map(|((metric, subject), value)| (metric, subject, value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Measured, D::Error> {
        let values = Vec::<(Metric, Subject, f64)>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|(metric, subject, value)| ((metric, subject), value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use byteedit_image::{Size, UnitImage};

    use super::*;
    use crate::measure::Subject;
    use crate::metric::Metric;

    #[test]
    fn what_is_kept_comes_back_to_the_last_bit() {
        let third = |at: u32| f64::from(at) / 3.0 + f64::EPSILON;
        let values = Subject::ALL.into_iter().zip(0..);
        let values = values.map(|(subject, at)| ((Metric::SeamColor, subject), third(at)));
        let features = |first: f32| vec![first.sqrt(), 1e-30 / first, -0.1 * first];
        let measured = MeasuredCase {
            values: values.collect(),
            reconstructed: [((Metric::PsnrFrame, Subject::TruthThroughVae), 100.0 / 7.0)].into(),
            n_kept_changed: 3,
            said: Some(7),
            score: Some(0.1 + 0.2),
            features: Some(Features { truth: features(2.0), compared: [features(3.0), features(7.0)] }),
            seconds: 1.0 / 49.0,
            picture: Some(KeptPicture(UnitImage::filled(Size::new(3, 2), [0.0, 1.0, 1.0]))),
        };
        let bare =
            MeasuredCase { said: None, score: None, features: None, picture: None, ..measured.clone() };
        for measured in [measured, bare] {
            let line = serde_json::to_string(&measured).unwrap();
            assert!(!line.contains("null"), "{line}");
            assert_eq!(serde_json::from_str::<MeasuredCase>(&line).unwrap(), measured);
        }
    }
}
