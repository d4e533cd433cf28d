//! The numbers of a selection.

use serde::{Deserialize, Serialize};

use crate::{DataError, Result};

/// How prompts are chosen. The paper prints none of these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiversitySpec {
    /// Seed of the clusters.
    pub seed: u64,
    /// Prompts to choose, at least 1.
    pub n_selected: usize,
    /// Clusters, at least 1; each gives as many prompts as its size asks for.
    pub n_clusters: usize,
    /// Neighbours, at least 1, whose mean distance says how lonely a prompt is.
    pub n_neighbours: usize,
    /// Cosine, -1 to 1, above which a prompt says the same as an earlier one and is dropped.
    pub max_cosine: f32,
}

impl Default for DiversitySpec {
    /// A thousand of a shard of some 20 thousand, nothing nearer than a cosine of 0.8.
    fn default() -> Self {
        Self { seed: 0, n_selected: 1000, n_clusters: 100, n_neighbours: 10, max_cosine: 0.8 }
    }
}

impl DiversitySpec {
    /// Whether every number is in its range.
    ///
    /// # Errors
    /// [`DataError::Config`] naming the first that is not.
    pub fn validate(&self) -> Result<()> {
        let counts = [
            ("n_selected", self.n_selected),
            ("n_clusters", self.n_clusters),
            ("n_neighbours", self.n_neighbours),
        ];
        for (field, count) in counts {
            if count == 0 {
                return Err(DataError::Config { field, value: 0.0, limit: "at least 1" });
            }
        }
        if !(-1.0..=1.0).contains(&self.max_cosine) {
            let (field, value) = ("max_cosine", self.max_cosine);
            return Err(DataError::Config { field, value, limit: "a cosine, from -1 to 1" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_named() {
        let fine = DiversitySpec::default();
        fine.validate().unwrap();
        for (spec, expected) in [
            (DiversitySpec { n_selected: 0, ..fine }, "n_selected is 0, but must be at least 1"),
            (DiversitySpec { n_clusters: 0, ..fine }, "n_clusters is 0, but must be at least 1"),
            (DiversitySpec { n_neighbours: 0, ..fine }, "n_neighbours is 0, but must be at least 1"),
            (
                DiversitySpec { max_cosine: 1.5, ..fine },
                "max_cosine is 1.5, but must be a cosine, from -1 to 1",
            ),
            (DiversitySpec { max_cosine: f32::NAN, ..fine }, "max_cosine is NaN, but must be a cosine"),
        ] {
            let message = spec.validate().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        let spec: DiversitySpec = serde_json::from_str(r#"{"n_selected": 7}"#).unwrap();
        assert_eq!(spec, DiversitySpec { n_selected: 7, ..DiversitySpec::default() });
        assert!(serde_json::from_str::<DiversitySpec>(r#"{"n_selcted": 7}"#).is_err());
    }
}
