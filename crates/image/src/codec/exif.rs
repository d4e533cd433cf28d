//! EXIF: the user comment, where A1111 keeps its parameters in JPEG and WebP files, and the thumbnail.
//!
//! EXIF is a TIFF structure: directories of 12-byte entries linked by absolute offsets. A comment is
//! set by appending new copies of the two directories on the way to it and redirecting the header, so
//! nothing that is already there moves. A thumbnail is taken out by overwriting it with zeros.

use std::ops::Range;

/// Pointer from the first directory to the EXIF directory.
const EXIF_DIRECTORY: u16 = 0x8769;
/// The comment's tag in the EXIF directory.
const USER_COMMENT: u16 = 0x9286;
/// Where a thumbnail's JPEG file or plain samples begin, and how long they are; samples may lie in
/// several strips.
const THUMBNAIL: [(u16, u16); 2] = [(0x0201, 0x0202), (0x0111, 0x0117)];
/// TIFF type "undefined": bytes.
const UNDEFINED: u16 = 7;
/// TIFF type of a 16-bit number.
const SHORT: u16 = 3;
/// TIFF type of a 32-bit number or offset.
const LONG: u16 = 4;
/// What stands before the TIFF header in JPEG files, and by mistake in some PNG and WebP files.
const SIGNATURE: &[u8] = b"Exif\0\0";
/// Big endian, one empty directory at offset 8.
const EMPTY_TIFF: &[u8] = b"MM\0*\0\0\0\x08\0\0\0\0\0\0";

/// EXIF from its TIFF header on.
pub(super) fn without_signature(exif: Vec<u8>) -> Vec<u8> {
    match exif.strip_prefix(SIGNATURE) {
        Some(tiff) => tiff.to_vec(),
        None => exif,
    }
}

/// Byte order, the number 42 and where the first directory lies.
const HEADER_LEN: u32 = 8;

/// `exif` without its thumbnail, which would still show what an edit has taken away: zeros in its place,
/// and no link to the directory that describes it, the second. All else stays where and as it is.
pub(super) fn without_thumbnail(exif: Vec<u8>) -> Vec<u8> {
    blotted(&exif).unwrap_or(exif)
}

/// `None` if there is no second directory, or if the first lies in the header, as in a damaged file.
fn blotted(exif: &[u8]) -> Option<Vec<u8>> {
    let tiff = Tiff::new(exif)?;
    let root_at = tiff.u32_at(4).filter(|at| *at >= HEADER_LEN)?;
    let (root, second_at) = tiff.directory(root_at).filter(|(_, next)| *next != 0)?;
    let mut out = exif.to_vec();
    // Strips of a damaged file may overlap without end; sound ones are no longer than the file together.
    let mut n_left = out.len();
    for (start, length) in tiff.thumbnail(second_at) {
        let bytes = out.get_mut(start..).unwrap_or_default();
        let length = length.min(bytes.len()).min(n_left);
        bytes[..length].fill(0);
        n_left -= length;
    }
    // Where a damaged file has them overlap the thumbnail, the directories that are kept win.
    let pointer = root.iter().find(|entry| entry.tag == EXIF_DIRECTORY).map(|entry| tiff.u32_of(entry.value));
    let inner = pointer.and_then(|at| Some(directory_span(at, tiff.directory(at)?.0.len())));
    let span = directory_span(root_at, root.len());
    let link = span.end..span.end + 4;
    for kept in [Some(0..8), Some(span), inner].into_iter().flatten() {
        out[kept.clone()].copy_from_slice(&exif[kept]);
    }
    out[link].fill(0);
    Some(out)
}

/// Where a directory's count and entries lie.
fn directory_span(at: u32, n_entries: usize) -> Range<usize> {
    at as usize..at as usize + 2 + 12 * n_entries
}

/// The user comment as text, if there is one in Unicode or ASCII.
pub(super) fn user_comment(exif: &[u8]) -> Option<String> {
    let tiff = Tiff::new(exif)?;
    let (root, _) = tiff.directory(tiff.u32_at(4)?)?;
    let pointer = root.iter().find(|entry| entry.tag == EXIF_DIRECTORY)?;
    let (entries, _) = tiff.directory(tiff.u32_of(pointer.value))?;
    let comment = entries.iter().find(|entry| entry.tag == USER_COMMENT)?;
    let start = tiff.u32_of(comment.value) as usize;
    let content = exif.get(start..start.checked_add(comment.count as usize)?)?;
    let (charset, text) = content.split_first_chunk::<8>()?;
    match charset {
        b"UNICODE\0" => utf16(text),
        b"ASCII\0\0\0" => Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned()),
        _ => None,
    }
}

/// UTF-16 in either byte order: programs disagree, so the order that puts the zero bytes of ASCII
/// characters in front decides.
fn utf16(bytes: &[u8]) -> Option<String> {
    let zeros = |offset| bytes.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let unit = if zeros(0) >= zeros(1) { u16::from_be_bytes } else { u16::from_le_bytes };
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok()
}

/// `exif` with its user comment set to `text`; without an EXIF that can be read, a new one.
pub(super) fn with_user_comment(exif: Option<&[u8]>, text: &str) -> Vec<u8> {
    exif.and_then(|exif| appended_comment(exif, text))
        .or_else(|| appended_comment(EMPTY_TIFF, text))
        .unwrap_or_default()
}

fn appended_comment(exif: &[u8], text: &str) -> Option<Vec<u8>> {
    let tiff = Tiff::new(exif)?;
    let (mut root, root_next) = tiff.directory(tiff.u32_at(4)?)?;
    let pointer = root.iter().find(|entry| entry.tag == EXIF_DIRECTORY).copied();
    let (mut entries, next) = match pointer {
        Some(pointer) => tiff.directory(tiff.u32_of(pointer.value))?,
        None => (Vec::new(), 0),
    };

    let mut out = exif.to_vec();
    // UTF-16 is written big endian even into a little-endian file, as A1111 expects it.
    let comment = b"UNICODE\0".iter().copied().chain(text.encode_utf16().flat_map(u16::to_be_bytes));
    let comment: Vec<u8> = comment.collect();
    let comment_at = append(&mut out, &comment);
    set(&mut entries, tiff.entry(USER_COMMENT, UNDEFINED, comment.len() as u32, comment_at));
    let entries_at = append(&mut out, &tiff.directory_bytes(&entries, next));
    set(&mut root, tiff.entry(EXIF_DIRECTORY, LONG, 1, entries_at));
    let root_at = append(&mut out, &tiff.directory_bytes(&root, root_next));
    out[4..8].copy_from_slice(&tiff.bytes_of(root_at));
    Some(out)
}

/// Appends at an even offset, as TIFF wants, and returns the offset.
fn append(out: &mut Vec<u8>, content: &[u8]) -> u32 {
    out.resize(out.len().next_multiple_of(2), 0);
    let at = out.len() as u32;
    out.extend_from_slice(content);
    at
}

/// Replaces the entry of the same tag; entries stay sorted by tag.
fn set(entries: &mut Vec<Entry>, entry: Entry) {
    entries.retain(|other| other.tag != entry.tag);
    let at = entries.partition_point(|other| other.tag < entry.tag);
    entries.insert(at, entry);
}

/// One directory entry; `value` holds up to 4 bytes or an offset, in the file's byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    tag: u16,
    kind: u16,
    count: u32,
    value: [u8; 4],
}

struct Tiff<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Tiff<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        match bytes.get(..4)? {
            b"MM\0*" => Some(Self { bytes, big_endian: true }),
            b"II*\0" => Some(Self { bytes, big_endian: false }),
            _ => None,
        }
    }

    fn u16_at(&self, at: usize) -> Option<u16> {
        let field = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.big_endian { u16::from_be_bytes(field) } else { u16::from_le_bytes(field) })
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        Some(self.u32_of(self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
    }

    const fn u32_of(&self, field: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) }
    }

    const fn bytes_of(&self, value: u32) -> [u8; 4] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    const fn entry(&self, tag: u16, kind: u16, count: u32, value: u32) -> Entry {
        Entry { tag, kind, count, value: self.bytes_of(value) }
    }

    /// The entries of the directory at `at`, and the offset of the next directory (0 for none).
    fn directory(&self, at: u32) -> Option<(Vec<Entry>, u32)> {
        let at = at as usize;
        let count = usize::from(self.u16_at(at)?);
        let entry = |index: usize| {
            let at = at + 2 + 12 * index;
            Some(Entry {
                tag: self.u16_at(at)?,
                kind: self.u16_at(at + 2)?,
                count: self.u32_at(at + 4)?,
                value: self.bytes.get(at + 8..at + 12)?.try_into().ok()?,
            })
        };
        let entries = (0..count).map(entry).collect::<Option<Vec<_>>>()?;
        // A missing link is common in hand-made EXIF, and means that there is no next directory.
        Some((entries, self.u32_at(at + 2 + 12 * count).unwrap_or(0)))
    }

    /// Where the parts of the picture lie that the directory at `at` describes: offsets and lengths.
    fn thumbnail(&self, at: u32) -> Vec<(usize, usize)> {
        let entries = self.directory(at).map(|(entries, _)| entries).unwrap_or_default();
        let numbers = |tag| {
            let entry = entries.iter().find(|entry| entry.tag == tag);
            entry.and_then(|entry| self.numbers(entry)).unwrap_or_default()
        };
        let parts =
            THUMBNAIL.iter().flat_map(|(start, length)| numbers(*start).into_iter().zip(numbers(*length)));
        parts.collect()
    }

    /// The whole numbers of an entry; they stand in the entry itself if they fit there.
    fn numbers(&self, entry: &Entry) -> Option<Vec<usize>> {
        let width = match entry.kind {
            SHORT => 2,
            LONG => 4,
            _ => return None,
        };
        let length = width * entry.count as usize;
        let place: &[u8] =
            if length <= 4 { &entry.value } else { self.bytes.get(self.u32_of(entry.value) as usize..)? };
        let place = Tiff { bytes: place.get(..length)?, big_endian: self.big_endian };
        let number = |index: usize| match width {
            2 => place.u16_at(2 * index).map(usize::from),
            _ => place.u32_at(4 * index).map(|number| number as usize),
        };
        (0..entry.count as usize).map(number).collect()
    }

    fn directory_bytes(&self, entries: &[Entry], next: u32) -> Vec<u8> {
        let short = |value: u16| if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut bytes = short(entries.len() as u16).to_vec();
        for entry in entries {
            bytes.extend(short(entry.tag));
            bytes.extend(short(entry.kind));
            bytes.extend(self.bytes_of(entry.count));
            bytes.extend(entry.value);
        }
        bytes.extend(self.bytes_of(next));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a thumbnail's bytes are here.
    const SECRET: &[u8] = b"secret!!";

    /// Camera and orientation in the first directory; in the second, that `SECRET` is the thumbnail, as one
    /// JPEG or as two strips.
    fn with_thumbnail(big_endian: bool, is_jpeg: bool) -> Vec<u8> {
        const CAMERA: &[u8] = b"Camera 1";
        let tiff = Tiff { bytes: b"", big_endian };
        let short = if big_endian { [0, 6, 0, 0] } else { [6, 0, 0, 0] };
        // Header 0, first directory 8, second 38, camera 68, numbers 76, thumbnail 92, tail 100.
        let first = [
            tiff.entry(0x010f, 2, CAMERA.len() as u32, 68),
            Entry { tag: 0x0112, kind: SHORT, count: 1, value: short },
        ];
        let second = if is_jpeg {
            [tiff.entry(0x0201, LONG, 1, 92), tiff.entry(0x0202, LONG, 1, 8)]
        } else {
            [tiff.entry(0x0111, LONG, 2, 76), tiff.entry(0x0117, LONG, 2, 84)]
        };
        let mut exif = if big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        exif.extend(tiff.bytes_of(8));
        exif.extend(tiff.directory_bytes(&first, 38));
        exif.extend(tiff.directory_bytes(&second, 0));
        exif.extend(CAMERA);
        exif.extend([92, 96, 4, 4].map(|number| tiff.bytes_of(number)).concat());
        exif.extend(SECRET);
        exif.extend(b"tail");
        exif
    }

    #[test]
    fn a_thumbnail_is_gone_and_all_else_stays() {
        for (big_endian, is_jpeg) in [(false, false), (false, true), (true, false), (true, true)] {
            let exif = with_thumbnail(big_endian, is_jpeg);
            let mut expected = exif.clone();
            expected[34..38].fill(0);
            expected[92..100].fill(0);
            assert_eq!(without_thumbnail(exif), expected);
            assert_eq!(without_thumbnail(expected.clone()), expected, "without one nothing changes");
        }
    }

    #[test]
    fn a_directory_inside_the_header_is_damage_and_stays() {
        let mut exif = with_thumbnail(true, false);
        exif[7] = 4;
        assert_eq!(without_thumbnail(exif.clone()), exif);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn damage_never_panics_and_the_kept_directories_stay(
            big_endian: bool, is_jpeg: bool, length in 0_usize..=104,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let mut exif = with_user_comment(Some(&with_thumbnail(big_endian, is_jpeg)), "hello");
            let length = exif.len() - length;
            exif.truncate(length);
            for (at, value) in damage {
                let at = at.index(length);
                exif[at] = value;
            }
            let root = |exif: &[u8]| {
                let tiff = Tiff::new(exif)?;
                Some(tiff.directory(tiff.u32_at(4)?)?.0)
            };
            let found = without_thumbnail(exif.clone());
            prop_assert_eq!(found.len(), exif.len());
            prop_assert_eq!(root(&found), root(&exif));
        }
    }

    #[test]
    fn a_comment_is_read_back_from_new_and_existing_exif() {
        let text = "a cat, ねこ\nSteps: 8";
        let fresh = with_user_comment(None, text);
        assert_eq!(user_comment(&fresh).as_deref(), Some(text));
        let twice = with_user_comment(Some(&fresh), "changed");
        assert_eq!(user_comment(&twice).as_deref(), Some("changed"));
        assert_eq!(user_comment(&with_user_comment(Some(b"rubbish"), text)).as_deref(), Some(text));
    }

    #[test]
    fn other_entries_survive_in_both_byte_orders() {
        for exif in [
            &b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"[..],
            &b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"[..],
        ] {
            let mut commented = with_user_comment(Some(exif), "hello");
            assert_eq!(user_comment(&commented).as_deref(), Some("hello"));
            let orientation = image::metadata::Orientation::remove_from_exif_chunk(&mut commented);
            assert_eq!(orientation, Some(image::metadata::Orientation::Rotate90));
        }
    }

    #[test]
    fn broken_exif_has_no_comment() {
        let whole = with_user_comment(None, "text");
        // The last 4 bytes are the link to the next directory, which may be missing.
        for length in 0..whole.len() - 4 {
            assert_eq!(user_comment(&whole[..length]), None, "{length}");
        }
    }
}
