//! Whether a picture shows the colour that its prompt names: `color-word` and `color-painted`.
//!
//! The word is measured by the function that wrote the captions ([`byteedit_data::color`]).
//!
//! - `color-word` looks where the truth has its object. For the truth itself the answer is yes by
//!   construction. An object painted in another shape or place is measured on the truth's shape all the
//!   same, ground and all, so the share is a lower bound; with an empty prompt the same measure says what
//!   guessing gives.
//! - `color-painted` looks where the prompt has painted: every pixel under the mask counts by its squared
//!   difference from the answer to the empty prompt with the same noise, the sum over the channels. It needs no
//!   shape of the truth's. The answer to another's prompt, asked for this colour, is what chance gives. What
//!   stands out from the ground counts most; an editor that paints the same whatever it is told has changed
//!   nothing, which counts as wrong.

use byteedit_data::ColorWord;
use byteedit_data::color::{measure_pixels, measure_weighted};
use byteedit_image::{Mask, UnitImage};

use super::assert_one_size;

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
    measure_pixels(pixels.filter(|(_, inside)| *inside).map(|(pixel, _)| levels(*pixel)))
}

/// The word that is true of most of what a prompt has changed under the mask, pixels counting by the square of
/// the change; `None` if no word is, or if nothing has changed.
///
/// # Panics
/// If the three differ in size.
pub fn painted(picture: &UnitImage, without_prompt: &UnitImage, edit_mask: &Mask) -> Option<ColorWord> {
    assert_one_size(picture, without_prompt, edit_mask);
    let [with, without] = [picture, without_prompt].map(|image| image.data().as_chunks::<3>().0);
    let pixels = with.iter().zip(without).zip(edit_mask.repaints());
    let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
    measure_weighted(
        pixels
            .filter(|(_, inside)| *inside)
            .map(|((with, without), _)| (levels(*with), with.iter().zip(without).map(square).sum())),
    )
}

fn levels(pixel: [f32; 3]) -> [u8; 3] {
    pixel.map(|value| (255.0 * value).round() as u8)
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

    #[test]
    fn what_the_prompt_has_changed_is_measured_wherever_it_is() {
        let size = Size::new(12, 9);
        let edit_mask = boxed(size, 1, 1, 10, 7);
        let ground = UnitImage::filled(size, [0.5, 0.4, 0.3]);
        let red = UnitImage::filled(size, [0.86, 0.08, 0.12]);
        // A tenth of the mask: an object that the truth may have elsewhere and larger.
        let picture = composed(&red, &ground, &boxed(size, 2, 2, 7, 1));
        assert_eq!(painted(&picture, &ground, &edit_mask), Some(ColorWord::Red));
        // Ground that is a little lighter all over does not outvote it.
        let lighter = UnitImage::filled(size, [0.54, 0.44, 0.34]);
        let picture = composed(&red, &lighter, &boxed(size, 2, 2, 7, 1));
        assert_eq!(painted(&picture, &ground, &edit_mask), Some(ColorWord::Red));
        assert_eq!(painted(&ground, &ground, &edit_mask), None);
        assert_eq!(painted(&red, &ground, &Mask::filled(size, 0)), None);
    }
}
