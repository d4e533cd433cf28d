//! Comparing a tensor with its expected value, element by element, in f64 on the host.

use std::fmt;

use burn::tensor::{Tensor, TensorData};

use crate::tol::Tol;

/// How far a tensor is from the expected one.
#[derive(Debug, Clone, PartialEq)]
pub struct Distance {
    /// The largest `|actual - expected|`; infinite where one of them is NaN or infinite and they differ.
    pub max_abs: f64,
    /// The same divided by the largest `|expected|`.
    pub relative_max: f64,
    /// `|actual - expected|_2 / |expected|_2`.
    pub relative_l2: f64,
    /// Index of the worst element, one entry for each axis.
    pub worst: Vec<usize>,
    /// Actual value there.
    pub actual: f64,
    /// Expected value there.
    pub expected: f64,
}

impl Distance {
    /// Whether both limits hold.
    pub fn is_within(&self, tol: Tol) -> bool {
        self.relative_l2 <= tol.relative_l2 && self.relative_max <= tol.relative_max
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "relative L2 error {:.2e}, max abs error {:.2e} ({:.2e} of the largest value), worst at {:?}: {} for {}",
            self.relative_l2, self.max_abs, self.relative_max, self.worst, self.actual, self.expected
        )
    }
}

/// Measures the distance of two tensors of one shape and any float type.
///
/// # Panics
/// If the shapes differ.
#[track_caller]
pub fn distance<const D: usize>(actual: &Tensor<D>, expected: &Tensor<D>) -> Distance {
    let shape = expected.dims();
    assert_eq!(actual.dims(), shape, "the shapes differ (left: actual, right: expected)");
    let actual = host_values(actual.to_data());
    let expected = host_values(expected.to_data());
    let errors: Vec<f64> = actual.iter().zip(&expected).map(|(&a, &e)| element_error(a, e)).collect();
    let worst = (0..errors.len()).max_by(|&i, &j| errors[i].total_cmp(&errors[j])).unwrap_or(0);
    let largest = expected.iter().fold(0.0, |max: f64, value| max.max(value.abs()));
    let max_abs = errors.get(worst).copied().unwrap_or(0.0);
    Distance {
        max_abs,
        relative_max: ratio(max_abs, largest),
        relative_l2: ratio(norm(&errors), norm(&expected)),
        worst: unravel(worst, &shape),
        actual: actual.get(worst).copied().unwrap_or(0.0),
        expected: expected.get(worst).copied().unwrap_or(0.0),
    }
}

/// Fails unless `actual` is within `tol` of `expected`, with the distance in the message.
///
/// # Panics
/// If the shapes differ or the distance is too large. A NaN or infinity on either side is never within
/// a tolerance, unless both sides hold the same infinity.
#[track_caller]
pub fn assert_close<const D: usize>(actual: &Tensor<D>, expected: &Tensor<D>, tol: Tol) {
    let distance = distance(actual, expected);
    assert!(distance.is_within(tol), "{distance}; allowed: {tol:?}");
}

fn host_values(data: TensorData) -> Vec<f64> {
    data.convert::<f64>().iter::<f64>().collect()
}

#[expect(clippy::float_cmp, reason = "equal infinities differ by NaN, and equal means equal here")]
fn element_error(actual: f64, expected: f64) -> f64 {
    // NaN equals nothing and must not hide in a maximum.
    let error = if actual == expected { 0.0 } else { (actual - expected).abs() };
    if error.is_nan() { f64::INFINITY } else { error }
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// `0 / 0` is no error; anything else over zero is infinitely wrong, relatively.
fn ratio(error: f64, size: f64) -> f64 {
    if error == 0.0 { 0.0 } else { error / size }
}

fn unravel(flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = flat;
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&extent| {
            let extent = extent.max(1);
            let here = rest % extent;
            rest /= extent;
            here
        })
        .collect();
    index.reverse();
    index
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::tol;

    fn matrix(values: [[f32; 3]; 2]) -> Tensor<2> {
        Tensor::from_data(values, &Device::flex())
    }

    #[test]
    fn the_distance_is_the_closed_form() {
        let expected = matrix([[3.0, 0.0, 0.0], [0.0, -4.0, 0.0]]);
        let actual = matrix([[3.0, 0.0, 0.0], [0.0, -4.0, 0.5]]);
        let distance = distance(&actual, &expected);
        assert_eq!(distance.worst, [1, 2]);
        assert_eq!((distance.actual, distance.expected), (0.5, 0.0));
        assert_eq!((distance.max_abs, distance.relative_max, distance.relative_l2), (0.5, 0.125, 0.1));
    }

    #[test]
    fn both_limits_count() {
        let expected = matrix([[1.0; 3]; 2]);
        let actual = matrix([[1.0, 1.0, 1.0], [1.0, 1.0, 1.25]]);
        let loose = Tol { relative_l2: 1.0, relative_max: 1.0 };
        assert!(distance(&actual, &expected).is_within(loose));
        assert!(!distance(&actual, &expected).is_within(Tol { relative_max: 0.2, ..loose }));
        assert!(!distance(&actual, &expected).is_within(Tol { relative_l2: 0.05, ..loose }));
    }

    #[test]
    fn equal_tensors_are_exact() {
        let values = matrix([[0.0, -0.0, f32::INFINITY], [1e-30, -2.0, f32::MAX]]);
        assert_close(&values, &values.clone(), tol::exact());
        let zeros = matrix([[0.0; 3]; 2]);
        assert_close(&zeros, &zeros.clone(), tol::exact());
    }

    #[test]
    fn one_last_bit_is_not_exact() {
        let expected = matrix([[1.0; 3]; 2]);
        let actual = matrix([[1.0, 1.0, 1.0_f32.next_up()], [1.0; 3]]);
        assert!(!distance(&actual, &expected).is_within(tol::exact()));
        assert!(distance(&actual, &expected).is_within(tol::f32_op()));
    }

    #[test]
    fn nan_and_infinity_are_never_close() {
        let expected = matrix([[1.0; 3]; 2]);
        let loose = Tol { relative_l2: 1e30, relative_max: 1e30 };
        for bad in [f32::NAN, f32::INFINITY] {
            let actual = matrix([[1.0, bad, 1.0], [1.0; 3]]);
            assert!(!distance(&actual, &expected).is_within(loose));
            assert!(!distance(&expected, &actual).is_within(loose));
            assert_eq!(distance(&actual, &expected).worst, [0, 1]);
        }
        let nan = matrix([[f32::NAN; 3]; 2]);
        assert!(!distance(&nan, &nan.clone()).is_within(loose));
    }

    #[test]
    fn an_error_beside_zero_is_infinite() {
        let zeros = matrix([[0.0; 3]; 2]);
        let actual = matrix([[0.0, 1e-20, 0.0], [0.0; 3]]);
        assert!(!distance(&actual, &zeros).is_within(Tol { relative_l2: 1e30, relative_max: 1e30 }));
    }

    #[test]
    #[should_panic(expected = "worst at [1, 0]: 9 for 4")]
    fn the_message_names_the_worst_element() {
        let expected = matrix([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        assert_close(&matrix([[1.0, 2.0, 3.0], [9.0, 5.0, 6.0]]), &expected, tol::f32_net());
    }

    #[test]
    #[should_panic(expected = "the shapes differ")]
    fn shapes_must_agree() {
        let tall = Tensor::<2>::from_data([[1.0], [1.0]], &Device::flex());
        assert_close(&tall, &matrix([[1.0; 3]; 2]), tol::f32_net());
    }
}
