//! The one error type of this crate. Every message names the value, the limit and the remedy.

use crate::geometry::{Rect, Size};

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, ImageError>;

/// What can go wrong with a picture, a mask or a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// The content is none of the formats that can be read, whatever the file is called.
    #[error("the content is {found}, not a picture that can be read; save it as PNG, JPEG or WebP")]
    UnknownFormat {
        /// What the first bytes look like.
        found: String,
    },
    /// A known format with a feature that is refused on purpose.
    #[error("a {format} file with {feature} cannot be edited; {remedy}")]
    Unsupported {
        /// Name of the file format.
        format: &'static str,
        /// The feature found in the file.
        feature: String,
        /// What the user can do about it.
        remedy: &'static str,
    },
    /// A mask mode that reads alpha, and a mask without it.
    #[error(
        "the mask has no alpha channel, which its mode reads; choose the mode white or black, or save the mask with \
         transparency"
    )]
    NoAlpha,
    /// The file ends before its picture does.
    #[error(
        "the {format} file ends after {length} bytes, before its picture is complete; copy or download it again"
    )]
    Truncated {
        /// Name of the file format.
        format: &'static str,
        /// Number of bytes that were there.
        length: usize,
    },
    /// The file contradicts its own format.
    #[error("the {format} file is damaged ({reason}); copy it again or save it anew")]
    Damaged {
        /// Name of the file format.
        format: &'static str,
        /// What the decoder met.
        reason: String,
    },
    /// More pixels than the caller allows; found before anything of that size is allocated.
    #[error(
        "a picture of {width} x {height} pixels exceeds the limit of {limit} pixels; scale it down or raise the limit"
    )]
    TooLarge {
        /// Width in pixels.
        width: u64,
        /// Height in pixels.
        height: u64,
        /// Largest number of pixels allowed.
        limit: u64,
    },
    /// Two things that must have the same size do not.
    #[error("the {what} is {found} px but must be {expected} px; resize or crop it to that size")]
    SizeMismatch {
        /// The thing of the wrong size.
        what: &'static str,
        /// Its size.
        found: Size,
        /// The size it should have.
        expected: Size,
    },
    /// A rectangle that is empty or leaves the picture.
    #[error("the rectangle {rect} must have an area and lie inside the picture of {size} px")]
    OutsidePicture {
        /// The rectangle.
        rect: Rect,
        /// The picture's size.
        size: Size,
    },
    /// An argument outside its documented range.
    #[error("{name} is {value}, but it must be {limit}")]
    InvalidArgument {
        /// Name of the argument.
        name: &'static str,
        /// Its value, as text.
        value: String,
        /// The range, and what to do.
        limit: &'static str,
    },
    /// The output format cannot hold this picture without losing what must be kept.
    #[error("{format} cannot hold {property}; {remedy}")]
    CannotHold {
        /// Name of the output format.
        format: &'static str,
        /// The property that would be lost.
        property: String,
        /// What the user can do about it.
        remedy: &'static str,
    },
    /// The encoder refused.
    #[error("writing {format} failed: {reason}; choose another output format")]
    Encode {
        /// Name of the output format.
        format: &'static str,
        /// The encoder's reason.
        reason: String,
    },
}
