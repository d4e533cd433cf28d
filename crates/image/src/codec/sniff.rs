//! Tells a file's format from its first bytes.

use crate::error::{ImageError, Result};

/// The containers that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Png,
    Jpeg,
    WebP,
}

/// The container that `bytes` begin with.
pub(super) fn container(bytes: &[u8]) -> Result<Container> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Ok(Container::Png)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Ok(Container::Jpeg)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Ok(Container::WebP)
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
    let head = &bytes[..bytes.len().min(16)];
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
        assert_eq!(container(b"\x89PNG\r\n\x1a\n...."), Ok(Container::Png));
        assert_eq!(container(b"\xff\xd8\xff\xe0"), Ok(Container::Jpeg));
        assert_eq!(container(b"RIFF\x04\0\0\0WEBPVP8L"), Ok(Container::WebP));
        for (bytes, says) in [
            (&b"hello, I am called photo.png"[..], "text that begins with \"hello, I am call\""),
            (b"", "empty"),
            (b"GIF89a", "a GIF picture"),
            (b"\0\0\0\x20ftypheic", "HEIC"),
            (b"\x01\x02\x03\x04\x05", "01 02 03 04"),
            (b"RIFF\x04\0\0\0WAVE", "bytes 52 49 46 46"),
        ] {
            let message = container(bytes).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}
