//! The optimiser's kernels against their references of ordinary operations.

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_nn::kernels::{
    AdamWNumbers, AdamWState, adamw, adamw_reference, square_sums, square_sums_reference,
};

/// Longer than what one thread takes at once, and no multiple of anything.
const N: usize = 70_001;

const NUMBERS: AdamWNumbers = AdamWNumbers {
    beta_1: 0.9,
    beta_2: 0.99,
    epsilon: 1e-6,
    weight_decay: 0.1,
    learning_rate: 0.01,
    gradient_scale: 0.5,
    t: 3,
    average_decay: 0.8,
};

fn wave(phase: f32, offset: f32) -> Tensor<1> {
    let values: Vec<f32> = (0..N).map(|i| (i as f32 * 0.37 + phase).sin() + offset).collect();
    Tensor::from_data(TensorData::new(values, [N]), &Device::flex())
}

fn state() -> AdamWState {
    AdamWState {
        weight: wave(0.0, 0.0),
        first: wave(1.0, 0.0),
        second: wave(2.0, 1.0),
        average: wave(3.0, 0.0),
    }
}

fn numbers(state: AdamWState) -> [Vec<f32>; 4] {
    let AdamWState { weight, first, second, average } = state;
    [weight, first, second, average].map(read)
}

fn read(tensor: Tensor<1>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32")
}

#[test]
fn a_step_of_adamw_is_that_of_its_reference_bit_for_bit() {
    // Each number is computed by the same operations in the same order.
    let gradient = wave(4.0, 0.0);
    assert_eq!(
        numbers(adamw(state(), gradient.clone(), &NUMBERS)),
        numbers(adamw_reference(state(), gradient, &NUMBERS))
    );
}

#[test]
fn a_step_leaves_shared_memory_as_it_was() {
    let before = state();
    let after = adamw(before.clone(), wave(4.0, 0.0), &NUMBERS);
    assert_eq!(numbers(before), numbers(state()));
    assert_ne!(numbers(after), numbers(state()));
}

#[test]
fn sums_of_squares_are_taken_piece_by_piece() {
    let (sums, reference) = (read(square_sums(wave(0.0, 0.0))), read(square_sums_reference(wave(0.0, 0.0))));
    assert_eq!((sums.len(), reference.len()), (2, 2));
    for (sum, reference) in sums.iter().zip(reference) {
        assert!((sum - reference).abs() <= 1e-5 * reference, "{sum} instead of {reference}");
    }
}
