//! Cutting a square out of a picture and resizing it, antialiased.

use crate::picture::Rgb8;

/// A square of a picture, in pixels of that picture; it may start between pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) side: f32,
    /// Mirror left and right.
    pub(crate) flip: bool,
}

/// The window as a picture of `size x size`: a triangle filter, widened where it shrinks, so that a
/// constant stays constant and fine detail turns to its mean instead of to noise. Separable, rows first.
pub(crate) fn resize_window(picture: &Rgb8, window: Window, size: usize) -> Rgb8 {
    let columns = taps(window.x, window.side, size, picture.width);
    let rows = taps(window.y, window.side, size, picture.height);
    let top = rows.first().map_or(0, |taps| taps.first);
    let bottom = rows.last().map_or(0, |taps| taps.first + taps.weights.len());

    let mut squeezed = vec![[0.0_f32; 3]; (bottom - top) * size];
    for (y, out) in (top..bottom).zip(squeezed.chunks_exact_mut(size)) {
        let row = picture.data[3 * y * picture.width..3 * (y + 1) * picture.width].as_chunks::<3>().0;
        for (pixel, taps) in out.iter_mut().zip(&columns) {
            for (source, weight) in row[taps.first..].iter().zip(&taps.weights) {
                for c in 0..3 {
                    pixel[c] += weight * f32::from(source[c]);
                }
            }
        }
    }

    let mut resized = Rgb8::filled(size, size, [0; 3]);
    for (y, taps) in rows.iter().enumerate() {
        for x in 0..size {
            let mut sum = [0.0_f32; 3];
            for (offset, weight) in taps.weights.iter().enumerate() {
                let source = squeezed[(taps.first - top + offset) * size + x];
                for c in 0..3 {
                    sum[c] += weight * source[c];
                }
            }
            let column = if window.flip { size - 1 - x } else { x };
            let at = 3 * (y * size + column);
            resized.data[at..at + 3].copy_from_slice(&sum.map(|sample| (sample + 0.5) as u8));
        }
    }
    resized
}

/// The source samples of one output sample, and their weights, which add up to 1.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

fn taps(start: f32, extent: f32, size: usize, limit: usize) -> Vec<Taps> {
    let scale = extent / size as f32;
    let support = scale.max(1.0);
    (0..size)
        .map(|index| {
            let center = start + (index as f32 + 0.5) * scale;
            let first = ((center - support).floor().max(0.0) as usize).min(limit - 1);
            let last = ((center + support).ceil() as usize).clamp(first + 1, limit);
            let weigh = |source: usize| (1.0 - (source as f32 + 0.5 - center).abs() / support).max(0.0);
            let mut weights: Vec<f32> = (first..last).map(weigh).collect();
            let sum: f32 = weights.iter().sum();
            for weight in &mut weights {
                *weight /= sum;
            }
            Taps { first, weights }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(side: usize) -> Window {
        Window { x: 0.0, y: 0.0, side: side as f32, flip: false }
    }

    #[test]
    fn the_same_size_is_the_identity() {
        let data = (0..3 * 12 * 12).map(|index| (index * 37 % 256) as u8).collect();
        let picture = Rgb8 { width: 12, height: 12, data };
        assert_eq!(resize_window(&picture, whole(12), 12), picture);
        let flipped = resize_window(&picture, Window { flip: true, ..whole(12) }, 12);
        assert_eq!(flipped.pixel(0, 5), picture.pixel(11, 5));
    }

    #[test]
    fn a_ramp_stays_a_ramp() {
        let mut picture = Rgb8::filled(40, 40, [0; 3]);
        for (index, pixel) in picture.data.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            *pixel = [(6 * (index % 40)) as u8; 3];
        }
        let half = resize_window(&picture, whole(40), 20);
        // Output pixel 10 is centred on source position 21, between columns 20 and 21.
        assert_eq!(half.pixel(10, 10), [123; 3]);
    }

    proptest! {
        #[test]
        fn a_constant_stays_constant(
            color in any::<[u8; 3]>(), x in 0.0_f32..20.0, y in 0.0_f32..10.0, side in 3.0_f32..30.0, size in 1_usize..50,
        ) {
            let picture = Rgb8::filled(50, 40, color);
            let resized = resize_window(&picture, Window { x, y, side, flip: false }, size);
            prop_assert!(resized.pixels().all(|pixel| pixel == color));
        }
    }
}
