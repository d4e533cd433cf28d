//! Scorers that know nothing of what is asked. Whoever learned something is above them.

use byteedit_image::{Mask, UnitImage, seam};
use serde::{Deserialize, Serialize};

use crate::metric::gradient_energy;

/// Levels in the range of a sample.
const LEVELS: f64 = 255.0;
/// How many pixels beyond the mask count as its surroundings.
const RING: u32 = 8;

/// A number for a picture that needs no training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trivial {
    /// Detail under the mask: [`gradient_energy`] against a picture that has none.
    Sharpness,
    /// How much the edge of the mask shows, with the picture before the edit as the reference:
    /// [`seam::color_error`] and [`seam::gradient_error`].
    Seam,
    /// The distance of the mean colour under the mask from that around it.
    MeanColor,
    /// The length of the prompt, which candidates of one task share.
    TextOnly,
}

/// In which direction a trivial scorer is right more often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prefers {
    /// More of it is taken for better.
    More,
    /// Less of it is taken for better.
    Less,
}

impl Prefers {
    /// What turns a scorer's number into one of which more is better.
    pub(super) const fn sign(self) -> f64 {
        match self {
            Self::More => 1.0,
            Self::Less => -1.0,
        }
    }

    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::More => "more",
            Self::Less => "less",
        }
    }
}

impl Trivial {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sharpness, Self::Seam, Self::MeanColor, Self::TextOnly];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sharpness => "sharpness",
            Self::Seam => "seam",
            Self::MeanColor => "mean-color",
            Self::TextOnly => "text-only",
        }
    }

    /// Its number for a picture. Where there is nothing to measure, as of a seam under a mask without an edge, it is 0 for
    /// every candidate.
    pub(super) fn score(
        self,
        picture: &UnitImage,
        edit_mask: &Mask,
        source: Option<&UnitImage>,
        prompt: &str,
    ) -> f64 {
        let measured = match self {
            Self::Sharpness => {
                gradient_energy(picture, &UnitImage::filled(picture.size(), [0.0; 3]), edit_mask)
            }
            Self::Seam => source.map(|source| {
                let errors = [seam::color_error, seam::gradient_error];
                errors.iter().filter_map(|error| error(picture, source, edit_mask)).sum::<f64>()
            }),
            Self::MeanColor => color_distance(picture, edit_mask),
            Self::TextOnly => Some(prompt.chars().count() as f64),
        };
        measured.unwrap_or(0.0)
    }
}

/// Distance of the mean colours under the mask and at most [`RING`] pixels around it, in levels; `None` if there are no
/// pixels of one kind.
fn color_distance(picture: &UnitImage, edit_mask: &Mask) -> Option<f64> {
    let near = edit_mask.dilate(RING);
    let (mut sums, mut counts) = ([[0.0; 3]; 2], [0_usize; 2]);
    let pixels = picture.data().chunks_exact(3).zip(edit_mask.repaints()).zip(near.repaints());
    for ((pixel, repaint), _) in pixels.filter(|(_, near)| *near) {
        let kind = usize::from(repaint);
        sums[kind].iter_mut().zip(pixel).for_each(|(sum, value)| *sum += f64::from(*value));
        counts[kind] += 1;
    }
    if counts.contains(&0) {
        return None;
    }
    let mean = |kind: usize, channel: usize| sums[kind][channel] / counts[kind] as f64;
    let squares = [0, 1, 2].map(|channel| (mean(1, channel) - mean(0, channel)).powi(2));
    Some(LEVELS * squares.iter().sum::<f64>().sqrt())
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;

    use super::*;
    use crate::metric::tests::{boxed, composed, picture};

    const SIZE: Size = Size::new(32, 24);

    fn mask() -> Mask {
        boxed(SIZE, 10, 8, 12, 10)
    }

    fn gray(level: f32) -> UnitImage {
        UnitImage::filled(SIZE, [level / 255.0; 3])
    }

    #[track_caller]
    fn assert_score(trivial: Trivial, inside: &UnitImage, expected: f64) {
        let picture = composed(inside, &gray(100.0), &mask());
        let found = trivial.score(&picture, &mask(), Some(&gray(100.0)), "four");
        assert!((found - expected).abs() < 1e-3, "{found} instead of {expected}");
    }

    #[test]
    fn each_measures_what_it_says() {
        // Colour and jump of a uniform offset are the offset each.
        assert_score(Trivial::Seam, &gray(110.0), 20.0);
        assert_score(Trivial::MeanColor, &gray(110.0), 10.0 * 3.0_f64.sqrt());
        assert_score(Trivial::TextOnly, &gray(110.0), 4.0);
        // What rounding adds makes 1 of nothing.
        assert_score(Trivial::Sharpness, &gray(110.0), 1.0);
        // Neighbours differ by one level, of which the square is 6 times that of rounding.
        let checkers = picture(SIZE, |x, y| [(100.0 + ((x + y) % 2) as f32) / 255.0; 3]);
        assert_score(Trivial::Sharpness, &checkers, 7.0);
    }

    #[test]
    fn without_surroundings_all_are_alike() {
        let full = Mask::filled(SIZE, 255);
        for trivial in [Trivial::Seam, Trivial::MeanColor] {
            let scores = [10.0, 200.0].map(|level| trivial.score(&gray(level), &full, None, ""));
            assert!(scores.iter().all(|score| score.abs() < 1e-12), "{scores:?}");
        }
    }

    #[test]
    fn names_are_what_json_says() {
        for trivial in Trivial::ALL {
            assert_eq!(serde_json::to_string(&trivial).unwrap(), format!("\"{}\"", trivial.name()));
        }
    }
}
