//! How visible the edge of an edit is, in numbers. The measures are our own.

use byteedit_image::{Mask, UnitImage};
use serde::Serialize;

/// Kept pixels so near to the mask, in pixels, show what steps the picture itself has there.
const SURROUNDINGS: u32 = 3;

/// Measures of one edge, all as mean absolute differences of sRGB values in [0, 1] over the three
/// channels; 0.004 is one level of 255.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Seam {
    /// From a kept pixel to a repainted one beside it, in the result.
    pub step: f64,
    /// Between two kept pixels beside each other, within three pixels of the mask: what `step` would be
    /// if nothing showed. 0 where there are none.
    pub usual_step: f64,
    /// Between what the model made of the kept pixels near the mask and what they are, on its canvas:
    /// the error of the autoencoder.
    pub band_error: f64,
    /// The same after the colour match.
    pub matched_error: f64,
}

/// Sums from which a [`Seam`] is made; those of several windows add up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SeamSums {
    step: Mean,
    usual_step: Mean,
    band_error: Mean,
    matched_error: Mean,
}

impl SeamSums {
    /// Measures the steps in a region after its edit; `edit_mask` is of its size, 255 = repainted.
    pub(crate) fn add_edge(&mut self, result: &UnitImage, edit_mask: &Mask) {
        let (width, height) = (result.width(), result.height());
        let repaints: Vec<bool> = edit_mask.repaints().collect();
        let near: Vec<bool> = edit_mask.dilate(SURROUNDINGS).repaints().collect();
        let mut neighbours = |a: usize, b: usize| {
            if repaints[a] != repaints[b] {
                self.step.add(difference(result, result, a, b));
            } else if !repaints[a] && near[a] && near[b] {
                self.usual_step.add(difference(result, result, a, b));
            }
        };
        for y in 0..height {
            for x in 0..width {
                let at = y * width + x;
                if x + 1 < width {
                    neighbours(at, at + 1);
                }
                if y + 1 < height {
                    neighbours(at, at + width);
                }
            }
        }
    }

    /// Measures a canvas as it was painted, and with its colours matched, against what is known of it;
    /// all four of one size.
    pub(crate) fn add_band(
        &mut self,
        known: &UnitImage,
        [painted, matched]: [&UnitImage; 2],
        edit_mask: &Mask,
        band: u32,
    ) {
        let near = edit_mask.dilate(band);
        let in_band = near.repaints().zip(edit_mask.repaints()).map(|(near, repaint)| near && !repaint);
        for (at, _) in in_band.enumerate().filter(|(_, in_band)| *in_band) {
            self.band_error.add(difference(painted, known, at, at));
            self.matched_error.add(difference(matched, known, at, at));
        }
    }

    /// `None` if no repainted pixel lies beside a kept one.
    pub(crate) fn seam(&self) -> Option<Seam> {
        let step = self.step.value()?;
        let or_zero = |mean: Mean| mean.value().unwrap_or(0.0);
        Some(Seam {
            step,
            usual_step: or_zero(self.usual_step),
            band_error: or_zero(self.band_error),
            matched_error: or_zero(self.matched_error),
        })
    }
}

/// Between pixel `i` of one image and pixel `j` of another.
fn difference(a: &UnitImage, b: &UnitImage, i: usize, j: usize) -> f64 {
    let pair = a.data()[3 * i..3 * i + 3].iter().zip(&b.data()[3 * j..3 * j + 3]);
    pair.map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / 3.0
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    n: usize,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.n += 1;
    }

    fn value(self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byteedit_image::{Rect, Size};

    const SIZE: Size = Size::new(12, 10);

    /// A ramp of 0.01 for each column, with `offset` added in the mask and `outside` elsewhere.
    fn ramp(mask: &Mask, inside: f32, outside: f32) -> UnitImage {
        let pixels = mask.repaints().enumerate().flat_map(|(at, repaint)| {
            let offset = if repaint { inside } else { outside };
            [0.2 + 0.01 * (at % SIZE.width) as f32 + offset; 3]
        });
        UnitImage::new(SIZE, pixels.collect()).unwrap()
    }

    fn seam(rect: Rect, inside: f32, outside: f32) -> Option<Seam> {
        let mask = Mask::from_rect(SIZE, rect).unwrap();
        let (source, drifted) = (ramp(&mask, 0.0, 0.0), ramp(&mask, inside, outside));
        let mut sums = SeamSums::default();
        sums.add_edge(&ramp(&mask, inside, 0.0), &mask);
        sums.add_band(&source, [&drifted, &source], &mask, 2);
        sums.seam()
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
    }

    #[test]
    fn an_invisible_edge_steps_like_its_surroundings() {
        // The left half of the picture: all pairs across the edge lie in rows, as do the ramp's steps.
        let seam = seam(Rect::new(0, 0, 6, 10), 0.0, 0.0).unwrap();
        close(seam.step, 0.01);
        // Within three columns: 2 x 10 pairs of 0.01 in rows, 3 x 9 of 0 in columns.
        close(seam.usual_step, 20.0 * 0.01 / 47.0);
        close(seam.band_error, 0.0);
    }

    #[test]
    fn an_offset_shows_in_the_step_and_in_the_band() {
        let seam = seam(Rect::new(0, 0, 6, 10), -0.1, -0.1).unwrap();
        close(seam.step, 0.11);
        close(seam.band_error, 0.1);
        close(seam.matched_error, 0.0);
    }

    #[test]
    fn without_an_edge_there_is_no_seam() {
        assert_eq!(seam(SIZE.rect(), 0.3, 0.0), None);
    }
}
