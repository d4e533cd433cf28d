//! The kernels themselves: f32 slices in, f32 vectors out, threads by rayon.
//!
//! Every result is the same from run to run whatever the threads do: work is split by output, never by
//! summand, and each output is summed in one order.

pub(super) mod attention;
pub(super) mod conv;
pub(super) mod gated;
mod gemm;
mod math;
pub(super) mod norm;
