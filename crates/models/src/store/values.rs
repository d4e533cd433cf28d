//! Stored numbers as f32: converted and checked in one pass, by all threads, into the buffer that the
//! parameter keeps.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::Dtype;

/// Numbers that one task converts: they are still in the core's cache when they are checked.
const TASK: usize = 1 << 15;
/// Numbers that are brought into the machine's order and alignment at a time.
const BLOCK: usize = 512;

/// Why stored numbers are no weights.
#[derive(Debug, PartialEq)]
pub(crate) enum BadValues {
    /// Integers and other types.
    Dtype,
    /// The first number that is NaN or infinite.
    NotFinite { index: usize, value: f32 },
    /// The file ends too early or contradicts itself; why.
    Unreadable(String),
}

/// The numbers of a tensor as f32.
///
/// # Errors
/// Another type than F32, F16 and BF16, or a number that is not finite.
pub(super) fn widened(dtype: Dtype, bytes: &[u8]) -> Result<Vec<f32>, BadValues> {
    match dtype {
        Dtype::F32 => converted::<4>(bytes, |bytes, out| {
            for (out, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
                *out = f32::from_le_bytes(*bytes);
            }
        }),
        Dtype::F16 => converted::<2>(bytes, |bytes, out| {
            in_blocks(bytes, out, f16::from_le_bytes, HalfFloatSliceExt::convert_to_f32_slice);
        }),
        Dtype::BF16 => converted::<2>(bytes, |bytes, out| {
            in_blocks(bytes, out, bf16::from_le_bytes, HalfFloatSliceExt::convert_to_f32_slice);
        }),
        _ => Err(BadValues::Dtype),
    }
}

/// Checks numbers that are used where they lie, little-endian f32.
///
/// # Errors
/// A number that is not finite.
pub(super) fn check_finite(bytes: &[u8]) -> Result<(), BadValues> {
    let bad = bytes.par_chunks(4 * TASK).enumerate().find_map_first(|(task, bytes)| {
        let values = || bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        first_not_finite(task, values)
    });
    bad.map_or(Ok(()), Err)
}

/// Converts `N` bytes to each number, task by task.
fn converted<const N: usize>(
    bytes: &[u8],
    convert: impl Fn(&[u8], &mut [f32]) + Sync,
) -> Result<Vec<f32>, BadValues> {
    // Zeroed memory comes from the system as it is: the tasks are the first to touch it.
    let mut values = vec![0.0_f32; bytes.len() / N];
    let tasks = values.par_chunks_mut(TASK).zip(bytes.par_chunks(N * TASK)).enumerate();
    let bad = tasks.find_map_first(|(task, (out, bytes))| {
        convert(bytes, out);
        first_not_finite(task, || out.iter().copied())
    });
    bad.map_or(Ok(values), Err)
}

/// Numbers of two bytes go through a small aligned buffer, from which the processor converts many at once.
fn in_blocks<T: Copy + Default>(
    bytes: &[u8],
    out: &mut [f32],
    read: impl Fn([u8; 2]) -> T,
    convert: impl Fn(&[T], &mut [f32]),
) {
    let mut block = [T::default(); BLOCK];
    for (bytes, out) in bytes.chunks(2 * BLOCK).zip(out.chunks_mut(BLOCK)) {
        let block = &mut block[..out.len()];
        for (value, bytes) in block.iter_mut().zip(bytes.as_chunks().0) {
            *value = read(*bytes);
        }
        convert(block, out);
    }
}

/// The first number of a task that is not finite, by its index in the whole tensor.
fn first_not_finite<I: Iterator<Item = f32>>(task: usize, values: impl Fn() -> I) -> Option<BadValues> {
    // All of them without a branch first: that pass is as fast as memory.
    let all_finite = values().fold(true, |finite, value| finite & value.is_finite());
    if all_finite {
        return None;
    }
    let (index, value) = values().enumerate().find(|(_, value)| !value.is_finite())?;
    Some(BadValues::NotFinite { index: task * TASK + index, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than one task and a part of a block, so that every border is crossed.
    const N: usize = 2 * TASK + BLOCK + 7;

    fn numbers() -> impl Iterator<Item = f32> {
        (0..N).map(|i| ((i % 1009) as f32 - 500.0) * 0.37 * 1.5_f32.powi((i % 41) as i32 - 30))
    }

    /// Every task is right, whatever the alignment.
    #[test]
    fn each_format_is_widened_exactly() {
        fn check(dtype: Dtype, bytes: &[u8], expected: impl Iterator<Item = f32>) {
            let expected: Vec<f32> = expected.collect();
            for shift in [0, 1] {
                let shifted = [vec![0; shift], bytes.to_vec()].concat();
                assert!(
                    widened(dtype, &shifted[shift..]).unwrap() == expected,
                    "{dtype:?}, {shift} bytes off"
                );
            }
        }
        let f32s: Vec<u8> = numbers().flat_map(f32::to_le_bytes).collect();
        check(Dtype::F32, &f32s, numbers());
        let f16s: Vec<u8> = numbers().flat_map(|value| f16::from_f32(value).to_le_bytes()).collect();
        check(Dtype::F16, &f16s, numbers().map(|value| f16::from_f32(value).to_f32()));
        let bf16s: Vec<u8> = numbers().flat_map(|value| bf16::from_f32(value).to_le_bytes()).collect();
        check(Dtype::BF16, &bf16s, numbers().map(|value| bf16::from_f32(value).to_f32()));
    }

    #[test]
    fn the_first_number_that_is_not_finite_is_found() {
        for (first, later) in [(0, N - 1), (TASK + 3, TASK + 4), (2 * TASK - 1, 2 * TASK), (N - 1, N - 1)] {
            let mut values: Vec<f32> = numbers().collect();
            values[later] = f32::NAN;
            values[first] = f32::INFINITY;
            let bad = BadValues::NotFinite { index: first, value: f32::INFINITY };
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert_eq!(widened(Dtype::F32, &bytes), Err(bad));
            let bad = BadValues::NotFinite { index: first, value: f32::INFINITY };
            assert_eq!(check_finite(&bytes), Err(bad));
            let halves: Vec<u8> =
                values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect();
            let bad = BadValues::NotFinite { index: first, value: f32::INFINITY };
            assert_eq!(widened(Dtype::BF16, &halves), Err(bad));
        }
    }

    #[test]
    fn integers_are_no_weights() {
        assert_eq!(widened(Dtype::I32, &[0; 8]), Err(BadValues::Dtype));
    }
}
