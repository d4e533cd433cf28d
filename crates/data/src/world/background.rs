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
