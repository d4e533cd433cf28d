//! What of a picture a network is shown: all of it, or the surroundings of what was repainted, so that a small edit is
//! not lost in a large picture.

use burn::tensor::Tensor;
use byteedit_image::Rect;

use crate::error::{Result, RewardError};

/// Side of the square that is shown, over the longer side of the box around the mask: the edge of the mask is seen from
/// both sides.
const CONTEXT: f64 = 1.5;

/// The window of each picture: a square around the box of its mask and one and a half times as large, moved into the
/// picture. Where that is too small, all of it along that axis.
///
/// # Shapes
/// - `edit_mask`: `[batch, 1, height, width]`, above 0 where repainted
///
/// # Errors
/// [`RewardError::EmptyMask`] for a picture of which nothing was repainted.
pub fn around_masks(edit_mask: &Tensor<4>) -> Result<Vec<Rect>> {
    let [batch, _, height, width] = edit_mask.dims();
    let values: Vec<f32> = edit_mask.clone().into_data().iter::<f32>().collect();
    let masks = values.chunks_exact(height * width).take(batch);
    masks
        .enumerate()
        .map(|(item, mask)| around(mask, width, height).ok_or(RewardError::EmptyMask { item }))
        .collect()
}

/// The window of one picture; `None` under an empty mask.
fn around(mask: &[f32], width: usize, height: usize) -> Option<Rect> {
    let painted = |(at, &value): (usize, &f32)| (value > 0.0).then_some((at % width, at / width));
    let painted: Vec<(usize, usize)> = mask.iter().enumerate().filter_map(painted).collect();
    let first = painted.first()?;
    let (left, top) = painted.iter().fold(*first, |(x, y), at| (x.min(at.0), y.min(at.1)));
    let (right, bottom) = painted.iter().fold(*first, |(x, y), at| (x.max(at.0), y.max(at.1)));
    let longer = (right - left + 1).max(bottom - top + 1);
    let side = (CONTEXT * longer as f64).round() as usize;
    let (x, across) = along(left + right + 1, side, width);
    let (y, down) = along(top + bottom + 1, side, height);
    Some(Rect::new(x, y, across, down))
}

/// Start and length of `side` pixels with their middle at `twice_middle / 2`, moved into `length`.
fn along(twice_middle: usize, side: usize, length: usize) -> (usize, usize) {
    let side = side.min(length);
    ((twice_middle.saturating_sub(side) / 2).min(length - side), side)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn mask(width: usize, height: usize, rect: Rect) -> Vec<f32> {
        let inside = |x, y| rect.contains(&Rect::new(x, y, 1, 1));
        (0..width * height).map(|at| f32::from(u8::from(inside(at % width, at / width)))).collect()
    }

    #[track_caller]
    fn assert_window(size: [usize; 2], painted: Rect, expected: Rect) {
        let [width, height] = size;
        assert_eq!(around(&mask(width, height, painted), width, height), Some(expected));
    }

    #[test]
    fn a_window_lies_around_its_mask_and_inside_the_picture() {
        assert_window([40, 40], Rect::new(10, 12, 8, 4), Rect::new(8, 8, 12, 12));
        // In a corner, and at the far edges.
        assert_window([40, 40], Rect::new(0, 0, 8, 8), Rect::new(0, 0, 12, 12));
        assert_window([40, 30], Rect::new(36, 20, 4, 10), Rect::new(25, 15, 15, 15));
        // As large as the picture, along one axis or both.
        assert_window([40, 12], Rect::new(10, 2, 20, 6), Rect::new(5, 0, 30, 12));
        assert_window([9, 9], Rect::new(0, 0, 9, 9), Rect::new(0, 0, 9, 9));
    }

    #[test]
    fn the_picture_without_a_mask_is_named() {
        let values = [mask(4, 4, Rect::new(1, 1, 1, 1)), vec![0.0; 16]].concat();
        let masks = Tensor::from_data(TensorData::new(values, [2, 1, 4, 4]), &Device::flex());
        let message = around_masks(&masks).unwrap_err().to_string();
        assert!(message.contains("picture 1"), "{message}");
    }
}
