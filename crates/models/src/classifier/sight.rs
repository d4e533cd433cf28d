//! How pictures enter a classifier and how its answer is read: the same in its training as in its use.

use burn::tensor::{Device, Tensor, TensorData};

/// Square pictures of interleaved 8-bit RGB samples as the pixels that a
/// [`Classifier`](super::Classifier) takes.
///
/// # Shapes
/// - returns `[batch, 3, side, side]` in [-1, 1]
///
/// # Panics
/// If a picture has another number of samples than `3 * side * side`.
pub fn pixels_from_rgb8<'a>(
    pictures: impl IntoIterator<Item = &'a [u8]>,
    side: usize,
    device: &Device,
) -> Tensor<4> {
    let (mut values, mut batch) = (Vec::new(), 0);
    for picture in pictures {
        assert_eq!(picture.len(), 3 * side * side, "samples of a picture of {side} x {side} px");
        for channel in 0..3 {
            let samples = picture[channel..].iter().step_by(3);
            values.extend(samples.map(|&sample| f32::from(sample) / 127.5 - 1.0));
        }
        batch += 1;
    }
    Tensor::from_data(TensorData::new(values, [batch, 3, side, side]), device)
}

/// Index of the largest of some logits or probabilities, the first of equals.
pub fn most_probable(values: &[f32]) -> usize {
    (0..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_become_planes_from_minus_one_to_one() {
        let pictures: [&[u8]; 2] = [&[0, 51, 255, 255, 0, 51, 0, 0, 0, 255, 255, 255], &[255; 12]];
        let pixels = pixels_from_rgb8(pictures, 2, &Device::default());
        assert_eq!(pixels.dims(), [2, 3, 2, 2]);
        let data = pixels.into_data();
        let values = data.as_slice::<f32>().unwrap();
        let expected = [-1.0, 1.0, -1.0, 1.0, -0.6, -1.0, -1.0, 1.0, 1.0, -0.6, -1.0, 1.0];
        assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{values:?}");
        assert!(values[12..].iter().all(|value| (value - 1.0).abs() < 1e-6));
    }

    #[test]
    fn the_first_of_equals_is_the_answer() {
        assert_eq!(most_probable(&[0.1, 0.4, 0.4, 0.1]), 1);
        assert_eq!(most_probable(&[0.2]), 0);
    }
}
