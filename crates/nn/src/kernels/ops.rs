//! The operations that have kernels, as a backend extension: Flex implements them, autodiff adds the
//! gradients. Other backends never get here (see [`super::functions`]).

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

/// Geometry of a convolution beside its tensors' shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConvGeometry {
    /// Step between output positions.
    pub(super) stride: usize,
    /// Zeros on each side.
    pub(super) padding: usize,
}

/// Settings of a group norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct GroupNormSettings {
    /// Groups the channels are split into.
    pub(super) n_groups: usize,
    /// Added to the variance.
    pub(super) epsilon: f64,
    /// Apply `SiLU` to the result.
    pub(super) silu: bool,
}

/// Which GELU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GeluForm {
    /// `x Φ(x)`, with the standard normal's distribution function.
    Exact,
    /// `x * sigmoid(1.702 x)`
    Quick,
}

/// Values and gradients of the operations with kernels.
#[backend_extension(Flex, Autodiff)]
pub(super) trait KernelOps: Backend {
    /// `[batch, c_in, h, w] * [c_out, c_in, k, k] + [c_out] -> [batch, c_out, h', w']`
    fn kernel_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self>;

    /// Gradient of the input of a convolution.
    fn kernel_conv2d_x_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self>;

    /// Gradients of the weight and the bias of a convolution.
    fn kernel_conv2d_weight_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        geometry: ConvGeometry,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// `[n, d_in] [d_out, d_in]ᵀ + [d_out] -> [n, d_out]`
    fn kernel_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Gradient of the input of a linear map.
    fn kernel_linear_x_grad(weight: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Gradient of the weight of a linear map.
    fn kernel_linear_weight_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Gradient of the bias of a linear map.
    fn kernel_linear_bias_grad(grad: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Group norm of `x + shift`, `[batch, channels, h, w] + [batch, channels]`, with a `SiLU` behind it
    /// where asked for.
    fn kernel_group_norm(
        x: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        settings: GroupNormSettings,
    ) -> FloatTensor<Self>;

    /// Gradients of a group norm's input, shift, weight and bias.
    fn kernel_group_norm_grad(
        x: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        settings: GroupNormSettings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// Layer norm of `[..., d]`.
    fn kernel_layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;

    /// Gradients of a layer norm's input, weight and bias.
    fn kernel_layer_norm_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// A GELU of each number.
    fn kernel_gelu(x: FloatTensor<Self>, form: GeluForm) -> FloatTensor<Self>;

    /// Gradient of a GELU's input.
    fn kernel_gelu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>, form: GeluForm) -> FloatTensor<Self>;

    /// `value * gelu(gate)` of `[batch, tokens, 2 * d]`, values first.
    fn kernel_geglu(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Gradient of `geglu`'s input.
    fn kernel_geglu_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Attention of `[batch, tokens, heads * d_head]` over `[batch, keys, heads * d_head]`, and what its
    /// gradient needs of each query's softmax, `[batch, tokens, heads, 2]`.
    fn kernel_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        n_heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Gradients of attention's three inputs, from them, its two results and the gradient of the first.
    fn kernel_attention_grad(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        y: FloatTensor<Self>,
        softmax: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}
