//! WebP: lossy and lossless in, lossless out. Always 8 bits, RGB or RGBA.

use std::io::{Cursor, ErrorKind};

use image_webp::{ColorType, DecodingError, WebPDecoder, WebPEncoder};

use super::exif::without_signature;
use super::{Limits, exif_with_parameters, text_from_exif};
use crate::codec::Format;
use crate::error::{ImageError, Result};
use crate::geometry::Size;
use crate::picture::{Channels, Metadata, Picture, Samples};

const NAME: &str = "WebP";

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture> {
    let truncated = || ImageError::Truncated { format: NAME, length: bytes.len() };
    let damage = |error: DecodingError| match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => truncated(),
        error => ImageError::Damaged { format: NAME, reason: error.to_string() },
    };
    // RIFF states the length of all that follows its 8 bytes; a missing pad byte does no harm.
    let stated = bytes.get(4..8).and_then(|field| field.try_into().ok()).map_or(0, u32::from_le_bytes);
    if (bytes.len() as u64) + 1 < u64::from(stated) + 8 {
        return Err(truncated());
    }

    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(damage)?;
    let (width, height) = decoder.dimensions();
    limits.check(width.into(), height.into())?;
    if decoder.is_animated() {
        return Err(ImageError::Unsupported {
            format: NAME,
            feature: format!("an animation of {} frames", decoder.num_frames()),
            remedy: "save the frame to edit as a picture of its own",
        });
    }
    decoder.set_memory_limit(limits.max_metadata_bytes);
    let icc = decoder.icc_profile().map_err(damage)?;
    let exif = decoder.exif_metadata().map_err(damage)?.map(without_signature);

    let channels = if decoder.has_alpha() { Channels::Rgba } else { Channels::Rgb };
    let size = Size::new(width as usize, height as usize);
    let mut samples = vec![0; size.area() * channels.count()];
    decoder.read_image(&mut samples).map_err(damage)?;
    let metadata = Metadata {
        icc,
        text: text_from_exif(exif.as_deref()),
        exif,
        png_chunks: Vec::new(),
        source_format: Some(Format::WebP),
    };
    Ok(Picture::new(size, channels, Samples::U8(samples))?.with_metadata(metadata))
}

pub(super) fn encode(picture: &Picture, added: &[(String, String)]) -> Result<Vec<u8>> {
    let Samples::U8(samples) = picture.samples() else {
        return Err(ImageError::Encode { format: NAME, reason: "16 bits per sample".to_owned() });
    };
    let color = match picture.channels() {
        Channels::Gray => ColorType::L8,
        Channels::GrayAlpha => ColorType::La8,
        Channels::Rgb => ColorType::Rgb8,
        Channels::Rgba => ColorType::Rgba8,
    };
    let mut bytes = Vec::new();
    let mut encoder = WebPEncoder::new(&mut bytes);
    if let Some(icc) = &picture.metadata().icc {
        encoder.set_icc_profile(icc.clone());
    }
    if let Some(exif) = exif_with_parameters(picture.metadata(), added) {
        encoder.set_exif_metadata(exif);
    }
    encoder
        .encode(samples, picture.width() as u32, picture.height() as u32, color)
        .map_err(|error| ImageError::Encode { format: NAME, reason: error.to_string() })?;
    Ok(bytes)
}
