//! What is measured, one definition in each file, every variant by its own name.
//!
//! All metrics take sRGB pictures of one size with values in `[0, 1]` and an edit mask or region,
//! read as binary. They reduce in `f64` and in row order, so that a figure is the same on every run.
//! Where a region holds nothing to measure the answer is `None`, never a made-up number.
//!
//! | [`Metric`] | name | unit | better | definition |
//! |---|---|---|---|---|
//! | `Psnr` | `psnr/mask` | dB | higher | [`psnr`] |
//! | `Ssim` | `ssim-rgb/mask` | | higher | [`ssim`] |
//! | `PsnrFrame` | `psnr/frame` | dB | higher | [`psnr`] over the whole picture |
//! | `SsimFrame` | `ssim-rgb/frame` | | higher | [`ssim`] over the whole picture |
//! | `SeamColor` | `seam-color` | levels | lower | [`color_error`](byteedit_image::seam::color_error) |
//! | `SeamGradient` | `seam-gradient` | levels | lower | [`gradient_error`](byteedit_image::seam::gradient_error) |
//! | `SeamStep` | `seam-step` | levels | lower | [`step`](byteedit_image::seam::step) |
//! | `GradientEnergy` | `gradient-energy/mask` | x truth | 1 | [`gradient_energy`] |
//! | `ColorWord` | `color-word` | share | higher | [`color_word`], where the truth has its object |
//! | `ColorPainted` | `color-painted` | share | higher | [`color_word`], where the prompt has painted |
//! | `JudgeTop1` | `judge-top-1` | share | higher | the [judge](crate::judge) sees the concept asked for |
//! | `JudgeNothing` | `judge-nothing` | share | higher | after erasing, the [judge](crate::judge) sees nothing |
//! | `JudgeMissing` | `judge-missing` | share | lower | after an edit, the [judge](crate::judge) sees nothing |
//! | `JudgeLent` | `judge-lent` | share | higher | under another's prompt, the judge sees what that one asks for |
//! | `DiversityPixels` | `diversity-rms/mask` | levels | | [`diversity::rms_difference`] between seeds |
//! | `DiversityJudge` | `diversity-judge` | | | [`diversity::cosine_distance`] of the judge's features |
//!
//! One more is about sets of pictures, not about each: [`frechet`], `frechet-judge/frame`.
//!
//! A *level* is 1/255 of the range.

pub mod color_word;
pub mod diversity;
pub mod frechet;
mod gradient_energy;
mod psnr;
mod ssim;

use byteedit_image::{Mask, UnitImage};
use serde::{Deserialize, Serialize};

pub use gradient_energy::gradient_energy;
pub use psnr::{MAX_PSNR_DB, psnr};
pub use ssim::{ssim, ssim_map};

/// The name of a measured quantity; the module's table says what each one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Metric {
    /// Peak signal-to-noise ratio inside the mask.
    #[serde(rename = "psnr/mask")]
    Psnr,
    /// Structural similarity inside the mask.
    #[serde(rename = "ssim-rgb/mask")]
    Ssim,
    /// Peak signal-to-noise ratio of the whole picture.
    #[serde(rename = "psnr/frame")]
    PsnrFrame,
    /// Structural similarity of the whole picture.
    #[serde(rename = "ssim-rgb/frame")]
    SsimFrame,
    /// Offset of colour along the inside of the mask's edge.
    #[serde(rename = "seam-color")]
    SeamColor,
    /// Difference of the jump across the mask's edge.
    #[serde(rename = "seam-gradient")]
    SeamGradient,
    /// Offset of colour across the mask's edge, truth or not.
    #[serde(rename = "seam-step")]
    SeamStep,
    /// Detail inside the mask, relative to the truth's.
    #[serde(rename = "gradient-energy/mask")]
    GradientEnergy,
    /// Share of the pictures that show the colour the prompt names where the truth has its object.
    #[serde(rename = "color-word")]
    ColorWord,
    /// Share of the pictures in which what the prompt has painted has the colour that was asked for.
    #[serde(rename = "color-painted")]
    ColorPainted,
    /// Share of the pictures in which the judge sees the concept that was asked for.
    #[serde(rename = "judge-top-1")]
    JudgeTop1,
    /// Share of the erasures in which the judge sees nothing, on photographs whose subject is no concept.
    #[serde(rename = "judge-nothing")]
    JudgeNothing,
    /// Share of the edits in which the judge sees nothing.
    #[serde(rename = "judge-missing")]
    JudgeMissing,
    /// Share of the pictures painted with another's prompt in which the judge sees that prompt's concept.
    #[serde(rename = "judge-lent")]
    JudgeLent,
    /// Difference inside the mask between answers from several seeds.
    #[serde(rename = "diversity-rms/mask")]
    DiversityPixels,
    /// Distance between the judge's features of answers from several seeds.
    #[serde(rename = "diversity-judge")]
    DiversityJudge,
}

/// In which direction a metric improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// 1 is best: below is too smooth, above too busy.
    One,
    /// Neither: it is to be read beside others.
    Neither,
}

impl Metric {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Psnr => "psnr/mask",
            Self::Ssim => "ssim-rgb/mask",
            Self::PsnrFrame => "psnr/frame",
            Self::SsimFrame => "ssim-rgb/frame",
            Self::SeamColor => "seam-color",
            Self::SeamGradient => "seam-gradient",
            Self::SeamStep => "seam-step",
            Self::GradientEnergy => "gradient-energy/mask",
            Self::ColorWord => "color-word",
            Self::ColorPainted => "color-painted",
            Self::JudgeTop1 => "judge-top-1",
            Self::JudgeNothing => "judge-nothing",
            Self::JudgeMissing => "judge-missing",
            Self::JudgeLent => "judge-lent",
            Self::DiversityPixels => "diversity-rms/mask",
            Self::DiversityJudge => "diversity-judge",
        }
    }

    /// The unit, empty for a pure number.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Psnr | Self::PsnrFrame => "dB",
            Self::Ssim | Self::SsimFrame | Self::DiversityJudge => "",
            Self::SeamColor | Self::SeamGradient | Self::SeamStep | Self::DiversityPixels => "levels",
            Self::GradientEnergy => "x truth",
            Self::ColorWord
            | Self::ColorPainted
            | Self::JudgeTop1
            | Self::JudgeNothing
            | Self::JudgeMissing
            | Self::JudgeLent => "share",
        }
    }

    /// In which direction it improves.
    pub const fn better(self) -> Better {
        match self {
            Self::DiversityPixels | Self::DiversityJudge => Better::Neither,
            Self::SeamColor | Self::SeamGradient | Self::SeamStep | Self::JudgeMissing => Better::Lower,
            Self::GradientEnergy => Better::One,
            Self::Psnr
            | Self::Ssim
            | Self::PsnrFrame
            | Self::SsimFrame
            | Self::ColorWord
            | Self::ColorPainted
            | Self::JudgeTop1
            | Self::JudgeNothing
            | Self::JudgeLent => Better::Higher,
        }
    }

    /// Whether pictures are averaged by the geometric mean and compared by their ratio, as a
    /// quantity that is itself a ratio should be.
    pub const fn is_ratio(self) -> bool {
        matches!(self, Self::GradientEnergy)
    }

    /// Whether a picture has it or not, so that its mean is a share of the pictures.
    pub const fn is_share(self) -> bool {
        matches!(
            self,
            Self::ColorWord
                | Self::ColorPainted
                | Self::JudgeTop1
                | Self::JudgeNothing
                | Self::JudgeMissing
                | Self::JudgeLent
        )
    }

    /// Whether "so many times the other's mean" is a fair way to say it: for shares of what went well and
    /// for errors that begin at 0.
    pub const fn has_quotient(self) -> bool {
        matches!(
            self,
            Self::SeamColor
                | Self::SeamGradient
                | Self::SeamStep
                | Self::ColorWord
                | Self::JudgeTop1
                | Self::JudgeNothing
        )
    }
}

/// Levels in the range of a sample.
const LEVELS: f64 = 255.0;

/// Panics unless two pictures and a region have one size: the caller made them, so it is a bug.
fn assert_one_size(result: &UnitImage, truth: &UnitImage, region: &Mask) {
    assert_eq!(result.size(), truth.size(), "sizes of result and truth");
    assert_eq!(region.size(), truth.size(), "sizes of region and truth");
}

#[cfg(test)]
pub(crate) mod tests {
    use byteedit_image::{Rect, Size};

    use super::*;

    /// A picture from a function of column and row.
    pub(crate) fn picture(size: Size, pixel: impl Fn(usize, usize) -> [f32; 3]) -> UnitImage {
        let data = (0..size.area()).flat_map(|at| pixel(at % size.width, at / size.width)).collect();
        UnitImage::new(size, data).unwrap()
    }

    /// `inside` where the mask repaints, `outside` elsewhere.
    pub(crate) fn composed(inside: &UnitImage, outside: &UnitImage, mask: &Mask) -> UnitImage {
        let source = |at: usize| if mask.values()[at] >= 128 { inside } else { outside };
        let width = mask.width();
        picture(mask.size(), |x, y| source(y * width + x).pixel(x, y))
    }

    /// A mask of one box.
    pub(crate) fn boxed(size: Size, x: usize, y: usize, width: usize, height: usize) -> Mask {
        Mask::from_rect(size, Rect::new(x, y, width, height)).unwrap()
    }

    #[test]
    fn names_are_what_json_says() {
        for metric in [
            Metric::Psnr,
            Metric::Ssim,
            Metric::PsnrFrame,
            Metric::SsimFrame,
            Metric::SeamColor,
            Metric::SeamGradient,
            Metric::SeamStep,
            Metric::GradientEnergy,
            Metric::ColorWord,
            Metric::ColorPainted,
            Metric::JudgeTop1,
            Metric::JudgeNothing,
            Metric::JudgeMissing,
            Metric::JudgeLent,
            Metric::DiversityPixels,
            Metric::DiversityJudge,
        ] {
            assert_eq!(serde_json::to_string(&metric).unwrap(), format!("\"{}\"", metric.name()));
        }
    }
}
