//! Everything that is measured of one case: which metrics, of which pictures.

use std::collections::BTreeMap;

use byteedit_image::{Mask, UnitImage, seam};
use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::metric::{Metric, color_word, gradient_energy, psnr, ssim};
use crate::section::Section;

/// Whose picture is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The model's own answer.
    Result,
    /// The truth sent through the model's autoencoder and pasted: the best that its denoiser could do.
    TruthThroughVae,
    /// The smoothest continuation of the kept pixels, the classical way to erase
    /// ([`byteedit_image::fill::harmonic`]).
    HarmonicFill,
    /// The model's answer to the same question with an empty prompt: what guessing gives.
    EmptyPrompt,
    /// The model's answer to the same question with another case's prompt: what chance gives.
    ShuffledPrompt,
    /// The truth itself: what the judge makes of it.
    Truth,
    /// The picture before the edit: what the judge makes of it.
    Input,
}

impl Subject {
    /// All subjects, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Result,
        Self::TruthThroughVae,
        Self::Truth,
        Self::HarmonicFill,
        Self::EmptyPrompt,
        Self::ShuffledPrompt,
        Self::Input,
    ];
    /// Those that the model is compared with, case by case.
    pub(crate) const COMPARED: [Self; 3] = [Self::TruthThroughVae, Self::HarmonicFill, Self::EmptyPrompt];

    /// The heading in reports.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Result => "model",
            Self::TruthThroughVae => "truth through VAE",
            Self::HarmonicFill => "harmonic fill",
            Self::EmptyPrompt => "empty prompt",
            Self::ShuffledPrompt => "another's prompt",
            Self::Truth => "truth",
            Self::Input => "before the edit",
        }
    }
}

/// The values of one case, as far as they are defined.
pub(crate) type Measured = BTreeMap<(Metric, Subject), f64>;

/// Finished pictures of one case.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    pub(crate) result: UnitImage,
    pub(crate) truth_through_vae: UnitImage,
    /// Where the truth is a background.
    pub(crate) harmonic_fill: Option<UnitImage>,
    /// In an edit.
    pub(crate) empty_prompt: Option<UnitImage>,
    /// In an edit, where there is another case to take it from.
    pub(crate) shuffled_prompt: Option<UnitImage>,
}

impl Answers {
    pub(crate) fn each(&self) -> impl Iterator<Item = (Subject, &UnitImage)> {
        let always = [(Subject::Result, &self.result), (Subject::TruthThroughVae, &self.truth_through_vae)];
        let fill = self.harmonic_fill.as_ref().map(|image| (Subject::HarmonicFill, image));
        let empty = self.empty_prompt.as_ref().map(|image| (Subject::EmptyPrompt, image));
        let shuffled = self.shuffled_prompt.as_ref().map(|image| (Subject::ShuffledPrompt, image));
        always.into_iter().chain(fill).chain(empty).chain(shuffled)
    }
}

/// Measures every answer to a case.
///
/// Only erasing has one right answer, so only there are pictures compared pixel by pixel. The colour
/// word is measured where an edit's prompt asks for one, and of other prompts than its own nothing else.
pub(crate) fn measure(section: Section, case: &Case, answers: &Answers) -> Measured {
    let Case { truth, edit_mask, .. } = case;
    let mut measured = Measured::new();
    for (subject, image) in answers.each() {
        let mut put = |metric, value: Option<f64>| {
            if let Some(value) = value {
                measured.insert((metric, subject), value);
            }
        };
        put(Metric::ColorWord, shows_color_word(section, case, image));
        if let (Subject::Result | Subject::ShuffledPrompt, Some(empty)) = (subject, &answers.empty_prompt) {
            put(Metric::ColorPainted, paints_color_word(section, case, image, empty));
        }
        if matches!(subject, Subject::EmptyPrompt | Subject::ShuffledPrompt) {
            continue;
        }
        if section == Section::Erase {
            put(Metric::Psnr, psnr(image, truth, edit_mask));
            put(Metric::Ssim, ssim(image, truth, edit_mask));
        }
        put(Metric::SeamColor, seam::color_error(image, truth, edit_mask));
        put(Metric::SeamGradient, seam::gradient_error(image, truth, edit_mask));
        put(Metric::SeamStep, seam::step(image, edit_mask));
        put(Metric::GradientEnergy, gradient_energy(image, truth, edit_mask));
    }
    // The truth has steps of its own, and by definition none of the errors.
    measured.extend(seam::step(truth, edit_mask).map(|step| ((Metric::SeamStep, Subject::Truth), step)));
    measured
}

/// Measures what the autoencoder makes of a whole picture.
pub(crate) fn measure_reconstruction(reconstruction: &UnitImage, picture: &UnitImage) -> Measured {
    let frame = Mask::filled(picture.size(), 255);
    let values = [
        (Metric::PsnrFrame, psnr(reconstruction, picture, &frame)),
        (Metric::SsimFrame, ssim(reconstruction, picture, &frame)),
    ];
    let defined = values.into_iter().filter_map(|(metric, value)| Some((metric, value?)));
    defined.map(|(metric, value)| ((metric, Subject::TruthThroughVae), value)).collect()
}

/// Whether the prompt of a case asks for a colour that can be measured.
pub(crate) fn asks_for_color(section: Section, case: &Case) -> bool {
    section == Section::Edit && case.object.is_some() && color_word::requested(&case.prompt).is_some()
}

/// 1 if the picture shows the colour that the prompt names where the truth has its object, 0 if not, `None` if none is
/// asked for.
fn shows_color_word(section: Section, case: &Case, image: &UnitImage) -> Option<f64> {
    let object = case.object.as_ref().filter(|_| asks_for_color(section, case))?;
    let requested = color_word::requested(&case.prompt);
    Some(if color_word::measured(image, object) == requested { 1.0 } else { 0.0 })
}

/// 1 if what the picture has other than the answer to the empty prompt is of the colour that the case's prompt names, 0
/// if not or if it has nothing other, `None` if none is asked for.
fn paints_color_word(section: Section, case: &Case, image: &UnitImage, empty: &UnitImage) -> Option<f64> {
    if !asks_for_color(section, case) {
        return None;
    }
    let painted = color_word::painted(image, empty, &case.edit_mask);
    Some(if painted == color_word::requested(&case.prompt) { 1.0 } else { 0.0 })
}
