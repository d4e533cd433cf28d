//! Between bytes and pixel buffers; the only file that touches the codecs.

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use crate::mask::Mask;
use crate::{DataError, Result, Rgb8, Rgba8};

/// Pictures beyond this side are refused before they are decoded.
const MAX_SIDE: u32 = 20_000;
/// Bytes a decoder may allocate: a 100-megapixel RGBA picture, once.
const MAX_BYTES: u64 = 400 << 20;

fn decode(bytes: &[u8], name: &str) -> Result<DynamicImage> {
    let unusable = |reason: String| DataError::Picture { name: name.to_owned(), reason };
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| unusable(error.to_string()))?;
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| unusable(error.to_string()))?;
    let orientation = decoder.orientation().map_err(|error| unusable(error.to_string()))?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| unusable(error.to_string()))?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// Decodes PNG, JPEG or WebP, upright; alpha is dropped and 16 bit becomes 8.
pub(crate) fn rgb_from_bytes(bytes: &[u8], name: &str) -> Result<Rgb8> {
    let picture = decode(bytes, name)?.into_rgb8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Ok(Rgb8 { width, height, data: picture.into_raw() })
}

/// As [`rgb_from_bytes`], with alpha; opaque where the picture has none.
pub(crate) fn rgba_from_bytes(bytes: &[u8], name: &str) -> Result<Rgba8> {
    let picture = decode(bytes, name)?.into_rgba8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Ok(Rgba8 { width, height, data: picture.into_raw() })
}

/// Decodes an edit mask: luma of one half and more means repaint, as in diffusers.
pub(crate) fn mask_from_bytes(bytes: &[u8], name: &str) -> Result<Mask> {
    let picture = decode(bytes, name)?.into_luma8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let values = picture.into_raw().into_iter().map(|luma| if luma >= 128 { 255 } else { 0 }).collect();
    Ok(Mask { width, height, values })
}

/// Bytes of a picture in `format`; lossless for PNG and WebP.
pub(crate) fn encode(picture: &DynamicImage, format: ImageFormat, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, format)
        .map_err(|error| DataError::Picture { name: name.to_owned(), reason: error.to_string() })?;
    Ok(bytes.into_inner())
}

/// JPEG bytes at `quality`, 1 to 100.
pub(crate) fn jpeg(picture: &Rgb8, quality: u8, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(&picture.data, picture.width as u32, picture.height as u32, image::ExtendedColorType::Rgb8)
        .map_err(|error| DataError::Picture { name: name.to_owned(), reason: error.to_string() })?;
    Ok(bytes)
}

/// The codec's view of a colour picture.
pub(crate) fn dynamic_from_rgb(picture: Rgb8) -> DynamicImage {
    let Rgb8 { width, height, data } = picture;
    let buffer = image::RgbImage::from_raw(width as u32, height as u32, data);
    DynamicImage::ImageRgb8(buffer.expect("a picture holds 3 samples per pixel; this is a bug"))
}

/// The codec's view of a picture with alpha.
pub(crate) fn dynamic_from_rgba(picture: Rgba8) -> DynamicImage {
    let Rgba8 { width, height, data } = picture;
    let buffer = image::RgbaImage::from_raw(width as u32, height as u32, data);
    DynamicImage::ImageRgba8(buffer.expect("a picture holds 4 samples per pixel; this is a bug"))
}

/// The codec's view of an edit mask: white is repainted.
pub(crate) fn dynamic_from_mask(edit_mask: Mask) -> DynamicImage {
    let Mask { width, height, values } = edit_mask;
    let buffer = image::GrayImage::from_raw(width as u32, height as u32, values);
    DynamicImage::ImageLuma8(buffer.expect("a mask holds 1 value per pixel; this is a bug"))
}

impl Rgb8 {
    /// Reads a PNG, JPEG or WebP, upright; alpha is dropped and 16 bit becomes 8.
    ///
    /// # Errors
    /// [`DataError::Io`] if the file cannot be read, [`DataError::Picture`] if it is no usable picture.
    pub fn open(path: &Path) -> Result<Self> {
        rgb_from_bytes(&read(path)?, &path.display().to_string())
    }

    /// Writes a PNG, whole or not at all.
    ///
    /// # Errors
    /// [`DataError::Io`] if the file cannot be written.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        write(path, &encode(&dynamic_from_rgb(self.clone()), ImageFormat::Png, &path.display().to_string())?)
    }
}

impl Mask {
    /// Reads a mask: luma of one half and more means repaint, as in diffusers.
    ///
    /// # Errors
    /// [`DataError::Io`] if the file cannot be read, [`DataError::Picture`] if it is no usable picture.
    pub fn open(path: &Path) -> Result<Self> {
        mask_from_bytes(&read(path)?, &path.display().to_string())
    }

    /// Writes a grey PNG, white where it is repainted, whole or not at all.
    ///
    /// # Errors
    /// [`DataError::Io`] if the file cannot be written.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        write(path, &encode(&dynamic_from_mask(self.clone()), ImageFormat::Png, &path.display().to_string())?)
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(DataError::reading(path))
}

/// Writes beside the target, forces it to the disk and renames: no reader ever sees half a file, and a
/// failure leaves nothing behind.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    let written = File::create(&partial)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // It may never have come to exist.
        let _ = fs::remove_file(&partial);
    }
    written.map_err(DataError::writing(path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::write;

    #[test]
    fn a_file_is_replaced_whole_and_a_failure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (file, taken) = (folder.path().join("file"), folder.path().join("taken"));
        fs::create_dir_all(taken.join("inside")).unwrap();
        write(&file, b"old and long").unwrap();
        write(&file, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        let message = write(&taken, b"new").unwrap_err().to_string();
        assert!(message.contains("taken"), "{message}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
