//! What the eye finds first: an offset of colour, or a jump, along the edge of the mask.
//!
//! Definitions of our own, for whoever measures results or labels them. [`color_error`] and [`gradient_error`] compare with the truth, whose pixels outside
//! the mask are the result's, so both are 0 for the truth itself; a smooth continuation that shows no seam at all has
//! some of both, since it is not the truth. [`step`] asks the result alone. Pictures have steps of their own, and an
//! autoencoder loses something: the figure to compare with is that of the truth sent through the autoencoder and
//! pasted.

use crate::geometry::Size;
use crate::mask::Mask;
use crate::unit::UnitImage;

/// Levels in the range of a sample.
const LEVELS: f64 = 255.0;
/// Width in pixels of the band inside the mask in which [`color_error`] looks, and radius of the local
/// means of both.
pub const BAND: u32 = 4;

/// The slow part of the colour error along the inside of the edge (`seam-color`), in levels:
///
/// ```text
/// mean over the band B and the channels of | mean over q in B, |q - p|∞ <= BAND, of (y_q - x_q) |
/// ```
///
/// with `y` the result, `x` the truth and `B` the repainted pixels at most [`BAND`] pixels from a
/// kept one. The inner mean removes texture, which may differ from the truth's without being wrong,
/// and leaves the tone, which may not. `None` where the mask has no edge inside the picture.
///
/// # Panics
/// If the three differ in size.
pub fn color_error(result: &UnitImage, truth: &UnitImage, edit_mask: &Mask) -> Option<f64> {
    assert_one_size(result, truth, edit_mask);
    let near_kept = edit_mask.invert().dilate(BAND);
    let in_band: Vec<bool> =
        near_kept.repaints().zip(edit_mask.repaints()).map(|(near, repaint)| near && repaint).collect();
    let mut errors = LocalErrors::new(truth.size());
    for at in (0..in_band.len()).filter(|&at| in_band[at]) {
        let error = |channel: usize| {
            let at = 3 * at + channel;
            f64::from(result.data()[at]) - f64::from(truth.data()[at])
        };
        errors.add(at, [0, 1, 2].map(error));
    }
    errors.mean()
}

/// How much more, or less, the result jumps across the edge than the truth (`seam-gradient`), in
/// levels:
///
/// ```text
/// mean over p in E and the channels of | mean over q in E near p of (J_q(y) - J_q(x)) |
/// ```
///
/// with `E` all pairs of neighbours of which one is repainted and one kept, `J_q` the magnitude of the
/// difference across the pair `q`, and pairs near whose repainted pixels are at most [`BAND`] columns and
/// rows apart. So a jump here does not make up for a missing one there. `None` where the mask has no edge
/// inside the picture.
///
/// # Panics
/// If the three differ in size.
pub fn gradient_error(result: &UnitImage, truth: &UnitImage, edit_mask: &Mask) -> Option<f64> {
    assert_one_size(result, truth, edit_mask);
    let repaint: Vec<bool> = edit_mask.repaints().collect();
    let mut errors = LocalErrors::new(truth.size());
    for pair in truth.size().neighbor_pairs().filter(|(a, b)| repaint[*a] != repaint[*b]) {
        let repainted = if repaint[pair.0] { pair.0 } else { pair.1 };
        let (found, expected) = (result.channel_differences(pair), truth.channel_differences(pair));
        errors.add(repainted, [0, 1, 2].map(|channel| found[channel].abs() - expected[channel].abs()));
    }
    errors.mean()
}

/// The slow part of the step across the edge (`seam-step`), in levels:
///
/// ```text
/// mean over p in E and the channels of | mean over q in E near p of (y_in(q) - y_out(q)) |
/// ```
///
/// with `E` and near as in [`gradient_error`], and `y_in` and `y_out` the repainted and the kept pixel of a pair.
/// Texture and outlines that cross the edge cancel in the inner mean, an offset along the edge does not. `None` where
/// the mask has no edge inside the picture.
///
/// # Panics
/// If the two differ in size.
pub fn step(result: &UnitImage, edit_mask: &Mask) -> Option<f64> {
    assert_one_size(result, result, edit_mask);
    let repaint: Vec<bool> = edit_mask.repaints().collect();
    let mut steps = LocalErrors::new(result.size());
    for pair in result.size().neighbor_pairs().filter(|(a, b)| repaint[*a] != repaint[*b]) {
        let inside_first = if repaint[pair.0] { pair } else { (pair.1, pair.0) };
        steps.add(inside_first.0, result.channel_differences(inside_first));
    }
    steps.mean()
}

/// Panics unless two pictures and a mask have one size: the caller made them, so it is a bug.
fn assert_one_size(result: &UnitImage, truth: &UnitImage, edit_mask: &Mask) {
    assert_eq!(result.size(), truth.size(), "sizes of result and truth");
    assert_eq!(edit_mask.size(), truth.size(), "sizes of mask and truth");
}

/// Signed errors of the three channels, each at a pixel.
struct LocalErrors {
    size: Size,
    /// For each pixel the sum of its errors.
    sums: Vec<[f64; 3]>,
    /// For each pixel the number of its errors.
    counts: Vec<usize>,
}

impl LocalErrors {
    fn new(size: Size) -> Self {
        Self { size, sums: vec![[0.0; 3]; size.area()], counts: vec![0; size.area()] }
    }

    fn add(&mut self, at: usize, error: [f64; 3]) {
        self.sums[at].iter_mut().zip(error).for_each(|(sum, error)| *sum += error);
        self.counts[at] += 1;
    }

    /// The mean over all errors and channels of the magnitude of the local mean, in levels; `None` if
    /// there is no error.
    fn mean(&self) -> Option<f64> {
        let is_some = |at: &usize| self.counts[*at] > 0;
        let (mut sum, mut n_errors) = (0.0, 0_usize);
        for at in (0..self.counts.len()).filter(is_some) {
            let mut local = [0.0; 3];
            let mut n_near = 0_usize;
            for near in window(at, self.size).filter(is_some) {
                local.iter_mut().zip(self.sums[near]).for_each(|(local, sum)| *local += sum);
                n_near += self.counts[near];
            }
            let magnitude = local.iter().map(|error| error.abs()).sum::<f64>() / n_near as f64;
            sum += self.counts[at] as f64 * magnitude;
            n_errors += self.counts[at];
        }
        (n_errors > 0).then(|| LEVELS * sum / (3 * n_errors) as f64)
    }
}

/// The pixels at most [`BAND`] columns and rows away.
fn window(at: usize, size: Size) -> impl Iterator<Item = usize> {
    let reach = BAND as usize;
    let (x, y) = (at % size.width, at / size.width);
    let columns = x.saturating_sub(reach)..(x + reach + 1).min(size.width);
    let rows = y.saturating_sub(reach)..(y + reach + 1).min(size.height);
    rows.flat_map(move |y| columns.clone().map(move |x| y * size.width + x))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geometry::Rect;

    const SIZE: Size = Size::new(40, 32);

    fn picture(size: Size, pixel: impl Fn(usize, usize) -> [f32; 3]) -> UnitImage {
        let data = (0..size.area()).flat_map(|at| pixel(at % size.width, at / size.width)).collect();
        UnitImage::new(size, data).unwrap()
    }

    /// `inside` where the mask repaints, `outside` elsewhere.
    fn composed(inside: &UnitImage, outside: &UnitImage, mask: &Mask) -> UnitImage {
        let source = |at: usize| if mask.values()[at] >= 128 { inside } else { outside };
        picture(mask.size(), |x, y| source(y * mask.width() + x).pixel(x, y))
    }

    fn boxed(size: Size, x: usize, y: usize, width: usize, height: usize) -> Mask {
        Mask::from_rect(size, Rect::new(x, y, width, height)).unwrap()
    }

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-3, "{found} instead of {expected}");
    }

    #[test]
    fn an_offset_is_its_own_size_in_both() {
        let mask = boxed(SIZE, 10, 8, 20, 16);
        let truth = UnitImage::filled(SIZE, [0.5; 3]);
        let result = composed(&UnitImage::filled(SIZE, [0.5 + 10.0 / 255.0; 3]), &truth, &mask);
        close(color_error(&result, &truth, &mask), 10.0);
        close(gradient_error(&result, &truth, &mask), 10.0);
        close(step(&result, &mask), 10.0);
        // An offset of one channel of three counts a third.
        let result = composed(&UnitImage::filled(SIZE, [0.5, 0.5 - 9.0 / 255.0, 0.5]), &truth, &mask);
        close(color_error(&result, &truth, &mask), 3.0);
        close(gradient_error(&result, &truth, &mask), 3.0);
    }

    #[test]
    fn texture_that_differs_is_no_offset() {
        let mask = boxed(SIZE, 10, 8, 20, 16);
        let grain = |phase: usize| {
            picture(SIZE, |x, y| [if (x + y + phase).is_multiple_of(2) { 0.6 } else { 0.4 }; 3])
        };
        let result = composed(&grain(1), &grain(0), &mask);
        // Each pixel is off by 51 levels, and the local means of at least 25 pixels by two at most.
        assert!(color_error(&result, &grain(0), &mask).unwrap() < 51.0 / 12.0);
        // The truth jumps by 51 levels across every pair, the inverted grain by none.
        close(gradient_error(&result, &grain(0), &mask), 51.0);
    }

    #[test]
    fn outlines_across_the_edge_are_no_step_and_offsets_of_either_sign_are() {
        let mask = boxed(SIZE, 10, 8, 20, 16);
        let plain = UnitImage::filled(SIZE, [0.5; 3]);
        close(step(&plain, &mask), 0.0);
        // Vertical stripes go on across the upper and lower edge, and end in pairs of one sign at the sides.
        let stripes = picture(SIZE, |x, _| [if x.is_multiple_of(2) { 0.6 } else { 0.4 }; 3]);
        let upper_and_lower = boxed(SIZE, 0, 8, 40, 16);
        close(step(&stripes, &upper_and_lower), 0.0);
        // Lighter on the left, darker on the right: both are steps.
        let tilted = picture(SIZE, |x, _| [0.5 + if x < 20 { 12.0 } else { -12.0 } / 255.0; 3]);
        let found = step(&composed(&tilted, &plain, &mask), &mask).unwrap();
        assert!(found > 10.0 && found <= 12.0 + 1e-4, "{found}");
    }

    #[test]
    fn a_jump_here_does_not_make_up_for_a_missing_one_there() {
        let mask = boxed(SIZE, 10, 8, 20, 16);
        let outside = UnitImage::filled(SIZE, [0.5; 3]);
        let inside = |left: f32, right: f32| {
            let inside = picture(SIZE, |x, _| [0.5 + if x < 20 { left } else { right } / 255.0; 3]);
            composed(&inside, &outside, &mask)
        };
        // The left half jumps by 20 levels more than the truth and the right half by 20 less. Of the 72
        // pairs along the edge, 16 lie so near to where the halves meet that their local means cancel in part:
        // of 9 columns, 5 to 8 are of one half and the rest of the other.
        let expected = 20.0 * (56.0 + 4.0 * (1.0 + 3.0 + 5.0 + 7.0) / 9.0) / 72.0;
        close(gradient_error(&inside(60.0, 20.0), &inside(40.0, 40.0), &mask), expected);
    }

    #[test]
    fn a_mask_without_an_edge_has_no_seam() {
        let truth = UnitImage::filled(SIZE, [0.5; 3]);
        for mask in [Mask::filled(SIZE, 255), Mask::filled(SIZE, 0)] {
            assert_eq!(color_error(&truth, &truth, &mask), None);
            assert_eq!(gradient_error(&truth, &truth, &mask), None);
            assert_eq!(step(&truth, &mask), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_truth_has_no_error_and_the_middle_does_not_count(
            x in 1_usize..12, y in 1_usize..8, value in 0.0_f32..1.0,
        ) {
            let mask = boxed(SIZE, x, y, 26, 22);
            let truth = picture(SIZE, |x, y| [((7 * x + 3 * y) % 11) as f32 / 11.0, 0.3, 0.02 * x as f32]);
            prop_assert_eq!(color_error(&truth, &truth, &mask), Some(0.0));
            prop_assert_eq!(gradient_error(&truth, &truth, &mask), Some(0.0));
            let band = BAND as usize;
            let middle = boxed(SIZE, x + band, y + band, 26 - 2 * band, 22 - 2 * band);
            let result = composed(&UnitImage::filled(SIZE, [value; 3]), &truth, &middle);
            prop_assert_eq!(color_error(&result, &truth, &mask), Some(0.0));
            prop_assert_eq!(gradient_error(&result, &truth, &mask), Some(0.0));
        }
    }
}
