//! The tensor functions: the kernel where there is one, the reference elsewhere.

use burn::backend::Dispatch;
use burn::tensor::activation::{gelu, silu, softmax};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Tensor};
use burn_dispatch::DispatchDevice;

use super::ops::{ConvGeometry, GroupNormSettings, KernelOps};
use crate::attention::{merge_heads, split_heads};

/// Whether `x` is f32 on the CPU backend, with or without autodiff.
fn has_kernel<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && matches!(x.device().inner().as_dispatch(), DispatchDevice::Flex(_))
}

/// 2-D convolution with a square kernel.
///
/// # Shapes
/// - `x`: `[batch, channels_in, height, width]`
/// - `weight`: `[channels_out, channels_in, kernel, kernel]`
/// - `bias`: `[channels_out]`
/// - returns `[batch, channels_out, (height + 2 padding - kernel) / stride + 1, ...]`
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize, padding: usize) -> Tensor<4> {
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

/// Group normalisation over `n_groups`, with a `SiLU` behind it if `with_silu`.
///
/// # Shapes
/// - `x`, result: `[batch, channels, height, width]`
/// - `weight`, `bias`: `[channels]`
pub fn group_norm(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    n_groups: usize,
    epsilon: f64,
    with_silu: bool,
) -> Tensor<4> {
    if !has_kernel(&x) {
        return group_norm_reference(x, weight, bias, n_groups, epsilon, with_silu);
    }
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel_group_norm(
        x.into_dispatch(),
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

/// `value * gelu(gate)` with the two halves of the last dimension (Shazeer 2020, Eq. 6).
///
/// # Shapes
/// - `x`: `[batch, tokens, 2 * d]`, values first
/// - returns `[batch, tokens, d]`
pub fn geglu(x: Tensor<3>) -> Tensor<3> {
    if !has_kernel(&x) {
        return geglu_reference(x);
    }
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel_geglu(x.into_dispatch()))
}

/// [`geglu`] by ordinary operations.
pub fn geglu_reference(x: Tensor<3>) -> Tensor<3> {
    let d = x.dims()[2] / 2;
    x.clone().narrow(2, 0, d) * gelu(x.narrow(2, d, d))
}

/// `softmax(Q Kᵀ / sqrt(d_head)) V` for each head (Vaswani et al. 2017, Eq. 1).
///
/// # Shapes
/// - `q`, result: `[batch, tokens, n_heads * d_head]`
/// - `k`, `v`: `[batch, keys, n_heads * d_head]`
pub fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, n_heads: usize) -> Tensor<3> {
    if !has_kernel(&q) {
        return attention_reference(q, k, v, n_heads);
    }
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel_attention(
        q.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
        n_heads,
    ))
}

/// [`attention`] by ordinary operations; keeps `tokens * keys` numbers for each head.
pub fn attention_reference(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, n_heads: usize) -> Tensor<3> {
    let (q, k, v) = (split_heads(q, n_heads), split_heads(k, n_heads), split_heads(v, n_heads));
    let scale = 1.0 / (q.dims()[3] as f64).sqrt();
    merge_heads(softmax((q * scale).matmul(k.transpose()), 3).matmul(v))
}
