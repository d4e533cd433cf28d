//! Some records as a contact sheet: what was asked, then the candidates as the reward ranks them.

use byteedit_image::{Filter, Size, UnitImage};

use super::heat_map::heat_map;
use super::pictures::Pictures;
use crate::error::Result;
use crate::gallery::{blit, with_hole};

/// The longer side of what is shown; larger pictures are made smaller.
const SIDE: usize = 192;
/// White lines between a candidate and what is thought of its pixels, in pixels.
const LINE: usize = 2;
/// White space between candidates, and between records, in pixels.
const GAP: usize = 8;

/// What stands in a row, from left to right: blocks of pictures that belong together.
#[derive(Debug)]
pub(super) struct SheetRow(Vec<Vec<UnitImage>>);

impl SheetRow {
    /// A record: the picture before the edit with its mask in grey, or a grey one if the prompt alone was given, then the
    /// candidates in `order`, each with its pixels' scores, if there are any, from red (low) over white to blue.
    pub(super) fn new(
        pictures: &Pictures,
        order: &[usize],
        pixel_scores: Option<&[Vec<f32>]>,
    ) -> Result<Self> {
        let mut blocks = Vec::with_capacity(order.len() + 1);
        if let (Some(picture), Some(edit_mask)) = (pictures.candidates.first(), pictures.edit_masks.first()) {
            let source = pictures.source.as_ref().unwrap_or(picture);
            blocks.push(vec![fitted(with_hole(source, edit_mask))]);
        }
        for &at in order {
            let picture = &pictures.candidates[at];
            let mut block = vec![fitted(picture.clone())];
            if let Some(maps) = pixel_scores {
                block.push(fitted(heat_map(picture, &maps[at])?));
            }
            blocks.push(block);
        }
        Ok(Self(blocks))
    }

    /// Each picture with its distance from the left.
    fn places(&self) -> impl Iterator<Item = (usize, &UnitImage)> {
        let mut left = 0;
        self.0.iter().flat_map(|block| block.iter().enumerate()).enumerate().map(
            move |(at, (part, picture))| {
                left += match (at, part) {
                    (0, _) => 0,
                    (_, 0) => GAP,
                    _ => LINE,
                };
                let place = (left, picture);
                left += picture.width();
                place
            },
        )
    }

    fn size(&self) -> Size {
        let width = self.places().map(|(left, picture)| left + picture.width()).max().unwrap_or(0);
        let height = self.places().map(|(_, picture)| picture.height()).max().unwrap_or(0);
        Size::new(width, height)
    }
}

/// The rows, one below the other; `None` if there is nothing to show.
pub(super) fn sheet(rows: &[SheetRow]) -> Option<UnitImage> {
    let sizes: Vec<Size> = rows.iter().map(SheetRow::size).collect();
    let width = sizes.iter().map(|size| size.width).max().filter(|width| *width > 0)?;
    let height = sizes.iter().map(|size| size.height + GAP).sum::<usize>() - GAP;
    let mut sheet = UnitImage::filled(Size::new(width, height), [1.0; 3]);
    let mut top = 0;
    for (row, size) in rows.iter().zip(&sizes) {
        for (left, picture) in row.places() {
            blit(&mut sheet, picture, left, top);
        }
        top += size.height + GAP;
    }
    Some(sheet)
}

/// At most [`SIDE`] pixels wide and high.
fn fitted(picture: UnitImage) -> UnitImage {
    let size = picture.size();
    let longer = size.width.max(size.height);
    if longer <= SIDE {
        return picture;
    }
    let scaled = |side: usize| (side * SIDE / longer).max(1);
    picture.resize(Size::new(scaled(size.width), scaled(size.height)), Filter::Bilinear)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::tests::boxed;
    use crate::reward::heat_map::{HIGH, LOW};

    fn pictures(size: Size) -> Pictures {
        let source = UnitImage::filled(size, [0.2; 3]);
        let candidates = [0.6, 0.8].map(|gray| UnitImage::filled(size, [gray; 3])).to_vec();
        Pictures { source: Some(source), candidates, edit_masks: vec![boxed(size, 0, 0, 2, 2); 2] }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "pixels are copied, not computed")]
    fn a_row_shows_the_question_and_the_candidates_in_order() {
        let size = Size::new(6, 4);
        let rows = [SheetRow::new(&pictures(size), &[1, 0], None).unwrap()];
        let sheet = sheet(&rows).unwrap();
        assert_eq!(sheet.size(), Size::new(3 * 6 + 2 * GAP, 4));
        for (x, y, gray) in [(0, 0, 0.5), (3, 3, 0.2), (6, 0, 1.0), (6 + GAP, 0, 0.8), (12 + 2 * GAP, 0, 0.6)]
        {
            assert_eq!(sheet.pixel(x, y), [gray; 3], "at ({x}, {y})");
        }
    }

    #[test]
    fn maps_stand_beside_their_pictures_and_rows_below_each_other() {
        let size = Size::new(6, 4);
        // Surely good, surely bad.
        let maps = [vec![50.0; 24], vec![-50.0; 24]];
        let row = || SheetRow::new(&pictures(size), &[0, 1], Some(maps.as_slice())).unwrap();
        let sheet = sheet(&[row(), row()]).unwrap();
        assert_eq!(sheet.size(), Size::new(5 * 6 + 2 * GAP + 2 * LINE, 2 * 4 + GAP));
        let (first, below) = (6 + GAP + 6 + LINE, 4 + GAP);
        let second = first + 6 + GAP + 6 + LINE;
        for (at, gray, end) in [(first, 0.6, HIGH), (second, 0.8, LOW)] {
            let found = sheet.pixel(at, below);
            let expected = end.map(|value| f32::midpoint(gray, value));
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        }
    }

    #[test]
    fn large_pictures_are_made_smaller() {
        let row = SheetRow::new(&pictures(Size::new(600, 300)), &[0], None).unwrap();
        assert_eq!(row.size(), Size::new(2 * SIDE + GAP, SIDE / 2));
        assert!(sheet(&[]).is_none());
    }
}
