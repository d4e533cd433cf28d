//! PNG: 8 and 16 bits, grey, palette, alpha, `tRNS`, interlacing; profile, EXIF and text kept.

use std::io::{Cursor, ErrorKind};

use png::text_metadata::{ITXtChunk, TEXtChunk};
use png::{BitDepth, ColorType, Compression, DecodingError, Transformations};

use super::exif::without_signature;
use super::{Limits, merged_text};
use crate::codec::{Effort, Encoding, Format};
use crate::error::{ImageError, Result};
use crate::geometry::Size;
use crate::picture::{Channels, Metadata, Picture, Samples};

const NAME: &str = "PNG";

/// Chunks that describe colour or density and stay true after an edit, kept byte for byte.
const KEPT_CHUNKS: [&[u8; 4]; 7] = [b"cICP", b"mDCV", b"cLLI", b"gAMA", b"cHRM", b"sRGB", b"pHYs"];

/// Must be written as `iTXt` whatever its characters (XMP specification, part 3, section 1.1.5).
const XMP_KEYWORD: &str = "XML:com.adobe.xmp";

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::EXPAND);
    let damage = |error| decoding_error(error, bytes, limits);
    let (width, height) = decoder.read_header_info().map_err(damage)?.size();
    limits.check(width.into(), height.into())?;
    // The decoder counts its row buffers, at most 8 bytes per pixel each, among the metadata.
    decoder.set_limits(png::Limits { bytes: limits.max_metadata_bytes + 32 * width as usize });

    let mut reader = decoder.read_info().map_err(damage)?;
    if reader.info().animation_control.is_some_and(|animation| animation.num_frames > 1) {
        return Err(ImageError::Unsupported {
            format: NAME,
            feature: "an animation".to_owned(),
            remedy: "save the frame to edit as a picture of its own",
        });
    }
    let (color, depth) = reader.output_color_type();
    let channels = match color {
        ColorType::Grayscale => Channels::Gray,
        ColorType::GrayscaleAlpha => Channels::GrayAlpha,
        ColorType::Rgb | ColorType::Indexed => Channels::Rgb,
        ColorType::Rgba => Channels::Rgba,
    };
    let size = Size::new(width as usize, height as usize);
    let length = size.area() * channels.count();
    let samples = if depth == BitDepth::Sixteen {
        let mut samples = vec![0u16; length];
        reader.next_frame(bytemuck::cast_slice_mut(&mut samples)).map_err(damage)?;
        for sample in &mut samples {
            *sample = u16::from_be(*sample);
        }
        Samples::U16(samples)
    } else {
        let mut samples = vec![0u8; length];
        reader.next_frame(&mut samples).map_err(damage)?;
        Samples::U8(samples)
    };
    reader.finish().map_err(damage)?;
    let metadata = metadata(reader.info(), bytes, limits);
    Ok(Picture::new(size, channels, samples)?.with_metadata(metadata))
}

fn metadata(info: &png::Info<'_>, bytes: &[u8], limits: &Limits) -> Metadata {
    let icc = info.icc_profile.as_ref().map(|profile| profile.to_vec());
    let exif = info.exif_metadata.as_ref().map(|exif| without_signature(exif.to_vec()));
    let n_used = icc.as_ref().map_or(0, Vec::len) + exif.as_ref().map_or(0, Vec::len);
    Metadata {
        icc,
        exif,
        text: texts(info, limits.max_metadata_bytes.saturating_sub(n_used)),
        png_chunks: kept_chunks(bytes),
        source_format: Some(Format::Png),
    }
}

/// The texts, decompressed as long as they fit into `n_left` bytes together. Text that does not, or that
/// is damaged, is not worth refusing the picture for.
fn texts(info: &png::Info<'_>, mut n_left: usize) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let mut add = |keyword: &str, within: &dyn Fn(usize) -> Option<String>| {
        if let Some(text) = within(n_left) {
            n_left = n_left.saturating_sub(text.len());
            texts.push((keyword.to_owned(), text));
        }
    };
    for chunk in &info.uncompressed_latin1_text {
        add(&chunk.keyword, &|_| Some(chunk.text.clone()));
    }
    for chunk in &info.compressed_latin1_text {
        add(&chunk.keyword, &|limit| {
            let mut chunk = chunk.clone();
            chunk.decompress_text_with_limit(limit).and_then(|()| chunk.get_text()).ok()
        });
    }
    for chunk in &info.utf8_text {
        add(&chunk.keyword, &|limit| {
            let mut chunk = chunk.clone();
            chunk.decompress_text_with_limit(limit).and_then(|()| chunk.get_text()).ok()
        });
    }
    texts
}

/// Walks the chunks before the pixels: 4 bytes length, 4 bytes type, content, 4 bytes checksum.
fn kept_chunks(bytes: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let mut chunks = Vec::new();
    let mut rest = &bytes[8..];
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((kind, after)) = after.split_first_chunk::<4>() else { break };
        let Some(content) = after.get(..length) else { break };
        if kind == b"IDAT" {
            break;
        }
        if KEPT_CHUNKS.contains(&kind) {
            chunks.push((*kind, content.to_vec()));
        }
        rest = after.get(length + 4..).unwrap_or_default();
    }
    chunks
}

fn decoding_error(error: DecodingError, bytes: &[u8], limits: &Limits) -> ImageError {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            ImageError::Truncated { format: NAME, length: bytes.len() }
        }
        DecodingError::LimitsExceeded => ImageError::Damaged {
            format: NAME,
            reason: format!("its profile and text exceed the limit of {} bytes", limits.max_metadata_bytes),
        },
        error => ImageError::Damaged { format: NAME, reason: error.to_string() },
    }
}

pub(super) fn encode(picture: &Picture, encoding: &Encoding) -> Result<Vec<u8>> {
    let refusal = |error: png::EncodingError| ImageError::Encode { format: NAME, reason: error.to_string() };
    let metadata = picture.metadata();
    let mut info = png::Info::with_size(picture.width() as u32, picture.height() as u32);
    info.color_type = match picture.channels() {
        Channels::Gray => ColorType::Grayscale,
        Channels::GrayAlpha => ColorType::GrayscaleAlpha,
        Channels::Rgb => ColorType::Rgb,
        Channels::Rgba => ColorType::Rgba,
    };
    info.bit_depth = if picture.samples().bits() == 16 { BitDepth::Sixteen } else { BitDepth::Eight };
    info.icc_profile = metadata.icc.as_deref().map(Into::into);
    info.exif_metadata = metadata.exif.as_deref().map(Into::into);
    for (keyword, text) in merged_text(metadata, &encoding.text) {
        add_text(&mut info, keyword, text)?;
    }

    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::with_info(&mut bytes, info).map_err(refusal)?;
    encoder.set_compression(match encoding.effort {
        Effort::Fast => Compression::Fast,
        Effort::Small => Compression::Balanced,
    });
    let mut writer = encoder.write_header().map_err(refusal)?;
    for (kind, content) in &metadata.png_chunks {
        // The specification allows either a profile or the sRGB chunk.
        if kind != b"sRGB" || metadata.icc.is_none() {
            writer.write_chunk(png::chunk::ChunkType(*kind), content).map_err(refusal)?;
        }
    }
    match picture.samples() {
        Samples::U8(samples) => writer.write_image_data(samples).map_err(refusal)?,
        Samples::U16(samples) => {
            write_rows(&mut writer, samples, picture.width() * picture.channels().count())
                .map_err(refusal)?;
        }
    }
    writer.finish().map_err(refusal)?;
    Ok(bytes)
}

/// Writes 16-bit rows one at a time, since PNG wants them big endian and a copy of all is dear.
fn write_rows(
    writer: &mut png::Writer<&mut Vec<u8>>,
    samples: &[u16],
    row_len: usize,
) -> std::result::Result<(), png::EncodingError> {
    use std::io::Write as _;
    let mut stream = writer.stream_writer()?;
    let mut row = Vec::with_capacity(2 * row_len);
    for samples in samples.chunks_exact(row_len) {
        row.clear();
        row.extend(samples.iter().flat_map(|sample| sample.to_be_bytes()));
        stream.write_all(&row)?;
    }
    stream.finish()
}

/// `tEXt` where Latin-1 suffices, which every reader knows, else `iTXt`.
fn add_text(info: &mut png::Info<'_>, keyword: &str, text: &str) -> Result<()> {
    let is_latin1 = |text: &str| text.chars().all(|c| u32::from(c) < 256);
    if !(1..=79).contains(&keyword.chars().count()) || !is_latin1(keyword) || keyword.contains('\0') {
        return Err(ImageError::InvalidArgument {
            name: "the keyword of a PNG text",
            value: format!("{keyword:?}"),
            limit: "1 to 79 Latin-1 characters",
        });
    }
    let text = text.replace('\0', "");
    if is_latin1(&text) && keyword != XMP_KEYWORD {
        info.uncompressed_latin1_text.push(TEXtChunk::new(keyword, text));
    } else {
        info.utf8_text.push(ITXtChunk::new(keyword, text));
    }
    Ok(())
}
