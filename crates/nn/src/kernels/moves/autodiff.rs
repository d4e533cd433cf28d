//! Gradients of the operations that move numbers: none of them keeps anything.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};

use super::super::autodiff::FIRST_ORDER;
use super::ops::MoveOps;

#[derive(Debug)]
struct TransposedBackward;

impl<B: Backend + MoveOps> Backward<B, 1> for TransposedBackward {
    type State = ();

    fn backward(self, ops: Ops<(), 1>, grads: &mut Gradients, _inputs: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, B::kernel_transposed(grad));
        }
    }
}

#[derive(Debug)]
struct DoubledBackward;

impl<B: Backend + MoveOps> Backward<B, 1> for DoubledBackward {
    type State = ();

    fn backward(self, ops: Ops<(), 1>, grads: &mut Gradients, _inputs: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, B::kernel_doubled_grad(grad));
        }
    }
}

#[derive(Debug)]
struct ConcatBackward;

impl<B: Backend + MoveOps> Backward<B, 2> for ConcatBackward {
    /// Channels of the first input.
    type State = usize;

    fn backward(self, ops: Ops<usize, 2>, grads: &mut Gradients, _inputs: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (first, second) = B::kernel_concat_grad(grad, ops.state);
        for (node, grad) in ops.parents.into_iter().zip([first, second]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct AddBackward;

impl<B: Backend + MoveOps> Backward<B, 2> for AddBackward {
    type State = ();

    fn backward(self, ops: Ops<(), 2>, grads: &mut Gradients, _inputs: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        for node in ops.parents.into_iter().flatten() {
            grads.register::<B>(node.id, grad.clone());
        }
    }
}

impl<B: Backend + MoveOps, C: CheckpointStrategy> MoveOps for Autodiff<B, C> {
    fn kernel_transposed(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prep = TransposedBackward.prepare::<C>([x.node()]).compute_bound();
        prep.stateless(B::kernel_transposed(x.into_primitive()))
    }

    fn kernel_doubled(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prep = DoubledBackward.prepare::<C>([x.node()]).compute_bound();
        prep.stateless(B::kernel_doubled(x.into_primitive()))
    }

    fn kernel_doubled_grad(_grad: FloatTensor<Self>) -> FloatTensor<Self> {
        unreachable!("{FIRST_ORDER}")
    }

    fn kernel_concat(first: FloatTensor<Self>, second: FloatTensor<Self>) -> FloatTensor<Self> {
        let prep = ConcatBackward.prepare::<C>([first.node(), second.node()]).compute_bound().stateful();
        let n_first = first.shape().dims::<4>()[1];
        let y = B::kernel_concat(first.into_primitive(), second.into_primitive());
        match prep {
            OpsKind::Tracked(prep) => prep.finish(n_first, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }

    fn kernel_concat_grad(
        _grad: FloatTensor<Self>,
        _n_first: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("{FIRST_ORDER}")
    }

    fn kernel_add(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self> {
        let prep = AddBackward.prepare::<C>([x.node(), y.node()]).compute_bound();
        prep.stateless(B::kernel_add(x.into_primitive(), y.into_primitive()))
    }
}
