//! Objects for the pack: cropped to what is visible, scaled to at most 128 px, lossless.

use image::imageops::FilterType;
use image::{ImageFormat, Rgba32FImage};

use crate::picture_io::{dynamic_from_rgba, encode};
use crate::{DataError, Result, Rgba8};

/// Longer side of an object in the pack, in pixels.
const SIDE: u32 = 128;
/// Alpha below this does not count for the crop: renders carry a nearly invisible haze.
const VISIBLE: u8 = 16;

/// The object as the pack holds it.
pub(super) fn webp(object: Rgba8, name: &str) -> Result<Vec<u8>> {
    let cropped = crop(&object).ok_or_else(|| DataError::Picture {
        name: name.to_owned(),
        reason: "nothing is visible".to_owned(),
    })?;
    encode(&dynamic_from_rgba(shrink(cropped)), ImageFormat::WebP, name)
}

/// The part within the bounding box of the visible pixels.
fn crop(object: &Rgba8) -> Option<Rgba8> {
    let visible = || object.pixels().enumerate().filter(|(_, pixel)| pixel[3] >= VISIBLE);
    let columns = || visible().map(|(index, _)| index % object.width);
    let rows = || visible().map(|(index, _)| index / object.width);
    let (left, right, top, bottom) = (columns().min()?, columns().max()?, rows().min()?, rows().max()?);
    let row = |y: usize| &object.data[4 * (y * object.width + left)..4 * (y * object.width + right + 1)];
    let data = (top..=bottom).flat_map(row).copied().collect();
    Some(Rgba8 { width: right - left + 1, height: bottom - top + 1, data })
}

/// Scaled premultiplied, so that the colour of invisible pixels does not bleed into the edge. Where
/// nothing is visible the colour is black, which packs well.
fn shrink(object: Rgba8) -> Rgba8 {
    let (width, height) = (object.width as u32, object.height as u32);
    let mut picture = Rgba32FImage::new(width, height);
    for (target, pixel) in picture.pixels_mut().zip(object.pixels()) {
        let [r, g, b, a] = pixel.map(|sample| f32::from(sample) / 255.0);
        target.0 = [a * r, a * g, a * b, a];
    }
    let long = width.max(height);
    if long > SIDE {
        let scale =
            |length: u32| ((f64::from(length) * f64::from(SIDE) / f64::from(long)).round() as u32).max(1);
        picture = image::imageops::resize(&picture, scale(width), scale(height), FilterType::CatmullRom);
    }
    let straight = |pixel: &image::Rgba<f32>| {
        let [r, g, b, a] = pixel.0;
        let alpha = a.clamp(0.0, 1.0);
        let level = |sample: f32| (255.0 * sample.clamp(0.0, 1.0)).round() as u8;
        if level(alpha) == 0 {
            [0; 4]
        } else {
            [level(r / alpha), level(g / alpha), level(b / alpha), level(alpha)]
        }
    };
    let data = picture.pixels().flat_map(straight).collect();
    Rgba8 { width: picture.width() as usize, height: picture.height() as usize, data }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture_io::rgba_from_bytes;

    #[test]
    fn an_object_is_cropped_scaled_and_keeps_its_color() {
        let inside = |x: usize, y: usize| (40..240).contains(&x) && (100..200).contains(&y);
        // Invisible pixels are white: a careless resize would leave a bright rim.
        let pixel = |x, y| if inside(x, y) { [200, 30, 40, 255] } else { [255, 255, 255, 0] };
        let data = (0..256).flat_map(|y| (0..256).flat_map(move |x| pixel(x, y))).collect();
        let bytes = webp(Rgba8 { width: 256, height: 256, data }, "box").unwrap();
        let back = rgba_from_bytes(&bytes, "box").unwrap();
        assert_eq!((back.width, back.height), (128, 64));
        assert!(back.pixels().all(|[r, g, b, a]| a == 0 || (r, g, b) == (200, 30, 40)));
    }

    #[test]
    fn nothing_visible_is_an_error() {
        assert!(webp(Rgba8 { width: 2, height: 2, data: vec![0; 16] }, "ghost").is_err());
    }
}
