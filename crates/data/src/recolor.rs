//! Turning an object's dominant hue, so that a colour word becomes true of it.

use crate::color::Hsv;
use crate::picture::Rgba8;

/// Half width in degrees of the hues that count as one colour.
const FAMILY: f32 = 32.0;
/// Beyond this distance from the dominant hue, in degrees, a pixel keeps its own colour (a leaf, a wheel).
const REACH: f32 = 60.0;
/// How much of an object's own variation of hue survives: all of it would straddle two words.
const VARIATION: f32 = 0.5;
/// Share of the chroma that must lie within [`FAMILY`] for a hue to be dominant.
const MIN_SHARE: f32 = 0.72;
/// Mean chroma of the object, in `[0, 1]`, below which it is grey, black or white.
const MIN_CHROMA: f32 = 0.16;

/// The hue in degrees that most of the object's colour has, or `None` if it is grey or many-coloured.
pub(crate) fn dominant_hue(object: &Rgba8) -> Option<f32> {
    const BINS: usize = 120;
    const DEGREES: f32 = 360.0 / BINS as f32;
    let mut histogram = [0.0_f32; BINS];
    let (mut chroma, mut area) = (0.0, 0.0);
    for [r, g, b, a] in object.pixels().filter(|pixel| pixel[3] >= 128) {
        let hsv = Hsv::from_rgb([r, g, b].map(|sample| f32::from(sample) / 255.0));
        let weight = hsv.saturation * hsv.value;
        histogram[(hsv.hue / DEGREES) as usize % BINS] += weight;
        chroma += weight;
        area += f32::from(a >= 128);
    }
    let reach = (FAMILY / DEGREES) as usize;
    let near = |center: usize| (center + BINS - reach..=center + BINS + reach).map(|bin| bin % BINS);
    let share = |center: usize| near(center).map(|bin| histogram[bin]).sum::<f32>();
    let center = (0..BINS).max_by(|&a, &b| share(a).total_cmp(&share(b)))?;
    if chroma < MIN_CHROMA * area || share(center) < MIN_SHARE * chroma || chroma == 0.0 {
        return None;
    }
    // The circular mean inside the family is finer than a bin.
    let (mut x, mut y) = (0.0, 0.0);
    for bin in near(center) {
        let angle = ((bin as f32 + 0.5) * DEGREES).to_radians();
        x += histogram[bin] * angle.cos();
        y += histogram[bin] * angle.sin();
    }
    Some(y.atan2(x).to_degrees().rem_euclid(360.0))
}

/// `rgb` in `[0, 1]` with the hues around `from` moved to `to`, both in degrees.
pub(crate) fn turn_hue(rgb: [f32; 3], from: f32, to: f32) -> [f32; 3] {
    let hsv = Hsv::from_rgb(rgb);
    let distance = (hsv.hue - from + 180.0).rem_euclid(360.0) - 180.0;
    // Mixing in RGB rather than in hue keeps the border between kept and turned free of a rainbow.
    let turned_share = ((REACH - distance.abs()) / (REACH - FAMILY)).clamp(0.0, 1.0);
    if turned_share == 0.0 {
        return rgb;
    }
    let hue = (to + VARIATION * distance).rem_euclid(360.0);
    let turned = Hsv { hue, ..hsv }.to_rgb();
    std::array::from_fn(|c| rgb[c] + turned_share * (turned[c] - rgb[c]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::color::{ColorWord, measure_pixels};

    fn object(colors: &[[u8; 4]]) -> Rgba8 {
        Rgba8 { width: colors.len(), height: 1, data: colors.concat() }
    }

    #[test]
    fn a_red_object_with_a_leaf_is_red() {
        let apple = object(&[[220, 20, 30, 255], [200, 10, 60, 255], [230, 60, 40, 255], [40, 90, 30, 255]]);
        let hue = dominant_hue(&apple).unwrap();
        assert!(!(20.0..340.0).contains(&hue), "{hue}");
    }

    #[test]
    fn grey_and_colorful_objects_have_no_dominant_hue() {
        assert_eq!(dominant_hue(&object(&[[200, 200, 205, 255], [90, 90, 92, 255]])), None);
        assert_eq!(
            dominant_hue(&object(&[[220, 20, 30, 255], [30, 90, 220, 255], [40, 170, 60, 255]])),
            None
        );
        assert_eq!(dominant_hue(&object(&[[220, 20, 30, 0]])), None);
    }

    #[test]
    fn turning_makes_every_hue_word_true() {
        for (color, to) in ColorWord::HUES {
            let turned = turn_hue([0.9, 0.12, 0.15], 357.5, to).map(|sample| (255.0 * sample).round() as u8);
            assert_eq!(measure_pixels(std::iter::once(turned)), Some(color));
        }
    }

    #[test]
    fn far_hues_and_greys_are_kept() {
        let leaf = [0.2, 0.6, 0.1];
        assert_eq!(turn_hue(leaf, 0.0, 220.0).map(f32::to_bits), leaf.map(f32::to_bits));
        let grey = turn_hue([0.5, 0.5, 0.5], 0.0, 220.0);
        assert!(grey.iter().all(|sample| (sample - 0.5).abs() < 1e-6));
    }
}
