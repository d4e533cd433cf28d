//! Turns a picture as its EXIF orientation asks (EXIF 2.3, tag 0x0112), and settles the tag to 1.

use image::metadata::Orientation;

use crate::geometry::Size;
use crate::picture::{Picture, Sample, Samples};

/// The picture as it is meant to be seen. Without a valid tag it is returned as it is.
pub(super) fn upright(mut picture: Picture) -> Picture {
    let exif = picture.metadata_mut().exif.as_mut();
    let orientation = exif.and_then(|exif| Orientation::remove_from_exif_chunk(exif));
    match orientation {
        None | Some(Orientation::NoTransforms) => picture,
        Some(orientation) => turned(picture, orientation),
    }
}

fn turned(mut picture: Picture, orientation: Orientation) -> Picture {
    let (size, channels) = (picture.size(), picture.channels());
    let metadata = std::mem::take(picture.metadata_mut());
    let samples = match picture.samples() {
        Samples::U8(samples) => Samples::U8(permuted(samples, size, channels.count(), orientation)),
        Samples::U16(samples) => Samples::U16(permuted(samples, size, channels.count(), orientation)),
    };
    // Turning keeps the number of samples, so this construction cannot fail.
    match Picture::new(turned_size(size, orientation), channels, samples) {
        Ok(turned) => turned.with_metadata(metadata),
        Err(_) => picture.with_metadata(metadata),
    }
}

const fn turned_size(size: Size, orientation: Orientation) -> Size {
    match orientation {
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => size,
        _ => Size::new(size.height, size.width),
    }
}

fn permuted<S: Sample>(samples: &[S], size: Size, count: usize, orientation: Orientation) -> Vec<S> {
    let (right, bottom) = (size.width - 1, size.height - 1);
    let source_of = |x: usize, y: usize| match orientation {
        Orientation::NoTransforms => (x, y),
        Orientation::FlipHorizontal => (right - x, y),
        Orientation::Rotate180 => (right - x, bottom - y),
        Orientation::FlipVertical => (x, bottom - y),
        Orientation::Rotate90FlipH => (y, x),
        Orientation::Rotate90 => (y, bottom - x),
        Orientation::Rotate270FlipH => (right - y, bottom - x),
        Orientation::Rotate270 => (right - y, x),
    };
    let turned = turned_size(size, orientation);
    let mut out = Vec::with_capacity(samples.len());
    for y in 0..turned.height {
        for x in 0..turned.width {
            let (source_x, source_y) = source_of(x, y);
            let at = (source_y * size.width + source_x) * count;
            out.extend_from_slice(&samples[at..at + count]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Channels, Metadata};

    /// A little-endian TIFF whose only entry is the orientation.
    fn exif(orientation: u8) -> Vec<u8> {
        let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
        tiff.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
        tiff
    }

    #[test]
    fn all_eight_orientations_follow_the_exif_table() {
        // Stored: rows "abc", "def". EXIF says where the stored row 0 and column 0 are seen.
        let expected: [(&str, usize); 8] = [
            ("abcdef", 3), // 1: row 0 at the top, column 0 on the left
            ("cbafed", 3), // 2: top, right
            ("fedcba", 3), // 3: bottom, right
            ("defabc", 3), // 4: bottom, left
            ("adbecf", 2), // 5: left, top
            ("daebfc", 2), // 6: right, top
            ("fcebda", 2), // 7: right, bottom
            ("cfbead", 2), // 8: left, bottom
        ];
        for (orientation, (seen, width)) in (1..).zip(expected) {
            let metadata = Metadata { exif: Some(exif(orientation)), ..Metadata::default() };
            let stored = Picture::new(Size::new(3, 2), Channels::Gray, Samples::U8(b"abcdef".to_vec()));
            let picture = upright(stored.unwrap().with_metadata(metadata));
            assert_eq!(picture.samples(), &Samples::U8(seen.as_bytes().to_vec()), "{orientation}");
            assert_eq!(picture.width(), width, "{orientation}");
            assert_eq!(picture.metadata().exif, Some(exif(1)), "{orientation}");
        }
    }

    #[test]
    fn an_invalid_orientation_changes_nothing() {
        let metadata = Metadata { exif: Some(exif(9)), ..Metadata::default() };
        let stored = Picture::new(Size::new(2, 1), Channels::GrayAlpha, Samples::U16(vec![1, 2, 3, 4]));
        let stored = stored.unwrap().with_metadata(metadata);
        assert_eq!(upright(stored.clone()), stored);
    }
}
