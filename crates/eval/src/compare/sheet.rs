//! The contact sheet of a section: what was asked, what each arm made of it, what was right.

use byteedit_image::{Size, UnitImage};

use crate::gallery::blit;

/// White lines between the pictures of a row, in pixels.
const LINE: usize = 2;
/// White space between rows, in pixels.
const GAP: usize = 8;

/// Rows of as many pictures, all of one size, one below the other; `None` if there is nothing to show.
pub(super) fn sheet(rows: &[Vec<UnitImage>]) -> Option<UnitImage> {
    let first = rows.first()?;
    let cell = first.first()?.size();
    let (step_x, step_y) = (cell.width + LINE, cell.height + GAP);
    let size = Size::new(first.len() * step_x - LINE, rows.len() * step_y - GAP);
    let mut sheet = UnitImage::filled(size, [1.0; 3]);
    for (row, pictures) in rows.iter().enumerate() {
        for (column, picture) in pictures.iter().enumerate() {
            blit(&mut sheet, picture, column * step_x, row * step_y);
        }
    }
    Some(sheet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "pixels are copied, not computed")]
    fn rows_stand_below_each_other_and_columns_side_by_side() {
        let row = |gray: f32| {
            [gray, gray + 0.1, gray + 0.2].map(|gray| UnitImage::filled(Size::new(6, 4), [gray; 3]))
        };
        let sheet = sheet(&[row(0.1).to_vec(), row(0.5).to_vec()]).unwrap();
        assert_eq!(sheet.size(), Size::new(3 * 6 + 2 * LINE, 2 * 4 + GAP));
        let (column, below) = (6 + LINE, 4 + GAP);
        for (x, y, gray) in [(0, 0, 0.1), (6, 0, 1.0), (column, 3, 0.2), (0, 4, 1.0), (0, below, 0.5)] {
            assert_eq!(sheet.pixel(x, y), [gray; 3], "at ({x}, {y})");
        }
    }

    #[test]
    fn no_rows_are_no_sheet() {
        assert!(sheet(&[]).is_none() && sheet(&[Vec::new()]).is_none());
    }
}
