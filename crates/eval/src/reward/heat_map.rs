//! What a reward thinks of every pixel, as a picture.

use byteedit_image::UnitImage;

use super::calibration::sigmoid;
use crate::error::Result;

/// Where pixels score high.
pub(super) const HIGH: [f32; 3] = [0.0, 0.25, 1.0];
/// Where they score low.
pub(super) const LOW: [f32; 3] = [1.0, 0.0, 0.0];

/// The picture in grey, and half of each pixel its score's colour: red (low, generated) over white to blue (high, real).
///
/// # Errors
/// [`EvalError::Image`](crate::EvalError::Image) if there is not one logit for each pixel.
pub fn heat_map(picture: &UnitImage, logits: &[f32]) -> Result<UnitImage> {
    let pixels = picture.luma().into_iter().zip(logits);
    let values = pixels.flat_map(|(gray, &logit)| color(logit).map(|value| f32::midpoint(gray, value)));
    Ok(UnitImage::new(picture.size(), values.collect())?)
}

/// The colour of a logit, by the probability that it stands for: from the one end over white to the other.
fn color(logit: f32) -> [f32; 3] {
    let p = sigmoid(f64::from(logit)) as f32;
    let (end, share) = if p > 0.5 { (HIGH, 2.0 * p - 1.0) } else { (LOW, 1.0 - 2.0 * p) };
    end.map(|value| share * value + (1.0 - share))
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;

    use super::*;

    #[test]
    fn what_looks_real_is_blue_and_what_looks_generated_red() {
        let black = UnitImage::filled(Size::new(3, 1), [0.0; 3]);
        let map = heat_map(&black, &[1000.0, 0.0, -1000.0]).unwrap();
        assert_eq!(map.data(), [0.0, 0.125, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0]);
        assert!(heat_map(&black, &[0.0]).is_err());
    }
}
