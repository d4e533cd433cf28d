//! Antialiased resizing as Pillow's floating-point path (mode `F`) does it, to the last digit of `f32`.
//!
//! An output pixel's centre is mapped to the input, the filter is stretched by the reduction factor,
//! and the weights are normalised to sum to 1. Horizontal first, then vertical; sums in `f64`, `f32`
//! between the passes. Resizing changes published scores, so this is pinned to values from Pillow.

use rayon::prelude::*;

use crate::geometry::Size;
use crate::unit::{CHANNELS, UnitImage};

/// A resampling filter, by Pillow's names and with Pillow's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// The input pixel under the output pixel's centre.
    Nearest,
    /// The mean of the covered input.
    Box,
    /// Triangle of radius 1.
    Bilinear,
    /// Keys' cubic with `a = -0.5`, radius 2.
    Bicubic,
    /// Windowed sinc of radius 3; what diffusers resizes pictures with.
    Lanczos3,
}

impl Filter {
    const fn support(self) -> f64 {
        match self {
            Self::Nearest | Self::Box => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos3 => 3.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let d = x.abs();
        match self {
            Self::Nearest | Self::Box => f64::from(x > -0.5 && x <= 0.5),
            Self::Bilinear => (1.0 - d).max(0.0),
            Self::Bicubic if d < 1.0 => ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0,
            Self::Bicubic if d < 2.0 => (((d - 5.0) * d + 8.0) * d - 4.0) * A,
            Self::Lanczos3 if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Bicubic | Self::Lanczos3 => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    x.sin() / x
}

/// For each output position, the first input position and the weights from there on.
struct Weights {
    starts: Vec<usize>,
    /// `stride` values per output position, zero beyond the filter's reach.
    values: Vec<f64>,
    stride: usize,
}

impl Weights {
    fn new(input: usize, output: usize, filter: Filter) -> Self {
        if filter == Filter::Nearest {
            return Self { starts: nearest(input, output), values: vec![1.0; output], stride: 1 };
        }
        let scale = input as f64 / output as f64;
        let stretch = scale.max(1.0);
        let reach = filter.support() * stretch;
        let stride = 2 * reach.ceil() as usize + 1;
        let mut starts = Vec::with_capacity(output);
        let mut values = vec![0.0; output * stride];
        for (i, row) in values.chunks_exact_mut(stride).enumerate() {
            let center = (i as f64 + 0.5) * scale;
            let start = (center - reach + 0.5).max(0.0) as usize;
            let end = ((center + reach + 0.5) as usize).min(input);
            for (offset, value) in row.iter_mut().enumerate().take(end - start) {
                *value = filter.at(((start + offset) as f64 - center + 0.5) / stretch);
            }
            let sum: f64 = row.iter().sum();
            if sum != 0.0 {
                for value in row {
                    *value /= sum;
                }
            }
            starts.push(start);
        }
        Self { starts, values, stride }
    }

    /// Input positions and weights of one output position.
    fn taps(&self, output: usize, input_len: usize) -> impl Iterator<Item = (usize, f64)> {
        let row = &self.values[output * self.stride..][..self.stride];
        let start = self.starts[output];
        (start..input_len).zip(row.iter().copied())
    }
}

/// The input positions whose pixels hold the centres of the output pixels. The centre advances by
/// addition, as in Pillow, so that centres on the edge between two pixels fall to the same side.
fn nearest(input: usize, output: usize) -> Vec<usize> {
    let scale = input as f64 / output as f64;
    let centers = std::iter::successors(Some(0.5 * scale), |center| Some(center + scale));
    centers.take(output).map(|center| (center as usize).min(input - 1)).collect()
}

/// What [`UnitImage::resize`] does along one axis, as a dense matrix: `output` rows of `input` weights, row after
/// row. A row sums to 1; the same size gives the identity. A resize is the matrix of the columns, then that of the
/// rows: linear, and differentiable by the transposes.
pub fn weight_matrix(input: usize, output: usize, filter: Filter) -> Vec<f64> {
    let mut matrix = vec![0.0; output * input];
    if input == output {
        matrix.iter_mut().step_by(input + 1).for_each(|weight| *weight = 1.0);
        return matrix;
    }
    let weights = Weights::new(input, output, filter);
    for (i, row) in matrix.chunks_exact_mut(input).enumerate() {
        weights.taps(i, input).for_each(|(from, weight)| row[from] = weight);
    }
    matrix
}

/// `image` at another size. The same size gives the same values, bit for bit.
pub(crate) fn resized(image: &UnitImage, size: Size, filter: Filter) -> UnitImage {
    match (size.width == image.width(), size.height == image.height()) {
        (true, true) => image.clone(),
        (false, true) => horizontal(image, size.width, filter),
        (true, false) => vertical(image, size.height, filter),
        (false, false) => vertical(&horizontal(image, size.width, filter), size.height, filter),
    }
}

fn horizontal(image: &UnitImage, width: usize, filter: Filter) -> UnitImage {
    let weights = Weights::new(image.width(), width, filter);
    let mut out = UnitImage::filled(Size::new(width, image.height()), [0.0; CHANNELS]);
    let rows = image.data().par_chunks_exact(image.width() * CHANNELS);
    out.data_mut().par_chunks_exact_mut(width * CHANNELS).zip(rows).for_each(|(out_row, row)| {
        for (x, pixel) in out_row.chunks_exact_mut(CHANNELS).enumerate() {
            let mut sums = [0.0; CHANNELS];
            for (from, weight) in weights.taps(x, image.width()) {
                for (sum, value) in sums.iter_mut().zip(&row[from * CHANNELS..]) {
                    *sum += f64::from(*value) * weight;
                }
            }
            pixel.iter_mut().zip(sums).for_each(|(value, sum)| *value = sum as f32);
        }
    });
    out
}

fn vertical(image: &UnitImage, height: usize, filter: Filter) -> UnitImage {
    let weights = Weights::new(image.height(), height, filter);
    let row_len = image.width() * CHANNELS;
    let mut out = UnitImage::filled(Size::new(image.width(), height), [0.0; CHANNELS]);
    out.data_mut().par_chunks_exact_mut(row_len).enumerate().for_each_init(
        || vec![0.0; row_len],
        |sums, (y, out_row)| {
            sums.fill(0.0);
            for (from, weight) in weights.taps(y, image.height()) {
                for (sum, value) in sums.iter_mut().zip(&image.data()[from * row_len..]) {
                    *sum += f64::from(*value) * weight;
                }
            }
            out_row.iter_mut().zip(&*sums).for_each(|(value, sum)| *value = *sum as f32);
        },
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILTERS: [Filter; 5] =
        [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos3];

    fn row(values: &[f32]) -> UnitImage {
        let data = values.iter().flat_map(|&value| [value; 3]).collect();
        UnitImage::new(Size::new(values.len(), 1), data).unwrap()
    }

    fn first_channel(image: &UnitImage) -> Vec<f32> {
        image.data().iter().step_by(CHANNELS).copied().collect()
    }

    #[test]
    fn lanczos_and_bicubic_agree_with_pillow() {
        // Pillow 13.0.0: Image.fromarray(float32 row).resize((n, 1), Image.LANCZOS) and so on.
        let image = row(&[0.0, 0.7, 0.4, 0.1, 0.8, 0.5, 0.2, 0.9, 0.6, 0.3]);
        let cases: [(Filter, &[f64]); 4] = [
            (Filter::Lanczos3, &[0.345_570_62, 0.439_883_89, 0.543_120_27, 0.547_026_52]),
            (
                Filter::Bicubic,
                &[
                    0.231_336_07,
                    0.529_714_41,
                    0.271_900_48,
                    0.665_843_07,
                    0.335_067_75,
                    0.787_290_16,
                    0.377_282_29,
                ],
            ),
            (Filter::Bilinear, &[0.383_050_86, 0.483_333_35, 0.544_067_8]),
            (
                Filter::Lanczos3,
                &[
                    -0.052_535_944,
                    0.465_257_29,
                    0.724_280_24,
                    0.275_382_43,
                    0.086_893_454,
                    0.644_306_36,
                    0.785_869_6,
                    0.328_853_13,
                    0.215_537_62,
                    0.799_152_55,
                    0.848_545_01,
                    0.437_072_72,
                    0.286_499_92,
                ],
            ),
        ];
        for (filter, expected) in cases {
            let found = first_channel(&resized(&image, Size::new(expected.len(), 1), filter));
            for (found, expected) in found.into_iter().zip(expected) {
                // The same f64 sums, rounded to f32 at the same places.
                assert!(
                    (f64::from(found) - expected).abs() < 6e-8,
                    "{filter:?}: {found} instead of {expected}"
                );
            }
        }
    }

    #[test]
    fn a_box_filter_averages_whole_blocks() {
        let shrunk = resized(&row(&[0.0, 0.5, 1.0, 0.25]), Size::new(2, 1), Filter::Box);
        assert_eq!(first_channel(&shrunk), vec![0.25, 0.625]);
        let grown = resized(&row(&[0.0, 1.0]), Size::new(4, 1), Filter::Box);
        assert_eq!(first_channel(&grown), vec![0.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn nearest_takes_the_pixel_under_the_centre() {
        let image = row(&[0.0, 0.1, 0.2, 0.3, 0.4, 0.5]);
        assert_eq!(first_channel(&resized(&image, Size::new(3, 1), Filter::Nearest)), [0.1, 0.3, 0.5]);
        assert_eq!(first_channel(&resized(&image, Size::new(1, 1), Filter::Nearest)), [0.3]);
    }

    #[test]
    fn the_matrix_is_the_resize() {
        for (input, output) in [(10, 4), (4, 10), (7, 7), (1, 3), (5, 1)] {
            for filter in FILTERS {
                let matrix = weight_matrix(input, output, filter);
                assert_eq!(matrix.len(), output * input);
                let values: Vec<f32> = (0..input).map(|i| (i as f32 * 0.618).fract()).collect();
                let found = first_channel(&resized(&row(&values), Size::new(output, 1), filter));
                for (weights, found) in matrix.chunks_exact(input).zip(found) {
                    let expected: f64 = weights.iter().zip(&values).map(|(w, &v)| w * f64::from(v)).sum();
                    // The same f64 sum, rounded to f32 once.
                    let error = (f64::from(found) - expected).abs();
                    assert!(error < 6e-8, "{filter:?} from {input} to {output}: {error:e}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn constants_stay_constant(
            width in 1_usize..40, height in 1_usize..40, to_width in 1_usize..40, to_height in 1_usize..40,
            filter in 0_usize..5, value in 0.0_f32..1.0,
        ) {
            let image = UnitImage::filled(Size::new(width, height), [value; 3]);
            let resized = resized(&image, Size::new(to_width, to_height), FILTERS[filter]);
            prop_assert!(resized.data().iter().all(|v| (v - value).abs() < 1e-6));
        }

        #[test]
        fn the_same_size_is_the_identity(
            width in 1_usize..20, height in 1_usize..20, filter in 0_usize..5, seed in 0.0_f32..1.0,
        ) {
            let data = (0..width * height * 3).map(|i| (i as f32 * 0.618 + seed).fract()).collect();
            let image = UnitImage::new(Size::new(width, height), data).unwrap();
            prop_assert_eq!(resized(&image, image.size(), FILTERS[filter]), image);
        }

        /// Away from the borders, a symmetric normalised filter maps a ramp to itself: no shift.
        #[test]
        fn ramps_stay_where_they_are(input in 24_usize..60, output in 24_usize..60, filter in 1_usize..5) {
            let ramp = |len: usize| -> Vec<f32> {
                (0..len).map(|i| (i as f32 + 0.5) / len as f32).collect()
            };
            let found = first_channel(&resized(&row(&ramp(input)), Size::new(output, 1), FILTERS[filter]));
            // Sampled between whole factors, filters reproduce ramps only up to a part of an input pixel.
            let pixels = if FILTERS[filter] == Filter::Box { 0.51 } else { 0.15 };
            let tolerance = pixels / input as f32;
            for (found, expected) in found.iter().zip(ramp(output)).skip(8).take(output - 16) {
                prop_assert!((found - expected).abs() < tolerance, "{} {}", found, expected);
            }
        }
    }
}
