//! `edit`, `erase`, `outpaint` as a user meets them.

#[cfg(unix)]
use std::io::{BufRead, BufReader};
use std::path::Path;
#[cfg(unix)]
use std::process::{Command, Stdio};

use burn::module::Param;
use burn::tensor::Device;
use byteedit_image::{Encoding, Format, Parameters, Picture, Samples, encode};
use byteedit_models::lora::{Form, LoraConfig, Network, branches, save, with_branches};
use byteedit_models::store::load_component;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_nn::Init;

use crate::workbench::{Answer, Workbench, model, photo};

/// Indices of the pixels in which two pictures of one size differ.
fn changed(a: &Picture, b: &Picture) -> Vec<(usize, usize)> {
    assert_eq!((a.size(), a.channels()), (b.size(), b.channels()));
    let (Samples::U8(left), Samples::U8(right)) = (a.samples(), b.samples()) else { panic!("8 bits only") };
    let count = a.channels().count();
    let pixels = left.chunks_exact(count).zip(right.chunks_exact(count)).enumerate();
    pixels.filter(|(_, (l, r))| l != r).map(|(i, _)| (i % a.width(), i / a.width())).collect()
}

fn edit(bench: &Workbench, more: &[&str]) -> Answer {
    bench.run_tiny(&[&["edit", "photo.png", "--mask", "mask.png", "--prompt", "a red apple"], more].concat())
}

#[test]
fn an_edit_lies_beside_its_picture_and_changes_the_mask_alone() {
    let bench = Workbench::with_photo();
    let answer = edit(&bench, &[]).done();
    assert_eq!(answer.stdout, "photo-edit.png\n");
    assert!(answer.stderr.contains("the mask covers 6.7 %"), "{}", answer.stderr);
    let changed = changed(&bench.picture("photo.png"), &bench.picture("photo-edit.png"));
    assert!(!changed.is_empty());
    assert!(changed.iter().all(|(x, y)| (12..22).contains(x) && (9..17).contains(y)), "{changed:?}");
    assert_eq!(bench.files().len(), 3, "nothing else was written");
}

#[test]
fn a_result_carries_its_settings() {
    let bench = Workbench::with_photo();
    edit(&bench, &["--seed", "5", "--sampler", "euler", "--steps", "3"]).done();
    let text = bench.picture("photo-edit.png").metadata().text.clone();
    let (_, text) = text.into_iter().find(|(keyword, _)| keyword == Parameters::KEYWORD).unwrap();
    let parameters = Parameters::parse(&text);
    assert_eq!(parameters.prompt, "a red apple");
    let get = |name| parameters.get(name).unwrap().to_owned();
    assert_eq!([get("Seed"), get("Sampler"), get("Steps")], ["5", "Euler", "3"]);
}

#[test]
fn a_lora_is_added_as_strongly_as_asked_and_noted() {
    let (bench, device) = (Workbench::with_photo(), Device::flex());
    let unet: UNet2DConditionModel = load_component(&Path::new(&model()).join("unet"), &device).unwrap();
    let adapted = with_branches(unet, &LoraConfig::of_attention(2), &mut Init::seeded(&device, 1)).unwrap();
    let mut learned = branches(Network::Unet, &adapted);
    for one in &mut learned {
        one.branch.b = Param::from_tensor(one.branch.b.val() + 1.0);
    }
    save(&learned, Form::Diffusers, &bench.path("brush.safetensors")).unwrap();
    edit(&bench, &["--lora", "brush.safetensors:0.5", "--lora", "brush.safetensors"]).done();
    let text = bench.picture("photo-edit.png").metadata().text[0].1.clone();
    assert!(text.starts_with("a red apple <lora:brush:0.5> <lora:brush:1>\n"), "{text}");
    assert!(text.contains("Lora hashes: \"brush: "), "{text}");

    bench.write("none.safetensors", "none");
    for (file, says) in
        [("none.safetensors", "not a readable safetensors file"), ("gone.safetensors:1", "gone.safetensors")]
    {
        let refused = edit(&bench, &["--lora", file, "--out", "other.png"]);
        assert!(refused.code == 2 && refused.stderr.contains(says), "{}", refused.stderr);
    }
}

#[test]
fn many_pictures_are_numbered_and_each_is_that_of_its_seed() {
    let bench = Workbench::with_photo();
    let answer = edit(&bench, &["--count", "2", "--seed", "3", "--json"]).done().json();
    let outputs = answer["outputs"].as_array().unwrap();
    assert_eq!((&outputs[0]["path"], &outputs[0]["seed"]), (&"photo-edit-1.png".into(), &3.into()));
    assert_eq!((&outputs[1]["path"], &outputs[1]["seed"]), (&"photo-edit-2.png".into(), &4.into()));
    edit(&bench, &["--seed", "4", "--out", "alone.png"]).done();
    assert_eq!(bench.picture("alone.png").samples(), bench.picture("photo-edit-2.png").samples());
    assert!(!changed(&bench.picture("photo-edit-1.png"), &bench.picture("photo-edit-2.png")).is_empty());
}

#[test]
fn erasing_takes_boxes_and_the_feather_is_all_that_changes_outside() {
    let bench = Workbench::with_photo();
    let arguments = ["erase", "photo.png", "--mask", "5,6,8,7", "--feather", "2", "--out", "clean.webp"];
    assert_eq!(bench.run_tiny(&arguments).done().stdout, "clean.webp\n");
    let changed = changed(&bench.picture("photo.png"), &bench.picture("clean.webp"));
    assert!(changed.iter().all(|(x, y)| (3..15).contains(x) && (4..15).contains(y)), "{changed:?}");
}

#[test]
fn outpainting_adds_area_around_the_same_picture() {
    let bench = Workbench::with_photo();
    let answer =
        bench.run_tiny(&["outpaint", "photo.png", "--left", "6", "--bottom", "4", "--json"]).done().json();
    assert!(answer["mask_share"].is_null() && answer["repainted"].as_f64().unwrap() > 0.2);
    let (before, after) = (bench.picture("photo.png"), bench.picture("photo-outpaint.png"));
    assert_eq!((after.width(), after.height()), (46, 34));
    let (Samples::U8(before), Samples::U8(after)) = (before.samples(), after.samples()) else {
        panic!("8 bits")
    };
    for y in 0..30 {
        assert_eq!(after[3 * (46 * y + 6)..][..120], before[3 * 40 * y..][..120], "row {y}");
    }
}

#[test]
fn strength_0_is_the_picture_itself_and_says_so() {
    let bench = Workbench::with_photo();
    let answer = edit(&bench, &["--strength", "0"]).done();
    assert!(answer.stderr.contains("warning: nothing was to be repainted"), "{}", answer.stderr);
    assert_eq!(changed(&bench.picture("photo.png"), &bench.picture("photo-edit.png")), []);
}

#[test]
fn a_jpeg_is_answered_losslessly_unless_the_name_asks_otherwise() {
    let bench = Workbench::with_photo();
    let jpeg = Format::Jpeg { quality: 90 };
    bench.write("photo.jpg", encode(&photo(40, 30), &Encoding::new(jpeg)).unwrap());
    let arguments = ["erase", "photo.jpg", "--mask", "mask.png"];
    let answer = bench.run_tiny(&arguments).done();
    assert!(
        answer.stdout == "photo-erase.png\n" && !answer.stderr.contains("re-encodes"),
        "{}",
        answer.stderr
    );
    let changed = changed(&bench.picture("photo.jpg"), &bench.picture("photo-erase.png"));
    assert!(changed.iter().all(|(x, y)| (12..22).contains(x) && (9..17).contains(y)));
    let lossy = bench.run_tiny(&[&arguments[..], &["--out", "small.jpg"]].concat()).done();
    assert!(lossy.stderr.contains("warning: small.jpg is JPEG, which re-encodes"), "{}", lossy.stderr);
}

#[test]
fn words_that_the_model_never_saw_are_named_with_what_is_near() {
    let bench = Workbench::with_photo();
    let arguments = ["edit", "photo.png", "--mask", "mask.png", "--prompt", "a green\u{7} aple"];
    let answer = bench.run_tiny(&arguments).done();
    assert!(answer.stderr.contains("never shown `aple`; near to it: apple"), "{}", answer.stderr);
    assert!(answer.stderr.contains("never shown `green`"), "{}", answer.stderr);
    let text = bench.picture("photo-edit.png").metadata().text[0].1.clone();
    assert!(text.starts_with("a green aple\n"), "control characters count as spaces: {text}");
}

#[test]
fn the_end_of_an_endless_prompt_is_said_not_to_be_read() {
    let bench = Workbench::with_photo();
    let prompt = format!("{}duck", "a ".repeat(4095));
    let answer = bench.run_tiny(&["edit", "photo.png", "--mask", "mask.png", "--prompt", &prompt]).done();
    assert!(answer.stderr.contains("the last 4086 tokens of the prompt were not read"), "{}", answer.stderr);
    assert!(answer.stderr.contains("not read: a a a"), "{}", answer.stderr);
}

#[test]
fn an_all_white_mask_repaints_everything_with_a_warning() {
    let bench = Workbench::with_photo();
    let answer = bench.run_tiny(&["erase", "photo.png", "--mask", "0,0,40,30"]).done();
    assert!(answer.stderr.contains("warning: the mask covers everything"), "{}", answer.stderr);
    // 40 px through a model of 16 px.
    assert!(answer.stderr.contains("enlarged 2.5 times from the model's 16 px"), "{}", answer.stderr);
}

#[test]
fn files_are_replaced_only_by_force() {
    let bench = Workbench::with_photo();
    edit(&bench, &[]).done();
    let first = bench.picture("photo-edit.png");
    let refused = edit(&bench, &["--seed", "1"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(bench.picture("photo-edit.png"), first);
    edit(&bench, &["--seed", "1", "--force"]).done();
    assert_ne!(bench.picture("photo-edit.png").samples(), first.samples());
}

/// Names are bytes on Linux; elsewhere the system may refuse such a one.
#[test]
#[cfg(target_os = "linux")]
fn a_name_need_not_be_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let bench = Workbench::with_photo();
    let name = |bytes| std::ffi::OsStr::from_bytes(bytes);
    let folder = bench.path("photo.png").parent().unwrap().to_owned();
    std::fs::rename(bench.path("photo.png"), folder.join(name(b"a\xff.png"))).unwrap();
    let model = model();
    let mut command = bench.command(&["erase", "--mask", "mask.png", "--model", &model, "--json"]);
    let output = command.arg(name(b"a\xff.png")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["outputs"][0]["path"], "a\u{fffd}-erase.png");
    assert!(folder.join(name(b"a\xff-erase.png")).is_file());
}

#[test]
fn concepts_are_listed_by_group() {
    let bench = Workbench::new();
    assert_eq!(bench.run_tiny(&["edit", "--list-concepts"]).done().stdout, "food: apple\nbirds: duck\n");
    let json = bench.run_tiny(&["edit", "--list-concepts", "--json"]).done().json();
    assert_eq!(json[1]["name"], "duck");
}

#[test]
fn quiet_is_quiet_and_colours_stay_out_of_files() {
    let bench = Workbench::with_photo();
    let answer = edit(&bench, &["--quiet"]).done();
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("photo-edit.png\n", ""));
    assert!(!edit(&bench, &[]).stderr.contains('\u{1b}'));
}

#[test]
#[cfg(unix)]
fn an_interrupted_edit_leaves_nothing() {
    let bench = Workbench::with_photo();
    let before = bench.files();
    let model = model();
    // More work than there is time for between the line that tells of its beginning and the signal.
    let arguments =
        ["erase", "photo.png", "--mask", "mask.png", "--model", &model, "--steps", "900", "--count", "64"];
    let mut command = bench.command(&arguments);
    let mut child = command.env("BYTEEDIT_LOG", "debug").stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let shown: Vec<_> = lines.by_ref().take_while(|line| !line.contains("ready to paint")).collect();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<_> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{shown:?} {rest:?}");
    assert!(rest.iter().any(|line| line == "error: interrupted; nothing more was written"), "{rest:?}");
    assert_eq!(bench.files(), before);
}
