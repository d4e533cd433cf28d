//! What holds for every edit, whatever the model paints.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use byteedit_edit::{EditRequest, EditedPicture, Settings, Sides, Task, Watch};
use byteedit_image::{Channels, Format, Limits, Mask, Padding, Picture, Rect, Samples, Size, codec};
use proptest::prelude::*;
use support::{Kind, edit, model, picture, prompt, rgb, settings};

use byteedit_edit::TaskKind::{self, Edit, Erase, Outpaint};

/// Samples as numbers, whatever their depth.
fn samples(picture: &Picture) -> Vec<u16> {
    match picture.samples() {
        Samples::U8(samples) => samples.iter().map(|&sample| u16::from(sample)).collect(),
        Samples::U16(samples) => samples.clone(),
    }
}

/// The one picture of a request.
fn edited(kind: Kind, request: &EditRequest) -> EditedPicture {
    let mut result = model(kind).edit(request, &mut Watch::silent()).unwrap();
    assert_eq!(result.pictures.len(), 1);
    result.pictures.remove(0)
}

/// Checks that `result` equals `picture`, which lies at `kept` in it, wherever `may_change` is 0.
fn check_kept(
    result: &Picture,
    picture: &Picture,
    kept: Rect,
    may_change: &Mask,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(result.channels(), picture.channels());
    prop_assert_eq!(result.samples().bits(), picture.samples().bits());
    let (after, before, n) = (samples(result), samples(picture), picture.channels().count());
    for y in 0..kept.height {
        for x in 0..kept.width {
            if may_change.value(x, y) == 0 {
                let at = ((kept.y + y) * result.width() + kept.x + x) * n;
                let from = (y * kept.width + x) * n;
                prop_assert_eq!(&after[at..at + n], &before[from..from + n], "at ({}, {})", x, y);
            }
        }
    }
    Ok(())
}

/// Encodes with a format that keeps samples, decodes again.
fn through_a_file(edited: &EditedPicture, format: Format) -> Picture {
    codec::decode(&edited.encode(format).unwrap(), &Limits::default()).unwrap()
}

#[derive(Clone, Debug)]
struct Case {
    kind: Kind,
    task: TaskKind,
    picture: Picture,
    mask: Mask,
    sides: [i64; 4],
    settings: Settings,
}

impl Case {
    fn request(&self) -> EditRequest {
        let edit_mask = self.mask.clone();
        let task = match self.task {
            Edit => Task::Edit { edit_mask, prompt: prompt("a duck") },
            Erase => Task::Erase { edit_mask },
            Outpaint => {
                let [left, right, top, bottom] = self.sides;
                Task::Outpaint { sides: Sides::new(left, right, top, bottom).unwrap(), prompt: None }
            }
        };
        EditRequest::new(self.picture.clone(), task, self.settings.clone(), Limits::default()).unwrap()
    }
}

prop_compose! {
    /// Boxes and soft masks on pictures of every depth and kind, with every setting around the loop.
    fn cases()(
        width in 1_usize..44, height in 1_usize..44,
        channels in prop::sample::select(vec![Channels::Gray, Channels::GrayAlpha, Channels::Rgb, Channels::Rgba]),
        bits in prop::sample::select(vec![8_u8, 16]),
        kind in prop::sample::select(vec![Kind::Inpainting, Kind::Plain]),
        task in prop::sample::select(vec![Edit, Erase, Outpaint]),
        rect in (0.0_f64..1.0, 0.0_f64..1.0, 0.0_f64..1.0, 0.0_f64..1.0),
        soft in prop::option::of(prop::collection::vec(prop_oneof![5 => Just(0_u8), 1 => any::<u8>()], 44 * 44)),
        sides in prop::array::uniform4(0_i64..20),
        framing in (0_u32..5, 0_u32..5, prop_oneof![
            (0_usize..20).prop_map(Padding::Pixels), (0.0_f64..1.0).prop_map(Padding::Fraction),
            (0.1_f64..0.9).prop_map(Padding::Share),
        ], any::<bool>()),
        seed in any::<u64>(), strength in prop::sample::select(vec![0.5, 1.0]),
    ) -> Case {
        let size = Size::new(width, height);
        let at = |part: f64, len: usize| ((part * len as f64) as usize).min(len - 1);
        let (x, y) = (at(rect.0, width), at(rect.1, height));
        let rect = Rect::new(x, y, at(rect.2, width - x) + 1, at(rect.3, height - y) + 1);
        let mask = match soft {
            Some(values) => Mask::new(size, values[..size.area()].to_vec()).unwrap(),
            None => Mask::from_rect(size, rect).unwrap(),
        };
        let mut settings = settings(task);
        settings.seed = seed;
        settings.sampling.strength = if task == Outpaint { 1.0 } else { strength };
        (settings.framing.mask_grow, settings.framing.feather) = (framing.0, framing.1);
        (settings.framing.padding, settings.framing.color_match) = (framing.2, framing.3);
        let sides = if sides == [0; 4] { [0, 3, 0, 0] } else { sides };
        Case { kind, task, picture: picture(size, channels, bits), mask, sides, settings }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn nothing_outside_the_grown_and_feathered_mask_changes(case in cases()) {
        let request = case.request();
        let edited = edited(case.kind, &request);
        let (grow, feather) = (case.settings.framing.mask_grow, case.settings.framing.feather);
        let size = case.picture.size();
        let (kept, may_change) = match request.task() {
            Task::Outpaint { sides, .. } => {
                let (canvas, new_area) = sides.plan().canvas(&case.picture, &Limits::default()).unwrap();
                prop_assert_eq!(edited.picture.size(), canvas.size());
                let kept = sides.plan().kept(size);
                (kept, new_area.dilate(grow).dilate(feather).crop(kept).unwrap())
            }
            _ => (size.rect(), case.mask.dilate(grow).dilate(feather)),
        };
        check_kept(&edited.picture, &case.picture, kept, &may_change)?;
        prop_assert_eq!(edited.picture.metadata(), case.picture.metadata());
        check_kept(&through_a_file(&edited, Format::Png), &case.picture, kept, &may_change)?;
        if case.picture.samples().bits() == 8 && case.picture.channels() == Channels::Rgb {
            check_kept(&through_a_file(&edited, Format::WebP), &case.picture, kept, &may_change)?;
        }
    }

    #[test]
    fn strength_0_is_the_identity(mut case in cases()) {
        prop_assume!(case.task != Outpaint);
        case.settings.sampling.strength = 0.0;
        prop_assert_eq!(&edited(case.kind, &case.request()).picture, &case.picture);
    }
}

#[test]
fn the_mask_is_repainted() {
    // The complement of the property above: a pipeline that did nothing would satisfy it too.
    for kind in [Kind::Inpainting, Kind::Plain] {
        let picture = rgb(40, 30);
        let mask = Mask::from_rect(picture.size(), Rect::new(10, 8, 12, 12)).unwrap();
        let result = edited(kind, &edit(picture.clone(), mask.clone(), settings(Edit)));
        let pixels = samples(&result.picture)
            .chunks(3)
            .zip(samples(&picture).chunks(3))
            .map(|(a, b)| a != b)
            .collect::<Vec<_>>();
        let inside =
            pixels.iter().zip(mask.repaints()).filter(|&(changed, inside)| *changed && inside).count();
        assert!(inside > 130, "{kind:?}: only {inside} of 144 pixels changed");
    }
}

#[test]
fn an_empty_mask_is_the_identity() {
    let picture = rgb(9, 9);
    let mask = Mask::filled(picture.size(), 0);
    assert_eq!(edited(Kind::Inpainting, &edit(picture.clone(), mask, settings(Edit))).picture, picture);
}

#[test]
fn one_pixel_and_extreme_shapes_are_edited() {
    for (width, height) in [(1, 1), (300, 1), (1, 300), (2, 90)] {
        for bits in [8, 16] {
            let picture = picture(Size::new(width, height), Channels::GrayAlpha, bits);
            let all = Mask::filled(picture.size(), 255);
            let result = edited(Kind::Inpainting, &edit(picture.clone(), all, settings(Edit)));
            assert_eq!(result.picture.size(), picture.size());
            assert!(result.picture.is_opaque(), "repainted pixels are opaque");
            assert_eq!(result.seam, None);
        }
    }
}

/// Largest difference of two 8-bit pictures.
fn distance(a: &Picture, b: &Picture) -> u16 {
    samples(a).iter().zip(samples(b)).map(|(a, b)| a.abs_diff(b)).max().unwrap_or(0)
}

#[test]
fn a_seed_decides_whatever_the_batch() {
    for task in [Edit, Outpaint] {
        let picture = rgb(30, 26);
        let request = |seed, count| {
            let mut settings = Settings { seed, count, ..settings(task) };
            settings.sampling.sampler = "euler-a".parse().unwrap();
            let edit_mask = Mask::from_rect(picture.size(), Rect::new(6, 5, 12, 12)).unwrap();
            let task = match task {
                Outpaint => {
                    Task::Outpaint { sides: Sides::new(12, 0, 9, 0).unwrap(), prompt: Some(prompt("a duck")) }
                }
                _ => Task::Edit { edit_mask, prompt: prompt("a duck") },
            };
            EditRequest::new(picture.clone(), task, settings, Limits::default()).unwrap()
        };
        // Six pictures do not fit into one batch.
        let together = model(Kind::Inpainting).edit(&request(5, 6), &mut Watch::silent()).unwrap().pictures;
        for (index, of_many) in together.iter().enumerate() {
            let alone = edited(Kind::Inpainting, &request(5 + index as u64, 1));
            assert_eq!(alone.seed, of_many.seed);
            assert_eq!(alone.parameters, of_many.parameters);
            assert!(distance(&alone.picture, &of_many.picture) <= 1, "picture {index} of {task:?}");
        }
        let again = edited(Kind::Inpainting, &request(5, 1));
        assert_eq!(again.picture, edited(Kind::Inpainting, &request(5, 1)).picture, "the same twice");
        assert!(distance(&together[0].picture, &together[1].picture) > 8, "seeds make no difference");
    }
}
