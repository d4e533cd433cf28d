//! Whether a picture shows the colour that its prompt names: `color-word`.
//!
//! The word is measured by the function that wrote the captions ([`byteedit_data::color`]), over the
//! pixels where the truth has its object. For the truth itself the answer is yes by construction.
//! An object painted in another shape or place is measured on the truth's shape all the same, so the
//! share is a lower bound; with an empty prompt the same measure says what guessing gives.

use byteedit_data::ColorWord;
use byteedit_data::color::measure_pixels;
use byteedit_image::{Mask, UnitImage};

/// The first colour word of a prompt, if it has one.
pub fn requested(prompt: &str) -> Option<ColorWord> {
    let mut words = prompt.split(|c: char| !c.is_alphabetic()).map(str::to_lowercase);
    words.find_map(|word| ColorWord::from_name(&word))
}

/// The word that is true of most of the region's pixels, as [`byteedit_data::color::measure`] finds
/// it on the picture in 8 bits.
///
/// # Panics
/// If the two differ in size.
pub fn measured(picture: &UnitImage, region: &Mask) -> Option<ColorWord> {
    assert_eq!(region.size(), picture.size(), "sizes of region and picture");
    let pixels = picture.data().as_chunks::<3>().0.iter().zip(region.repaints());
    let level = |value: f32| (255.0 * value).round() as u8;
    measure_pixels(pixels.filter(|(_, inside)| *inside).map(|(pixel, _)| pixel.map(level)))
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;

    use super::super::tests::{boxed, composed};
    use super::*;

    #[test]
    fn prompts_are_read_word_by_word() {
        assert_eq!(requested("a Red, ripe apple"), Some(ColorWord::Red));
        assert_eq!(requested("turquoise-blue car"), Some(ColorWord::Cyan));
        assert_eq!(requested("a bored rabbit"), None);
        assert_eq!(requested(""), None);
    }

    #[test]
    fn the_region_alone_is_measured() {
        let size = Size::new(12, 9);
        let region = boxed(size, 3, 3, 5, 4);
        let blue = UnitImage::filled(size, [0.12, 0.35, 0.86]);
        let red = UnitImage::filled(size, [0.86, 0.08, 0.12]);
        let picture = composed(&red, &blue, &region);
        assert_eq!(measured(&picture, &region), Some(ColorWord::Red));
        assert_eq!(measured(&picture, &region.invert()), Some(ColorWord::Blue));
        assert_eq!(measured(&picture, &Mask::filled(size, 0)), None);
    }
}
