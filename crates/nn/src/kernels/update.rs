//! What an optimiser does to a parameter: one pass over its memory where there is a kernel, ordinary
//! operations elsewhere. Nothing here is differentiated.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Tensor, assert_shape};
use burn_flex::FlexTensor;

use super::flex::{Contiguous, contiguous, tensor};
use super::functions::has_kernel;
use super::host::update::{self, Factors, SQUARES, Slices};

/// A parameter with what its optimiser keeps of it, each `[n_elements]` and without a gradient tape.
#[derive(Debug, Clone)]
pub struct AdamWState {
    /// The parameter.
    pub weight: Tensor<1>,
    /// Running mean of its gradient.
    pub first: Tensor<1>,
    /// Running mean of its gradient's square.
    pub second: Tensor<1>,
    /// Moving average of the parameter.
    pub average: Tensor<1>,
}

/// The numbers of one step of `AdamW` and of the moving average.
#[derive(Debug, Clone, Copy)]
pub struct AdamWNumbers {
    /// Decay of the mean of the gradients, in [0, 1).
    pub beta_1: f64,
    /// Decay of the mean of their squares, in [0, 1).
    pub beta_2: f64,
    /// Added to the root of the second moment, positive.
    pub epsilon: f64,
    /// Share of the weight that is taken away at learning rate 1.
    pub weight_decay: f64,
    /// Step size.
    pub learning_rate: f64,
    /// The gradient is multiplied by this first; clipping decides it.
    pub gradient_scale: f64,
    /// Number of the step, counted from 1.
    pub t: u64,
    /// Share of the old average that the new one keeps.
    pub average_decay: f64,
}

impl AdamWNumbers {
    /// `1 - beta^t`: what a mean over `t` gradients lacks for having begun at 0.
    fn corrections(&self) -> [f64; 2] {
        let t = self.t as i32;
        [1.0 - self.beta_1.powi(t), 1.0 - self.beta_2.powi(t)]
    }

    fn factors(&self) -> Factors {
        let [first, second] = self.corrections();
        let mean = |decay: f64| [decay as f32, (1.0 - decay) as f32];
        Factors {
            gradient: self.gradient_scale as f32,
            first: mean(self.beta_1),
            second: mean(self.beta_2),
            root: second.sqrt().recip() as f32,
            epsilon: self.epsilon as f32,
            weight: [
                (1.0 - self.learning_rate * self.weight_decay) as f32,
                (self.learning_rate / first) as f32,
            ],
            average: mean(self.average_decay),
        }
    }
}

/// One step: moments, weight and average, in the tensors' own memory where nobody else holds it.
///
/// # Shapes
/// - `gradient`: `[n_elements]`
///
/// # Panics
/// If the lengths differ.
pub fn adamw(state: AdamWState, gradient: Tensor<1>, numbers: &AdamWNumbers) -> AdamWState {
    let AdamWState { weight, first, second, average } = state;
    let [n] = weight.dims();
    for part in [&first, &second, &average, &gradient] {
        assert_shape!(part, [n]);
    }
    if !has_kernel(&weight) {
        return adamw_reference(AdamWState { weight, first, second, average }, gradient, numbers);
    }
    let (weight, first, second, average) = <Dispatch as UpdateOps>::kernel_adamw(
        weight.into_dispatch(),
        first.into_dispatch(),
        second.into_dispatch(),
        average.into_dispatch(),
        gradient.into_dispatch(),
        numbers.factors(),
    );
    let [weight, first, second, average] = [weight, first, second, average].map(Tensor::from_dispatch);
    AdamWState { weight, first, second, average }
}

/// [`adamw`] by ordinary operations.
pub fn adamw_reference(state: AdamWState, gradient: Tensor<1>, numbers: &AdamWNumbers) -> AdamWState {
    let AdamWNumbers { beta_1, beta_2, epsilon, weight_decay, learning_rate, .. } = *numbers;
    let gradient = gradient.mul_scalar(numbers.gradient_scale);
    let first = state.first.mul_scalar(beta_1) + gradient.clone().mul_scalar(1.0 - beta_1);
    let second = state.second.mul_scalar(beta_2) + gradient.square().mul_scalar(1.0 - beta_2);
    let [correction_1, correction_2] = numbers.corrections();
    // The corrected first moment over the root of the corrected second, with both corrections in scalars.
    let root = second.clone().sqrt().mul_scalar(correction_2.sqrt().recip());
    let step = (first.clone() / root.add_scalar(epsilon)).mul_scalar(learning_rate / correction_1);
    let weight = state.weight.mul_scalar(1.0 - learning_rate * weight_decay) - step;
    let decay = numbers.average_decay;
    let average = state.average.mul_scalar(decay) + weight.clone().mul_scalar(1.0 - decay);
    AdamWState { weight, first, second, average }
}

/// Sums of squares of pieces of a tensor without a gradient tape: every piece has the same length on
/// every machine, so a sum over these sums is one of a fixed order.
///
/// # Shapes
/// - `x`: `[n_elements]`
/// - returns `[⌈n_elements / 65536⌉]`
pub fn square_sums(x: Tensor<1>) -> Tensor<1> {
    if !has_kernel(&x) {
        return square_sums_reference(x);
    }
    Tensor::from_dispatch(<Dispatch as UpdateOps>::kernel_square_sums(x.into_dispatch()))
}

/// [`square_sums`] by ordinary operations.
pub fn square_sums_reference(x: Tensor<1>) -> Tensor<1> {
    let [n] = x.dims();
    let pieces = (0..n).step_by(SQUARES);
    Tensor::cat(
        pieces.map(|start| x.clone().narrow(0, start, SQUARES.min(n - start)).square().sum()).collect(),
        0,
    )
}

/// Updates of the backends that have kernels for them.
#[backend_extension(Flex)]
pub(super) trait UpdateOps: Backend {
    /// New weight, first and second moment and average.
    fn kernel_adamw(
        weight: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        average: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        factors: Factors,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// `[n] -> [⌈n / SQUARES⌉]`
    fn kernel_square_sums(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl UpdateOps for Flex {
    fn kernel_adamw(
        weight: FlexTensor,
        first: FlexTensor,
        second: FlexTensor,
        average: FlexTensor,
        gradient: FlexTensor,
        factors: Factors,
    ) -> (FlexTensor, FlexTensor, FlexTensor, FlexTensor) {
        let gradient = Contiguous::new(gradient);
        let [mut weight, mut first, mut second, mut average] =
            [weight, first, second, average].map(contiguous);
        // Memory that somebody else holds too is copied before it is written.
        let slices = Slices {
            weight: weight.storage_mut(),
            first: first.storage_mut(),
            second: second.storage_mut(),
            average: average.storage_mut(),
        };
        update::adamw(slices, gradient.values(), &factors);
        (weight, first, second, average)
    }

    fn kernel_square_sums(x: FlexTensor) -> FlexTensor {
        let sums = update::square_sums(Contiguous::new(x).values());
        let n = sums.len();
        tensor(sums, [n])
    }
}
