//! The contact sheet: before (with the mask outlined) and after, side by side.

use byteedit_image::{Filter, Picture, Rect, Size, UnitImage};

use super::plan::DemoEdit;

/// Size of a cell in pixels; pictures are fitted into it.
const CELL: Size = Size::new(320, 240);
/// Pairs in a row.
const PAIRS: usize = 2;
/// Distance between the pictures of a pair, and between pairs.
const GAPS: [usize; 2] = [4, 20];
/// Behind everything.
const PAPER: [f32; 3] = [1.0; 3];
/// Where an outpainting has no picture yet.
const NOTHING: [f32; 3] = [0.8; 3];
/// The mask's outline.
const OUTLINE: [f32; 3] = [1.0, 0.3, 0.0];
/// Width of the outline, in pixels of the sheet.
const OUTLINE_WIDTH: usize = 2;

/// Before and after, as large as they are shown.
pub(super) struct Pair {
    before: UnitImage,
    after: UnitImage,
}

impl Pair {
    /// Shrinks both pictures and draws the mask's outline on the first.
    pub(super) fn new(edit: &DemoEdit, before: &Picture, after: &Picture) -> Self {
        let added = edit.added();
        let canvas =
            Size::new(added.left + before.width() + added.right, added.top + before.height() + added.bottom);
        let mut framed = UnitImage::filled(canvas, NOTHING);
        copy(&UnitImage::from_picture(before), &mut framed, added.left, added.top);
        let shown = fitted(canvas);
        let mut before = framed.resize(shown, Filter::Lanczos3);
        if let Some(rect) = edit.outline() {
            outline(&mut before, scaled(rect, canvas, shown));
        }
        Self { before, after: UnitImage::from_picture(after).resize(shown, Filter::Lanczos3) }
    }
}

/// All pairs on one picture.
///
/// # Errors
/// No pair at all.
pub(super) fn contact_sheet(pairs: &[Pair]) -> anyhow::Result<Picture> {
    let [within, between] = GAPS;
    let pair = Size::new(2 * CELL.width + within + between, CELL.height + between);
    let n_columns = PAIRS.min(pairs.len());
    let size =
        Size::new(between + n_columns * pair.width, between + pairs.len().div_ceil(PAIRS) * pair.height);
    let mut sheet = UnitImage::filled(size, PAPER);
    for (index, Pair { before, after }) in pairs.iter().enumerate() {
        let (left, top) = (between + index % PAIRS * pair.width, between + index / PAIRS * pair.height);
        for (image, cell) in [(before, left), (after, left + CELL.width + within)] {
            let (x, y) = ((CELL.width - image.width()) / 2, (CELL.height - image.height()) / 2);
            copy(image, &mut sheet, cell + x, top + y);
        }
    }
    Ok(sheet.to_picture()?)
}

/// The largest size of the same shape within a cell.
fn fitted(size: Size) -> Size {
    let factor = (CELL.width as f64 / size.width as f64).min(CELL.height as f64 / size.height as f64);
    let side = |pixels: usize, limit: usize| ((pixels as f64 * factor).round() as usize).clamp(1, limit);
    Size::new(side(size.width, CELL.width), side(size.height, CELL.height))
}

/// A rectangle of a picture of size `from` in the same picture at size `to`, at least one pixel large.
fn scaled(rect: Rect, from: Size, to: Size) -> Rect {
    let at = |pixel: usize, from: usize, to: usize| (pixel * to / from).min(to - 1);
    let (x, y) = (at(rect.x, from.width, to.width), at(rect.y, from.height, to.height));
    let (right, bottom) = (at(rect.right(), from.width, to.width), at(rect.bottom(), from.height, to.height));
    Rect::new(x, y, (right - x).max(1), (bottom - y).max(1))
}

fn copy(image: &UnitImage, onto: &mut UnitImage, left: usize, top: usize) {
    let (width, stride) = (3 * image.width(), 3 * onto.width());
    for (y, row) in image.data().chunks_exact(width).enumerate() {
        onto.data_mut()[(top + y) * stride + 3 * left..][..width].copy_from_slice(row);
    }
}

/// Draws the edge of a rectangle, inside it.
fn outline(image: &mut UnitImage, rect: Rect) {
    let width = image.width();
    for y in rect.y..rect.bottom() {
        for x in rect.x..rect.right() {
            let distances = [x - rect.x, rect.right() - 1 - x, y - rect.y, rect.bottom() - 1 - y];
            if distances.iter().any(|&distance| distance < OUTLINE_WIDTH) {
                image.data_mut()[3 * (y * width + x)..][..3].copy_from_slice(&OUTLINE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_shape_within_a_cell() {
        assert_eq!(fitted(Size::new(640, 480)), CELL);
        assert_eq!(fitted(Size::new(1280, 240)), Size::new(320, 60));
        assert_eq!(fitted(Size::new(1, 10_000)), Size::new(1, 240));
    }

    #[test]
    fn an_outline_leaves_the_inside_alone() {
        let mut image = UnitImage::filled(Size::new(12, 10), [0.0; 3]);
        outline(&mut image, Rect::new(1, 1, 8, 7));
        assert_eq!((image.pixel(1, 1), image.pixel(2, 5), image.pixel(8, 7)), (OUTLINE, OUTLINE, OUTLINE));
        assert_eq!((image.pixel(0, 0), image.pixel(4, 4), image.pixel(9, 8)), ([0.0; 3], [0.0; 3], [0.0; 3]));
    }

    #[test]
    fn rectangles_shrink_with_their_picture() {
        let rect = scaled(Rect::new(100, 50, 200, 100), Size::new(1000, 500), Size::new(100, 50));
        assert_eq!(rect, Rect::new(10, 5, 20, 10));
        assert_eq!(scaled(Rect::new(999, 0, 1, 1), Size::new(1000, 500), Size::new(100, 50)).width, 1);
    }

    #[test]
    fn a_sheet_has_room_for_every_pair() {
        let image = |value| UnitImage::filled(CELL, [value; 3]);
        let pairs: Vec<Pair> = (0..3).map(|_| Pair { before: image(0.0), after: image(0.5) }).collect();
        let sheet = contact_sheet(&pairs).unwrap();
        assert_eq!((sheet.width(), sheet.height()), (20 + 2 * 664, 20 + 2 * 260));
    }
}
