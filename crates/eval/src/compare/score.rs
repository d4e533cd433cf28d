//! The two scores by which arms are compared. Neither asks a network.

use byteedit_data::World;
use byteedit_data::world::{AskedEdit, RightAnswers};
use byteedit_image::{UnitImage, seam};
use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::judge::rgb8;
use crate::section::Section;

/// What stands for the opinion of the paper's experts. More is better, and 0 is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Minus the distance under the mask to the nearest right answer ([`RightAnswers::nearest`]): to an edit that is the truth
    /// or any seen rendering of what was asked for, else the truth alone.
    Structure,
    /// Minus the offset of colour and the error of the jump along the mask's edge ([`seam::color_error`] and
    /// [`seam::gradient_error`]), in levels; 0 where the mask has no edge.
    Coherence,
}

impl Score {
    /// Both, in the order of reports.
    pub const ALL: [Self; 2] = [Self::Structure, Self::Coherence];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Coherence => "coherence",
        }
    }

    /// Digits behind the point that tables show.
    pub(super) const fn n_digits(self) -> usize {
        match self {
            Self::Structure => 4,
            Self::Coherence => 2,
        }
    }

    /// That of an answer to a case.
    pub(super) fn of(self, world: &World, section: Section, case: &Case, picture: &UnitImage) -> f64 {
        match self {
            Self::Structure => structure(world, section, case, picture),
            Self::Coherence => coherence(case, picture),
        }
    }
}

fn structure(world: &World, section: Section, case: &Case, picture: &UnitImage) -> f64 {
    let (input, truth) = (rgb8(&case.input), rgb8(&case.truth));
    let size = case.edit_mask.size();
    let values = case.edit_mask.values().to_vec();
    let edit_mask = byteedit_data::Mask { width: size.width, height: size.height, values };
    let answers = match case.concept.filter(|_| section == Section::Edit) {
        Some(concept) => world.right_answers(&AskedEdit {
            input: &input,
            edit_mask: &edit_mask,
            caption: &case.prompt,
            concept,
            truth: &truth,
        }),
        None => RightAnswers::of_truth(&truth, &edit_mask),
    };
    let (error, _) = answers.nearest(&rgb8(picture));
    -f64::from(error)
}

fn coherence(case: &Case, picture: &UnitImage) -> f64 {
    let errors =
        [seam::color_error, seam::gradient_error].map(|error| error(picture, &case.truth, &case.edit_mask));
    -errors.into_iter().flatten().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use byteedit_data::Split;

    use super::*;
    use crate::case::Cases;
    use crate::config::EvalConfig;
    use crate::gallery::with_hole;

    #[test]
    fn the_truth_scores_best_everywhere() {
        let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/world/world.pack");
        let world = World::open(&pack).unwrap();
        let config = EvalConfig { n_samples: 2, picture_size: 32, ..EvalConfig::new(Split::Validation) };
        for section in Section::ALL {
            for case in Cases::new(&world, section, &config).map(Result::unwrap) {
                for score in Score::ALL {
                    let of = |picture: &UnitImage| score.of(&world, section, &case, picture);
                    let (best, gray) = (of(&case.truth), of(&with_hole(&case.input, &case.edit_mask)));
                    assert!(best.abs() < 1e-9 && gray < 0.0, "{section:?} {score:?}: {best} and {gray}");
                }
            }
        }
    }
}
