//! Backgrounds: a crop of a photograph, slightly changed in training, or a plain colour.

use super::{Split, World};
use crate::resample::{Window, resize_window};
use crate::{Rgb8, Stream};

/// Smallest share of a photograph's short side that a crop takes.
const MIN_SHARE: f32 = 0.5;
/// A crop is enlarged by at most this factor, beyond which it would teach the model blur.
const MAX_ENLARGEMENT: f32 = 1.25;

impl World {
    /// A square crop of one of the split's photographs, and which photograph it is.
    pub(super) fn background(&self, split: Split, size: usize, stream: &mut Stream) -> (Rgb8, usize) {
        let (mut background, photo) = self.background_among(self.photos_of(split), size, stream);
        if split == Split::Train {
            jitter(&mut background, stream);
        }
        (background, photo)
    }

    /// A square crop of one of `photos`, as it is, and which photograph it is.
    pub(super) fn background_among(
        &self,
        photos: &[usize],
        size: usize,
        stream: &mut Stream,
    ) -> (Rgb8, usize) {
        let photo = photos[stream.below(photos.len())];
        let picture = &self.photos[photo].picture;
        let (width, height) = (picture.width as f32, picture.height as f32);
        let short = width.min(height);
        let least = (MIN_SHARE * short).max(size as f32 / MAX_ENLARGEMENT).min(short);
        let side = stream.uniform(least, short);
        let window = Window {
            x: stream.uniform(0.0, width - side),
            y: stream.uniform(0.0, height - side),
            side,
            flip: stream.chance(0.5),
        };
        (resize_window(picture, window, size), photo)
    }
}

/// A mild change of exposure, contrast, saturation and white balance. The cast to u8 saturates.
pub(super) fn jitter(picture: &mut Rgb8, stream: &mut Stream) {
    let contrast = stream.uniform(0.85, 1.15);
    let brightness = stream.uniform(-0.08, 0.08) * 255.0;
    let saturation = stream.uniform(0.75, 1.2);
    let balance: [f32; 3] = std::array::from_fn(|_| stream.uniform(0.96, 1.04));
    for pixel in picture.data.as_chunks_mut::<3>().0 {
        let rgb = pixel.map(f32::from);
        let luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        for c in 0..3 {
            let sample = (luma + saturation * (rgb[c] - luma)) * balance[c];
            pixel[c] = ((sample - 127.5) * contrast + 128.0 + brightness) as u8;
        }
    }
}

/// Makes a background stranger than pictures are: turned by quarters, zoomed into, recoloured. For those who
/// are to know that nothing is there, and have few photographs to learn it from.
pub(super) fn estranged(picture: &Rgb8, stream: &mut Stream) -> Rgb8 {
    /// Smallest share of the side that is zoomed into.
    const MIN_ZOOMED: f32 = 0.5;
    let size = picture.width;
    let side = size as f32 * stream.uniform(MIN_ZOOMED, 1.0);
    let mut start = || stream.uniform(0.0, size as f32 - side);
    let window = Window { x: start(), y: start(), side, flip: false };
    let mut turned = resize_window(picture, window, size);
    for _ in 0..stream.below(4) {
        turned = quarter_turned(&turned);
    }
    let (sin, cos) = stream.uniform(0.0, std::f32::consts::TAU).sin_cos();
    let (saturation, contrast) = (stream.uniform(0.0, 1.5), stream.uniform(0.6, 1.4));
    let brightness = stream.uniform(-0.2, 0.2) * 255.0;
    for pixel in turned.data.as_chunks_mut::<3>().0 {
        let [r, g, b] = pixel.map(f32::from);
        // YIQ, whose chroma turns like a hue.
        let luma = 0.299 * r + 0.587 * g + 0.114 * b;
        let i = saturation * (0.596 * r - 0.274 * g - 0.322 * b);
        let q = saturation * (0.211 * r - 0.523 * g + 0.312 * b);
        let (i, q) = (cos * i - sin * q, sin * i + cos * q);
        let rgb = [0.956 * i + 0.621 * q, -0.272 * i - 0.647 * q, -1.106 * i + 1.703 * q];
        *pixel = rgb.map(|chroma| ((luma + chroma - 127.5) * contrast + 128.0 + brightness) as u8);
    }
    turned
}

/// A square picture turned by a right angle.
fn quarter_turned(picture: &Rgb8) -> Rgb8 {
    let size = picture.width;
    let mut turned = Rgb8::filled(size, size, [0; 3]);
    for (index, pixel) in turned.data.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        *pixel = picture.pixel(index / size, size - 1 - index % size);
    }
    turned
}

/// A plain background: one colour, or a soft gradient between two.
pub(super) fn plain(size: usize, stream: &mut Stream) -> Rgb8 {
    let mut color = || -> [f32; 3] { std::array::from_fn(|_| stream.uniform(20.0, 250.0)) };
    let (from, to) = (color(), color());
    let strength = stream.uniform(0.0, 0.6);
    let (sin, cos) = stream.uniform(0.0, std::f32::consts::TAU).sin_cos();
    let mut picture = Rgb8::filled(size, size, [0; 3]);
    for (index, pixel) in picture.data.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let [x, y] = [index % size, index / size].map(|at| (at as f32 + 0.5) / size as f32 - 0.5);
        let share = strength * (x * cos + y * sin + 0.5).clamp(0.0, 1.0);
        *pixel = std::array::from_fn(|c| (from[c] + share * (to[c] - from[c]) + 0.5) as u8);
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_quarter_turns_are_none() {
        let data = (0..48).map(|i| (i * 5) as u8).collect();
        let picture = Rgb8 { width: 4, height: 4, data };
        let once = quarter_turned(&picture);
        // What was at the bottom left is at the top left.
        assert_eq!(once.pixel(0, 0), picture.pixel(0, 3));
        assert_eq!((1..4).fold(once, |turned, _| quarter_turned(&turned)), picture);
    }

    #[test]
    fn a_strange_background_is_another_one_of_the_same_size() {
        let picture = Rgb8 { width: 16, height: 16, data: (0..768).map(|i| (i % 251) as u8).collect() };
        let strange = |seed| estranged(&picture, &mut Stream::new([seed, 0, 0, 0]));
        assert_eq!((strange(1).width, strange(1).height), (16, 16));
        assert!(strange(1) == strange(1) && strange(1) != strange(2) && strange(1) != picture);
    }
}
