//! What the tests of the other crates share: golden values, tolerances, checkpoints broken on purpose.
//!
//! A development dependency only. Everything here panics on failure, with the file, the tensor and the
//! numbers in the message, because its callers are tests.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use byteedit_testing::{assert_close, tol};
//!
//! let device = Device::flex();
//! let root = Tensor::<1>::from_data([2.0], &device).sqrt();
//! assert_close(&(root.clone() * root), &Tensor::from_data([2.0], &device), tol::f32_op());
//! ```

pub mod checkpoint;
mod close;
pub mod golden;
pub mod tol;

pub use checkpoint::Checkpoint;
pub use close::{Distance, assert_close, distance};
pub use golden::Golden;
/// A folder that is deleted when it is dropped.
pub use tempfile::TempDir;
pub use tol::Tol;
