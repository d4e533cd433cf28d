//! Colour words that are measured, never assumed.
//!
//! A region's word is the one that most of its pixels carry. Captions use it, so that "a red apple"
//! is true of the picture by construction, and scoring uses the same function on generated pixels.

use serde::{Deserialize, Serialize};

use crate::mask::Mask;
use crate::picture::Rgb8;

/// The colour words that captions use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are their own documentation")]
pub enum ColorWord {
    Red,
    Orange,
    Yellow,
    Green,
    Cyan,
    Blue,
    Purple,
    Pink,
    Brown,
    Black,
    Grey,
    White,
}

impl ColorWord {
    /// All words, hues first.
    pub const ALL: [Self; 12] = [
        Self::Red,
        Self::Orange,
        Self::Yellow,
        Self::Green,
        Self::Cyan,
        Self::Blue,
        Self::Purple,
        Self::Pink,
        Self::Brown,
        Self::Black,
        Self::Grey,
        Self::White,
    ];

    /// The words an object can be turned to, with the hue in degrees that is typical of each.
    pub const HUES: [(Self, f32); 8] = [
        (Self::Red, 357.0),
        (Self::Orange, 24.0),
        (Self::Yellow, 51.0),
        (Self::Green, 115.0),
        (Self::Cyan, 180.0),
        (Self::Blue, 220.0),
        (Self::Purple, 272.0),
        (Self::Pink, 318.0),
    ];

    /// The word as it stands in a caption.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Orange => "orange",
            Self::Yellow => "yellow",
            Self::Green => "green",
            Self::Cyan => "cyan",
            Self::Blue => "blue",
            Self::Purple => "purple",
            Self::Pink => "pink",
            Self::Brown => "brown",
            Self::Black => "black",
            Self::Grey => "grey",
            Self::White => "white",
        }
    }

    /// The word named `name` in a prompt, if it is one; `gray`, `turquoise`, `teal`, `violet` and
    /// `magenta` are understood.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "gray" => Some(Self::Grey),
            "turquoise" | "teal" => Some(Self::Cyan),
            "violet" => Some(Self::Purple),
            "magenta" => Some(Self::Pink),
            _ => Self::ALL.into_iter().find(|word| word.as_str() == name),
        }
    }

    /// The first colour word of a caption as the world writes them: lower case, spaces between the words.
    pub fn in_caption(caption: &str) -> Option<Self> {
        // "orange" is no concept of the world, so that it is always the colour.
        caption.split(' ').find_map(Self::from_name)
    }
}

impl std::fmt::Display for ColorWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Share of a region's pixels that must carry the word.
const MIN_SHARE: f64 = 0.5;
/// How far the word must lead the next one.
const MIN_LEAD: f64 = 2.0;
/// Largest standard deviation of the value, in `[0, 1]`, of a region called grey: beyond it the
/// region is black and white, as a zebra is, however grey its blurred stripes are.
const MAX_GREY_DEVIATION: f32 = 0.11;

/// The colour word of the pixels of `picture` where `region` is set, or `None` where no word is
/// true of most of them (several colours, or a tint between two words).
///
/// # Panics
/// If the two differ in size.
pub fn measure(picture: &Rgb8, region: &Mask) -> Option<ColorWord> {
    assert_eq!((picture.width, picture.height), (region.width, region.height), "picture and region");
    measure_pixels(
        picture.pixels().zip(&region.values).filter(|(_, value)| **value >= 128).map(|(pixel, _)| pixel),
    )
}

/// [`measure`] over any set of sRGB pixels.
pub fn measure_pixels(pixels: impl Iterator<Item = [u8; 3]>) -> Option<ColorWord> {
    measure_weighted(pixels.map(|pixel| (pixel, 1.0)))
}

/// [`measure`] over sRGB pixels that count by a weight each, 0 or more.
pub fn measure_weighted(pixels: impl Iterator<Item = ([u8; 3], f64)>) -> Option<ColorWord> {
    let mut weights = [0.0_f64; ColorWord::ALL.len()];
    let (mut total, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for (pixel, weight) in pixels {
        total += weight;
        let value = f64::from(pixel.into_iter().max().unwrap_or(0)) / 255.0;
        sum += weight * value;
        squares += weight * value * value;
        if let Some(word) = word_of_pixel(pixel) {
            weights[word as usize] += weight;
        }
    }
    // Of equals the first.
    let order = |&a: &usize, &b: &usize| weights[a].total_cmp(&weights[b]).then(b.cmp(&a));
    let best = (0..weights.len()).max_by(order)?;
    let next = (0..weights.len()).filter(|&index| index != best).map(|index| weights[index]);
    let clear = weights[best] >= MIN_SHARE * total && weights[best] >= MIN_LEAD * next.fold(0.0, f64::max);
    let deviation = (squares / total - (sum / total).powi(2)).max(0.0).sqrt() as f32;
    let patterned = ColorWord::ALL[best] == ColorWord::Grey && deviation > MAX_GREY_DEVIATION;
    (weights[best] > 0.0 && clear && !patterned).then(|| ColorWord::ALL[best])
}

/// The word of one pixel, or `None` in the gaps between words (tan, olive, magenta and the like).
///
/// The borders were set by looking at sheets of objects turned round the hue circle: HSV hue for
/// the family, saturation and value to tell brown from orange and pink from red.
fn word_of_pixel(rgb: [u8; 3]) -> Option<ColorWord> {
    let Hsv { hue, saturation, value } = Hsv::from_rgb(rgb.map(|sample| f32::from(sample) / 255.0));
    if value < 0.17 {
        return Some(ColorWord::Black);
    }
    if saturation < 0.14 || saturation * value < 0.11 {
        return match value {
            v if v < 0.28 => Some(ColorWord::Black),
            v if v < 0.72 => Some(ColorWord::Grey),
            // White in the shade, or grey in the light.
            v if v < 0.8 => None,
            _ => Some(ColorWord::White),
        };
    }
    let red = !(11.0..345.0).contains(&hue);
    match hue {
        // A dull red-brown, as fur and wood are.
        _ if (red || hue < 30.0) && saturation < 0.55 && value < 0.62 => Some(ColorWord::Brown),
        // A dull pink is a mauve, or a brown in the light.
        h if (red || h >= 300.0) && saturation < 0.5 => (value > 0.75).then_some(ColorWord::Pink),
        _ if red => Some(ColorWord::Red),
        // Between pink and red, saturation decides: crimson is called red.
        h if h >= 330.0 && saturation >= 0.72 => Some(ColorWord::Red),
        h if h < 37.0 => match (saturation, value) {
            (_, v) if v < 0.62 => Some(ColorWord::Brown),
            (s, v) if v < 0.72 && s < 0.65 => Some(ColorWord::Brown),
            (s, _) if s < 0.45 => None,
            _ => Some(ColorWord::Orange),
        },
        // A dark yellow is an olive.
        h if h < 68.0 => (value > 0.7 && saturation > 0.3).then_some(ColorWord::Yellow),
        h if h < 160.0 => Some(ColorWord::Green),
        h if h < 198.0 => Some(ColorWord::Cyan),
        h if h < 254.0 => Some(ColorWord::Blue),
        h if h < 290.0 => Some(ColorWord::Purple),
        h if h < 300.0 => None,
        _ => Some(ColorWord::Pink),
    }
}

/// A colour as hue in degrees `[0, 360)`, saturation and value in `[0, 1]` (Smith 1978).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hsv {
    pub(crate) hue: f32,
    pub(crate) saturation: f32,
    pub(crate) value: f32,
}

impl Hsv {
    /// From sRGB in `[0, 1]`; grey has hue 0.
    pub(crate) fn from_rgb([r, g, b]: [f32; 3]) -> Self {
        let value = r.max(g).max(b);
        let chroma = value - r.min(g).min(b);
        let sector = if chroma == 0.0 {
            0.0
        } else if r >= g && r >= b {
            ((g - b) / chroma).rem_euclid(6.0)
        } else if g >= b {
            (b - r) / chroma + 2.0
        } else {
            (r - g) / chroma + 4.0
        };
        let saturation = if value == 0.0 { 0.0 } else { chroma / value };
        Self { hue: (60.0 * sector).rem_euclid(360.0), saturation, value }
    }

    /// To sRGB in `[0, 1]`.
    pub(crate) fn to_rgb(self) -> [f32; 3] {
        [5.0, 3.0, 1.0].map(|n: f32| {
            let k = (n + self.hue / 60.0).rem_euclid(6.0);
            self.value * (1.0 - self.saturation * k.min(4.0 - k).clamp(0.0, 1.0))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(rgb: [u8; 3]) -> Option<ColorWord> {
        measure_pixels(std::iter::repeat_n(rgb, 10))
    }

    #[test]
    fn the_color_of_a_caption_is_found() {
        assert_eq!(ColorWord::in_caption("a red apple"), Some(ColorWord::Red));
        assert_eq!(ColorWord::in_caption("hot dog"), None);
    }

    #[test]
    fn plain_colors_have_their_names() {
        for (rgb, name) in [
            ([220, 20, 30], "red"),
            ([250, 140, 20], "orange"),
            ([250, 215, 40], "yellow"),
            ([40, 170, 60], "green"),
            ([40, 200, 205], "cyan"),
            ([30, 90, 220], "blue"),
            ([130, 60, 200], "purple"),
            ([250, 110, 180], "pink"),
            ([120, 75, 45], "brown"),
            ([15, 15, 20], "black"),
            ([128, 128, 130], "grey"),
            ([240, 240, 238], "white"),
        ] {
            assert_eq!(word(rgb).map(ColorWord::as_str), Some(name), "{rgb:?}");
        }
    }

    #[test]
    fn every_target_hue_is_named_as_its_word() {
        for (color, hue) in ColorWord::HUES {
            let rgb = Hsv { hue, saturation: 0.8, value: 0.9 }.to_rgb();
            assert_eq!(word(rgb.map(|sample| (255.0 * sample).round() as u8)), Some(color));
        }
    }

    #[test]
    fn mixtures_and_nothing_have_no_word() {
        let halves = [[220, 20, 30], [30, 90, 220]].into_iter().cycle().take(100);
        assert_eq!(measure_pixels(halves), None);
        assert_eq!(measure_pixels(std::iter::empty()), None);
    }

    #[test]
    fn pixels_count_by_their_weight() {
        let [red, blue] = [[220, 20, 30], [30, 90, 220]];
        let weighted = |of_red, of_blue| measure_weighted([(red, of_red), (blue, of_blue)].into_iter());
        assert_eq!(weighted(3.0, 1.0), Some(ColorWord::Red));
        assert_eq!(weighted(0.1, 0.9), Some(ColorWord::Blue));
        assert_eq!(weighted(3.0, 2.0), None, "neither leads by as much as it must");
        assert_eq!(weighted(0.0, 0.0), None);
    }

    #[test]
    fn stripes_of_black_and_white_are_not_grey() {
        let stripes = (0..100).map(|index| [[90; 3], [128; 3], [150; 3], [110; 3]][index % 4]);
        assert_eq!(measure_pixels(stripes), Some(ColorWord::Grey));
        let zebra = (0..100).map(|index| [[5; 3], [128; 3], [190; 3], [110; 3], [128; 3]][index % 5]);
        assert_eq!(measure_pixels(zebra), None);
    }

    #[test]
    fn only_the_region_counts() {
        let mut picture = Rgb8::filled(4, 1, [30, 90, 220]);
        picture.data[..3].copy_from_slice(&[220, 20, 30]);
        let region = Mask { width: 4, height: 1, values: vec![255, 0, 0, 0] };
        assert_eq!(measure(&picture, &region), Some(ColorWord::Red));
        assert_eq!(measure(&picture, &region.invert()), Some(ColorWord::Blue));
    }

    #[test]
    fn names_round_trip() {
        for color in ColorWord::ALL {
            assert_eq!(ColorWord::from_name(color.as_str()), Some(color));
            assert_eq!(serde_json::to_string(&color).unwrap(), format!("\"{color}\""));
        }
        assert_eq!(ColorWord::from_name("apple"), None);
    }

    #[test]
    fn neither_a_tint_nor_a_shade_has_the_word_of_its_hue() {
        for (rgb, expected) in [
            // Slate and a plain dark blue.
            ([83, 92, 104], Some(ColorWord::Grey)),
            ([60, 80, 120], Some(ColorWord::Blue)),
            // A brown bear in the light, mauve, and the pink of a pig.
            ([182, 119, 119], None),
            ([149, 92, 132], None),
            ([240, 150, 165], Some(ColorWord::Pink)),
            // Olive, and white in the shade.
            ([160, 150, 90], None),
            ([192, 190, 195], None),
        ] {
            assert_eq!(word(rgb), expected, "{rgb:?}");
        }
    }

    proptest! {
        #[test]
        fn hsv_round_trips(rgb in any::<[u8; 3]>()) {
            let unit = rgb.map(|sample| f32::from(sample) / 255.0);
            for (back, sample) in Hsv::from_rgb(unit).to_rgb().into_iter().zip(unit) {
                prop_assert!((back - sample).abs() < 1e-5);
            }
        }
    }
}
