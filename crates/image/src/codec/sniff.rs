//! Tells a file's format from its first bytes.

use super::Format;
use crate::error::{ImageError, Result};

/// How much of a file's beginning [`sniff`] looks at.
pub const HEAD_BYTES: usize = 16;

/// The format of a file that begins with `bytes`, of which the first [`HEAD_BYTES`] decide. A JPEG's quality
/// stands in no file; it is [`Format::DEFAULT_JPEG_QUALITY`].
///
/// # Errors
/// [`ImageError::UnknownFormat`], which says what the content looks like.
pub fn sniff(bytes: &[u8]) -> Result<Format> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Ok(Format::Png)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Ok(Format::Jpeg { quality: Format::DEFAULT_JPEG_QUALITY })
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Ok(Format::WebP)
    } else {
        Err(ImageError::UnknownFormat { found: describe(bytes) })
    }
}

/// Names what the bytes look like, since "unknown format" alone helps nobody.
fn describe(bytes: &[u8]) -> String {
    const KNOWN: [(&[u8], &str); 8] = [
        (b"GIF8", "a GIF picture"),
        (b"BM", "a BMP picture"),
        (b"II*\0", "a TIFF picture"),
        (b"MM\0*", "a TIFF picture"),
        (b"%PDF", "a PDF document"),
        (b"\xff\x0a", "a JPEG XL picture"),
        (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
        (b"8BPS", "a Photoshop document"),
    ];
    if bytes.is_empty() {
        return "empty".to_owned();
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return "an AVIF, HEIC or video file".to_owned();
    }
    if let Some((_, name)) = KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return (*name).to_owned();
    }
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    let printable = head.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t'));
    if printable {
        return format!("text that begins with {:?}", String::from_utf8_lossy(head));
    }
    let hex: Vec<_> = head[..head.len().min(4)].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("unknown data that begin with the bytes {}", hex.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_content_decides() {
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n...."), Ok(Format::Png));
        assert_eq!(sniff(b"\xff\xd8\xff\xe0"), Ok(Format::Jpeg { quality: 95 }));
        assert_eq!(sniff(b"RIFF\x04\0\0\0WEBPVP8L"), Ok(Format::WebP));
        for (bytes, says) in [
            (&b"hello, I am called photo.png"[..], "text that begins with \"hello, I am call\""),
            (b"", "empty"),
            (b"GIF89a", "a GIF picture"),
            (b"\0\0\0\x20ftypheic", "HEIC"),
            (b"\x01\x02\x03\x04\x05", "01 02 03 04"),
            (b"RIFF\x04\0\0\0WAVE", "bytes 52 49 46 46"),
        ] {
            let error = sniff(bytes).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(sniff(&bytes[..bytes.len().min(HEAD_BYTES)]), Err(error), "the head decides");
        }
    }
}
