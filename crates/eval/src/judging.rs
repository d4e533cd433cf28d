//! What the judge is shown of each case, and which figures its opinions become.

use byteedit_data::Rgb8;
use byteedit_data::View;
use byteedit_image::UnitImage;

use crate::case::Case;
use crate::judge::{Judge, Labels, Opinion, square};
use crate::measure::{Answers, Measured, Subject};
use crate::metric::Metric;
use crate::metric::diversity::{cosine_distance, mean_over_pairs, rms_difference};
use crate::section::Section;

/// Opinions of one case's pictures.
pub(crate) type Opinions = Vec<(Subject, Opinion)>;

/// Shows the judge all pictures of a batch at once.
///
/// Of edits and erasures it sees the square around the mask, of outpaintings the whole frame, whose painted
/// part lies all around.
pub(crate) fn opinions(
    judge: &dyn Judge,
    section: Section,
    cases: &[Case],
    answers: &[Answers],
) -> Vec<Opinions> {
    let side = judge.side();
    let mut squares: Vec<Rgb8> = Vec::new();
    let mut subjects: Vec<Vec<Subject>> = Vec::new();
    for (case, answers) in cases.iter().zip(answers) {
        let view = view(section, case);
        let before = (section == Section::Erase).then_some((Subject::Input, &case.input));
        let shown: Vec<_> = answers.each().chain([(Subject::Truth, &case.truth)]).chain(before).collect();
        squares.extend(shown.iter().map(|(_, image)| square(image, view, side)));
        subjects.push(shown.into_iter().map(|(subject, _)| subject).collect());
    }
    let mut opinions = judge.opinions(&squares).into_iter();
    subjects.into_iter().map(|subjects| subjects.into_iter().zip(opinions.by_ref()).collect()).collect()
}

/// Shows the judge one picture of each case.
pub(crate) fn opinions_of(
    judge: &dyn Judge,
    section: Section,
    cases: &[Case],
    pictures: &[UnitImage],
) -> Vec<Opinion> {
    let shown = cases.iter().zip(pictures);
    let squares: Vec<Rgb8> =
        shown.map(|(case, picture)| square(picture, view(section, case), judge.side())).collect();
    judge.opinions(&squares)
}

fn view(section: Section, case: &Case) -> View {
    match section {
        Section::Edit | Section::Erase => case.view(),
        Section::OutpaintPrompt | Section::OutpaintFree => View::whole(case.truth.width()),
    }
}

/// Adds what opinions say to a case's values: in an edit whether the judge sees what was asked for, or nothing,
/// and under another's prompt, whose label is `lent`, whether it sees what that one asks for; in an erasure
/// whether it sees nothing, unless the photograph shows a concept itself.
pub(crate) fn add_verdicts(
    measured: &mut Measured,
    section: Section,
    case: &Case,
    opinions: &Opinions,
    labels: &Labels,
    lent: Option<usize>,
) {
    let share = |is_so: bool| if is_so { 1.0 } else { 0.0 };
    for (subject, opinion) in opinions {
        let said = opinion.label();
        match section {
            Section::Edit => {
                if let Some(asked) = labels.of(case) {
                    measured.insert((Metric::JudgeTop1, *subject), share(said == asked));
                }
                if let Some(lent) = lent.filter(|_| *subject == Subject::ShuffledPrompt) {
                    measured.insert((Metric::JudgeLent, *subject), share(said == lent));
                }
                measured.insert((Metric::JudgeMissing, *subject), share(said == labels.nothing));
            }
            Section::Erase if case.is_subject_photographed => {}
            Section::Erase => {
                measured.insert((Metric::JudgeNothing, *subject), share(said == labels.nothing));
            }
            Section::OutpaintPrompt | Section::OutpaintFree => {}
        }
    }
}

/// Distance between the judge's features of the answers to a case's own prompt and to another's.
pub(crate) fn distance_between_prompts(opinions: &Opinions) -> Option<f64> {
    let own = opinion_of(opinions, Subject::Result)?;
    let other = opinion_of(opinions, Subject::ShuffledPrompt)?;
    cosine_distance(&own.features, &other.features)
}

/// How much answers to one case differ, under the mask and in the judge's features, as far as that is defined.
pub(crate) fn diversity(judge: &dyn Judge, case: &Case, answers: &[UnitImage]) -> Vec<(Metric, f64)> {
    let squares: Vec<Rgb8> = answers.iter().map(|image| square(image, case.view(), judge.side())).collect();
    let pixels = mean_over_pairs(answers, |a, b| rms_difference(a, b, &case.edit_mask));
    let features =
        mean_over_pairs(&judge.opinions(&squares), |a, b| cosine_distance(&a.features, &b.features));
    let values = [(Metric::DiversityPixels, pixels), (Metric::DiversityJudge, features)];
    values.into_iter().filter_map(|(metric, value)| Some((metric, value?))).collect()
}

/// What was thought of one of the pictures.
pub(crate) fn opinion_of(opinions: &Opinions, subject: Subject) -> Option<&Opinion> {
    opinions.iter().find(|(other, _)| *other == subject).map(|(_, opinion)| opinion)
}
