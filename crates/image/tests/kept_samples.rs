//! The promise of the whole crate: every decoded sample outside the mask and its feather is equal to
//! the source's, at the source's depth and profile, through paste, file and crop engine alike.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its own functions")]

use byteedit_image::compose::{match_color, paste};
use byteedit_image::{
    Channels, CropPlan, CropRequest, Encoding, Filter, Format, Limits, Mask, Metadata, OutpaintPlan, Padding,
    Picture, Rect, Samples, Size, UnitImage, decode, encode,
};
use moxcms::ColorProfile;
use proptest::prelude::*;

const CHANNELS: [Channels; 4] = [Channels::Gray, Channels::GrayAlpha, Channels::Rgb, Channels::Rgba];

/// Samples without structure, so that any shift or mix-up shows.
fn picture(size: Size, channels: Channels, deep: bool, seed: u64) -> Picture {
    let mut state = seed | 1;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 48) as u16
    };
    let len = size.area() * channels.count();
    let samples = if deep {
        Samples::U16((0..len).map(|_| next()).collect())
    } else {
        Samples::U8((0..len).map(|_| next() as u8).collect())
    };
    Picture::new(size, channels, samples).unwrap()
}

/// All samples as numbers, with the channels that `like` has added: WebP widens grey to RGB.
fn numbers(picture: &Picture, like: Channels) -> Vec<Vec<u16>> {
    let samples: Vec<u16> = match picture.samples() {
        Samples::U8(samples) => samples.iter().map(|&sample| u16::from(sample)).collect(),
        Samples::U16(samples) => samples.clone(),
    };
    let widened = |pixel: &[u16]| match (picture.channels().color_count(), like.color_count()) {
        (1, 3) => [&[pixel[0]; 3], &pixel[1..]].concat(),
        _ => pixel.to_vec(),
    };
    samples.chunks_exact(picture.channels().count()).map(widened).collect()
}

prop_compose! {
    fn scenes()(
        size in (1_usize..40, 1_usize..40).prop_map(|(width, height)| Size::new(width, height)),
        channels in 0_usize..4, deep in any::<bool>(), seed in any::<u64>(), profiled in any::<bool>(),
        corner in (0.0_f64..1.0, 0.0_f64..1.0), extent in (0.0_f64..1.0, 0.0_f64..1.0), feather in 0_u32..6,
    ) -> (Picture, Mask) {
        let channels = CHANNELS[channels];
        let icc = match channels.color_count() {
            _ if !profiled => None,
            1 => Some(ColorProfile::new_gray_with_gamma(1.8).encode().unwrap()),
            _ => Some(ColorProfile::new_display_p3().encode().unwrap()),
        };
        let picture = picture(size, channels, deep, seed).with_metadata(Metadata { icc, ..Metadata::default() });
        let at = |part: f64, len: usize| ((part * len as f64) as usize).min(len - 1);
        let (x, y) = (at(corner.0, size.width), at(corner.1, size.height));
        let rect = Rect::new(x, y, at(extent.0, size.width - x) + 1, at(extent.1, size.height - y) + 1);
        (picture, Mask::from_rect(size, rect).unwrap().feather(feather))
    }
}

/// What an edit does around its model, which here answers with noise.
fn edited(source: &Picture, soft: &Mask, min_region: Size) -> Picture {
    let focus = soft.bounding_box().unwrap();
    let model = Size::new(16, 16);
    let request = CropRequest {
        padding: Padding::Fraction(0.3),
        min_region,
        ..CropRequest::new(source.size(), focus, model)
    };
    let plan = CropPlan::new(&request).unwrap();
    let region = UnitImage::from_picture_region(source, plan.region()).unwrap();
    let canvas = plan.model_image(&region, Filter::Lanczos3).unwrap();
    assert_eq!(canvas.size(), model);
    let answer = canvas.data().iter().map(|value| (value * 7.3).fract()).collect();
    let answer = UnitImage::new(model, answer).unwrap();
    let generated = plan.region_image(&answer, Filter::Lanczos3).unwrap();
    let alpha = soft.crop(plan.region()).unwrap();
    let matched = match_color(&generated, &region, &alpha, 4).unwrap();
    let mut result = source.clone();
    paste(&mut result, plan.region(), &matched, &alpha).unwrap();
    result
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn decoded_samples_outside_the_mask_are_the_sources((source, soft) in scenes(), close_up in any::<bool>()) {
        let min_region = if close_up { Size::new(0, 0) } else { Size::new(16, 16) };
        let result = edited(&source, &soft, min_region);
        for format in [Format::Png, Format::WebP] {
            if format.check(&source).is_err() {
                prop_assert_eq!(format, Format::WebP);
                continue;
            }
            let bytes = encode(&result, &Encoding::new(format)).unwrap();
            let read = decode(&bytes, &Limits::default()).unwrap();
            prop_assert_eq!(read.size(), source.size());
            prop_assert_eq!(read.samples().bits(), source.samples().bits());
            prop_assert_eq!(&read.metadata().icc, &source.metadata().icc);
            let like = read.channels();
            let pixels = numbers(&read, like).into_iter().zip(numbers(&source, like)).zip(soft.values());
            for ((found, expected), &strength) in pixels {
                prop_assert!(strength > 0 || found == expected, "{:?} instead of {:?}", found, expected);
            }
        }
    }

    #[test]
    fn outpainting_keeps_the_picture_in_its_canvas(
        (source, _) in scenes(), sides in prop::array::uniform4(0_usize..9), feather in 0_u32..4,
    ) {
        let [left, right, top, bottom] = sides;
        let plan = OutpaintPlan { left, right: right + 1, top, bottom };
        let (canvas, new_area) = plan.canvas(&source, &Limits::default()).unwrap();
        let soft = new_area.feather(feather);
        let result = edited(&canvas, &soft, Size::new(16, 16));
        let read = decode(&encode(&result, &Encoding::new(Format::Png)).unwrap(), &Limits::default()).unwrap();
        let (found, expected) = (numbers(&read, source.channels()), numbers(&source, source.channels()));
        let kept = plan.kept(source.size());
        for y in 0..kept.height {
            for x in 0..kept.width {
                if soft.value(kept.x + x, kept.y + y) == 0 {
                    let in_canvas = (kept.y + y) * read.width() + kept.x + x;
                    prop_assert_eq!(&found[in_canvas], &expected[y * kept.width + x]);
                }
            }
        }
    }

    #[test]
    fn an_empty_mask_is_the_identity((source, _) in scenes()) {
        let mut result = source.clone();
        let all = source.size().rect();
        let black = UnitImage::filled(source.size(), [0.0; 3]);
        paste(&mut result, all, &black, &Mask::filled(source.size(), 0)).unwrap();
        prop_assert_eq!(result, source);
    }

    /// A model that answers with its input, at the picture's own scale, changes nothing at all: no
    /// shift, no loss of depth on the way through floats.
    #[test]
    fn at_scale_1_the_identity_model_gives_the_picture_back(
        width in 16_usize..48, height in 16_usize..48, deep in any::<bool>(), seed in any::<u64>(),
    ) {
        let source = picture(Size::new(width, height), Channels::Rgb, deep, seed);
        let focus = Rect::new(width / 3, height / 2, 4, 3);
        let mut request = CropRequest::new(source.size(), focus, Size::new(16, 16));
        request.padding = Padding::Pixels(2);
        let plan = CropPlan::new(&request).unwrap();
        let region = UnitImage::from_picture_region(&source, plan.region()).unwrap();
        let canvas = plan.model_image(&region, Filter::Lanczos3).unwrap();
        let tensor = UnitImage::from_signed_chw(canvas.size(), &canvas.to_signed_chw()).unwrap();
        let generated = plan.region_image(&tensor, Filter::Lanczos3).unwrap();
        let mut result = source.clone();
        paste(&mut result, plan.region(), &generated, &Mask::filled(plan.region().size(), 255)).unwrap();
        match (result.samples(), source.samples()) {
            (Samples::U8(found), Samples::U8(expected)) => prop_assert_eq!(found, expected),
            (Samples::U16(found), Samples::U16(expected)) => {
                // 2 x - 1 in f32 costs the last half bit of 16.
                prop_assert!(found.iter().zip(expected).all(|(f, e)| f.abs_diff(*e) <= 1));
            }
            _ => prop_assert!(false, "the depth changed"),
        }
    }

    /// Through a smaller or larger canvas, a bump stays where it is to a few hundredths of a pixel.
    #[test]
    fn resizing_there_and_back_does_not_shift(
        side in 40_usize..120, offset in (-3.0_f64..3.0, -3.0_f64..3.0), canvas in 3_usize..12,
    ) {
        let size = Size::new(side, side);
        let center = (side as f64 / 2.0 + offset.0, side as f64 / 2.0 + offset.1);
        let spread = side as f64 / 10.0;
        let bump = |i: usize| {
            let (x, y) = ((i % side) as f64 + 0.5 - center.0, (i / side) as f64 + 0.5 - center.1);
            (-(x * x + y * y) / (2.0 * spread * spread)).exp() as f32
        };
        let image = UnitImage::new(size, (0..size.area()).flat_map(|i| [bump(i); 3]).collect()).unwrap();
        let request = CropRequest::new(size, size.rect(), Size::new(canvas * 8, canvas * 8));
        let plan = CropPlan::new(&request).unwrap();
        let there = plan.model_image(&image, Filter::Lanczos3).unwrap();
        let back = plan.region_image(&there, Filter::Lanczos3).unwrap();
        let centroid = |image: &UnitImage| {
            let luma = image.luma();
            let mass: f64 = luma.iter().map(|&value| f64::from(value)).sum();
            let moment = |coordinate: fn(usize, usize) -> usize| -> f64 {
                luma.iter().enumerate().map(|(i, &v)| f64::from(v) * coordinate(i, side) as f64).sum::<f64>() / mass
            };
            (moment(|i, side| i % side), moment(|i, side| i / side))
        };
        let (before, after) = (centroid(&image), centroid(&back));
        prop_assert!((before.0 - after.0).abs() < 0.03 && (before.1 - after.1).abs() < 0.03, "{:?} {:?}", before, after);
    }
}
