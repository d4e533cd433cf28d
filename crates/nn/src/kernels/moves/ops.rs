//! The operations as a backend extension, and on Flex tensors.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, TensorMetadata, backend_extension};
use burn_flex::FlexTensor;

use super::super::flex::{Contiguous, contiguous, tensor};
use super::super::host::moves;

/// Values and gradients of the operations that move numbers.
#[backend_extension(Flex, Autodiff)]
pub(super) trait MoveOps: Backend {
    /// `[batch, rows, columns] -> [batch, columns, rows]`, which is also its gradient.
    fn kernel_transposed(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `[batch, channels, h, w] -> [batch, channels, 2 h, 2 w]`
    fn kernel_doubled(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Gradient of the doubling's input.
    fn kernel_doubled_grad(grad: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `[batch, c1, h, w], [batch, c2, h, w] -> [batch, c1 + c2, h, w]`
    fn kernel_concat(first: FloatTensor<Self>, second: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The gradients of both inputs, of which the first has `n_first` channels.
    fn kernel_concat_grad(grad: FloatTensor<Self>, n_first: usize) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// `x + y` of one shape.
    fn kernel_add(x: FloatTensor<Self>, y: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl MoveOps for Flex {
    fn kernel_transposed(x: FlexTensor) -> FlexTensor {
        let [batch, rows, columns] = x.shape().dims();
        let y = moves::transpose(Contiguous::new(x).values(), rows, columns);
        tensor(y, [batch, columns, rows])
    }

    fn kernel_doubled(x: FlexTensor) -> FlexTensor {
        let [batch, channels, height, width] = x.shape().dims();
        let y = moves::double(Contiguous::new(x).values(), height, width);
        tensor(y, [batch, channels, 2 * height, 2 * width])
    }

    fn kernel_doubled_grad(grad: FlexTensor) -> FlexTensor {
        let [batch, channels, height, width] = grad.shape().dims();
        let (height, width) = (height / 2, width / 2);
        let x_grad = moves::double_grad(Contiguous::new(grad).values(), height, width);
        tensor(x_grad, [batch, channels, height, width])
    }

    fn kernel_concat(first: FlexTensor, second: FlexTensor) -> FlexTensor {
        let [batch, n_first, height, width] = first.shape().dims();
        let [_, n_second, _, _] = second.shape().dims();
        let (first, second) = (Contiguous::new(first), Contiguous::new(second));
        let y = moves::concat(first.values(), second.values(), batch);
        tensor(y, [batch, n_first + n_second, height, width])
    }

    fn kernel_concat_grad(grad: FlexTensor, n_first: usize) -> (FlexTensor, FlexTensor) {
        let [batch, channels, height, width] = grad.shape().dims();
        let grad = Contiguous::new(grad);
        let part = |channels_taken: std::ops::Range<usize>| {
            let plane = height * width;
            let numbers = channels_taken.start * plane..channels_taken.end * plane;
            let part = moves::parts(grad.values(), numbers, channels * plane);
            tensor(part, [batch, channels_taken.len(), height, width])
        };
        (part(0..n_first), part(n_first..channels))
    }

    fn kernel_add(x: FlexTensor, y: FlexTensor) -> FlexTensor {
        let dims = x.shape();
        let (mut x, mut y) = (contiguous(x), contiguous(y));
        if let Some(sum) = x.try_storage_mut() {
            moves::add_to(sum, y.storage());
            return x;
        }
        if let Some(sum) = y.try_storage_mut() {
            moves::add_to(sum, x.storage());
            return y;
        }
        tensor(moves::add(x.storage(), y.storage()), dims)
    }
}
