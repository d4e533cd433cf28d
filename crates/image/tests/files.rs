//! Files in and out: what is kept, what is refused, and that nothing panics on any bytes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its own functions")]

use byteedit_image::{
    Channels, Effort, Encoding, Format, ImageError, Limits, Metadata, Picture, Samples, Size, decode, encode,
};
use moxcms::ColorProfile;
use proptest::prelude::*;

fn gradient(size: Size, channels: Channels) -> Picture {
    let count = channels.count();
    let sample = |i: usize| {
        let (pixel, channel) = (i / count, i % count);
        if channels.has_alpha() && channel == count - 1 {
            return 255;
        }
        ((pixel % size.width) * 5 + (pixel / size.width) * 3 + channel * 40) as u8
    };
    Picture::new(size, channels, Samples::U8((0..size.area() * count).map(sample).collect())).unwrap()
}

fn read(bytes: &[u8]) -> Picture {
    decode(bytes, &Limits::default()).unwrap()
}

/// A PNG with the header fields, palette chunks and raw rows given, one IDAT.
fn png(
    width: u32,
    color: png::ColorType,
    depth: png::BitDepth,
    rows: &[u8],
    extra: impl Fn(&mut png::Info),
) -> Vec<u8> {
    let mut info = png::Info::with_size(width, 1);
    info.color_type = color;
    info.bit_depth = depth;
    extra(&mut info);
    let mut bytes = Vec::new();
    let mut writer = png::Encoder::with_info(&mut bytes, info).unwrap().write_header().unwrap();
    writer.write_image_data(rows).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn png_keeps_profile_exif_text_and_colour_chunks() {
    let metadata = Metadata {
        icc: Some(ColorProfile::new_adobe_rgb().encode().unwrap()),
        exif: Some(b"II*\0\x08\0\0\0\0\0\0\0\0\0".to_vec()),
        text: vec![
            ("Title".to_owned(), "café".to_owned()),
            ("Comment".to_owned(), "ねこ".to_owned()),
            ("parameters".to_owned(), "old".to_owned()),
        ],
        png_chunks: vec![(*b"gAMA", vec![0, 0, 0xb1, 0x8f]), (*b"pHYs", vec![0, 0, 11, 19, 0, 0, 11, 19, 1])],
        source_format: Some(Format::Png),
    };
    let picture = gradient(Size::new(5, 4), Channels::Rgba).with_metadata(metadata.clone());
    let encoding = Encoding::new(Format::Png).with_text("parameters", "new: 1, ねこ");
    let found = read(&encode(&picture, &encoding).unwrap());
    assert_eq!(found.samples(), picture.samples());
    let mut text = found.metadata().text.clone();
    text.sort();
    let expected = [("Comment", "ねこ"), ("Title", "café"), ("parameters", "new: 1, ねこ")];
    assert_eq!(text, expected.map(|(keyword, text)| (keyword.to_owned(), text.to_owned())));
    assert_eq!(Metadata { text: metadata.text.clone(), ..found.metadata().clone() }, metadata);
}

/// EXIF whose second directory says that the 5 bytes at its end are the thumbnail.
fn exif_with_thumbnail() -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\0\0\x0e\0\0\0\x02\0".to_vec();
    exif.extend(b"\x01\x02\x04\0\x01\0\0\0\x2c\0\0\0");
    exif.extend(b"\x02\x02\x04\0\x01\0\0\0\x05\0\0\0\0\0\0\0face!");
    exif
}

#[test]
fn no_thumbnail_comes_through() {
    let exif = exif_with_thumbnail();
    let signed = [b"Exif\0\0", &exif[..]].concat();
    let mut expected = exif.clone();
    expected[10..14].fill(0);
    expected[44..].fill(0);
    for (format, exif) in [
        (Format::Png, &exif),
        (Format::Png, &signed),
        (Format::Jpeg { quality: 90 }, &exif),
        (Format::WebP, &exif),
        (Format::WebP, &signed),
    ] {
        let metadata = Metadata { exif: Some(exif.clone()), ..Metadata::default() };
        let picture = gradient(Size::new(5, 4), Channels::Rgb).with_metadata(metadata);
        let file = encode(&picture, &Encoding::new(format)).unwrap();
        assert!(file.windows(5).any(|bytes| bytes == b"face!"), "{format:?}");
        assert_eq!(read(&file).metadata().exif.as_ref(), Some(&expected), "{format:?}");
    }
}

#[test]
fn text_is_decompressed_within_the_limit_for_all_of_it() {
    use png::text_metadata::{ITXtChunk, ZTXtChunk};
    let text = |n_bytes: usize| "x".repeat(n_bytes);
    let unicode = |keyword: &str, n_bytes: usize| {
        let mut chunk = ITXtChunk::new(keyword, text(n_bytes));
        chunk.compressed = true;
        chunk.compress_text().unwrap();
        chunk
    };
    let file = png(1, png::ColorType::Grayscale, png::BitDepth::Eight, &[7], |info| {
        info.compressed_latin1_text.push(ZTXtChunk::new("bomb", text(1_000_000)));
        info.compressed_latin1_text.push(ZTXtChunk::new("half", text(60_000)));
        info.compressed_latin1_text.push(ZTXtChunk::new("other half", text(60_000)));
        info.utf8_text.push(unicode("long", 500_000));
        info.utf8_text.push(unicode("short", 30_000));
    });
    let limits = Limits { max_metadata_bytes: 100_000, ..Limits::default() };
    let found = decode(&file, &limits).unwrap();
    let keywords: Vec<_> = found.metadata().text.iter().map(|(keyword, _)| keyword.as_str()).collect();
    assert_eq!(keywords, ["half", "short"]);
    assert_eq!(read(&file).metadata().text.len(), 5);
}

#[test]
fn a_long_comment_takes_no_long_time() {
    // EXIF of one directory with the pointer to another, whose only entry is the comment.
    let comment = [b"ASCII\0\0\0", &vec![b'a'; 400_000][..]].concat();
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0\x01\0".to_vec();
    exif.extend(b"\x86\x92\x07\0");
    exif.extend((comment.len() as u32).to_le_bytes());
    exif.extend(b"\x2c\0\0\0\0\0\0\0");
    exif.extend(&comment);
    let metadata = Metadata { exif: Some(exif.clone()), ..Metadata::default() };
    let picture = gradient(Size::new(5, 4), Channels::Rgb).with_metadata(metadata);
    let found = read(&encode(&picture, &Encoding::new(Format::WebP)).unwrap());
    assert_eq!((found.metadata().exif.as_ref(), found.metadata().text.len()), (Some(&exif), 0));
}

#[test]
fn jpeg_and_webp_carry_profile_and_parameters() {
    let icc = ColorProfile::new_display_p3().encode().unwrap();
    let metadata = Metadata { icc: Some(icc), ..Metadata::default() };
    let picture = gradient(Size::new(40, 30), Channels::Rgb).with_metadata(metadata);
    let text = "a cat\nSteps: 8, Seed: 1, Sampler: DDIM";
    for format in [Format::Jpeg { quality: 95 }, Format::WebP] {
        let bytes = encode(&picture, &Encoding::new(format).with_text("parameters", text)).unwrap();
        let found = read(&bytes);
        assert_eq!(found.metadata().icc, picture.metadata().icc, "{format:?}");
        assert_eq!(found.metadata().text, [("parameters".to_owned(), text.to_owned())], "{format:?}");
        assert_eq!(found.metadata().source_format, Some(format));
        let (Samples::U8(found), Samples::U8(expected)) = (found.samples(), picture.samples()) else {
            panic!("the depth changed");
        };
        let worst = found.iter().zip(expected).map(|(f, e)| f.abs_diff(*e)).max().unwrap();
        assert!(worst <= if format.is_lossy() { 24 } else { 0 }, "{format:?}: {worst}");
    }
}

#[test]
fn jpeg_flattens_opaque_alpha_rounds_16_bits_and_keeps_grey() {
    let jpeg = Encoding::new(Format::Jpeg { quality: 100 });
    let size = Size::new(3, 2);
    let found = read(&encode(&gradient(size, Channels::Rgba), &jpeg).unwrap());
    assert_eq!(found.channels(), Channels::Rgb);
    let deep = Picture::new(size, Channels::Gray, Samples::U16(vec![128 * 257 + 100; 6])).unwrap();
    let found = read(&encode(&deep, &jpeg).unwrap());
    assert_eq!((found.channels(), found.samples()), (Channels::Gray, &Samples::U8(vec![128; 6])));
}

#[test]
fn palettes_transparency_and_small_depths_are_expanded() {
    use png::{BitDepth, ColorType};
    let palette = |info: &mut png::Info| info.palette = Some(vec![9, 8, 7, 1, 2, 3].into());
    let found = read(&png(2, ColorType::Indexed, BitDepth::One, &[0b0100_0000], palette));
    assert_eq!((found.channels(), found.samples()), (Channels::Rgb, &Samples::U8(vec![9, 8, 7, 1, 2, 3])));
    let clear = |info: &mut png::Info| {
        palette(info);
        info.trns = Some(vec![50].into());
    };
    let found = read(&png(2, ColorType::Indexed, BitDepth::Eight, &[1, 0], clear));
    assert_eq!(
        (found.channels(), found.samples()),
        (Channels::Rgba, &Samples::U8(vec![1, 2, 3, 255, 9, 8, 7, 50]))
    );
    let found = read(&png(4, ColorType::Grayscale, BitDepth::Two, &[0b0001_1011], |_| ()));
    assert_eq!((found.channels(), found.samples()), (Channels::Gray, &Samples::U8(vec![0, 85, 170, 255])));
    let keyed = |info: &mut png::Info| info.trns = Some(vec![1, 2].into());
    let found = read(&png(2, ColorType::Grayscale, BitDepth::Sixteen, &[1, 2, 3, 4], keyed));
    assert_eq!(
        (found.channels(), found.samples()),
        (Channels::GrayAlpha, &Samples::U16(vec![258, 0, 772, 65_535]))
    );
}

#[test]
fn every_truncation_of_every_format_is_an_error() {
    for format in [Format::Png, Format::Jpeg { quality: 80 }, Format::WebP] {
        let bytes = encode(&gradient(Size::new(19, 11), Channels::Rgb), &Encoding::new(format)).unwrap();
        for length in 0..bytes.len() - 1 {
            let error = decode(&bytes[..length], &Limits::default()).unwrap_err();
            let expected = matches!(
                error,
                ImageError::Truncated { .. } | ImageError::Damaged { .. } | ImageError::UnknownFormat { .. }
            );
            assert!(expected, "{format:?} cut to {length}: {error}");
        }
    }
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    // A header of 60000 x 60000 pixels and nothing behind it.
    let mut info = png::Info::with_size(60_000, 60_000);
    info.color_type = png::ColorType::Rgba;
    let mut bytes = Vec::new();
    drop(png::Encoder::with_info(&mut bytes, info).unwrap().write_header().unwrap());
    let error = decode(&bytes, &Limits::default()).unwrap_err();
    assert_eq!(error, ImageError::TooLarge { width: 60_000, height: 60_000, limit: 100_000_000 });
    assert!(error.to_string().contains("scale it down"));
}

#[test]
fn animations_are_refused() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[1]).unwrap();
    writer.write_image_data(&[2]).unwrap();
    writer.finish().unwrap();
    let message = decode(&bytes, &Limits::default()).unwrap_err().to_string();
    assert!(message.contains("animation"), "{message}");
}

#[test]
fn effort_changes_the_size_and_nothing_else() {
    let picture = gradient(Size::new(200, 100), Channels::Rgb);
    let fast = encode(&picture, &Encoding::new(Format::Png)).unwrap();
    let small = encode(&picture, &Encoding::new(Format::Png).with_effort(Effort::Small)).unwrap();
    assert!(small.len() < fast.len());
    assert_eq!(read(&small), read(&fast));
}

#[test]
fn text_keywords_are_checked() {
    let picture = gradient(Size::new(1, 1), Channels::Gray);
    for keyword in ["", "ねこ", &"x".repeat(80)] {
        let encoding = Encoding::new(Format::Png).with_text(keyword, "text");
        assert!(matches!(encode(&picture, &encoding), Err(ImageError::InvalidArgument { .. })), "{keyword}");
    }
    let encoding = Encoding::new(Format::Png).with_text("parameters", "a\0b");
    assert_eq!(read(&encode(&picture, &encoding).unwrap()).metadata().text[0].1, "ab");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Damage anywhere gives a picture or an error, never a panic, and never more than was allowed.
    #[test]
    fn damaged_files_never_panic(
        format in 0_usize..3, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let format = [Format::Png, Format::Jpeg { quality: 70 }, Format::WebP][format];
        let icc = ColorProfile::new_display_p3().encode().unwrap();
        let metadata = Metadata { icc: Some(icc), ..Metadata::default() };
        let picture = gradient(Size::new(17, 9), Channels::Rgb).with_metadata(metadata);
        let encoding = Encoding::new(format).with_text("parameters", "x\nSteps: 1, Seed: 2, Size: 3");
        let mut bytes = encode(&picture, &encoding).unwrap();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let limits = Limits { max_pixels: 1_000_000, ..Limits::default() };
        if let Ok(found) = decode(&bytes, &limits) {
            prop_assert!(found.size().area() <= 1_000_000);
            let _ = byteedit_image::UnitImage::from_picture(&found);
        }
    }
}
