//! The kernels themselves: f32 slices in, f32 vectors out, threads by rayon.
//!
//! Every result is the same from run to run for one number of threads, whatever they do: work is split
//! by output, never by summand, and each output is summed in one order. With another number of threads
//! the matrix products have other sizes, and `gemm` takes their sums in other pieces.

pub(super) mod attention;
pub(super) mod conv;
pub(super) mod gated;
mod gemm;
mod math;
pub(super) mod norm;
