//! Tensor functions that move numbers or add them once: a kernel where there is one, ordinary operations
//! elsewhere. They cost nothing but memory traffic, which one core alone cannot saturate.

mod autodiff;
mod ops;

use burn::backend::Dispatch;
use burn::tensor::{Tensor, assert_shape};

use self::ops::MoveOps;
use super::functions::{has_kernel, non_empty};

/// Rows become columns.
///
/// # Shapes
/// - `x`: `[batch, rows, columns]`
/// - returns `[batch, columns, rows]`
///
/// # Panics
/// If an extent is 0.
pub fn transposed(x: Tensor<3>) -> Tensor<3> {
    non_empty(&x);
    if !has_kernel(&x) {
        return transposed_reference(x);
    }
    Tensor::from_dispatch(<Dispatch as MoveOps>::kernel_transposed(x.into_dispatch()))
}

/// [`transposed`] by ordinary operations.
pub fn transposed_reference(x: Tensor<3>) -> Tensor<3> {
    x.swap_dims(1, 2)
}

/// Nearest enlargement: every pixel twice in each direction.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - returns `[batch, channels, 2 * height, 2 * width]`
///
/// # Panics
/// If an extent is 0.
pub fn doubled(x: Tensor<4>) -> Tensor<4> {
    non_empty(&x);
    if !has_kernel(&x) {
        return doubled_reference(x);
    }
    Tensor::from_dispatch(<Dispatch as MoveOps>::kernel_doubled(x.into_dispatch()))
}

/// [`doubled`] by ordinary operations.
pub fn doubled_reference(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    // The gradient of `expand` is a sum, that of `interpolate` a scatter.
    x.reshape([batch * channels, height, 1, width, 1])
        .expand([batch * channels, height, 2, width, 2])
        .reshape([batch, channels, 2 * height, 2 * width])
}

/// The channels of `second` behind those of `first`.
///
/// # Shapes
/// - `first`, `second`: `[batch, channels, height, width]`, differing in the channels only
///
/// # Panics
/// If the shapes do not fit each other or an extent is 0.
pub fn concat_channels(first: Tensor<4>, second: Tensor<4>) -> Tensor<4> {
    let [batch, _, height, width] = non_empty(&first);
    let [_, channels, _, _] = non_empty(&second);
    assert_shape!(second, [batch, channels, height, width]);
    if !has_kernel(&first) {
        return concat_channels_reference(first, second);
    }
    Tensor::from_dispatch(<Dispatch as MoveOps>::kernel_concat(first.into_dispatch(), second.into_dispatch()))
}

/// [`concat_channels`] by ordinary operations.
pub fn concat_channels_reference(first: Tensor<4>, second: Tensor<4>) -> Tensor<4> {
    Tensor::cat(vec![first, second], 1)
}

/// `x + y` of two tensors of one shape, in the memory of either where nobody else needs it.
///
/// # Panics
/// If the shapes differ or an extent is 0.
pub fn add<const D: usize>(x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    let (dims, others) = (non_empty(&x), y.dims());
    assert_eq!(dims, others, "only tensors of one shape are added here");
    if !has_kernel(&x) {
        return add_reference(x, y);
    }
    Tensor::from_dispatch(<Dispatch as MoveOps>::kernel_add(x.into_dispatch(), y.into_dispatch()))
}

/// [`add`] by Burn's own.
pub fn add_reference<const D: usize>(x: Tensor<D>, y: Tensor<D>) -> Tensor<D> {
    x + y
}
