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
    /// What decided the order: `psnr/mask` against the truth, in dB. It says how near to *one* right
    /// answer a result is, which is only a rough order for anything but erasing.
    pub psnr_mask_db: f64,
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
        let mut stream = Stream::new([seed, DOMAIN, section as u64, 0]);
        let mut drawn = BTreeSet::new();
        while drawn.len() < n_each.min(n_cases) {
            drawn.insert(stream.below(n_cases));
        }
        Self { n_each, worst: Vec::new(), best: Vec::new(), random: Vec::new(), drawn, n_seen: 0 }
    }

    /// Takes notice of the next case.
    pub(crate) fn offer(&mut self, case: &Case, result: &UnitImage, psnr_mask_db: f64) {
        let position = self.n_seen;
        self.n_seen += 1;
        let shown = |group| Shown {
            example: Example { group, sample: case.index, prompt: case.prompt.clone(), psnr_mask_db },
            pictures: [with_hole(&case.input, &case.edit_mask), result.clone(), case.truth.clone()],
        };
        if self.drawn.contains(&position) {
            self.random.push(shown(Group::Random));
        }
        let score = |shown: &Shown| shown.example.psnr_mask_db;
        let place = self.worst.partition_point(|other| score(other) <= psnr_mask_db);
        insert(&mut self.worst, place, self.n_each, || shown(Group::Worst));
        let place = self.best.partition_point(|other| score(other) >= psnr_mask_db);
        insert(&mut self.best, place, self.n_each, || shown(Group::Best));
    }

    /// The groups in order, each with its examples.
    pub(crate) fn into_groups(self) -> [Vec<Shown>; 3] {
        [self.worst, self.best, self.random]
    }
}

/// Inserts at `place` unless that is beyond the first `limit`.
fn insert(list: &mut Vec<Shown>, place: usize, limit: usize, shown: impl FnOnce() -> Shown) {
    if place < limit {
        list.insert(place, shown());
        list.truncate(limit);
    }
}

fn with_hole(image: &UnitImage, edit_mask: &Mask) -> UnitImage {
    let mut shown = image.clone();
    for (pixel, _) in shown.data_mut().chunks_exact_mut(3).zip(edit_mask.repaints()).filter(|(_, hole)| *hole)
    {
        pixel.copy_from_slice(&HOLE);
    }
    shown
}

/// White lines between the pictures of an example, in pixels.
const LINE: usize = 2;
/// White space between examples, in pixels.
const GAP: usize = 8;

/// One row for each group, examples side by side; `None` if there is nothing to show.
pub(crate) fn sheet(groups: &[Vec<Shown>]) -> Option<UnitImage> {
    let cell = groups.iter().flatten().next()?.pictures[0].size();
    let n_columns = groups.iter().map(Vec::len).max()?;
    let step_x = 3 * cell.width + 2 * LINE + GAP;
    let step_y = cell.height + GAP;
    let size = Size::new(n_columns * step_x - GAP, groups.len() * step_y - GAP);
    let mut sheet = UnitImage::filled(size, [1.0; 3]);
    for (row, group) in groups.iter().enumerate() {
        for (column, shown) in group.iter().enumerate() {
            for (part, picture) in shown.pictures.iter().enumerate() {
                let left = column * step_x + part * (cell.width + LINE);
                blit(&mut sheet, picture, left, row * step_y);
            }
        }
    }
    Some(sheet)
}

fn blit(sheet: &mut UnitImage, picture: &UnitImage, left: usize, top: usize) {
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
            seed: index,
        }
    }

    fn gallery(n_each: usize, scores: &[f64]) -> [Vec<Shown>; 3] {
        let mut gallery = Gallery::new(Section::Edit, n_each, scores.len(), 5);
        let result = UnitImage::filled(SIZE, [0.4; 3]);
        for (index, &score) in scores.iter().enumerate() {
            gallery.offer(&case(index as u64), &result, score);
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
    fn the_random_ones_do_not_depend_on_the_scores() {
        let [_, _, random] = gallery(2, &[1.0, 2.0, 3.0, 4.0, 5.0]);
        let [_, _, again] = gallery(2, &[5.0, 4.0, 3.0, 2.0, 1.0]);
        assert_eq!(samples(&random), samples(&again));
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
        let sheet = sheet(&gallery(2, &[1.0, 2.0, 3.0])).unwrap();
        assert_eq!(sheet.size(), Size::new(2 * (18 + 2 * LINE) + GAP, 3 * 4 + 2 * GAP));
        let (end, below) = (18 + 2 * LINE, 4);
        // Hole, kept part of the input, line, result, truth; the gaps beside and below.
        for ((x, y), gray) in [(0, 0), (3, 0), (6, 0), (8, 3), (16, 3), (end, 0), (0, below)]
            .into_iter()
            .zip([0.5, 0.2, 1.0, 0.4, 0.8, 1.0, 1.0])
        {
            assert_eq!(sheet.pixel(x, y), [gray; 3], "at ({x}, {y})");
        }
    }
}
