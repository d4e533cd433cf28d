//! Masks as other programs write them.

use super::{Mask, THRESHOLD};
use crate::error::{ImageError, Result};
use crate::geometry::Size;
use crate::picture::{Picture, Sample, Samples};

/// What in a mask picture means "repaint". The threshold is 0.5 in every mode, as in diffusers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MaskMode {
    /// White repaints: diffusers, A1111, `IOPaint`, FLUX Fill. Alpha is ignored.
    #[default]
    White,
    /// Black repaints: `EditBench`. Alpha is ignored.
    Black,
    /// Transparent repaints: the OpenAI images API, ai-toolkit.
    Alpha,
    /// Opaque repaints: kohya's alpha mask.
    AlphaInverted,
}

impl Mask {
    /// The mask that a picture means, at the picture's size.
    ///
    /// Colour counts by its luma, as Pillow converts to `L`; no profile is applied.
    ///
    /// # Errors
    /// [`ImageError::NoAlpha`] if the mode reads alpha and the picture has none.
    pub fn from_picture(picture: &Picture, mode: MaskMode) -> Result<Self> {
        let by_alpha = matches!(mode, MaskMode::Alpha | MaskMode::AlphaInverted);
        if by_alpha && !picture.channels().has_alpha() {
            return Err(ImageError::NoAlpha);
        }
        let low_repaints = matches!(mode, MaskMode::Black | MaskMode::Alpha);
        let pixels = Pixels { count: picture.channels().count(), by_alpha, low_repaints };
        let values = match picture.samples() {
            Samples::U8(samples) => {
                pixels.thresholded(samples, |&[r, g, b]| pillow_luma(r, g, b) >= THRESHOLD)
            }
            Samples::U16(samples) => pixels.thresholded(samples, |rgb| {
                let [r, g, b] = rgb.map(Sample::unit);
                0.299 * r + 0.587 * g + 0.114 * b >= 0.5
            }),
        };
        Self::new(picture.size(), values)
    }

    /// A mask from run lengths as `BrushBench` stores them: pairs of the first pixel of a run, counted
    /// from 1 row by row, and its length; the runs repaint.
    ///
    /// # Errors
    /// [`ImageError::InvalidArgument`] for an odd count or a run that leaves the picture.
    pub fn from_rle(size: Size, runs: &[usize]) -> Result<Self> {
        let refuse = |value| ImageError::InvalidArgument {
            name: "the run-length mask",
            value,
            limit: "pairs of a start from 1 on and a length, inside the picture",
        };
        let (pairs, rest) = runs.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(refuse(format!("{} numbers long", runs.len())));
        }
        let mut mask = Self::filled(size, 0);
        for &[start, length] in pairs {
            let run =
                start.checked_sub(1).and_then(|from| mask.values.get_mut(from..from.checked_add(length)?));
            run.ok_or_else(|| refuse(format!("a run of {length} from {start} for {size} px")))?.fill(255);
        }
        Ok(mask)
    }
}

/// How to read one pixel's decision.
struct Pixels {
    count: usize,
    by_alpha: bool,
    low_repaints: bool,
}

impl Pixels {
    fn thresholded<S: Sample>(&self, samples: &[S], is_light: impl Fn(&[S; 3]) -> bool) -> Vec<u8> {
        let is_high = |pixel: &[S]| match pixel {
            [.., alpha] if self.by_alpha => alpha.unit() >= 0.5,
            [r, g, b, ..] => is_light(&[*r, *g, *b]),
            // Grey needs no weights: it is its own luma.
            [gray, ..] => gray.unit() >= 0.5,
            [] => false,
        };
        let value = |pixel| if is_high(pixel) == self.low_repaints { 0 } else { 255 };
        samples.chunks_exact(self.count).map(value).collect()
    }
}

/// Pillow's conversion of RGB to `L`: Rec. 601 weights in 16-bit fixed point, rounded.
fn pillow_luma(red: u8, green: u8, blue: u8) -> u8 {
    let sum = u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471 + 0x8000;
    (sum >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Channels;

    fn values(channels: Channels, samples: Vec<u8>, mode: MaskMode) -> Vec<u8> {
        let size = Size::new(samples.len() / channels.count(), 1);
        let picture = Picture::new(size, channels, Samples::U8(samples)).unwrap();
        Mask::from_picture(&picture, mode).unwrap().values().to_vec()
    }

    #[test]
    fn the_threshold_is_one_half() {
        let grays = vec![0, 127, 128, 255];
        assert_eq!(values(Channels::Gray, grays.clone(), MaskMode::White), [0, 0, 255, 255]);
        assert_eq!(values(Channels::Gray, grays, MaskMode::Black), [255, 255, 0, 0]);
        let deep = Picture::new(Size::new(2, 1), Channels::Gray, Samples::U16(vec![32_767, 32_768])).unwrap();
        assert_eq!(Mask::from_picture(&deep, MaskMode::White).unwrap().values(), [0, 255]);
    }

    #[test]
    fn colour_counts_by_its_luma() {
        // Luma 150, 76, 29: green is light, red and blue are dark.
        let colors = vec![0, 255, 0, 255, 0, 0, 0, 0, 255];
        assert_eq!(values(Channels::Rgb, colors, MaskMode::White), [255, 0, 0]);
        assert_eq!(
            (pillow_luma(0, 255, 0), pillow_luma(255, 0, 0), pillow_luma(255, 255, 255)),
            (150, 76, 255)
        );
    }

    #[test]
    fn alpha_modes_read_alpha_alone() {
        let pixels = vec![255, 0, 0, 255];
        assert_eq!(values(Channels::GrayAlpha, pixels.clone(), MaskMode::Alpha), [255, 0]);
        assert_eq!(values(Channels::GrayAlpha, pixels.clone(), MaskMode::AlphaInverted), [0, 255]);
        assert_eq!(values(Channels::GrayAlpha, pixels, MaskMode::White), [255, 0]);
        let opaque = Picture::new(Size::new(1, 1), Channels::Rgb, Samples::U8(vec![1, 2, 3])).unwrap();
        assert_eq!(Mask::from_picture(&opaque, MaskMode::Alpha), Err(ImageError::NoAlpha));
    }

    #[test]
    fn run_lengths_count_from_one() {
        let size = Size::new(3, 2);
        assert_eq!(Mask::from_rle(size, &[1, 2, 6, 1]).unwrap().values(), [255, 255, 0, 0, 0, 255]);
        assert!(Mask::from_rle(size, &[]).unwrap().is_empty());
        for bad in [&[0, 1][..], &[6, 2], &[1, 2, 3], &[usize::MAX, usize::MAX]] {
            assert!(Mask::from_rle(size, bad).is_err(), "{bad:?}");
        }
    }
}
