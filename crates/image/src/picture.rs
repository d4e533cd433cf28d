//! A decoded picture: samples at their own depth, and what came with them.

use crate::codec::Format;
use crate::error::{ImageError, Result};
use crate::geometry::{Rect, Size};

/// Which samples a pixel has, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channels {
    /// Grey.
    Gray,
    /// Grey, alpha (straight, not premultiplied).
    GrayAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha (straight, not premultiplied).
    Rgba,
}

impl Channels {
    /// Samples per pixel, 1 to 4.
    pub const fn count(self) -> usize {
        self.color_count() + self.has_alpha() as usize
    }

    /// Samples per pixel without alpha, 1 or 3.
    pub const fn color_count(self) -> usize {
        match self {
            Self::Gray | Self::GrayAlpha => 1,
            Self::Rgb | Self::Rgba => 3,
        }
    }

    /// Whether the last sample is alpha.
    pub const fn has_alpha(self) -> bool {
        matches!(self, Self::GrayAlpha | Self::Rgba)
    }
}

/// All samples of a picture: row by row, pixel by pixel, channels interleaved (HWC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Samples {
    /// 8 bits each, `0..=255`.
    U8(Vec<u8>),
    /// 16 bits each, `0..=65535`.
    U16(Vec<u16>),
}

impl Samples {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(samples) => samples.len(),
            Self::U16(samples) => samples.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bits per sample, 8 or 16.
    pub const fn bits(&self) -> u8 {
        match self {
            Self::U8(_) => 8,
            Self::U16(_) => 16,
        }
    }
}

/// What a file says about its samples. All of it is written back by [`crate::encode`] where the
/// output format has a place for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The ICC profile of the samples; `None` means sRGB.
    pub icc: Option<Vec<u8>>,
    /// EXIF from its TIFF header on. Its orientation is 1, since decoding has already applied it, and it has
    /// no thumbnail.
    pub exif: Option<Vec<u8>>,
    /// Keyword and text of PNG's `tEXt`, `zTXt` and `iTXt` chunks, and A1111 parameters found in the
    /// EXIF comment of a JPEG or WebP file.
    pub text: Vec<(String, String)>,
    /// PNG chunks kept verbatim: type and content of colour and density descriptions.
    pub png_chunks: Vec<([u8; 4], Vec<u8>)>,
    /// The format that the picture was decoded from. A JPEG's quality is not stated in the file;
    /// [`Format::DEFAULT_JPEG_QUALITY`] stands in for it.
    pub source_format: Option<Format>,
}

/// A picture of `width` x `height` pixels with interleaved samples of 8 or 16 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    size: Size,
    channels: Channels,
    samples: Samples,
    metadata: Metadata,
}

impl Picture {
    /// A picture from its samples (HWC), with empty metadata.
    ///
    /// # Errors
    /// [`ImageError::InvalidArgument`] if a side is 0 or the number of samples does not fit.
    pub fn new(size: Size, channels: Channels, samples: Samples) -> Result<Self> {
        let expected = size.width.checked_mul(size.height).and_then(|n| n.checked_mul(channels.count()));
        if size.width == 0 || size.height == 0 || expected != Some(samples.len()) {
            return Err(ImageError::InvalidArgument {
                name: "the number of samples",
                value: format!("{} for {size} px of {} channels", samples.len(), channels.count()),
                limit: "width * height * channels, and not 0",
            });
        }
        Ok(Self { size, channels, samples, metadata: Metadata::default() })
    }

    /// The same samples with other metadata.
    #[must_use]
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    /// Width and height in pixels.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Width in pixels, at least 1.
    pub const fn width(&self) -> usize {
        self.size.width
    }

    /// Height in pixels, at least 1.
    pub const fn height(&self) -> usize {
        self.size.height
    }

    /// The samples of one pixel.
    pub const fn channels(&self) -> Channels {
        self.channels
    }

    /// All samples, HWC.
    pub const fn samples(&self) -> &Samples {
        &self.samples
    }

    /// What came with the samples.
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What came with the samples, to change it.
    pub const fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// The samples themselves, without a copy.
    pub fn into_samples(self) -> Samples {
        self.samples
    }

    /// Whether every pixel is fully opaque; true where there is no alpha.
    pub fn is_opaque(&self) -> bool {
        fn opaque<S: Sample>(samples: &[S], count: usize) -> bool {
            samples.chunks_exact(count).all(|pixel| pixel[count - 1] == S::MAX)
        }
        let count = self.channels.count();
        !self.channels.has_alpha()
            || match &self.samples {
                Samples::U8(samples) => opaque(samples, count),
                Samples::U16(samples) => opaque(samples, count),
            }
    }

    pub(crate) const fn samples_mut(&mut self) -> &mut Samples {
        &mut self.samples
    }

    /// The colour samples (no alpha) of `region` as floats in `[0, 1]`, in the picture's own profile.
    pub(crate) fn color_in(&self, region: Rect) -> Vec<f32> {
        let colors = self.channels.color_count();
        let mut color = Vec::with_capacity(region.width * region.height * colors);
        match &self.samples {
            Samples::U8(samples) => self.gather(samples, region, &mut color),
            Samples::U16(samples) => self.gather(samples, region, &mut color),
        }
        color
    }

    fn gather<S: Sample>(&self, samples: &[S], region: Rect, color: &mut Vec<f32>) {
        let (count, colors) = (self.channels.count(), self.channels.color_count());
        for y in region.y..region.bottom() {
            let row = &samples[(y * self.size.width + region.x) * count..][..region.width * count];
            for pixel in row.chunks_exact(count) {
                color.extend(pixel[..colors].iter().map(|sample| sample.unit()));
            }
        }
    }
}

/// A sample type: an integer whose largest value means 1.
pub(crate) trait Sample: Copy + PartialEq + Send + Sync {
    /// The value that means 1.
    const MAX: Self;

    /// This sample in `[0, 1]`.
    fn unit(self) -> f32;

    /// The nearest sample to `value`, which is clamped to `[0, 1]` (NaN counts as 0).
    fn from_unit(value: f32) -> Self;
}

impl Sample for u8 {
    const MAX: Self = u8::MAX;

    fn unit(self) -> f32 {
        f32::from(self) / 255.0
    }

    fn from_unit(value: f32) -> Self {
        (value * 255.0).round() as u8
    }
}

impl Sample for u16 {
    const MAX: Self = u16::MAX;

    fn unit(self) -> f32 {
        f32::from(self) / 65535.0
    }

    fn from_unit(value: f32) -> Self {
        (value * 65535.0).round() as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_survives_the_way_through_floats() {
        assert!((0..=u8::MAX).all(|s| u8::from_unit(s.unit()) == s));
        assert!((0..=u16::MAX).all(|s| u16::from_unit(s.unit()) == s));
        assert_eq!(u8::from_unit(f32::NAN), 0);
        assert_eq!((u8::from_unit(-3.0), u8::from_unit(7.0)), (0, 255));
    }

    #[test]
    fn sample_counts_are_checked() {
        let error = Picture::new(Size::new(2, 2), Channels::Rgb, Samples::U8(vec![0; 11])).unwrap_err();
        assert!(error.to_string().contains("11 for 2 x 2 px of 3 channels"));
        assert!(Picture::new(Size::new(0, 2), Channels::Rgb, Samples::U8(vec![])).is_err());
    }
}
