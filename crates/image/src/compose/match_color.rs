//! Removes the colour offset between generated and kept pixels, which shows as a seam.
//!
//! A model's autoencoder does not give back exactly the colours it was given. On kept pixels the error
//! is known: generated minus source. It is smoothed along a band around the mask, since only its slow
//! part is an offset and the rest is texture, and continued into the mask as the harmonic function
//! with these boundary values: a membrane, as in Poisson image editing (Pérez et al. 2003, section 2),
//! of the error instead of the image. Subtracting it closes the seam and keeps all generated detail.

use crate::error::{ImageError, Result};
use crate::geometry::Size;
use crate::mask::Mask;
use crate::multigrid;
use crate::unit::{CHANNELS, UnitImage};

/// How often the box blur is applied: twice makes a triangle, without the streaks of one box.
const BLUR_PASSES: usize = 2;

/// `generated` with the colour offset to `source` removed: measured on the kept pixels within `band`
/// pixels of the mask, and removed there and in the mask. All three have the same size; `edit_mask` is
/// read as binary.
///
/// Pixels farther than `band` outside the mask stay as they are, so paste with a feather no wider than
/// `band`. Nothing changes if `band` is 0, or if the mask leaves no kept pixel or no repainted one.
/// Values are not clamped. Memory is some 200 bytes per repainted pixel: where the result will be
/// enlarged, match on the model's canvas, before enlarging.
///
/// # Errors
/// [`ImageError::SizeMismatch`] if the three differ in size.
pub fn match_color(
    generated: &UnitImage,
    source: &UnitImage,
    edit_mask: &Mask,
    band: u32,
) -> Result<UnitImage> {
    let size = generated.size();
    edit_mask.check_size(size)?;
    if source.size() != size {
        let (found, expected) = (source.size(), size);
        return Err(ImageError::SizeMismatch { what: "source", found, expected });
    }
    let near = edit_mask.dilate(band);
    let in_band: Vec<bool> =
        near.repaints().zip(edit_mask.repaints()).map(|(near, repaint)| near && !repaint).collect();
    let mut matched = generated.clone();
    if !in_band.contains(&true) {
        return Ok(matched);
    }

    let mut offset: Vec<f32> = generated.data().iter().zip(source.data()).map(|(g, s)| g - s).collect();
    smooth_in_band(&mut offset, &in_band, size, (band as usize / 2).max(1));
    multigrid::extend_harmonically(&mut offset, edit_mask);
    matched.data_mut().iter_mut().zip(&offset).for_each(|(value, offset)| *value -= offset);
    Ok(matched)
}

/// Replaces the values in the band by their local mean over the band, and all others by 0.
fn smooth_in_band(values: &mut [f32], in_band: &[bool], size: Size, radius: usize) {
    let mut weights: Vec<f32> = in_band.iter().map(|&inside| f32::from(u8::from(inside))).collect();
    for (pixel, &weight) in values.chunks_exact_mut(CHANNELS).zip(&weights) {
        for value in pixel {
            *value *= weight;
        }
    }
    for _ in 0..BLUR_PASSES {
        blur(values, CHANNELS, size, radius);
        blur(&mut weights, 1, size, radius);
    }
    for ((pixel, &weight), &inside) in values.chunks_exact_mut(CHANNELS).zip(&weights).zip(in_band) {
        let scale = if inside { weight.recip() } else { 0.0 };
        for value in pixel {
            *value *= scale;
        }
    }
}

/// Sums over a square of `2 * radius + 1` pixels, by running sums along rows and then columns.
fn blur(values: &mut [f32], channels: usize, size: Size, radius: usize) {
    let row_len = size.width * channels;
    let mut line = Vec::new();
    for row in values.chunks_exact_mut(row_len) {
        for channel in 0..channels {
            running_sums(row, channel, channels, radius, &mut line);
        }
    }
    for column in 0..row_len {
        running_sums(values, column, row_len, radius, &mut line);
    }
}

/// Sums over `2 * radius + 1` neighbours along the line `start, start + stride, ...`; in `f64`, since
/// a running sum would keep the rounding of everything that has passed through it.
fn running_sums(values: &mut [f32], start: usize, stride: usize, radius: usize, line: &mut Vec<f64>) {
    line.clear();
    line.push(0.0);
    let mut total = 0.0;
    line.extend(values.iter().skip(start).step_by(stride).map(|value| {
        total += f64::from(*value);
        total
    }));
    let len = line.len() - 1;
    for (at, value) in values.iter_mut().skip(start).step_by(stride).enumerate() {
        let (first, last) = (at.saturating_sub(radius), (at + radius + 1).min(len));
        *value = (line[last] - line[first]) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;

    const SIZE: Size = Size::new(48, 40);

    fn image(value: impl Fn(f32, f32) -> f32) -> UnitImage {
        let pixel = |i: usize| {
            let value = value((i % SIZE.width) as f32, (i / SIZE.width) as f32);
            [value, 0.5 * value, 1.0 - value]
        };
        UnitImage::new(SIZE, (0..SIZE.area()).flat_map(pixel).collect()).unwrap()
    }

    fn hole() -> Mask {
        Mask::from_rect(SIZE, Rect::new(16, 12, 16, 14)).unwrap()
    }

    fn largest_difference(a: &UnitImage, b: &UnitImage, within: &Mask) -> f32 {
        let pixels = a.data().chunks_exact(3).zip(b.data().chunks_exact(3)).zip(within.repaints());
        let inside = pixels.filter(|(_, within)| *within).map(|(pair, _)| pair);
        inside.flat_map(|(a, b)| a.iter().zip(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    fn texture(x: f32, y: f32) -> f32 {
        0.5 + 0.2 * (0.9 * x).sin() * (0.7 * y).cos()
    }

    #[test]
    fn a_constant_offset_is_removed_everywhere_that_is_pasted() {
        let source = image(texture);
        let generated = image(|x, y| texture(x, y) + 0.08);
        let matched = match_color(&generated, &source, &hole(), 6).unwrap();
        assert!(largest_difference(&matched, &source, &hole().dilate(6)) < 1e-4);
    }

    #[test]
    fn a_sloping_offset_is_removed_up_to_the_smoothing() {
        let source = image(texture);
        let generated = image(|x, y| texture(x, y) + 0.002 * x - 0.001 * y);
        let matched = match_color(&generated, &source, &hole(), 6).unwrap();
        let before = largest_difference(&generated, &source, &hole());
        let after = largest_difference(&matched, &source, &hole());
        assert!(after < 0.2 * before, "{after} of {before}");
    }

    #[test]
    fn generated_detail_inside_the_mask_is_kept() {
        let source = image(|_, _| 0.4);
        let mask = hole();
        let inside = |x: f32, y: f32| (17.0..31.0).contains(&x) && (13.0..25.0).contains(&y);
        let drawn = image(|x, y| if inside(x, y) { texture(x, y) } else { 0.4 });
        assert!(largest_difference(&match_color(&drawn, &source, &mask, 6).unwrap(), &drawn, &mask) < 1e-5);
    }

    #[test]
    fn noise_on_kept_pixels_moves_the_inside_little() {
        let source = image(|_, _| 0.5);
        let generated = image(|x, y| 0.5 + 0.1 * (std::f32::consts::PI * (x + y)).cos());
        let matched = match_color(&generated, &source, &hole(), 8).unwrap();
        assert!(largest_difference(&matched, &generated, &hole()) < 0.02);
    }

    #[test]
    fn without_kept_or_repainted_pixels_nothing_changes() {
        let (source, generated) = (image(|_, _| 0.2), image(|_, _| 0.7));
        for (mask, band) in [(Mask::filled(SIZE, 255), 6), (Mask::filled(SIZE, 0), 6), (hole(), 0)] {
            assert_eq!(match_color(&generated, &source, &mask, band).unwrap(), generated);
        }
    }
}
