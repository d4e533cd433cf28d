//! Vectors that all threads write, each its own chunks.
//!
//! `vec![0.0; len]` sends the whole vector through memory once before the kernel does it again, and on one
//! thread. Here each chunk is zeroed by the thread that writes it, just before it does, while it lies in
//! that core's cache; where the system has to find new pages, the threads share that work too.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// A vector of `len` numbers. `write` is given each chunk of `chunk` zeros (the last may be shorter) with
/// its index.
pub(super) fn written(len: usize, chunk: usize, write: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let sides = rayon::iter::repeat_n((), len.div_ceil(chunk));
    written_beside(len, chunk, sides, |index, numbers, ()| write(index, numbers))
}

/// As [`written`], where `write` also takes what it needs exclusively for that chunk, such as the part of
/// another output, from `sides`.
pub(super) fn written_beside<S: Send>(
    len: usize,
    chunk: usize,
    sides: impl IndexedParallelIterator<Item = S>,
    write: impl Fn(usize, &mut [f32], S) + Sync,
) -> Vec<f32> {
    let mut vector = Vec::with_capacity(len);
    let chunks = vector.spare_capacity_mut()[..len].par_chunks_mut(chunk);
    assert_eq!(chunks.len(), sides.len(), "every chunk needs its side; this is a bug");
    chunks.zip(sides).enumerate().for_each(|(index, (chunk, side))| write(index, zeroed(chunk), side));
    // SAFETY: the capacity is at least `len`, and the loop over all chunks of the first `len` places has
    // written to each of them.
    #[expect(unsafe_code, reason = "zeroing on one thread is what this avoids")]
    unsafe {
        vector.set_len(len);
    }
    vector
}

fn zeroed(chunk: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    chunk.fill(MaybeUninit::new(0.0));
    // SAFETY: each place was written to just now.
    #[expect(unsafe_code, reason = "the safe `write_filled` is not stable yet")]
    unsafe {
        chunk.assume_init_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_zero_and_come_in_order() {
        let numbers = written(10, 4, |index, chunk| {
            assert!(chunk.iter().all(|&number| number == 0.0));
            chunk.fill(index as f32);
        });
        assert_eq!(numbers, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0]);
    }

    #[test]
    fn sides_belong_to_their_chunks() {
        let mut sums = [0.0; 3];
        let numbers = written_beside(5, 2, sums.par_iter_mut(), |index, chunk, sum| {
            chunk.fill(index as f32 + 1.0);
            *sum = chunk.iter().sum();
        });
        assert_eq!((numbers.as_slice(), sums), ([1.0, 1.0, 2.0, 2.0, 3.0].as_slice(), [2.0, 4.0, 3.0]));
    }
}
