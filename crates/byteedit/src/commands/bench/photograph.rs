//! A picture that costs a codec about what a photograph does: smooth shapes with a little noise.

use byteedit_image::{Channels, ImageError, Picture, Samples, Size};

/// Levels of noise, to both sides.
const NOISE: i32 = 6;

/// An 8-bit RGB picture, the same for the same size.
///
/// # Errors
/// A size without pixels.
pub(super) fn photograph(size: Size) -> Result<Picture, ImageError> {
    let mut state = 0x9e37_79b9_u32;
    let mut samples = Vec::with_capacity(3 * size.area());
    for y in 0..size.height {
        let v = y as f32 / size.height as f32;
        for x in 0..size.width {
            let u = x as f32 / size.width as f32;
            let base = [0.5 + 0.3 * (7.0 * u).sin(), 0.4 + 0.4 * v, 0.5 + 0.3 * (5.0 * u + 9.0 * v).cos()];
            for value in base {
                // Xorshift (Marsaglia 2003): noise needs no more than to look random to a codec.
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                let noise = (state % (2 * NOISE as u32 + 1)) as i32 - NOISE;
                samples.push(((value * 255.0) as i32 + noise).clamp(0, 255) as u8);
            }
        }
    }
    Picture::new(size, Channels::Rgb, Samples::U8(samples))
}
