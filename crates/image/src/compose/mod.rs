//! Putting what the model made into the picture: exact outside the mask, and without a seam.

mod match_color;
mod paste;

pub use match_color::match_color;
pub use paste::paste;
