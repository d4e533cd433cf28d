//! Buffers that a thread keeps between tasks.

use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

thread_local! {
    static KEPT: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Numbers beyond which the large buffer is given back: 64 MB.
const LARGEST_KEPT: usize = 16 * 1024 * 1024;

/// Lends the thread's large buffer, at least as long as asked for, for results that its tasks share; its
/// content is arbitrary.
pub(super) fn with_kept<R>(length: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = KEPT.with(RefCell::take);
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    let result = work(&mut buffer[..length]);
    if buffer.len() <= LARGEST_KEPT {
        KEPT.with(|kept| kept.replace(buffer));
    }
    result
}

/// Lends the thread's two buffers, at least as long as asked for; their content is arbitrary.
pub(super) fn with_scratch<R>(lengths: [usize; 2], work: impl FnOnce(&mut [f32], &mut [f32]) -> R) -> R {
    // Taken out while it is used: a thread that waits for others may start another task here.
    let mut buffers = SCRATCH.with(RefCell::take);
    for (buffer, length) in buffers.iter_mut().zip(lengths) {
        if buffer.len() < length {
            buffer.resize(length, 0.0);
        }
    }
    let [first, second] = &mut buffers;
    let result = work(&mut first[..lengths[0]], &mut second[..lengths[1]]);
    SCRATCH.with(|scratch| scratch.replace(buffers));
    result
}

/// Cuts the beginning of a buffer into parts.
pub(super) fn parts<const N: usize>(mut buffer: &mut [f32], lengths: [usize; N]) -> [&mut [f32]; N] {
    lengths.map(|length| buffer.split_off_mut(..length).expect("a buffer is too short; this is a bug"))
}
