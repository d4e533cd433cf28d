//! Where things are: rectangles, the crop engine, and outpainting canvases.
//!
//! Coordinates are pixels with the origin at the top left; pixel `(x, y)` covers the square from
//! `(x, y)` to `(x + 1, y + 1)`. All plans map whole areas to whole areas, so resizing there and back
//! shifts nothing.

mod crop;
mod outpaint;
mod rect;

pub use crop::{CropPlan, CropRequest, Padding};
pub use outpaint::OutpaintPlan;
pub use rect::{Rect, Size};
