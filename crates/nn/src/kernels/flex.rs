//! The kernels on Flex tensors: contiguous f32 slices in, contiguous f32 tensors out.

use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::tensor::{Shape, TensorData};
use burn_flex::FlexTensor;

use super::host::attention::{self, AttentionShape};
use super::host::attention_grad::{self, Attended};
use super::host::band::Window;
use super::host::conv::{self, ConvShape};
use super::host::gated;
use super::host::gelu;
use super::host::layer_norm;
use super::host::linear;
use super::host::norm::{self, NormInputs, NormShape};
use super::ops::{ConvGeometry, GeluForm, GroupNormSettings, KernelOps};

/// A tensor's numbers in row-major order.
pub(super) struct Contiguous(FlexTensor);

impl Contiguous {
    pub(super) fn new(tensor: FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }

    pub(super) fn values(&self) -> &[f32] {
        let start = self.0.layout().start_offset();
        &self.0.storage::<f32>()[start..start + self.0.layout().num_elements()]
    }
}

/// The tensor itself where its numbers are all of its memory and in order, else a copy. It takes the
/// tensor, so that what it returns is the memory's only owner where the argument was.
pub(super) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

pub(super) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

fn conv_shape(x: &FlexTensor, weight: &FlexTensor, geometry: ConvGeometry) -> ConvShape {
    let [batch, channels_in, height, width] = x.shape().dims();
    let [channels_out, _, kernel, _] = weight.shape().dims();
    let ConvGeometry { stride, padding } = geometry;
    ConvShape { window: Window { batch, height, width, kernel, stride, padding }, channels_in, channels_out }
}

fn norm_shape(x: &FlexTensor, settings: GroupNormSettings) -> NormShape {
    let [batch, channels, height, width] = x.shape().dims();
    NormShape {
        batch,
        channels,
        plane: height * width,
        n_groups: settings.n_groups,
        epsilon: settings.epsilon as f32,
        silu: settings.silu,
    }
}

fn norm_inputs<'a>(
    x: &'a Contiguous,
    shift: &'a Contiguous,
    weight: &'a Contiguous,
    bias: &'a Contiguous,
) -> NormInputs<'a> {
    NormInputs { x: x.values(), shift: shift.values(), weight: weight.values(), bias: bias.values() }
}

fn attention_shape(q: &FlexTensor, k: &FlexTensor, n_heads: usize) -> AttentionShape {
    let [batch, tokens, width] = q.shape().dims();
    let [_, keys, _] = k.shape().dims();
    AttentionShape { batch, tokens, keys, n_heads, d_head: width / n_heads }
}

impl KernelOps for Flex {
    fn kernel_conv2d(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        geometry: ConvGeometry,
    ) -> FlexTensor {
        let shape = conv_shape(&x, &weight, geometry);
        let (x, weight, bias) = (Contiguous::new(x), Contiguous::new(weight), Contiguous::new(bias));
        let y = conv::forward(x.values(), weight.values(), bias.values(), shape);
        let ConvShape { window, channels_out, .. } = shape;
        tensor(y, [window.batch, channels_out, window.out_height(), window.out_width()])
    }

    fn kernel_conv2d_x_grad(
        x: FlexTensor,
        weight: FlexTensor,
        grad: FlexTensor,
        geometry: ConvGeometry,
    ) -> FlexTensor {
        let shape = conv_shape(&x, &weight, geometry);
        let (weight, grad) = (Contiguous::new(weight), Contiguous::new(grad));
        tensor(conv::x_grad(weight.values(), grad.values(), shape), x.shape())
    }

    fn kernel_conv2d_weight_grad(
        x: FlexTensor,
        weight: FlexTensor,
        grad: FlexTensor,
        geometry: ConvGeometry,
    ) -> (FlexTensor, FlexTensor) {
        let shape = conv_shape(&x, &weight, geometry);
        let (x, grad) = (Contiguous::new(x), Contiguous::new(grad));
        let weight_grad = conv::weight_grad(x.values(), grad.values(), shape);
        let bias_grad = conv::bias_grad(grad.values(), shape);
        (tensor(weight_grad, weight.shape()), tensor(bias_grad, [shape.channels_out]))
    }

    fn kernel_linear(x: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
        let [n, _] = x.shape().dims();
        let [d_out, _] = weight.shape().dims();
        let (x, weight, bias) = (Contiguous::new(x), Contiguous::new(weight), Contiguous::new(bias));
        tensor(linear::forward(x.values(), weight.values(), bias.values()), [n, d_out])
    }

    fn kernel_linear_x_grad(weight: FlexTensor, grad: FlexTensor) -> FlexTensor {
        let [d_out, d_in] = weight.shape().dims();
        let [n, _] = grad.shape().dims();
        let (weight, grad) = (Contiguous::new(weight), Contiguous::new(grad));
        tensor(linear::x_grad(weight.values(), grad.values(), d_out), [n, d_in])
    }

    fn kernel_linear_weight_grad(x: FlexTensor, grad: FlexTensor) -> FlexTensor {
        let ([_, d_in], [_, d_out]) = (x.shape().dims(), grad.shape().dims());
        let (x, grad) = (Contiguous::new(x), Contiguous::new(grad));
        tensor(linear::weight_grad(x.values(), grad.values(), [d_in, d_out]), [d_out, d_in])
    }

    fn kernel_linear_bias_grad(grad: FlexTensor) -> FlexTensor {
        let [_, d_out] = grad.shape().dims();
        tensor(linear::bias_grad(Contiguous::new(grad).values(), d_out), [d_out])
    }

    fn kernel_group_norm(
        x: FlexTensor,
        shift: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        settings: GroupNormSettings,
    ) -> FlexTensor {
        let (shape, dims) = (norm_shape(&x, settings), x.shape());
        let (x, shift) = (Contiguous::new(x), Contiguous::new(shift));
        let (weight, bias) = (Contiguous::new(weight), Contiguous::new(bias));
        tensor(norm::forward(norm_inputs(&x, &shift, &weight, &bias), shape), dims)
    }

    fn kernel_group_norm_grad(
        x: FlexTensor,
        shift: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        grad: FlexTensor,
        settings: GroupNormSettings,
    ) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
        let (shape, dims) = (norm_shape(&x, settings), x.shape());
        let (x, shift, grad) = (Contiguous::new(x), Contiguous::new(shift), Contiguous::new(grad));
        let (weight, bias) = (Contiguous::new(weight), Contiguous::new(bias));
        let grads = norm::backward(norm_inputs(&x, &shift, &weight, &bias), grad.values(), shape);
        let shift_grad = tensor(grads.shift, [shape.batch, shape.channels]);
        let (weight_grad, bias_grad) = (grads.weight, grads.bias);
        let channels = [shape.channels];
        (tensor(grads.x, dims), shift_grad, tensor(weight_grad, channels), tensor(bias_grad, channels))
    }

    fn kernel_layer_norm(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, epsilon: f64) -> FlexTensor {
        let dims = x.shape();
        let (x, weight, bias) = (Contiguous::new(x), Contiguous::new(weight), Contiguous::new(bias));
        tensor(layer_norm::forward(x.values(), weight.values(), bias.values(), epsilon as f32), dims)
    }

    fn kernel_layer_norm_grad(
        x: FlexTensor,
        weight: FlexTensor,
        grad: FlexTensor,
        epsilon: f64,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (dims, width) = (x.shape(), weight.shape());
        let (x, weight, grad) = (Contiguous::new(x), Contiguous::new(weight), Contiguous::new(grad));
        let (x_grad, weight_grad, bias_grad) =
            layer_norm::backward(x.values(), weight.values(), grad.values(), epsilon as f32);
        (tensor(x_grad, dims), tensor(weight_grad, width.clone()), tensor(bias_grad, width))
    }

    fn kernel_gelu(x: FlexTensor, form: GeluForm) -> FlexTensor {
        let dims = x.shape();
        let values = match form {
            GeluForm::Exact => gelu::exact,
            GeluForm::Quick => gelu::quick,
        };
        tensor(values(Contiguous::new(x).values()), dims)
    }

    fn kernel_gelu_grad(x: FlexTensor, grad: FlexTensor, form: GeluForm) -> FlexTensor {
        let dims = x.shape();
        let (x, grad) = (Contiguous::new(x), Contiguous::new(grad));
        let gradients = match form {
            GeluForm::Exact => gelu::exact_grad,
            GeluForm::Quick => gelu::quick_grad,
        };
        tensor(gradients(x.values(), grad.values()), dims)
    }

    fn kernel_geglu(x: FlexTensor) -> FlexTensor {
        let [batch, tokens, width] = x.shape().dims();
        tensor(gated::forward(Contiguous::new(x).values(), width / 2), [batch, tokens, width / 2])
    }

    fn kernel_geglu_grad(x: FlexTensor, grad: FlexTensor) -> FlexTensor {
        let dims: [usize; 3] = x.shape().dims();
        let (x, grad) = (Contiguous::new(x), Contiguous::new(grad));
        tensor(gated::backward(x.values(), grad.values(), dims[2] / 2), dims)
    }

    fn kernel_attention(
        q: FlexTensor,
        k: FlexTensor,
        v: FlexTensor,
        n_heads: usize,
    ) -> (FlexTensor, FlexTensor) {
        let (shape, dims) = (attention_shape(&q, &k, n_heads), q.shape());
        let (q, k, v) = (Contiguous::new(q), Contiguous::new(k), Contiguous::new(v));
        let (y, softmax) = attention::forward([q.values(), k.values(), v.values()], shape);
        (tensor(y, dims), tensor(softmax, [shape.batch, shape.tokens, n_heads, 2]))
    }

    fn kernel_attention_grad(
        q: FlexTensor,
        k: FlexTensor,
        v: FlexTensor,
        y: FlexTensor,
        softmax: FlexTensor,
        grad: FlexTensor,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let [_, _, n_heads, _] = softmax.shape().dims();
        let shape = attention_shape(&q, &k, n_heads);
        let (q_dims, k_dims) = (q.shape(), k.shape());
        let [q, k, v] = [q, k, v].map(Contiguous::new);
        let [y, softmax, grad] = [y, softmax, grad].map(Contiguous::new);
        let attended = Attended {
            q: q.values(),
            k: k.values(),
            v: v.values(),
            out: y.values(),
            softmax: softmax.values(),
            grad: grad.values(),
        };
        let [q_grad, k_grad, v_grad] = attention_grad::backward(attended, shape);
        (tensor(q_grad, q_dims), tensor(k_grad, k_dims.clone()), tensor(v_grad, k_dims))
    }
}
