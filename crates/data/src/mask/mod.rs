//! Edit masks and the strategy that draws them for training.
//!
//! - [`Mask`] is a binary edit mask, 255 where the picture is to be repainted;
//! - [`MaskStrategy`] is the paper's mixture (section 4.1), each kind with its own probability;
//! - `shapes` draws strokes, boxes and windows; `instance` coarsens an object's mask.

mod bitmap;
mod instance;
mod shapes;
mod strategy;

pub use bitmap::{Mask, Rect};
pub use instance::InstanceMasks;
pub use shapes::{Boxes, Outward, Strokes};
pub use strategy::{MaskKind, MaskStrategy};
pub(crate) use strategy::{outside, within};
