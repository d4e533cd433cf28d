//! The tensor functions: the kernel where there is one, the reference elsewhere.

use std::sync::LazyLock;

use burn::backend::Dispatch;
use burn::tensor::activation::{self, sigmoid, silu, softmax};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Tensor, assert_shape};
use burn_dispatch::DispatchDevice;

use super::ops::{ConvGeometry, GeluForm, GroupNormSettings, KernelOps};
use crate::attention::{merge_heads, split_heads};

/// Whether the kernels are wanted where there are any: with `BYTEEDIT_KERNELS=reference` in the environment
/// they are not.
pub fn are_wanted() -> bool {
    static WANTED: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os("BYTEEDIT_KERNELS").is_none_or(|choice| choice != "reference"));
    *WANTED
}

/// Whether `x` is f32 on the CPU backend, with or without autodiff, and the kernels are wanted.
pub(super) fn has_kernel<const D: usize>(x: &Tensor<D>) -> bool {
    are_wanted()
        && x.dtype() == DType::F32
        && matches!(x.device().inner().as_dispatch(), DispatchDevice::Flex(_))
}

/// The extents of `x`, none of which may be 0: the kernels divide their work by them.
#[track_caller]
pub(super) fn non_empty<const D: usize>(x: &Tensor<D>) -> [usize; D] {
    let dims = x.dims();
    assert!(!dims.contains(&0), "a tensor without elements, {dims:?}, is no input of a network");
    dims
}

#[track_caller]
fn assert_splits(width: usize, n_parts: usize, parts: &str) {
    assert!(
        n_parts > 0 && width.is_multiple_of(n_parts),
        "{width} channels cannot be split into {n_parts} {parts}"
    );
}

/// 2-D convolution with a square kernel.
///
/// # Shapes
/// - `x`: `[batch, channels_in, height, width]`
/// - `weight`: `[channels_out, channels_in, kernel, kernel]`
/// - `bias`: `[channels_out]`
/// - returns `[batch, channels_out, (height + 2 padding - kernel) / stride + 1, ...]`
///
/// # Panics
/// If the shapes do not fit each other, an extent or the stride is 0, the padding is as large as the
/// kernel, or the kernel larger than the padded picture.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize, padding: usize) -> Tensor<4> {
    let [_, channels_in, height, width] = non_empty(&x);
    let [channels_out, _, kernel, _] = non_empty(&weight);
    assert_shape!(weight, [channels_out, channels_in, kernel, kernel]);
    assert_shape!(bias, [channels_out]);
    assert!(stride > 0, "a convolution needs a stride of at least 1, not 0");
    assert!(padding < kernel, "padding {padding} is not below the kernel's size {kernel}");
    assert!(
        height.min(width) + 2 * padding >= kernel,
        "a kernel of {kernel} does not fit into {height} x {width} with padding {padding}"
    );
    if !has_kernel(&x) {
        return conv2d_reference(x, weight, bias, stride, padding);
    }
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel_conv2d(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        ConvGeometry { stride, padding },
    ))
}

/// [`conv2d`] by Burn's own convolution.
pub fn conv2d_reference(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
    burn::tensor::module::conv2d(x, weight, Some(bias), options)
}

/// `y = x Wᵀ + b` over the last dimension.
///
/// # Shapes
/// - `x`: `[..., d_in]`
/// - `weight`: `[d_out, d_in]`, as `PyTorch` keeps it
/// - `bias`: `[d_out]`
/// - returns `[..., d_out]`
///
/// # Panics
/// If the shapes do not fit each other or an extent is 0.
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let mut dims = non_empty(&x);
    let [d_out, d_in] = non_empty(&weight);
    assert!(dims[D - 1] == d_in, "a linear map of {d_in} numbers was given {}", dims[D - 1]);
    if let Some(bias) = &bias {
        assert_shape!(bias, [d_out]);
    }
    if !has_kernel(&x) {
        return linear_reference(x, weight, bias);
    }
    let n = dims[..D - 1].iter().product();
    let bias = bias.unwrap_or_else(|| Tensor::zeros([d_out], &x.device().inner()));
    let y = Tensor::<2>::from_dispatch(<Dispatch as KernelOps>::kernel_linear(
        x.reshape([n, d_in]).into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ));
    dims[D - 1] = d_out;
    y.reshape(dims)
}

/// [`linear`] by Burn's own.
pub fn linear_reference<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    burn::tensor::module::linear(x, weight.transpose(), bias)
}

/// Group normalisation over `n_groups`, with a `SiLU` behind it if `with_silu`.
///
/// # Shapes
/// - `x`, result: `[batch, channels, height, width]`
/// - `weight`, `bias`: `[channels]`
///
/// # Panics
/// If the shapes do not fit each other, an extent is 0, or the channels cannot be split into the groups.
pub fn group_norm(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    n_groups: usize,
    epsilon: f64,
    with_silu: bool,
) -> Tensor<4> {
    let [batch, channels, _, _] = non_empty(&x);
    assert_shape!(weight, [channels]);
    assert_shape!(bias, [channels]);
    assert_splits(channels, n_groups, "groups");
    if !has_kernel(&x) {
        return group_norm_reference(x, weight, bias, n_groups, epsilon, with_silu);
    }
    let unshifted = Tensor::<2>::zeros([batch, channels], &x.device().inner());
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel_group_norm(
        x.into_dispatch(),
        unshifted.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        GroupNormSettings { n_groups, epsilon, silu: with_silu },
    ))
}

/// [`group_norm`] by ordinary operations.
pub fn group_norm_reference(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    n_groups: usize,
    epsilon: f64,
    with_silu: bool,
) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let groups = x.reshape([batch, n_groups, channels / n_groups * height * width]);
    let mean = groups.clone().mean_dim(2);
    let centered = groups - mean;
    let variance = centered.clone().square().mean_dim(2);
    let normal = centered * (variance + epsilon).sqrt().recip();
    let y = normal.reshape([batch, channels, height, width]) * weight.reshape([1, channels, 1, 1])
        + bias.reshape([1, channels, 1, 1]);
    if with_silu { silu(y) } else { y }
}

/// [`group_norm`] with a `SiLU`, of an input to whose channels `shift` is added first: the middle of a
/// residual block, with the time in `shift`.
///
/// # Shapes
/// - `x`, result: `[batch, channels, height, width]`
/// - `shift`: `[batch, channels]`
/// - `weight`, `bias`: `[channels]`
///
/// # Panics
/// If the shapes do not fit each other, an extent is 0, or the channels cannot be split into the groups.
pub fn shifted_group_norm_silu(
    x: Tensor<4>,
    shift: Tensor<2>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    n_groups: usize,
    epsilon: f64,
) -> Tensor<4> {
    let [batch, channels, _, _] = non_empty(&x);
    assert_shape!(shift, [batch, channels]);
    assert_shape!(weight, [channels]);
    assert_shape!(bias, [channels]);
    assert_splits(channels, n_groups, "groups");
    if !has_kernel(&x) {
        return shifted_group_norm_silu_reference(x, shift, weight, bias, n_groups, epsilon);
    }
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel_group_norm(
        x.into_dispatch(),
        shift.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        GroupNormSettings { n_groups, epsilon, silu: true },
    ))
}

/// [`shifted_group_norm_silu`] by ordinary operations.
pub fn shifted_group_norm_silu_reference(
    x: Tensor<4>,
    shift: Tensor<2>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    n_groups: usize,
    epsilon: f64,
) -> Tensor<4> {
    let [batch, channels] = shift.dims();
    group_norm_reference(x + shift.reshape([batch, channels, 1, 1]), weight, bias, n_groups, epsilon, true)
}

/// Layer normalisation over the last dimension.
///
/// # Shapes
/// - `x`, result: `[..., d]`
/// - `weight`, `bias`: `[d]`
///
/// # Panics
/// If the shapes do not fit each other or an extent is 0.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    let d = non_empty(&x)[D - 1];
    assert_shape!(weight, [d]);
    assert_shape!(bias, [d]);
    if !has_kernel(&x) {
        return layer_norm_reference(x, weight, bias, epsilon);
    }
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel_layer_norm(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        epsilon,
    ))
}

/// [`layer_norm`] by Burn's own.
pub fn layer_norm_reference<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    burn::tensor::module::layer_norm(x, weight, Some(bias), epsilon)
}

/// `x Φ(x)` with the standard normal's distribution function (Hendrycks and Gimpel 2016, arXiv 1606.08415), to 3e-7 of `x`.
///
/// # Shapes
/// - `x`, result: `[batch, tokens, d]`
///
/// # Panics
/// If an extent is 0.
pub fn gelu(x: Tensor<3>) -> Tensor<3> {
    non_empty(&x);
    if !has_kernel(&x) {
        return gelu_reference(x);
    }
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel_gelu(x.into_dispatch(), GeluForm::Exact))
}

/// [`gelu`] by Burn's own.
pub fn gelu_reference(x: Tensor<3>) -> Tensor<3> {
    activation::gelu(x)
}

/// `x * sigmoid(1.702 x)`, which CLIP's first text encoders have in the place of a GELU.
///
/// # Shapes
/// - `x`, result: `[batch, tokens, d]`
///
/// # Panics
/// If an extent is 0.
pub fn quick_gelu(x: Tensor<3>) -> Tensor<3> {
    non_empty(&x);
    if !has_kernel(&x) {
        return quick_gelu_reference(x);
    }
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel_gelu(x.into_dispatch(), GeluForm::Quick))
}

/// [`quick_gelu`] by ordinary operations.
pub fn quick_gelu_reference(x: Tensor<3>) -> Tensor<3> {
    x.clone() * sigmoid(x * 1.702)
}

/// `value * gelu(gate)` with the two halves of the last dimension (Shazeer 2020, Eq. 5).
///
/// # Shapes
/// - `x`: `[batch, tokens, 2 * d]`, values first
/// - returns `[batch, tokens, d]`
///
/// # Panics
/// If the last extent is odd or an extent is 0.
pub fn geglu(x: Tensor<3>) -> Tensor<3> {
    let [_, _, width] = non_empty(&x);
    assert_splits(width, 2, "halves");
    if !has_kernel(&x) {
        return geglu_reference(x);
    }
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel_geglu(x.into_dispatch()))
}

/// [`geglu`] by ordinary operations.
pub fn geglu_reference(x: Tensor<3>) -> Tensor<3> {
    let d = x.dims()[2] / 2;
    x.clone().narrow(2, 0, d) * activation::gelu(x.narrow(2, d, d))
}

/// `softmax(Q Kᵀ / sqrt(d_head)) V` for each head (Vaswani et al. 2017, Eq. 1).
///
/// # Shapes
/// - `q`, result: `[batch, tokens, n_heads * d_head]`
/// - `k`, `v`: `[batch, keys, n_heads * d_head]`
///
/// # Panics
/// If the shapes do not fit each other, an extent is 0, or the width cannot be split into the heads.
pub fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, n_heads: usize) -> Tensor<3> {
    let [batch, _, width] = non_empty(&q);
    let [_, keys, _] = non_empty(&k);
    assert_shape!(k, [batch, keys, width]);
    assert_shape!(v, [batch, keys, width]);
    assert_splits(width, n_heads, "heads");
    if !has_kernel(&q) {
        return attention_reference(q, k, v, n_heads);
    }
    let (q, k, v) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch());
    let (y, _) = <Dispatch as KernelOps>::kernel_attention(q, k, v, n_heads);
    Tensor::from_dispatch(y)
}

/// [`attention`] by ordinary operations; keeps `tokens * keys` numbers for each head.
pub fn attention_reference(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, n_heads: usize) -> Tensor<3> {
    let (q, k, v) = (split_heads(q, n_heads), split_heads(k, n_heads), split_heads(v, n_heads));
    let scale = 1.0 / (q.dims()[3] as f64).sqrt();
    merge_heads(softmax((q * scale).matmul(k.transpose()), 3).matmul(v))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn zeros<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::zeros(shape, &Device::flex())
    }

    #[test]
    fn f32_on_the_cpu_has_kernels_unless_told_otherwise_and_f64_has_not() {
        let wanted = std::env::var_os("BYTEEDIT_KERNELS").is_none_or(|choice| choice != "reference");
        assert_eq!(has_kernel(&zeros([1])), wanted);
        assert_eq!(has_kernel(&Tensor::from_inner(zeros([1])).require_grad()), wanted);
        assert!(!has_kernel(&Tensor::<1>::zeros([1], (&Device::flex(), DType::F64))));
    }

    /// What a kernel says about inputs that do not fit.
    fn complaint<const D: usize>(kernel: impl FnOnce() -> Tensor<D>) -> String {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(kernel)).expect_err("it fits");
        panic
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap()).into())
    }

    #[test]
    fn inputs_that_do_not_fit_are_named_with_both_numbers() {
        let conv = |x: [usize; 4], weight: [usize; 4], bias: usize, stride: usize, padding: usize| {
            complaint(|| conv2d(zeros(x), zeros(weight), zeros([bias]), stride, padding))
        };
        let norm = |weight: usize, bias: usize, n_groups: usize| {
            complaint(|| {
                group_norm(zeros([1, 6, 2, 2]), zeros([weight]), zeros([bias]), n_groups, 1e-5, false)
            })
        };
        let shifted = |shift: [usize; 2]| {
            complaint(|| {
                let (x, shift) = (zeros([1, 6, 2, 2]), zeros(shift));
                shifted_group_norm_silu(x, shift, zeros([6]), zeros([6]), 3, 1e-5)
            })
        };
        let layer =
            |weight: usize| complaint(|| layer_norm(zeros([2, 3, 8]), zeros([weight]), zeros([8]), 1e-5));
        let attend = |q: [usize; 3], k: [usize; 3], v: [usize; 3], n_heads: usize| {
            complaint(|| attention(zeros(q), zeros(k), zeros(v), n_heads))
        };
        for (message, parts) in [
            (conv([1, 4, 8, 8], [2, 3, 3, 3], 2, 1, 1), ["expected 4", "got 3"]),
            (conv([1, 4, 8, 8], [2, 4, 3, 1], 2, 1, 0), ["expected 3", "got 1"]),
            (conv([1, 4, 8, 8], [2, 4, 3, 3], 5, 1, 1), ["expected 2", "got 5"]),
            (conv([1, 4, 8, 8], [2, 4, 3, 3], 2, 0, 1), ["stride", "0"]),
            (conv([1, 4, 8, 8], [2, 4, 3, 3], 2, 1, 3), ["padding 3", "size 3"]),
            (conv([1, 4, 8, 2], [2, 4, 3, 3], 2, 1, 0), ["kernel of 3", "8 x 2"]),
            (conv([0, 4, 8, 8], [2, 4, 3, 3], 2, 1, 1), ["without elements", "[0, 4, 8, 8]"]),
            (norm(9, 6, 3), ["expected 6", "got 9"]),
            (norm(6, 5, 3), ["expected 6", "got 5"]),
            (norm(6, 6, 4), ["6 channels", "4 groups"]),
            (norm(6, 6, 0), ["6 channels", "0 groups"]),
            (shifted([2, 6]), ["expected 1", "got 2"]),
            (shifted([1, 5]), ["expected 6", "got 5"]),
            (layer(7), ["expected 8", "got 7"]),
            (complaint(|| gelu(zeros([1, 8, 0]))), ["without elements", "[1, 8, 0]"]),
            (complaint(|| quick_gelu(zeros([1, 0, 8]))), ["without elements", "[1, 0, 8]"]),
            (complaint(|| geglu(zeros([1, 2, 7]))), ["7 channels", "2 halves"]),
            (complaint(|| geglu(zeros([1, 0, 8]))), ["without elements", "[1, 0, 8]"]),
            (attend([1, 3, 8], [1, 5, 8], [1, 4, 8], 2), ["expected 5", "got 4"]),
            (attend([1, 3, 8], [1, 5, 6], [1, 5, 6], 2), ["expected 8", "got 6"]),
            (attend([1, 3, 8], [2, 5, 8], [2, 5, 8], 2), ["expected 1", "got 2"]),
            (attend([1, 3, 8], [1, 5, 8], [1, 5, 8], 3), ["8 channels", "3 heads"]),
            (attend([1, 3, 8], [1, 0, 8], [1, 0, 8], 2), ["without elements", "[1, 0, 8]"]),
        ] {
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
    }
}
