//! Gradients of the kernels: which inputs are kept, and which kernel gives which gradient.

use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend, Backend};
use burn_autodiff::Autodiff;
use burn_autodiff::NodeId;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};

use super::ops::{ConvGeometry, GeluForm, GroupNormSettings, KernelOps};

#[derive(Debug)]
struct Conv2dBackward;

impl<B: Backend + KernelOps> Backward<B, 3> for Conv2dBackward {
    type State = (NodeId, NodeId, ConvGeometry);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, inputs: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let (x, weight, geometry) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let x = inputs.retrieve_node_output::<FloatTensor<B>>(x);
        let weight = inputs.retrieve_node_output::<FloatTensor<B>>(weight);
        if weight_node.is_some() || bias_node.is_some() {
            let (weight_grad, bias_grad) =
                B::kernel_conv2d_weight_grad(x.clone(), weight.clone(), grad.clone(), geometry);
            if let Some(node) = weight_node {
                grads.register::<B>(node.id, weight_grad);
            }
            if let Some(node) = bias_node {
                grads.register::<B>(node.id, bias_grad);
            }
        }
        if let Some(node) = x_node {
            grads.register::<B>(node.id, B::kernel_conv2d_x_grad(x, weight, grad, geometry));
        }
    }
}

#[derive(Debug)]
struct LinearBackward;

impl<B: Backend + KernelOps> Backward<B, 3> for LinearBackward {
    type State = (NodeId, NodeId);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, inputs: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let (x, weight) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let x = inputs.retrieve_node_output::<FloatTensor<B>>(x);
        let weight = inputs.retrieve_node_output::<FloatTensor<B>>(weight);
        if let Some(node) = weight_node {
            grads.register::<B>(node.id, B::kernel_linear_weight_grad(x, grad.clone()));
        }
        if let Some(node) = bias_node {
            grads.register::<B>(node.id, B::kernel_linear_bias_grad(grad.clone()));
        }
        if let Some(node) = x_node {
            grads.register::<B>(node.id, B::kernel_linear_x_grad(weight, grad));
        }
    }
}

#[derive(Debug)]
struct GroupNormBackward;

impl<B: Backend + KernelOps> Backward<B, 4> for GroupNormBackward {
    type State = ([NodeId; 4], GroupNormSettings);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, inputs: &mut Checkpointer) {
        let (kept, settings) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let [x, shift, weight, bias] = kept.map(|id| inputs.retrieve_node_output::<FloatTensor<B>>(id));
        let (x_grad, shift_grad, weight_grad, bias_grad) =
            B::kernel_group_norm_grad(x, shift, weight, bias, grad, settings);
        let of_inputs = [x_grad, shift_grad, weight_grad, bias_grad];
        for (node, grad) in ops.parents.into_iter().zip(of_inputs) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct LayerNormBackward;

impl<B: Backend + KernelOps> Backward<B, 3> for LayerNormBackward {
    type State = (NodeId, NodeId, f64);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, inputs: &mut Checkpointer) {
        let (x, weight, epsilon) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let x = inputs.retrieve_node_output::<FloatTensor<B>>(x);
        let weight = inputs.retrieve_node_output::<FloatTensor<B>>(weight);
        let (x_grad, weight_grad, bias_grad) = B::kernel_layer_norm_grad(x, weight, grad, epsilon);
        for (node, grad) in ops.parents.into_iter().zip([x_grad, weight_grad, bias_grad]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct GeluBackward;

impl<B: Backend + KernelOps> Backward<B, 1> for GeluBackward {
    type State = (NodeId, GeluForm);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, inputs: &mut Checkpointer) {
        let [node] = ops.parents;
        let (x, form) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let x = inputs.retrieve_node_output::<FloatTensor<B>>(x);
        if let Some(node) = node {
            grads.register::<B>(node.id, B::kernel_gelu_grad(x, grad, form));
        }
    }
}

#[derive(Debug)]
struct GegluBackward;

impl<B: Backend + KernelOps> Backward<B, 1> for GegluBackward {
    type State = NodeId;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, inputs: &mut Checkpointer) {
        let [node] = ops.parents;
        let grad = grads.consume::<B>(&ops.node);
        let x = inputs.retrieve_node_output::<FloatTensor<B>>(ops.state);
        if let Some(node) = node {
            grads.register::<B>(node.id, B::kernel_geglu_grad(x, grad));
        }
    }
}

#[derive(Debug)]
struct AttentionBackward;

impl<B: Backend + KernelOps> Backward<B, 3> for AttentionBackward {
    type State = (NodeId, NodeId, NodeId, FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, inputs: &mut Checkpointer) {
        let (q, k, v, y, softmax) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let q = inputs.retrieve_node_output::<FloatTensor<B>>(q);
        let k = inputs.retrieve_node_output::<FloatTensor<B>>(k);
        let v = inputs.retrieve_node_output::<FloatTensor<B>>(v);
        let (q_grad, k_grad, v_grad) = B::kernel_attention_grad(q, k, v, y, softmax, grad);
        for (node, grad) in ops.parents.into_iter().zip([q_grad, k_grad, v_grad]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

impl<B: Backend + KernelOps, C: CheckpointStrategy> KernelOps for Autodiff<B, C> {
    fn kernel_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: ConvGeometry,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        match Conv2dBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight), geometry);
                let y = B::kernel_conv2d(
                    x.into_primitive(),
                    weight.into_primitive(),
                    bias.into_primitive(),
                    geometry,
                );
                prep.finish(state, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::kernel_conv2d(
                x.into_primitive(),
                weight.into_primitive(),
                bias.into_primitive(),
                geometry,
            )),
        }
    }

    fn kernel_conv2d_x_grad(
        _x: FloatTensor<Self>,
        _weight: FloatTensor<Self>,
        _grad: FloatTensor<Self>,
        _geometry: ConvGeometry,
    ) -> FloatTensor<Self> {
        unreachable!("{FIRST_ORDER}")
    }

    fn kernel_conv2d_weight_grad(
        _x: FloatTensor<Self>,
        _weight: FloatTensor<Self>,
        _grad: FloatTensor<Self>,
        _geometry: ConvGeometry,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("{FIRST_ORDER}")
    }

    fn kernel_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        match LinearBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight));
                let y = B::kernel_linear(x.into_primitive(), weight.into_primitive(), bias.into_primitive());
                prep.finish(state, y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::kernel_linear(
                x.into_primitive(),
                weight.into_primitive(),
                bias.into_primitive(),
            )),
        }
    }

    fn kernel_linear_x_grad(_weight: FloatTensor<Self>, _grad: FloatTensor<Self>) -> FloatTensor<Self> {
        unreachable!("{FIRST_ORDER}")
    }

    fn kernel_linear_weight_grad(_x: FloatTensor<Self>, _grad: FloatTensor<Self>) -> FloatTensor<Self> {
        unreachable!("{FIRST_ORDER}")
    }

    fn kernel_linear_bias_grad(_grad: FloatTensor<Self>) -> FloatTensor<Self> {
        unreachable!("{FIRST_ORDER}")
    }

    fn kernel_group_norm(
        x: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        settings: GroupNormSettings,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), shift.node(), weight.node(), bias.node()];
        let run = |inputs: [FloatTensor<Self>; 4]| {
            let [x, shift, weight, bias] = inputs.map(FloatTensor::<Self>::into_primitive);
            B::kernel_group_norm(x, shift, weight, bias, settings)
        };
        match GroupNormBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let kept = [&x, &shift, &weight, &bias].map(|input| prep.checkpoint(input));
                prep.finish((kept, settings), run([x, shift, weight, bias]))
            }
            OpsKind::UnTracked(prep) => prep.finish(run([x, shift, weight, bias])),
        }
    }

    fn kernel_group_norm_grad(
        _x: FloatTensor<Self>,
        _shift: FloatTensor<Self>,
        _weight: FloatTensor<Self>,
        _bias: FloatTensor<Self>,
        _grad: FloatTensor<Self>,
        _settings: GroupNormSettings,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("{FIRST_ORDER}")
    }

    fn kernel_layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        match LayerNormBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), prep.checkpoint(&weight), epsilon);
                let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
                prep.finish(state, B::kernel_layer_norm(x, weight, bias, epsilon))
            }
            OpsKind::UnTracked(prep) => {
                let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
                prep.finish(B::kernel_layer_norm(x, weight, bias, epsilon))
            }
        }
    }

    fn kernel_layer_norm_grad(
        _x: FloatTensor<Self>,
        _weight: FloatTensor<Self>,
        _grad: FloatTensor<Self>,
        _epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("{FIRST_ORDER}")
    }

    fn kernel_gelu(x: FloatTensor<Self>, form: GeluForm) -> FloatTensor<Self> {
        match GeluBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&x), form);
                prep.finish(state, B::kernel_gelu(x.into_primitive(), form))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::kernel_gelu(x.into_primitive(), form)),
        }
    }

    fn kernel_gelu_grad(
        _x: FloatTensor<Self>,
        _grad: FloatTensor<Self>,
        _form: GeluForm,
    ) -> FloatTensor<Self> {
        unreachable!("{FIRST_ORDER}")
    }

    fn kernel_geglu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match GegluBackward.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = prep.checkpoint(&x);
                prep.finish(state, B::kernel_geglu(x.into_primitive()))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::kernel_geglu(x.into_primitive())),
        }
    }

    fn kernel_geglu_grad(_x: FloatTensor<Self>, _grad: FloatTensor<Self>) -> FloatTensor<Self> {
        unreachable!("{FIRST_ORDER}")
    }

    fn kernel_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        n_heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let nodes = [q.node(), k.node(), v.node()];
        match AttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let (q_node, k_node, v_node) =
                    (prep.checkpoint(&q), prep.checkpoint(&k), prep.checkpoint(&v));
                let (y, softmax) =
                    B::kernel_attention(q.into_primitive(), k.into_primitive(), v.into_primitive(), n_heads);
                let state = (q_node, k_node, v_node, y.clone(), softmax.clone());
                (prep.finish(state, y), Self::from_inner(softmax))
            }
            OpsKind::UnTracked(prep) => {
                let (y, softmax) =
                    B::kernel_attention(q.into_primitive(), k.into_primitive(), v.into_primitive(), n_heads);
                (prep.finish(y), Self::from_inner(softmax))
            }
        }
    }

    fn kernel_attention_grad(
        _q: FloatTensor<Self>,
        _k: FloatTensor<Self>,
        _v: FloatTensor<Self>,
        _y: FloatTensor<Self>,
        _softmax: FloatTensor<Self>,
        _grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("{FIRST_ORDER}")
    }
}

/// Burn differentiates once; only the backward pass of the inner backend calls a gradient kernel.
pub(super) const FIRST_ORDER: &str =
    "a gradient kernel was called under autodiff, which is first-order; this is a bug";
