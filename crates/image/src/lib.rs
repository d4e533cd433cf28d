//! Pictures, masks and geometry on the host: everything around the model that touches pixels.
//!
//! Bytes come in and bytes go out; no path, no network and no tensor is known here. One edit walks
//! through the modules in this order:
//!
//! ```text
//! bytes ─ codec::decode ─► Picture ─┬─ geometry::CropPlan ─► Rect
//!                                   └─ UnitImage::from_picture_region ─► plan.model_image ─► (model)
//! bytes ◄ codec::encode ─ Picture ◄─ compose::paste ◄─ compose::match_color ◄─ plan.region_image ◄─┘
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`picture`] | decoded samples of 8 or 16 bits, 1 to 4 channels, with ICC, EXIF and text |
//! | [`codec`] | PNG, JPEG and WebP, in and out, within stated limits |
//! | [`color`] | the picture's own profile to and from sRGB |
//! | [`mod@unit`] | RGB floats in `[0, 1]`: the form between pictures and tensors |
//! | [`resample`] | antialiased resizing with Pillow's coefficients |
//! | [`mask`] | edit masks (255 = repaint): reading, growing, feathering |
//! | [`geometry`] | rectangles, the crop engine, outpainting canvases |
//! | [`compose`] | pasting back without touching a kept sample; colour matching at the seam |
//! | [`fill`] | the harmonic fill, a classical baseline |
//! | [`seam`] | how visible the edge of a mask is |
//! | [`parameters`] | the `parameters` text that A1111, sd.cpp and `IOPaint` write |
//!
//! **Memory.** Only decoding, encoding and masks know the whole picture. A region costs 12 bytes per
//! pixel as a [`UnitImage`] and 5 while its mask is grown or feathered, so even an edit of all of a
//! 100-megapixel picture needs about 2 GB beyond its samples; an edit of a small region costs the same
//! in every picture.
//!
//! Two rules hold everywhere: **255 in a mask means "repaint"**, and samples whose mask is 0 are never
//! written, so they stay bit-identical at the picture's own depth and profile.

pub mod codec;
pub mod color;
pub mod compose;
mod error;
pub mod fill;
pub mod geometry;
pub mod mask;
mod multigrid;
pub mod parameters;
pub mod picture;
pub mod resample;
pub mod seam;
pub mod unit;

pub use codec::{Effort, Encoding, Format, Limits, decode, encode};
pub use error::{ImageError, Result};
pub use geometry::{CropPlan, CropRequest, OutpaintPlan, Padding, Rect, Size};
pub use mask::{Mask, MaskMode};
pub use parameters::Parameters;
pub use picture::{Channels, Metadata, Picture, Samples};
pub use resample::Filter;
pub use unit::UnitImage;
