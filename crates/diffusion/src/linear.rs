//! `a x + b y`, the one tensor operation that every update rule here consists of.

use burn::tensor::Tensor;

use crate::level::NoiseLevel;

/// `a x + b y`, where a weight of zero drops its term.
///
/// Dropping it, and not multiplying by it, makes the identities exact (a `Sample` network's output
/// *is* `x_0`, bit for bit) and keeps an infinite `x` out of a result that does not depend on it.
///
/// # Shapes
/// - `x`, `y`, result: `[batch, channels, height, width]`
pub(crate) fn weighted_sum(a: f64, x: Tensor<4>, b: f64, y: Tensor<4>) -> Tensor<4> {
    match (a == 0.0, b == 0.0) {
        (true, _) => scaled(b, y),
        (false, true) => scaled(a, x),
        (false, false) => scaled(a, x) + scaled(b, y),
    }
}

/// `a x`, without a multiplication where `a` is one.
fn scaled(a: f64, x: Tensor<4>) -> Tensor<4> {
    #[expect(clippy::float_cmp, reason = "only the exact one is an identity")]
    if a == 1.0 { x } else { x.mul_scalar(a) }
}

/// `a_i x_i + b_i y_i` with the weights of each item's own noise level.
///
/// # Shapes
/// - `x`, `y`, result: `[batch, channels, height, width]`, with one level for each item
///
/// # Panics
/// If there is not exactly one level for each item of the batch.
pub(crate) fn weighted_sum_per_item(
    x: Tensor<4>,
    y: Tensor<4>,
    levels: &[NoiseLevel],
    weights: impl Fn(NoiseLevel) -> (f64, f64),
) -> Tensor<4> {
    let [batch, ..] = x.dims();
    assert_eq!(levels.len(), batch, "a batch of {batch} needs as many noise levels, not {}", levels.len());
    let (a, b): (Vec<f64>, Vec<f64>) = levels.iter().map(|&level| weights(level)).unzip();
    let (a, b) = (column(&a, &x), column(&b, &x));
    x * a + y * b
}

/// Host values as a `[batch, 1, 1, 1]` tensor of the type and on the device of `like`.
fn column(values: &[f64], like: &Tensor<4>) -> Tensor<4> {
    Tensor::<1>::from_data(values, (&like.device(), like.dtype())).reshape([values.len(), 1, 1, 1])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::weighted_sum;

    #[test]
    fn a_zero_weight_keeps_the_other_term_exact() {
        let device = Device::default();
        let infinite = Tensor::<4>::full([1, 1, 1, 2], f32::INFINITY, &device);
        let y = Tensor::<4>::full([1, 1, 1, 2], 0.1_f32, &device);
        let read = |t: Tensor<4>| t.into_data().as_slice::<f32>().unwrap().to_vec();
        assert_eq!(read(weighted_sum(0.0, infinite.clone(), 1.0, y.clone())), [0.1; 2]);
        assert_eq!(read(weighted_sum(1.0, y.clone(), 0.0, infinite)), [0.1; 2]);
        assert_eq!(read(weighted_sum(2.0, y.clone(), 0.5, y)), [0.25; 2]);
    }
}
