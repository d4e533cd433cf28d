//! Which cases are shown: the worst, the best and some at random, so that no sheet flatters.

use std::collections::BTreeSet;

use byteedit_data::Stream;
use byteedit_image::{Mask, Size, UnitImage};
use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::section::Section;

/// Keeps the draws apart from those of samples and intervals, which share the seed.
const DOMAIN: u64 = 0x7368_6f77;
/// Grey of the hole in the picture that was asked about: what an inpainting model sees there.
const HOLE: [f32; 3] = [0.5; 3];

/// Why a case is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Lowest score, the worst first.
    Worst,
    /// Highest score, the best first.
    Best,
    /// Drawn beforehand, without a look at the results.
    Random,
}

/// One case of a contact sheet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Why it is shown.
    pub group: Group,
    /// Index of the sample in the world's set for this task, split and seed.
    pub sample: u64,
    /// What was asked for.
    pub prompt: String,
    /// What decided the order: see [`Order`].
    pub score: f64,
    /// What the judge saw in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
}

/// By what a section's cases are put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The probability that the judge gives to what was asked for: edits.
    JudgeProbability,
    /// `psnr/mask` against the truth, in dB: erasures, which have one right answer.
    Psnr,
    /// `seam-color` in levels, of which less is better: outpaintings.
    Seam,
}

impl Order {
    /// That of a section.
    pub const fn of(section: Section) -> Self {
        match section {
            Section::Edit => Self::JudgeProbability,
            Section::Erase => Self::Psnr,
            Section::OutpaintPrompt | Section::OutpaintFree => Self::Seam,
        }
    }

    /// What it is called in reports.
    pub const fn title(self) -> &'static str {
        match self {
            Self::JudgeProbability => "the judge's probability of what was asked for",
            Self::Psnr => "psnr/mask in dB",
            Self::Seam => "seam-color in levels",
        }
    }

    /// The score, turned so that more is better.
    fn merit(self, score: f64) -> f64 {
        match self {
            Self::JudgeProbability | Self::Psnr => score,
            Self::Seam => -score,
        }
    }
}

/// An example with its pictures.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) example: Example,
    /// What was asked (with a grey hole), what came back, what was right.
    pub(crate) pictures: [UnitImage; 3],
}

/// Chooses while results come in, so that only what is shown is kept.
#[derive(Debug)]
pub(crate) struct Gallery {
    order: Order,
    n_each: usize,
    worst: Vec<Shown>,
    best: Vec<Shown>,
    random: Vec<Shown>,
    /// Positions among the cases that are shown whatever their score.
    drawn: BTreeSet<usize>,
    n_seen: usize,
}

impl Gallery {
    /// For `n_each` examples in each group out of a section's `n_cases`.
    pub(crate) fn new(section: Section, n_each: usize, n_cases: usize, seed: u64) -> Self {
        let (order, drawn) = (Order::of(section), drawn(section, n_each, n_cases, seed));
        Self { order, n_each, worst: Vec::new(), best: Vec::new(), random: Vec::new(), drawn, n_seen: 0 }
    }

    /// Takes notice of the next case: its score, what the judge saw in its result, and the result itself, which may be missing
    /// where it was not shown when these cases came before. Returns whether it is shown so far; what is not never will be.
    pub(crate) fn offer(
        &mut self,
        case: &Case,
        result: Option<&UnitImage>,
        score: f64,
        seen: Option<String>,
    ) -> bool {
        let position = self.n_seen;
        self.n_seen += 1;
        let Some(result) = result else { return false };
        let example = |group| Example {
            group,
            sample: case.index,
            prompt: case.prompt.clone(),
            score,
            seen: seen.clone(),
        };
        let shown = |group| Shown {
            example: example(group),
            pictures: [with_hole(&case.input, &case.edit_mask), result.clone(), case.truth.clone()],
        };
        let is_drawn = self.drawn.contains(&position);
        if is_drawn {
            self.random.push(shown(Group::Random));
        }
        let order = self.order;
        let (own, merit) = (order.merit(score), |shown: &Shown| order.merit(shown.example.score));
        let place = self.worst.partition_point(|other| merit(other) <= own);
        let is_bad = insert(&mut self.worst, place, self.n_each, || shown(Group::Worst));
        let place = self.best.partition_point(|other| merit(other) >= own);
        let is_good = insert(&mut self.best, place, self.n_each, || shown(Group::Best));
        is_drawn || is_bad || is_good
    }

    /// The groups in order, each with its examples.
    pub(crate) fn into_groups(self) -> [Vec<Shown>; 3] {
        [self.worst, self.best, self.random]
    }
}

/// Positions among a section's `n_cases` that are shown whatever comes of them, at most `n`.
pub(crate) fn drawn(section: Section, n: usize, n_cases: usize, seed: u64) -> BTreeSet<usize> {
    let mut stream = Stream::new([seed, DOMAIN, section as u64, 0]);
    let mut drawn = BTreeSet::new();
    while drawn.len() < n.min(n_cases) {
        drawn.insert(stream.below(n_cases));
    }
    drawn
}

/// Inserts at `place` unless that is beyond the first `limit`; returns whether it did.
fn insert(list: &mut Vec<Shown>, place: usize, limit: usize, shown: impl FnOnce() -> Shown) -> bool {
    let has_place = place < limit;
    if has_place {
        list.insert(place, shown());
        list.truncate(limit);
    }
    has_place
}

/// The picture with what is under the mask in grey.
pub(crate) fn with_hole(image: &UnitImage, edit_mask: &Mask) -> UnitImage {
    let mut shown = image.clone();
    for (pixel, _) in shown.data_mut().chunks_exact_mut(3).zip(edit_mask.repaints()).filter(|(_, hole)| *hole)
    {
        pixel.copy_from_slice(&HOLE);
    }
    shown
}

/// White lines between the pictures of an example, in pixels.
const LINE: usize = 2;
/// White space between examples, and between groups, in pixels.
const GAP: usize = 8;
const GROUP_GAP: usize = 24;
/// Examples in a row.
const N_COLUMNS: usize = 5;

/// A block of rows for each group, one below the other; `None` if there is nothing to show.
pub(crate) fn sheet(groups: &[Vec<Shown>]) -> Option<UnitImage> {
    let groups: Vec<&Vec<Shown>> = groups.iter().filter(|group| !group.is_empty()).collect();
    let cell = groups.first()?.first()?.pictures[0].size();
    let n_columns = groups.iter().map(|group| group.len()).max()?.min(N_COLUMNS);
    let (step_x, step_y) = (3 * cell.width + 2 * LINE + GAP, cell.height + GAP);
    let height = |group: &&Vec<Shown>| group.len().div_ceil(n_columns) * step_y - GAP;
    let heights: usize = groups.iter().map(height).sum();
    let size = Size::new(n_columns * step_x - GAP, heights + (groups.len() - 1) * GROUP_GAP);
    let mut sheet = UnitImage::filled(size, [1.0; 3]);
    let mut top = 0;
    for group in &groups {
        for (at, shown) in group.iter().enumerate() {
            let (left, top) = (at % n_columns * step_x, top + at / n_columns * step_y);
            for (part, picture) in shown.pictures.iter().enumerate() {
                blit(&mut sheet, picture, left + part * (cell.width + LINE), top);
            }
        }
        top += height(group) + GROUP_GAP;
    }
    Some(sheet)
}

/// Copies a picture into a larger one.
pub(crate) fn blit(sheet: &mut UnitImage, picture: &UnitImage, left: usize, top: usize) {
    let (sheet_width, width) = (sheet.width(), picture.width());
    for (y, row) in picture.data().chunks_exact(3 * width).enumerate() {
        let start = 3 * ((top + y) * sheet_width + left);
        sheet.data_mut()[start..start + row.len()].copy_from_slice(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::tests::boxed;

    const SIZE: Size = Size::new(6, 4);

    fn case(index: u64) -> Case {
        Case {
            index,
            input: UnitImage::filled(SIZE, [0.2; 3]),
            edit_mask: boxed(SIZE, 0, 0, 2, 4),
            prompt: format!("thing {index}"),
            truth: UnitImage::filled(SIZE, [0.8; 3]),
            object: None,
            concept: None,
            is_subject_photographed: false,
            seed: index,
        }
    }

    fn gallery(n_each: usize, scores: &[f64]) -> [Vec<Shown>; 3] {
        gallery_of(Section::Edit, n_each, scores)
    }

    fn gallery_of(section: Section, n_each: usize, scores: &[f64]) -> [Vec<Shown>; 3] {
        let mut gallery = Gallery::new(section, n_each, scores.len(), 5);
        let result = UnitImage::filled(SIZE, [0.4; 3]);
        for (index, &score) in scores.iter().enumerate() {
            gallery.offer(&case(index as u64), Some(&result), score, None);
        }
        gallery.into_groups()
    }

    fn samples(group: &[Shown]) -> Vec<u64> {
        group.iter().map(|shown| shown.example.sample).collect()
    }

    #[test]
    fn worst_and_best_come_in_order_and_ties_in_the_cases_order() {
        let [worst, best, random] = gallery(3, &[5.0, 9.0, 1.0, 5.0, 7.0, 9.0, 2.0]);
        assert_eq!(samples(&worst), [2, 6, 0]);
        assert_eq!(samples(&best), [1, 5, 4]);
        assert_eq!(random.len(), 3);
        assert!(random.iter().all(|shown| shown.example.group == Group::Random));
    }

    #[test]
    fn of_seams_the_largest_is_the_worst() {
        let [worst, best, _] = gallery_of(Section::OutpaintFree, 2, &[5.0, 9.0, 1.0]);
        assert_eq!((samples(&worst), samples(&best)), (vec![1, 0], vec![2, 0]));
    }

    #[test]
    fn the_random_ones_do_not_depend_on_the_scores() {
        let [_, _, random] = gallery(2, &[1.0, 2.0, 3.0, 4.0, 5.0]);
        let [_, _, again] = gallery(2, &[5.0, 4.0, 3.0, 2.0, 1.0]);
        assert_eq!(samples(&random), samples(&again));
    }

    #[test]
    fn results_that_were_not_shown_so_far_need_not_be_there_again() {
        let scores = [5.0, 9.0, 1.0, 5.0, 7.0, 9.0, 2.0, 5.5, 6.0];
        let result = UnitImage::filled(SIZE, [0.4; 3]);
        let mut first = Gallery::new(Section::Edit, 2, scores.len(), 5);
        let mut again = Gallery::new(Section::Edit, 2, scores.len(), 5);
        let mut n_shown = 0;
        for (index, score) in (0..).zip(scores) {
            let is_shown = first.offer(&case(index), Some(&result), score, None);
            let kept = is_shown.then_some(&result);
            assert_eq!(again.offer(&case(index), kept, score, None), is_shown);
            n_shown += usize::from(is_shown);
        }
        assert!((6..scores.len()).contains(&n_shown), "{n_shown}");
        let [first, again] = [first, again].map(|gallery| gallery.into_groups().map(|group| samples(&group)));
        assert_eq!(first, again);
    }

    #[test]
    fn few_cases_fill_less_than_a_row_and_none_no_sheet() {
        let groups = gallery(4, &[1.0]);
        assert_eq!(groups.each_ref().map(Vec::len), [1, 1, 1]);
        assert!(sheet(&gallery(0, &[1.0, 2.0])).is_none());
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "pixels are copied, not computed")]
    fn a_sheet_shows_hole_result_and_truth() {
        let sheet = sheet(&gallery(6, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])).unwrap();
        // Three groups of two rows, five examples and one.
        let group = 2 * 4 + GAP;
        let size = Size::new(5 * (18 + 2 * LINE) + 4 * GAP, 3 * group + 2 * GROUP_GAP);
        assert_eq!(sheet.size(), size);
        let (end, below) = (18 + 2 * LINE, 4);
        let second = group + GROUP_GAP;
        // Hole, kept part of the input, line, result, truth; the gaps beside and below; the second row's only
        // example and the place beside it; the second group.
        for ((x, y), gray) in [
            (0, 0),
            (3, 0),
            (6, 0),
            (8, 3),
            (16, 3),
            (end, 0),
            (0, below),
            (3, 4 + GAP),
            (end + GAP, 4 + GAP),
            (3, second),
            (3, second - 1),
        ]
        .into_iter()
        .zip([0.5, 0.2, 1.0, 0.4, 0.8, 1.0, 1.0, 0.2, 1.0, 0.2, 1.0])
        {
            assert_eq!(sheet.pixel(x, y), [gray; 3], "at ({x}, {y})");
        }
    }
}
