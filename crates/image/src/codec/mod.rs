//! Bytes to pictures and back: PNG, JPEG and WebP.
//!
//! The format is found in the content, never in a name. Sizes are checked before pixels are allocated,
//! and a file that is truncated or damaged is an error, never a half grey picture.
//!
//! **Memory.** Decoding needs the samples themselves (at most 8 bytes per pixel, so 800 MB at the
//! default limit), plus a working space of up to 4 bytes per pixel for WebP, 6 for a progressive
//! JPEG, or a second copy of the samples where EXIF asks for a turn. Encoding needs the encoded file, and one
//! 8-bit copy where JPEG cannot take the samples as they are.

mod exif;
mod format;
mod jpeg;
mod orientation;
mod png;
mod sniff;
mod webp;

pub use format::{Effort, Encoding, Format};
pub use sniff::{HEAD_BYTES, sniff};

use crate::error::{ImageError, Result};
use crate::parameters::Parameters;
use crate::picture::{Metadata, Picture};

/// What a file may ask for before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest number of pixels; 100 million by default.
    pub max_pixels: u64,
    /// Largest total of profile, EXIF and text in bytes, decompressed; 64 MiB by default.
    pub max_metadata_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pixels: 100_000_000, max_metadata_bytes: 64 << 20 }
    }
}

impl Limits {
    /// Checks a picture's size.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`] above [`Limits::max_pixels`].
    pub fn check(&self, width: u64, height: u64) -> Result<()> {
        if width.saturating_mul(height) > self.max_pixels {
            return Err(ImageError::TooLarge { width, height, limit: self.max_pixels });
        }
        Ok(())
    }
}

/// Decodes a PNG, JPEG or WebP file.
///
/// Depth and channels stay as they are, except that palettes and `tRNS` become RGB(A) or grey and
/// alpha, grey of less than 8 bits becomes 8 bits, and WebP always holds RGB. EXIF orientation is
/// applied to the samples and set to 1 in the kept EXIF, whose thumbnail is taken out: it would still show
/// the picture as it was before an edit.
///
/// # Errors
/// [`ImageError::UnknownFormat`], [`ImageError::Unsupported`] (CMYK, animation, 12-bit JPEG),
/// [`ImageError::Truncated`], [`ImageError::Damaged`] or [`ImageError::TooLarge`].
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture> {
    let mut picture = match sniff(bytes)? {
        Format::Png => png::decode(bytes, limits)?,
        Format::Jpeg { .. } => jpeg::decode(bytes, limits)?,
        Format::WebP => webp::decode(bytes, limits)?,
    };
    let exif = &mut picture.metadata_mut().exif;
    *exif = exif.take().map(exif::without_thumbnail);
    Ok(orientation::upright(picture))
}

/// Encodes a picture with its profile, EXIF and text, and the text that `encoding` adds.
///
/// PNG holds every picture exactly. WebP is written losslessly and holds 8-bit pictures exactly (its
/// pixels are always RGB or RGBA). JPEG holds opaque pictures, 16 bits rounded to 8. In JPEG and WebP
/// the only text with a place is `parameters`, as EXIF `UserComment`, and [`Metadata::png_chunks`] have
/// none.
///
/// # Errors
/// [`ImageError::CannotHold`] as [`Format::check`] says, [`ImageError::InvalidArgument`] for a quality
/// or a keyword out of range, [`ImageError::Encode`] if the encoder fails.
pub fn encode(picture: &Picture, encoding: &Encoding) -> Result<Vec<u8>> {
    encoding.format.check(picture)?;
    match encoding.format {
        Format::Png => png::encode(picture, encoding),
        Format::Jpeg { quality } => jpeg::encode(picture, quality, &encoding.text),
        Format::WebP => webp::encode(picture, &encoding.text),
    }
}

/// The text to write: the picture's own, less the keywords that `added` brings, then `added`.
fn merged_text<'a>(
    metadata: &'a Metadata,
    added: &'a [(String, String)],
) -> impl Iterator<Item = &'a (String, String)> {
    let kept = metadata.text.iter().filter(|(keyword, _)| added.iter().all(|(new, _)| new != keyword));
    kept.chain(added)
}

/// The EXIF block for a format without text chunks: `parameters` travels as the user comment.
fn exif_with_parameters(metadata: &Metadata, added: &[(String, String)]) -> Option<Vec<u8>> {
    let parameters = merged_text(metadata, added).find(|(keyword, _)| keyword == Parameters::KEYWORD);
    match parameters {
        Some((_, text)) => Some(exif::with_user_comment(metadata.exif.as_deref(), text)),
        None => metadata.exif.clone(),
    }
}

/// The reverse of [`exif_with_parameters`]: a comment that is no A1111 text stays in the EXIF only.
fn text_from_exif(exif: Option<&[u8]>) -> Vec<(String, String)> {
    let comment = exif.and_then(exif::user_comment).filter(|text| Parameters::is_written_in(text));
    comment.map(|text| (Parameters::KEYWORD.to_owned(), text)).into_iter().collect()
}
