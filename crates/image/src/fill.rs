//! Classical fills, the baseline that a model must beat.

use crate::error::Result;
use crate::mask::Mask;
use crate::multigrid;
use crate::unit::{CHANNELS, UnitImage};

/// The smoothest continuation of the kept pixels into the mask: the solution of Laplace's equation
/// with the kept pixels as boundary values and no flow across the image border.
///
/// The mask is read as binary. Filled values lie between the smallest and largest boundary value
/// (maximum principle), to about `1e-5`. A mask that leaves nothing to continue from gives mid grey.
/// Time is nearly linear in the area of the mask's bounding box, memory some 200 bytes per pixel of it.
///
/// # Errors
/// [`crate::ImageError::SizeMismatch`] if image and mask differ in size.
pub fn harmonic(image: &UnitImage, edit_mask: &Mask) -> Result<UnitImage> {
    edit_mask.check_size(image.size())?;
    if edit_mask.repaints().all(|repaint| repaint) {
        return Ok(UnitImage::filled(image.size(), [0.5; CHANNELS]));
    }
    let mut filled = image.clone();
    multigrid::extend_harmonically(filled.data_mut(), edit_mask);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Rect, Size};
    use proptest::prelude::*;

    fn ramp(size: Size) -> UnitImage {
        let pixel = |i: usize| {
            let (x, y) = ((i % size.width) as f32, (i / size.width) as f32);
            [x / size.width as f32, y / size.height as f32, 0.3]
        };
        UnitImage::new(size, (0..size.area()).flat_map(pixel).collect()).unwrap()
    }

    #[test]
    fn a_ramp_is_its_own_continuation() {
        // Linear functions are harmonic, so the fill must find them again.
        let size = Size::new(130, 97);
        let image = ramp(size);
        let mask = Mask::from_rect(size, Rect::new(9, 11, 110, 80)).unwrap();
        let mut damaged = image.clone();
        for (pixel, repaint) in damaged.data_mut().chunks_exact_mut(3).zip(mask.repaints()) {
            if repaint {
                pixel.fill(9.0);
            }
        }
        let filled = harmonic(&damaged, &mask).unwrap();
        for (found, expected) in filled.data().iter().zip(image.data()) {
            assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
        }
    }

    #[test]
    fn no_flow_crosses_the_border() {
        // Only the left column is known, so everything takes its value, row by row averaged: here equal.
        let size = Size::new(20, 5);
        let image = UnitImage::filled(size, [0.2, 0.4, 0.6]);
        let filled = harmonic(&image, &Mask::from_rect(size, Rect::new(1, 0, 19, 5)).unwrap()).unwrap();
        assert!(filled.data().iter().zip(image.data()).all(|(f, e)| (f - e).abs() < 1e-5));
    }

    #[test]
    fn nothing_to_continue_from_gives_grey_and_nothing_to_fill_changes_nothing() {
        let image = ramp(Size::new(4, 4));
        let grey = harmonic(&image, &Mask::filled(image.size(), 255)).unwrap();
        assert_eq!(grey, UnitImage::filled(image.size(), [0.5; 3]));
        assert_eq!(harmonic(&image, &Mask::filled(image.size(), 0)).unwrap(), image);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Every filled pixel is the mean of its neighbours, and kept pixels are untouched.
        #[test]
        fn fills_are_harmonic_for_any_mask(
            width in 2_usize..24, height in 2_usize..24,
            noise in prop::collection::vec((any::<bool>(), 0.0_f32..1.0), 24 * 24),
        ) {
            let size = Size::new(width, height);
            let mut values: Vec<u8> = noise[..size.area()].iter().map(|(set, _)| if *set { 255 } else { 0 }).collect();
            values[0] = 0;
            let mask = Mask::new(size, values).unwrap();
            let data = noise[..size.area()].iter().flat_map(|&(_, value)| [value, 1.0 - value, 0.5]).collect();
            let image = UnitImage::new(size, data).unwrap();
            let filled = harmonic(&image, &mask).unwrap();
            for y in 0..height {
                for x in 0..width {
                    if mask.value(x, y) == 0 {
                        let bits = |image: &UnitImage| image.pixel(x, y).map(f32::to_bits);
                        prop_assert_eq!(bits(&filled), bits(&image));
                        continue;
                    }
                    let neighbours = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
                    let inside: Vec<_> = neighbours.into_iter().filter(|&(x, y)| x < width && y < height).collect();
                    let mean: f32 = inside.iter().map(|&(x, y)| filled.pixel(x, y)[0]).sum::<f32>() / inside.len() as f32;
                    prop_assert!((filled.pixel(x, y)[0] - mean).abs() < 1e-5);
                }
            }
        }
    }
}
