//! What an edit reports, how it is stopped, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::Param;
use burn::tensor::Device;
use byteedit_edit::{
    Canvas, EditModel, EditRequest, Progress, Sampling, Settings, Sides, Task, TaskKind, UnknownWord,
    Warning, Watch,
};
use byteedit_image::{
    Channels, Format, Limits, Mask, Metadata, Parameters, Picture, Rect, Size, UnitImage, codec,
};
use byteedit_models::lora::{Form, LoraConfig, NamedBranch, Network, branches, save, with_branches};
use byteedit_nn::Init;
use byteedit_testing::TempDir;
use support::{Kind, RESOLUTION, box_mask, edit, keeping_model, model, picture, prompt, rgb, settings};

fn simple(settings: Settings) -> EditRequest {
    let picture = rgb(40, 40);
    let mask = box_mask(picture.size(), Rect::new(10, 10, 12, 12));
    edit(picture, mask, settings)
}

fn outpaint(picture: Picture, sides: Sides, text: Option<&str>) -> EditRequest {
    let task = Task::Outpaint { sides, prompt: text.map(prompt) };
    EditRequest::new(picture, task, settings(TaskKind::Outpaint), Limits::default()).unwrap()
}

#[test]
fn progress_counts_every_step_of_every_pass() {
    let mut seen = Vec::new();
    let mut on_progress = |progress: Progress| seen.push((progress.pass, progress.step, progress.n_done()));
    let request = simple(Settings { count: 5, ..settings(TaskKind::Edit) });
    model(Kind::Inpainting).edit(&request, &mut Watch::silent().reporting(&mut on_progress)).unwrap();
    assert_eq!(seen, [(0, 1, 1), (0, 2, 2), (1, 1, 3), (1, 2, 4)]);
}

#[test]
fn a_flag_stops_the_edit_between_steps() {
    let flag = AtomicBool::new(false);
    let mut n_steps = 0;
    let mut on_progress = |progress: Progress| {
        n_steps += 1;
        flag.store(progress.step == 2, Ordering::Relaxed);
    };
    let mut request = settings(TaskKind::Edit);
    request.sampling.n_steps = 5;
    let mut watch = Watch::silent().cancelled_by(&flag).reporting(&mut on_progress);
    let error = model(Kind::Inpainting).edit(&simple(request), &mut watch).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert!(error.to_string().contains("2 of 5"), "{error}");
    assert_eq!(n_steps, 2);
}

/// A canvas painted with changed settings.
fn painted(kind: Kind, text: &str, change: impl FnOnce(&mut Sampling)) -> UnitImage {
    let mut sampling = settings(TaskKind::Edit).sampling;
    change(&mut sampling);
    let size = Size::new(RESOLUTION, RESOLUTION);
    let (image, edit_mask) =
        (UnitImage::filled(size, [0.9, 0.1, 0.4]), box_mask(size, Rect::new(2, 2, 12, 12)));
    let canvas = Canvas { image: &image, edit_mask: &edit_mask, prompt: text, seed: 3 };
    model(kind).paint(&[canvas], &sampling, &mut Watch::silent()).unwrap().images.remove(0)
}

#[test]
fn prompt_guidance_and_negative_prompt_all_matter() {
    for kind in [Kind::Inpainting, Kind::Plain] {
        let plain = painted(kind, "a red apple", |_| ());
        assert_eq!(plain, painted(kind, "a red apple", |_| ()));
        assert_ne!(plain, painted(kind, "a duck", |_| ()));
        assert_ne!(plain, painted(kind, "a red apple", |sampling| sampling.guidance_scale = 1.0));
        assert_ne!(plain, painted(kind, "a red apple", |sampling| sampling.temperature = 0.5));
        let negative = |sampling: &mut Sampling| sampling.negative_prompt = Some(prompt("a duck"));
        assert_ne!(plain, painted(kind, "a red apple", negative));
        // Guided away from itself there is nowhere to go, whatever the scale.
        let same = |scale: f64| {
            painted(kind, "a duck", |sampling| {
                negative(sampling);
                sampling.guidance_scale = scale;
            })
        };
        assert_eq!(same(1.0), same(9.0));
        // Just above 1 the prompt is all there is; this tells the two halves of the pair apart.
        let at = |scale: f64| {
            painted(kind, "a red apple", |sampling| {
                negative(sampling);
                sampling.guidance_scale = scale;
            })
        };
        let largest = |a: &UnitImage, b: &UnitImage| {
            a.data().iter().zip(b.data()).fold(0.0_f32, |largest, (a, b)| largest.max((a - b).abs()))
        };
        assert!(largest(&at(1.0 + 1e-6), &at(1.0)) < 1e-4, "{kind:?}: a little guidance is little");
        assert!(largest(&same(1.0), &at(1.0)) > 1e-3, "{kind:?}: the two prompts are far apart");
    }
}

#[test]
fn low_strength_stays_nearer_to_the_source() {
    for kind in [Kind::Inpainting, Kind::Plain] {
        let at = |strength: f64| {
            painted(kind, "", |sampling| {
                (sampling.n_steps, sampling.strength, sampling.guidance_scale) = (10, strength, 1.0);
            })
        };
        let source =
            model(kind).reconstruct(&[UnitImage::filled(Size::new(16, 16), [0.9, 0.1, 0.4])]).unwrap();
        let distance = |image: &UnitImage| -> f32 {
            image.data().iter().zip(source[0].data()).map(|(a, b)| (a - b).powi(2)).sum()
        };
        let (low, high) = (distance(&at(0.1)), distance(&at(1.0)));
        assert!(low < 0.5 * high, "{kind:?}: {low} at 0.1, {high} at 1");
    }
}

#[test]
fn canvases_of_a_batch_do_not_notice_each_other() {
    let model = model(Kind::Inpainting);
    let size = model.canvas_size();
    let images = [0.2, 0.5, 0.8].map(|value| UnitImage::filled(size, [value, 0.4, 1.0 - value]));
    let masks = [(2, 3), (5, 5), (0, 8)].map(|(x, y)| box_mask(size, Rect::new(x, y, 8, 8)));
    let prompts = ["a duck", "", "a red apple"];
    let canvases: Vec<Canvas<'_>> = (0..3)
        .map(|i| Canvas { image: &images[i], edit_mask: &masks[i], prompt: prompts[i], seed: 9 + i as u64 })
        .collect();
    let sampling = settings(TaskKind::Edit).sampling;
    let together = model.paint(&canvases, &sampling, &mut Watch::silent()).unwrap().images;
    for (canvas, of_many) in canvases.iter().zip(&together) {
        let alone = model.paint(&[*canvas], &sampling, &mut Watch::silent()).unwrap().images;
        for (a, b) in alone[0].data().iter().zip(of_many.data()) {
            assert!((a - b).abs() < 1.0 / 255.0, "{a} alone, {b} among others");
        }
    }
    assert!(model.paint(&[], &sampling, &mut Watch::silent()).unwrap().images.is_empty());
    let wrong = UnitImage::filled(Size::new(8, 8), [0.5; 3]);
    let canvas = Canvas { image: &wrong, ..canvases[0] };
    let error = model.paint(&[canvas], &sampling, &mut Watch::silent()).unwrap_err().to_string();
    assert!(error.contains("8 x 8") && error.contains("16 x 16"), "{error}");
}

#[test]
fn the_file_says_how_it_was_made() {
    let mut settings = settings(TaskKind::Edit);
    (settings.seed, settings.sampling.negative_prompt) = (17, Some(prompt("a duck")));
    settings.framing.feather = 3;
    let result = model(Kind::Inpainting).edit(&simple(settings), &mut Watch::silent()).unwrap();
    for format in [Format::Png, Format::WebP, Format::Jpeg { quality: 90 }] {
        let file = result.pictures[0].encode(format).unwrap();
        let read = codec::decode(&file, &Limits::default()).unwrap();
        let text = read.metadata().text.iter().find(|(keyword, _)| keyword == Parameters::KEYWORD);
        let parameters = Parameters::parse(&text.unwrap().1);
        assert_eq!(parameters, result.pictures[0].parameters);
        assert_eq!(
            (parameters.prompt.as_str(), parameters.negative_prompt.as_str()),
            ("a red apple", "a duck")
        );
        for (name, value) in [
            ("Steps", "2"),
            ("Sampler", "DDIM"),
            ("CFG scale", "4"),
            ("Seed", "17"),
            ("Size", "16x16"),
            ("Model hash", "0123456789"),
            ("Model", "tiny"),
            ("Denoising strength", "1"),
            ("Mask blur", "3"),
            ("Inpaint area", "Only masked"),
            // 0.35 of the 12 + 2 * 3 px that are pasted.
            ("Masked area padding", "7"),
        ] {
            assert_eq!(parameters.get(name), Some(value), "{name}");
        }
    }
}

#[test]
fn a_lora_changes_the_picture_and_is_noted_as_a1111_notes_it() {
    let (folder, config) = (TempDir::new().unwrap(), LoraConfig::of_attention(2));
    let file = folder.path().join("brush.safetensors");
    let unet = model(Kind::Inpainting).parts().unet.clone();
    let adapted = with_branches(unet, &config, &mut Init::seeded(&Device::default(), 5)).unwrap();
    let mut learned = branches(Network::Unet, &adapted);
    for NamedBranch { branch, .. } in &mut learned {
        branch.b = Param::from_tensor(branch.b.val() + 0.3);
    }
    save(&learned, Form::Kohya, &file).unwrap();
    let with = |strength: f64| model(Kind::Inpainting).with_lora(&file, strength).unwrap();
    let paint = |model: &EditModel| {
        let request = simple(settings(TaskKind::Edit));
        model.edit(&request, &mut Watch::silent()).unwrap().pictures.remove(0)
    };
    let (plain, half) = (paint(&model(Kind::Inpainting)), paint(&with(0.5)));
    assert!(plain.picture.samples() != half.picture.samples());
    assert!(plain.picture.samples() == paint(&with(0.0)).picture.samples());
    assert_eq!(half.parameters.prompt, "a red apple <lora:brush:0.5>");
    let hash = with(0.5).loras()[0].hash.clone();
    assert_eq!(half.parameters.get("Lora hashes"), Some(format!("brush: {hash}").as_str()));
    assert_eq!(half.parameters.get("Model hash"), Some("0123456789"));
    assert_eq!(with(0.5).identity(), format!("0123456789+{hash}:0.5"));
    assert_eq!(model(Kind::Inpainting).identity(), "0123456789");

    let message = model(Kind::Inpainting).with_lora(&file, f64::NAN).unwrap_err().to_string();
    assert!(message.contains("NaN"), "{message}");
    let message = model(Kind::Guessing).with_lora(folder.path(), 1.0).unwrap_err().to_string();
    assert!(message.contains(&folder.path().display().to_string()), "{message}");
}

#[test]
fn warnings_say_what_may_surprise() {
    let warnings =
        |request: &EditRequest| model(Kind::Inpainting).edit(request, &mut Watch::silent()).unwrap().warnings;
    assert_eq!(warnings(&simple(settings(TaskKind::Edit))), []);

    let empty = edit(rgb(8, 8), Mask::filled(Size::new(8, 8), 0), settings(TaskKind::Edit));
    assert_eq!(warnings(&empty), [Warning::NothingToDo]);

    let metadata = Metadata { icc: Some(vec![1, 2, 3]), ..Metadata::default() };
    let task =
        Task::Edit { edit_mask: Mask::filled(Size::new(64, 64), 255), prompt: prompt("a red aple tree") };
    let request = EditRequest::new(
        rgb(64, 64).with_metadata(metadata),
        task,
        settings(TaskKind::Edit),
        Limits::default(),
    );
    let found = warnings(&request.unwrap());
    assert_eq!(found[0], Warning::NothingKept);
    assert_eq!(found[1], Warning::Enlarged { factor: 4.0, resolution: 16 });
    // Every letter is a token of this vocabulary: 12 letters, begin and end.
    assert_eq!(found[2], Warning::PromptTruncated { n_left_out: 2, max_length: 12 });
    let unknown = UnknownWord { word: "aple".into(), nearest: vec!["apple".into()] };
    assert_eq!(found[3], Warning::UnknownWord(unknown));
    assert!(matches!(found[5], Warning::ProfileIgnored { .. }), "{found:?}");
    assert!(found[3].to_string().contains("`aple`; near to it: apple"));
}

#[test]
fn a_negative_prompt_without_guidance_is_said_to_have_no_effect() {
    let warnings = |guidance_scale| {
        let mut settings = settings(TaskKind::Edit);
        settings.sampling.guidance_scale = guidance_scale;
        settings.sampling.negative_prompt = Some(prompt("a duck"));
        let request = simple(settings);
        model(Kind::Inpainting).edit(&request, &mut Watch::silent()).unwrap().warnings
    };
    assert_eq!(warnings(1.5), []);
    let [unused] = &warnings(1.0)[..] else { panic!("no warning") };
    assert!(
        unused.to_string().contains("no effect at a guidance scale of 1; it needs one above 1"),
        "{unused}"
    );
}

#[test]
fn outpainting_reports_its_windows() {
    let sides = Sides::new(0, 24, 0, 0).unwrap();
    let result =
        model(Kind::Inpainting).edit(&outpaint(rgb(50, 60), sides, None), &mut Watch::silent()).unwrap();
    assert!(result.regions.len() > 1, "{:?}", result.regions);
    assert!(result.regions.iter().all(|region| region.right() <= 74));
    assert!((result.repainted - 24.0 / 74.0).abs() < 1e-9);
    assert!(result.enlargement <= 2.0);
    let seam = result.pictures[0].seam.unwrap();
    assert!(seam.matched_error < seam.band_error, "{seam:?}");
}

#[test]
fn colour_matching_closes_the_seam() {
    let step = |color_match| {
        let mut settings = settings(TaskKind::Edit);
        settings.framing.color_match = color_match;
        let picture = UnitImage::filled(Size::new(40, 40), [0.3, 0.5, 0.7]).to_picture().unwrap();
        let mask = box_mask(picture.size(), Rect::new(10, 10, 20, 20));
        let result =
            model(Kind::Inpainting).edit(&edit(picture, mask, settings), &mut Watch::silent()).unwrap();
        result.pictures[0].seam.unwrap().step
    };
    assert!(step(true) < 0.7 * step(false), "{} with, {} without", step(true), step(false));
}

/// At full strength the model must not be told what it is to replace, or erasing would paint it again:
/// neither directly nor by resampling, which mixes pixels across the edge of the mask.
#[test]
fn what_lies_under_the_mask_has_no_say() {
    for kind in [Kind::Inpainting, Kind::Plain, Kind::Guessing] {
        let result = |under: f32| {
            let mut image = UnitImage::filled(Size::new(60, 60), [0.3, 0.5, 0.7]);
            let mask = box_mask(image.size(), Rect::new(13, 10, 31, 37));
            for (pixel, repaint) in image.data_mut().chunks_exact_mut(3).zip(mask.repaints()) {
                if repaint {
                    pixel.fill(under);
                }
            }
            let request = edit(image.to_picture().unwrap(), mask, settings(TaskKind::Edit));
            model(kind).edit(&request, &mut Watch::silent()).unwrap().pictures.remove(0).picture
        };
        assert!(result(0.0) == result(1.0), "{kind:?} saw through the mask");
    }
}

#[test]
fn a_plain_model_is_held_to_what_it_must_keep() {
    let model = model(Kind::Plain);
    let size = model.canvas_size();
    let image = UnitImage::from_picture(&picture(size, Channels::Rgb, 8));
    let canvas = Canvas { image: &image, edit_mask: &Mask::filled(size, 0), prompt: "a duck", seed: 3 };
    let sampling = settings(TaskKind::Edit).sampling;
    let painted = model.paint(&[canvas], &sampling, &mut Watch::silent()).unwrap().images;
    let reconstructed = model.reconstruct(std::slice::from_ref(&image)).unwrap();
    for (a, b) in painted[0].data().iter().zip(reconstructed[0].data()) {
        assert!((a - b).abs() < 1e-4, "{a} painted, {b} by the autoencoder alone");
    }
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let new = |picture, task, settings| EditRequest::new(picture, task, settings, Limits::default());
    let erase = |size| Task::Erase { edit_mask: Mask::filled(size, 255) };
    let message = |result: Result<EditRequest, byteedit_edit::EditError>| result.unwrap_err().to_string();

    let sizes = message(new(rgb(8, 9), erase(Size::new(9, 8)), settings(TaskKind::Erase)));
    assert!(sizes.contains("9 x 8") && sizes.contains("8 x 9"), "{sizes}");

    let mut weak = settings(TaskKind::Outpaint);
    weak.sampling.strength = 0.5;
    let sides = Sides::new(1, 1, 1, 1).unwrap();
    let strength = message(new(rgb(4, 4), Task::Outpaint { sides, prompt: None }, weak));
    assert!(strength.contains("strength is 0.5"), "{strength}");

    let sides = Sides::new(i64::MAX, 0, 0, 0).unwrap();
    let canvas =
        message(new(rgb(4, 4), Task::Outpaint { sides, prompt: None }, settings(TaskKind::Outpaint)));
    assert!(canvas.contains("100000000"), "{canvas}");

    // Seven pictures of 150 MB, of which none is made to find that out.
    let mut many = settings(TaskKind::Outpaint);
    many.count = 7;
    let sides = Sides::new(9996, 0, 4996, 0).unwrap();
    let outpaint = |settings| new(rgb(4, 4), Task::Outpaint { sides, prompt: None }, settings);
    assert!(outpaint(many.clone()).is_ok());
    many.count = 8;
    let total = message(outpaint(many));
    assert!(total.contains("8 of 150 MB each") && total.contains("1 GiB"), "{total}");

    let mut endless = settings(TaskKind::Edit);
    endless.sampling.n_steps = 1001;
    let steps = model(Kind::Inpainting).edit(&simple(endless), &mut Watch::silent()).unwrap_err().to_string();
    assert!(steps.contains("1001") && steps.contains("1000"), "{steps}");
}

#[test]
fn transparent_pictures_keep_their_transparency_elsewhere() {
    let picture = picture(Size::new(20, 20), Channels::Rgba, 8);
    let mask = box_mask(picture.size(), Rect::new(4, 4, 6, 6));
    let result =
        model(Kind::Plain).edit(&edit(picture.clone(), mask, settings(TaskKind::Edit)), &mut Watch::silent());
    let edited = &result.unwrap().pictures[0].picture;
    assert!(!edited.is_opaque() && edited.channels() == Channels::Rgba);
}

#[test]
fn kept_latents_depend_on_no_seed() {
    let values = (0..3 * 16 * 16).map(|i| (i % 7) as f32 / 7.0).collect();
    let image = UnitImage::new(Size::new(16, 16), values).unwrap();
    let edit_mask = box_mask(image.size(), Rect::new(0, 0, 6, 16));
    let sampling = settings(TaskKind::Edit).sampling;
    let painted = |model: &EditModel, seed| {
        let canvas = Canvas { image: &image, edit_mask: &edit_mask, prompt: "a red apple", seed };
        model.paint(&[canvas], &sampling, &mut Watch::silent()).unwrap().images.remove(0)
    };
    // How much the last columns differ between two seeds; norms of the decoder reach everywhere.
    let difference = |model: &EditModel| -> f32 {
        let (a, b) = (painted(model, 1), painted(model, 2));
        let far = |index: &usize| index / 3 % 16 >= 12;
        (0..3 * 256).filter(far).map(|i| (a.data()[i] - b.data()[i]).abs()).sum()
    };
    let (free, kept) = (difference(&model(Kind::Inpainting)), difference(&keeping_model()));
    assert!(kept < 0.5 * free, "{kept} against {free}");
}

#[test]
fn a_model_tells_its_measures() {
    let model: EditModel = model(Kind::Plain);
    assert_eq!((model.resolution(), model.downscale(), model.latent_shape()), (16, 2, [4, 8, 8]));
    assert!(!model.is_inpainting());
    assert_eq!(model.concepts().len(), 2);
    assert_eq!(model.unknown_words("a blue duck").len(), 1);
}
