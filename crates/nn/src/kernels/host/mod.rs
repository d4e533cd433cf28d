//! The kernels themselves: f32 slices in, f32 vectors out, threads by rayon.
//!
//! Every result is the same from run to run and for any number of threads: work is split by output,
//! never by summand, and each output is summed in one order.

pub(super) mod attention;
pub(super) mod attention_grad;
pub(super) mod band;
pub(super) mod conv;
pub(super) mod gated;
pub(super) mod gelu;
pub(super) mod layer_norm;
pub(super) mod linear;
mod math;
mod matrix;
pub(super) mod moves;
pub(super) mod norm;
mod output;
mod pack;
mod product;
mod scratch;
mod softmax;
pub(super) mod strips;
mod sums;
mod turn;
pub(super) mod update;
mod winograd;
