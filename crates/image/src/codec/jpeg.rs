//! JPEG: baseline and progressive, grey and colour. CMYK is refused.
//!
//! Decoders fill what is missing with grey and say nothing. Here the file's structure is walked
//! first, up to its end marker, and the entropy-coded data are decoded strictly.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder as _};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Limits, exif_with_parameters, text_from_exif};
use crate::codec::Format;
use crate::error::{ImageError, Result};
use crate::geometry::Size;
use crate::picture::{Channels, Metadata, Picture, Samples};

const NAME: &str = "JPEG";

/// A segment holds at most 65,533 bytes, of which EXIF's signature takes 6.
const MAX_EXIF_BYTES: usize = 65_527;

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture> {
    let frame = Frame::of(bytes)?;
    limits.check(frame.width.into(), frame.height.into())?;
    frame.check_supported()?;
    let (channels, space) = match frame.components {
        1 => (Channels::Gray, ColorSpace::Luma),
        _ => (Channels::Rgb, ColorSpace::RGB),
    };

    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(space);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let damage = |error: zune_jpeg::errors::DecodeErrors| ImageError::Damaged {
        format: NAME,
        reason: error.to_string(),
    };
    decoder.decode_headers().map_err(damage)?;
    // Lenient towards odd headers, strict towards lost pixels.
    decoder.set_options(decoder.options().set_strict_mode(true));
    let size = Size::new(frame.width.into(), frame.height.into());
    let mut samples = vec![0; size.area() * channels.count()];
    if decoder.output_buffer_size() != Some(samples.len()) {
        return Err(ImageError::Damaged { format: NAME, reason: "it states two sizes".to_owned() });
    }
    decoder.decode_into(&mut samples).map_err(damage)?;

    let exif = decoder.exif().cloned();
    let metadata = Metadata {
        icc: decoder.icc_profile(),
        text: text_from_exif(exif.as_deref()),
        exif,
        png_chunks: Vec::new(),
        source_format: Some(Format::Jpeg { quality: Format::DEFAULT_JPEG_QUALITY }),
    };
    Ok(Picture::new(size, channels, Samples::U8(samples))?.with_metadata(metadata))
}

/// What the frame header states (ITU-T T.81, B.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    precision: u8,
    height: u16,
    width: u16,
    components: u8,
}

impl Frame {
    /// Reads the frame header of a file, and makes sure that its end marker is there.
    fn of(bytes: &[u8]) -> Result<Self> {
        let truncated = ImageError::Truncated { format: NAME, length: bytes.len() };
        let mut frame = None;
        let mut at = 2;
        while let Some((marker, body)) = next_marker(bytes, at) {
            match marker {
                0xd9 => {
                    let reason = "it ends before its frame header".to_owned();
                    return frame.ok_or(ImageError::Damaged { format: NAME, reason });
                }
                // Markers without a length: a second start, a restart, a temporary one.
                0xd8 | 0xd0..=0xd7 | 0x01 => at = body,
                _ => {
                    let Some(&[high, low]) = bytes.get(body..body + 2) else { return Err(truncated) };
                    let is_frame = (0xc0..=0xcf).contains(&marker) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
                    if is_frame && frame.is_none() {
                        let Some(&[precision, h1, h0, w1, w0, components]) = bytes.get(body + 2..body + 8)
                        else {
                            return Err(truncated);
                        };
                        let (height, width) = (u16::from_be_bytes([h1, h0]), u16::from_be_bytes([w1, w0]));
                        frame = Some(Self { precision, height, width, components });
                    }
                    at = body + usize::from(u16::from_be_bytes([high, low])).max(2);
                }
            }
        }
        Err(truncated)
    }

    fn check_supported(self) -> Result<()> {
        let refuse = |feature: String, remedy| Err(ImageError::Unsupported { format: NAME, feature, remedy });
        if self.width == 0 || self.height == 0 {
            return refuse("no stated size".to_owned(), "open it in a picture editor and save it anew");
        }
        if self.precision != 8 {
            return refuse(format!("{} bits per sample", self.precision), "convert it to 8 bits or to PNG");
        }
        match self.components {
            1 | 3 => Ok(()),
            4 => refuse("CMYK colours".to_owned(), "convert it to RGB with its own profile first"),
            n => refuse(format!("{n} colour components"), "convert it to grey or RGB first"),
        }
    }
}

/// The next marker at or after `from`: its code and the position behind it. Stuffed zeros and fill
/// bytes in the data are no markers (T.81, B.1.1.2 and B.1.1.5).
fn next_marker(bytes: &[u8], from: usize) -> Option<(u8, usize)> {
    let data = bytes.get(from..)?;
    let found = data.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xff))?;
    Some((data[found + 1], from + found + 2))
}

pub(super) fn encode(picture: &Picture, quality: u8, added: &[(String, String)]) -> Result<Vec<u8>> {
    let refusal = |reason: String| ImageError::Encode { format: NAME, reason };
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(Cursor::new(&mut bytes), quality);
    if let Some(icc) = &picture.metadata().icc {
        encoder.set_icc_profile(icc.clone()).map_err(|error| refusal(error.to_string()))?;
    }
    if let Some(exif) = exif_with_parameters(picture.metadata(), added) {
        if exif.len() > MAX_EXIF_BYTES {
            return Err(ImageError::CannotHold {
                format: NAME,
                property: format!("{} bytes of EXIF (at most {MAX_EXIF_BYTES})", exif.len()),
                remedy: "write a PNG instead",
            });
        }
        encoder.set_exif_metadata(exif).map_err(|error| refusal(error.to_string()))?;
    }
    let color = match picture.channels().color_count() {
        1 => ExtendedColorType::L8,
        _ => ExtendedColorType::Rgb8,
    };
    let samples = opaque_bytes(picture);
    encoder
        .write_image(&samples, picture.width() as u32, picture.height() as u32, color)
        .map_err(|error| refusal(error.to_string()))?;
    Ok(bytes)
}

/// The colour samples as 8 bits, borrowed where they already are.
fn opaque_bytes(picture: &Picture) -> std::borrow::Cow<'_, [u8]> {
    let (count, colors) = (picture.channels().count(), picture.channels().color_count());
    match picture.samples() {
        Samples::U8(samples) if count == colors => samples.as_slice().into(),
        Samples::U8(samples) => {
            samples.chunks_exact(count).flat_map(|pixel| &pixel[..colors]).copied().collect()
        }
        Samples::U16(samples) => {
            let to_8_bits = |sample: &u16| ((u32::from(*sample) * 255 + 32_767) / 65_535) as u8;
            samples.chunks_exact(count).flat_map(|pixel| &pixel[..colors]).map(to_8_bits).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start, frame header with the given bytes, end.
    fn skeleton(frame: [u8; 6]) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xc0, 0x00, 0x08];
        bytes.extend(frame);
        bytes.extend([0xff, 0xd9]);
        bytes
    }

    #[test]
    fn cmyk_and_12_bits_are_refused_with_a_remedy() {
        let limits = Limits::default();
        let cmyk = decode(&skeleton([8, 0, 16, 0, 16, 4]), &limits).unwrap_err().to_string();
        assert!(cmyk.contains("CMYK") && cmyk.contains("RGB"), "{cmyk}");
        let deep = decode(&skeleton([12, 0, 16, 0, 16, 3]), &limits).unwrap_err().to_string();
        assert!(deep.contains("12 bits"), "{deep}");
    }

    #[test]
    fn size_limits_come_before_everything_else() {
        let limits = Limits { max_pixels: 1000, ..Limits::default() };
        let error = decode(&skeleton([8, 0xff, 0xff, 0xff, 0xff, 3]), &limits).unwrap_err();
        assert_eq!(error, ImageError::TooLarge { width: 65_535, height: 65_535, limit: 1000 });
    }

    #[test]
    fn the_end_marker_must_be_there() {
        let mut bytes = skeleton([8, 0, 16, 0, 16, 3]);
        bytes.truncate(bytes.len() - 1);
        assert!(matches!(Frame::of(&bytes), Err(ImageError::Truncated { length: 13, .. })));
    }

    #[test]
    fn stuffing_and_fill_bytes_are_no_markers() {
        let data = [0x12, 0xff, 0x00, 0xff, 0xff, 0xd9];
        assert_eq!(next_marker(&data, 0), Some((0xd9, 6)));
        assert_eq!(next_marker(&data[..5], 0), None);
    }
}
