//! Group norm for pictures that pass through a network in horizontal strips: the moments of a strip, and a
//! strip's rows, with one row of each neighbour, normalised by moments of the whole picture.
//!
//! Strips are for inference. Under autodiff, and on every other backend, the reference runs.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::activation::silu;
use burn::tensor::{Tensor, TensorData, assert_shape};
use burn_dispatch::DispatchDevice;
use burn_flex::FlexTensor;

use super::functions;
use super::host::strips::{self, Affine, Planes};

/// Rows of which a 3x3 convolution wants a multiple, to be computed in the fewest multiplications.
pub const ROW_MULTIPLE: usize = 4;

/// A strip and what borders on it.
#[derive(Debug, Clone)]
pub struct StripRows {
    /// The strip above, of which the last row is used; `None` at the top of the picture.
    pub above: Option<Tensor<4>>,
    /// The strip itself, `[batch, channels, rows, width]`.
    pub strip: Tensor<4>,
    /// The strip below, of which the first row is used; `None` at the bottom of the picture.
    pub below: Option<Tensor<4>>,
}

impl StripRows {
    /// Rows that belong to the neighbours, at the top and at the bottom: 0 or 1 each.
    pub fn halo(&self) -> [usize; 2] {
        [usize::from(self.above.is_some()), usize::from(self.below.is_some())]
    }

    /// The strip between its neighbours' rows, followed by as many rows of zeros as make their number a multiple.
    ///
    /// # Shapes
    /// - returns `[batch, channels, rows + halo + zeros, width]`
    pub fn joined(self, multiple: usize) -> Tensor<4> {
        let parts: Vec<_> = self.parts().into_iter().flatten().collect();
        with_zeros(Tensor::cat(parts, 2), multiple)
    }

    /// The rows above, the strip, the rows below.
    fn parts(self) -> [Option<Tensor<4>>; 3] {
        let last = |above: Tensor<4>| {
            let rows = above.dims()[2];
            above.narrow(2, rows - 1, 1)
        };
        let first = |below: Tensor<4>| below.narrow(2, 0, 1);
        [self.above.map(last), Some(self.strip), self.below.map(first)]
    }
}

/// Mean and sum of squared deviations from it, over each group of channels and all positions.
///
/// # Shapes
/// - `x`: `[batch, channels, rows, width]`, channels a multiple of `n_groups`
/// - returns `[batch, n_groups, 2]`, the mean first
pub fn group_moments(x: Tensor<4>, n_groups: usize) -> Tensor<3> {
    if has_kernel(&x) {
        return Tensor::from_dispatch(<Dispatch as StripOps>::strip_moments(x.into_dispatch(), n_groups));
    }
    group_moments_reference(x, n_groups)
}

/// [`group_moments`] by ordinary operations.
pub fn group_moments_reference(x: Tensor<4>, n_groups: usize) -> Tensor<3> {
    let [batch, channels, rows, width] = x.dims();
    let groups = x.reshape([batch, n_groups, channels / n_groups * rows * width]);
    let mean = groups.clone().mean_dim(2);
    let squares = (groups - mean.clone()).square().sum_dim(2);
    Tensor::cat(vec![mean, squares], 2)
}

/// `silu(scale x + shift)` of a strip and its neighbours' rows, above as many rows of zeros as make their
/// number a [`ROW_MULTIPLE`]: below the picture they are its padding, and what a convolution makes of the
/// last row of a neighbour is of no use anyway.
///
/// # Shapes
/// - `scale`, `shift`: `[batch, channels]`
/// - returns `[batch, channels, rows + halo + zeros, width]`
pub fn scaled_silu(rows: StripRows, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<4> {
    let [batch, channels, _, _] = rows.strip.dims();
    assert_shape!(scale, [batch, channels]);
    assert_shape!(shift, [batch, channels]);
    if !has_kernel(&rows.strip) {
        return scaled_silu_reference(rows, scale, shift);
    }
    let [has_above, has_below] = rows.halo().map(|n_rows| n_rows > 0);
    let [above, strip, below] = rows.parts();
    // What is not there is not looked at, but a kernel has no optional tensors.
    let present = |part: Option<Tensor<4>>, strip: &Tensor<4>| part.unwrap_or_else(|| strip.clone());
    let strip = strip.expect("a strip has itself; this is a bug");
    Tensor::from_dispatch(<Dispatch as StripOps>::strip_scaled_silu(
        present(above, &strip).into_dispatch(),
        present(below, &strip).into_dispatch(),
        strip.into_dispatch(),
        scale.into_dispatch(),
        shift.into_dispatch(),
        Halo { has_above, has_below },
    ))
}

/// [`scaled_silu`] by ordinary operations.
pub fn scaled_silu_reference(rows: StripRows, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<4> {
    let [batch, channels, _, _] = rows.strip.dims();
    let per_channel = |values: Tensor<2>| values.reshape([batch, channels, 1, 1]);
    with_zeros(silu(rows.joined(1) * per_channel(scale) + per_channel(shift)), ROW_MULTIPLE)
}

fn with_zeros(x: Tensor<4>, multiple: usize) -> Tensor<4> {
    let [batch, channels, rows, width] = x.dims();
    let missing = rows.next_multiple_of(multiple) - rows;
    if missing == 0 {
        return x;
    }
    let zeros = Tensor::zeros([batch, channels, missing, width], &x.device());
    Tensor::cat(vec![x, zeros], 2)
}

/// These kernels have no gradients.
fn has_kernel(x: &Tensor<4>) -> bool {
    functions::has_kernel(x) && matches!(x.device().as_dispatch(), DispatchDevice::Flex(_))
}

/// Which neighbours a strip has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Halo {
    has_above: bool,
    has_below: bool,
}

/// The operations on strips that have kernels.
#[backend_extension(Flex)]
pub(super) trait StripOps: Backend {
    /// See [`group_moments`].
    fn strip_moments(x: FloatTensor<Self>, n_groups: usize) -> FloatTensor<Self>;

    /// See [`scaled_silu`]; a neighbour that `halo` does not have is not read.
    fn strip_scaled_silu(
        above: FloatTensor<Self>,
        below: FloatTensor<Self>,
        strip: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        halo: Halo,
    ) -> FloatTensor<Self>;
}

impl StripOps for Flex {
    fn strip_moments(x: FlexTensor, n_groups: usize) -> FlexTensor {
        let x = whole_planes(x);
        let planes = planes(&x);
        let moments = strips::moments(planes, n_groups);
        FlexTensor::from_data(TensorData::new(moments, [planes.shape[0], n_groups, 2]))
    }

    fn strip_scaled_silu(
        above: FlexTensor,
        below: FlexTensor,
        strip: FlexTensor,
        scale: FlexTensor,
        shift: FlexTensor,
        halo: Halo,
    ) -> FlexTensor {
        let [above, strip, below] = [above, strip, below].map(whole_planes);
        let [scale, shift] = [scale, shift].map(|values| values.to_contiguous());
        let [batch, channels, _, width] = planes(&strip).shape;
        let mut parts = vec![planes(&strip)];
        if halo.has_above {
            parts.insert(0, planes(&above));
        }
        if halo.has_below {
            parts.push(planes(&below));
        }
        let n_rows = parts.iter().map(|part| part.shape[2]).sum::<usize>().next_multiple_of(ROW_MULTIPLE);
        let affine = Affine { scale: numbers(&scale), shift: numbers(&shift) };
        let rows = strips::scaled_silu(&parts, n_rows, affine);
        FlexTensor::from_data(TensorData::new(rows, [batch, channels, n_rows, width]))
    }
}

/// The tensor, copied only if its planes are not each in one piece.
fn whole_planes(x: FlexTensor) -> FlexTensor {
    let [_, _, rows, width]: [usize; 4] = x.shape().dims();
    let strides = x.layout().strides();
    let in_one_piece = strides.iter().all(|stride| *stride >= 0)
        && (width == 1 || strides[3] == 1)
        && (rows == 1 || strides[2] == width as isize);
    if in_one_piece { x } else { x.to_contiguous() }
}

fn planes(x: &FlexTensor) -> Planes<'_> {
    let (layout, shape) = (x.layout(), x.shape().dims());
    let stride = |dim: usize| layout.strides()[dim].unsigned_abs();
    let values = &x.storage::<f32>()[layout.start_offset()..];
    Planes { values, picture: stride(0), channel: stride(1), shape }
}

/// The numbers of a contiguous tensor.
fn numbers(x: &FlexTensor) -> &[f32] {
    let start = x.layout().start_offset();
    &x.storage::<f32>()[start..start + x.layout().num_elements()]
}
