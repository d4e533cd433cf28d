//! Which file format to write, and what it can hold.

use crate::error::{ImageError, Result};
use crate::geometry::Size;
use crate::picture::{Picture, Samples};

/// A file format for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Lossless, 8 or 16 bits, every kind of channels, text chunks.
    Png,
    /// Lossy, 8 bits, no alpha. Written without chroma subsampling.
    Jpeg {
        /// 1 (small) to 100 (good), on libjpeg's scale.
        quality: u8,
    },
    /// Lossless as written here (a lossy file can be read), 8 bits.
    WebP,
}

/// Largest side that a JPEG header can state.
const JPEG_MAX_SIDE: usize = 65_535;
/// Largest side that a lossless WebP header can state.
const WEBP_MAX_SIDE: usize = 16_384;

impl Format {
    /// A quality at which a re-encoded photograph looks unchanged.
    pub const DEFAULT_JPEG_QUALITY: u8 = 95;

    /// The format that an output name asks for, from its extension in any case and with or without
    /// the dot; `None` for an unknown one.
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension.trim_start_matches('.').to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" | "jpe" | "jfif" => Some(Self::Jpeg { quality: Self::DEFAULT_JPEG_QUALITY }),
            "webp" => Some(Self::WebP),
            _ => None,
        }
    }

    /// The usual extension, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg { .. } => "jpg",
            Self::WebP => "webp",
        }
    }

    /// The format's name, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg { .. } => "JPEG",
            Self::WebP => "WebP",
        }
    }

    /// Whether writing this format changes samples outside the edit as well.
    pub const fn is_lossy(self) -> bool {
        matches!(self, Self::Jpeg { .. })
    }

    /// Checks that this format can hold `picture` as [`crate::encode`] promises; cheap enough to ask
    /// before the work that makes the picture.
    ///
    /// # Errors
    /// [`ImageError::CannotHold`] for transparency in JPEG, 16 bits or a grey profile in WebP, or a
    /// side beyond the format's limit; [`ImageError::InvalidArgument`] for a JPEG quality outside `1..=100`.
    pub fn check(self, picture: &Picture) -> Result<()> {
        match self {
            Self::Png => {}
            Self::Jpeg { quality } => {
                check_quality(quality)?;
                if !picture.is_opaque() {
                    return Err(self.cannot_hold("transparency".to_owned()));
                }
            }
            Self::WebP => {
                if matches!(picture.samples(), Samples::U16(_)) {
                    return Err(self.cannot_hold("16 bits per sample".to_owned()));
                }
                // Its pixels are always RGB, and a grey profile would not belong to them.
                if picture.channels().color_count() == 1 && picture.metadata().icc.is_some() {
                    return Err(self.cannot_hold("grey with a colour profile".to_owned()));
                }
            }
        }
        self.check_size(picture.size())
    }

    /// Checks that this format can state a size: the part of [`Format::check`] that can be asked of a
    /// picture which is not there yet, such as an outpainting's canvas.
    ///
    /// # Errors
    /// [`ImageError::CannotHold`] for a side beyond the format's limit.
    pub fn check_size(self, size: Size) -> Result<()> {
        let max_side = match self {
            Self::Png => u32::MAX as usize >> 1,
            Self::Jpeg { .. } => JPEG_MAX_SIDE,
            Self::WebP => WEBP_MAX_SIDE,
        };
        if size.width.max(size.height) > max_side {
            return Err(self.cannot_hold(format!("{size} px (largest side: {max_side})")));
        }
        Ok(())
    }

    fn cannot_hold(self, property: String) -> ImageError {
        ImageError::CannotHold { format: self.name(), property, remedy: "write a PNG instead" }
    }
}

fn check_quality(quality: u8) -> Result<()> {
    if (1..=100).contains(&quality) {
        return Ok(());
    }
    Err(ImageError::InvalidArgument {
        name: "the JPEG quality",
        value: quality.to_string(),
        limit: "from 1 (small) to 100 (good)",
    })
}

/// How hard to work for a small file. Only PNG knows a difference; it is lossless either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Effort {
    /// About 25 times as fast as [`Effort::Small`], for photographs 2 to 16 % larger.
    #[default]
    Fast,
    /// For pictures that are kept in a repository or on a page.
    Small,
}

/// How to write a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The file format.
    pub format: Format,
    /// Keyword and text to add, replacing kept text of the same keyword. A keyword has 1 to 79
    /// Latin-1 characters; U+0000 in a text cannot be stored and is left out.
    pub text: Vec<(String, String)>,
    /// How hard to work for a small file.
    pub effort: Effort,
}

impl Encoding {
    /// Writes `format`, fast, and adds no text.
    pub const fn new(format: Format) -> Self {
        Self { format, text: Vec::new(), effort: Effort::Fast }
    }

    /// The same with another effort.
    #[must_use]
    pub const fn with_effort(mut self, effort: Effort) -> Self {
        self.effort = effort;
        self
    }

    /// Adds one text.
    #[must_use]
    pub fn with_text(mut self, keyword: impl Into<String>, text: impl Into<String>) -> Self {
        self.text.push((keyword.into(), text.into()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Channels, Metadata};

    #[test]
    fn extensions_name_formats_in_any_case() {
        assert_eq!(Format::from_extension(".PNG"), Some(Format::Png));
        assert_eq!(Format::from_extension("JpEg"), Some(Format::Jpeg { quality: 95 }));
        assert_eq!(Format::from_extension("webp"), Some(Format::WebP));
        assert_eq!(Format::from_extension("tiff"), None);
        assert!(Format::from_extension("jpg").is_some_and(Format::is_lossy));
        assert!(!Format::WebP.is_lossy());
    }

    #[test]
    fn formats_refuse_what_they_would_lose() {
        let size = Size::new(1, 1);
        let clear = Picture::new(size, Channels::Rgba, Samples::U8(vec![9, 9, 9, 200])).unwrap();
        let solid = Picture::new(size, Channels::Rgba, Samples::U8(vec![9, 9, 9, 255])).unwrap();
        let deep = Picture::new(size, Channels::Gray, Samples::U16(vec![9])).unwrap();
        let jpeg = Format::Jpeg { quality: 90 };
        assert!(jpeg.check(&clear).unwrap_err().to_string().contains("transparency"));
        assert!(jpeg.check(&solid).is_ok() && jpeg.check(&deep).is_ok());
        assert!(Format::WebP.check(&deep).unwrap_err().to_string().contains("16 bits"));
        let metadata = Metadata { icc: Some(vec![1]), ..Metadata::default() };
        let gray = Picture::new(size, Channels::Gray, Samples::U8(vec![9])).unwrap().with_metadata(metadata);
        assert!(Format::WebP.check(&gray).unwrap_err().to_string().contains("profile"));
        assert!(Format::Png.check(&clear).is_ok() && Format::Png.check(&deep).is_ok());
        assert!(Format::Jpeg { quality: 0 }.check(&solid).unwrap_err().to_string().contains("1 (small)"));
        let long = Picture::new(Size::new(70_000, 1), Channels::Gray, Samples::U8(vec![0; 70_000])).unwrap();
        assert!(jpeg.check(&long).unwrap_err().to_string().contains("65535"));
    }
}
