//! Writes generated pixels into a picture and leaves every other sample bit-identical.

use rayon::prelude::*;

use crate::color::SrgbConverter;
use crate::error::{ImageError, Result};
use crate::geometry::Rect;
use crate::mask::Mask;
use crate::picture::{Channels, Picture, Sample, Samples};
use crate::unit::UnitImage;

/// Pastes `generated` over `region` of the picture, as strongly as the soft mask `alpha` says; both
/// have the region's size.
///
/// Only samples whose alpha is above 0 are written. They are converted from sRGB to the picture's
/// profile and depth; 255 takes the generated colour, values between blend it with the picture's
/// samples as they are encoded. A picture's own alpha becomes opaque where it is repainted: the
/// generated pixel lies *over* the old one (Porter and Duff 1984), so hidden colour never shows
/// through a soft edge. Work and memory are those of the region, whatever the picture's size.
///
/// # Errors
/// [`ImageError::OutsidePicture`] for a region outside the picture; [`ImageError::SizeMismatch`] if
/// `generated` or `alpha` has another size than the region. The picture is then unchanged.
pub fn paste(picture: &mut Picture, region: Rect, generated: &UnitImage, alpha: &Mask) -> Result<()> {
    region.check_within(picture.size())?;
    alpha.check_size(region.size())?;
    if generated.size() != region.size() {
        return Err(ImageError::SizeMismatch {
            what: "generated image",
            found: generated.size(),
            expected: region.size(),
        });
    }
    let Some(active) = alpha.bounding_box() else { return Ok(()) };
    let converter = SrgbConverter::for_picture(picture);
    let pasting = Pasting { region, active, generated, alpha, converter, channels: picture.channels() };
    let row_len = picture.width() * picture.channels().count();
    match picture.samples_mut() {
        Samples::U8(samples) => pasting.write(samples, row_len),
        Samples::U16(samples) => pasting.write(samples, row_len),
    }
    Ok(())
}

/// One paste: what goes where.
struct Pasting<'a> {
    region: Rect,
    /// The part of the region, in its own coordinates, whose alpha is not all 0.
    active: Rect,
    generated: &'a UnitImage,
    alpha: &'a Mask,
    converter: SrgbConverter,
    channels: Channels,
}

impl Pasting<'_> {
    fn write<S: Sample>(&self, samples: &mut [S], row_len: usize) {
        let rows = samples.par_chunks_exact_mut(row_len).skip(self.region.y + self.active.y);
        rows.take(self.active.height).enumerate().for_each(|(row, samples)| {
            let first = self.region.x * self.channels.count();
            self.write_row(self.active.y + row, &mut samples[first..]);
        });
    }

    /// Writes row `y` of the region; `row` begins at the region's left edge.
    fn write_row<S: Sample>(&self, y: usize, row: &mut [S]) {
        let strengths = &self.alpha.values()[y * self.region.width..][..self.region.width];
        let active = strengths.iter().enumerate().filter(|(_, strength)| **strength > 0);
        let places: Vec<_> = active.map(|(x, strength)| (x, strength.unit())).collect();
        let srgb = places.iter().flat_map(|&(x, _)| self.generated.pixel(x, y));
        // Resizing overshoots and a model may answer anything; a profile is defined on [0, 1] only.
        let srgb = srgb.map(|value| if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }).collect();
        let colors = self.converter.color_from_srgb(srgb);

        let (count, color_count) = (self.channels.count(), self.channels.color_count());
        for (&(x, strength), color) in places.iter().zip(colors.chunks_exact(color_count)) {
            blend(&mut row[x * count..(x + 1) * count], color, strength);
        }
    }
}

/// Lays an opaque colour of the given strength over a pixel; a sample more than colours is alpha.
fn blend<S: Sample>(pixel: &mut [S], color: &[f32], strength: f32) {
    let (samples, alpha) = pixel.split_at_mut(color.len());
    let under = alpha.first().map_or(1.0, |alpha| alpha.unit());
    let kept = under * (1.0 - strength);
    let covered = strength + kept;
    for (sample, &new) in samples.iter_mut().zip(color) {
        *sample = S::from_unit((strength * new + kept * sample.unit()) / covered);
    }
    if let Some(alpha) = alpha.first_mut() {
        *alpha = S::from_unit(covered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Size;
    use crate::picture::Metadata;
    use moxcms::ColorProfile;

    fn gray_16(values: [u16; 3]) -> Picture {
        Picture::new(Size::new(3, 1), Channels::Gray, Samples::U16(values.to_vec())).unwrap()
    }

    #[test]
    fn strength_0_keeps_255_takes_and_between_blends() {
        let mut picture = gray_16([1, 1000, 3001]);
        let white = UnitImage::filled(Size::new(3, 1), [1.0; 3]);
        let alpha = Mask::new(Size::new(3, 1), vec![0, 255, 51]).unwrap();
        paste(&mut picture, Rect::new(0, 0, 3, 1), &white, &alpha).unwrap();
        // 0.2 * 65535 + 0.8 * 3001 = 15507.8
        assert_eq!(picture.samples(), &Samples::U16(vec![1, 65_535, 15_508]));
    }

    #[test]
    fn repainted_pixels_become_opaque_and_hide_what_was_hidden() {
        let samples = vec![200, 0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 128];
        let mut picture = Picture::new(Size::new(3, 1), Channels::Rgba, Samples::U8(samples)).unwrap();
        let blue = UnitImage::filled(Size::new(3, 1), [0.0, 0.0, 1.0]);
        let alpha = Mask::new(Size::new(3, 1), vec![255, 128, 0]).unwrap();
        paste(&mut picture, Rect::new(0, 0, 3, 1), &blue, &alpha).unwrap();
        let expected = vec![0, 0, 255, 255, 0, 0, 255, 128, 200, 0, 0, 128];
        assert_eq!(picture.samples(), &Samples::U8(expected));
    }

    #[test]
    fn generated_colour_arrives_in_the_pictures_profile() {
        let icc = ColorProfile::new_display_p3().encode().unwrap();
        let picture = Picture::new(Size::new(1, 1), Channels::Rgb, Samples::U8(vec![0; 3])).unwrap();
        let mut picture = picture.with_metadata(Metadata { icc: Some(icc), ..Metadata::default() });
        let red = UnitImage::filled(Size::new(1, 1), [1.0, 0.0, 0.0]);
        let all = Mask::filled(Size::new(1, 1), 255);
        paste(&mut picture, Rect::new(0, 0, 1, 1), &red, &all).unwrap();
        // sRGB red is (0.9175, 0.2003, 0.1386) in Display P3.
        assert_eq!(picture.samples(), &Samples::U8(vec![234, 51, 35]));
    }

    #[test]
    fn wrong_sizes_change_nothing() {
        let mut picture = gray_16([1, 2, 3]);
        let before = picture.clone();
        let region = Rect::new(0, 0, 2, 1);
        let (good, bad) = (UnitImage::filled(region.size(), [0.5; 3]), Size::new(3, 1));
        assert!(paste(&mut picture, region, &good, &Mask::filled(bad, 255)).is_err());
        assert!(
            paste(&mut picture, region, &UnitImage::filled(bad, [0.5; 3]), &Mask::filled(region.size(), 255))
                .is_err()
        );
        assert!(
            paste(&mut picture, Rect::new(2, 0, 2, 1), &good, &Mask::filled(region.size(), 255)).is_err()
        );
        assert_eq!(picture, before);
    }

    #[test]
    fn values_beyond_the_range_and_nan_are_clamped() {
        let mut picture = gray_16([7, 7, 7]);
        let wild = UnitImage::new(Size::new(3, 1), [[-1.0; 3], [f32::NAN; 3], [2.0; 3]].concat()).unwrap();
        paste(&mut picture, Rect::new(0, 0, 3, 1), &wild, &Mask::filled(Size::new(3, 1), 255)).unwrap();
        assert_eq!(picture.samples(), &Samples::U16(vec![0, 0, 65_535]));
    }
}
