//! Everything that a user can get wrong: one line, the remedy, exit code 2, and no file left.

use std::fs;

use byteedit_image::{Channels, Encoding, Format, Picture, Samples, Size, encode};

use crate::workbench::{Workbench, mask, model, photo};

/// The usual edit, with other words in place of some.
fn edit<'a>(photo: &'a str, mask: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["edit", photo, "--mask", mask, "--prompt", "a red apple"], more].concat()
}

/// Runs the command and checks what every refusal has in common.
#[track_caller]
fn refuse(bench: &Workbench, arguments: &[&str], says: &str) {
    let before = bench.files();
    let answer = bench.run(arguments);
    assert_eq!(answer.code, 2, "{arguments:?}: {}", answer.stderr);
    assert!(answer.stderr.contains(says), "{arguments:?}: {}", answer.stderr);
    assert!(answer.stderr.contains("error: ") && !answer.stderr.contains("panicked"), "{}", answer.stderr);
    assert_eq!(answer.stdout, "", "{arguments:?}");
    assert_eq!(bench.files(), before, "{arguments:?}");
}

#[test]
fn pictures_and_masks() {
    let bench = Workbench::with_photo();
    bench.png("small.png", &mask(10, 10, [0, 0, 5, 5]));
    bench.png("black.png", &mask(40, 30, [0, 0, 0, 0]));
    bench.write("text.png", "I am a text file");
    bench.write("empty.png", "");
    let png = fs::read(bench.path("photo.png")).unwrap();
    bench.write("truncated.png", &png[..png.len() / 2]);
    bench.write("bomb.png", bomb());
    bench.write("runs.txt", "1 2 three");
    fs::create_dir(bench.path("folder")).unwrap();
    for (photo, mask, more, says) in [
        ("missing.png", "mask.png", &[][..], "missing.png cannot be read; check the name"),
        ("folder", "mask.png", &[], "folder is a folder"),
        ("text.png", "mask.png", &[], "text.png: the content is text that begins with \"I am a text"),
        ("empty.png", "mask.png", &[], "empty.png: the content is empty"),
        ("truncated.png", "mask.png", &[], "before its picture is complete"),
        ("bomb.png", "mask.png", &[], "60000 x 60000 pixels exceeds the limit of 100000000 pixels"),
        ("photo.png", "missing.png", &[], "missing.png cannot be read"),
        ("photo.png", "text.png", &[], "text.png"),
        ("photo.png", "small.png", &[], "the mask is 10 x 10 px but must be 40 x 30 px"),
        ("photo.png", "black.png", &[], "black.png is empty: it repaints 0 of 1200 pixels"),
        ("photo.png", "mask.png", &["--mask-mode", "alpha"], "no alpha channel"),
        ("photo.png", "runs.txt", &["--mask-mode", "rle"], "runs.txt: `three` is no run length"),
        (
            "photo.png",
            "mask.png",
            &["--mask-mode", "rle"],
            "error: mask.png is not text: byte 0 is not UTF-8; name",
        ),
        (
            "photo.png",
            "30,20,20,5",
            &[],
            "error: the rectangle 20 x 5 px at (30, 20) must have an area and lie inside the picture of 40 x 30 px",
        ),
        ("photo.png", "1,2,3", &[], "a box needs four numbers"),
        ("photo.png", "1,2,0,4", &[], "at least 1 x 1"),
    ] {
        refuse(&bench, &edit(photo, mask, more), says);
    }
}

#[test]
fn outputs() {
    let bench = Workbench::with_photo();
    let clear = Picture::new(Size::new(1, 1), Channels::Rgba, Samples::U8(vec![1, 2, 3, 4])).unwrap();
    bench.png("clear.png", &clear);
    bench.png("dot.png", &mask(1, 1, [0, 0, 1, 1]));
    fs::create_dir(bench.path("folder")).unwrap();
    for (arguments, says) in [
        (edit("photo.png", "mask.png", &["--out", "a.tiff"]), "end it in png, webp or jpg"),
        (edit("photo.png", "mask.png", &["--out", "noname"]), "end it in png, webp or jpg"),
        (edit("photo.png", "mask.png", &["--out", "no/a.png"]), "there is no folder no; create it first"),
        (edit("photo.png", "mask.png", &["--out", "mask.png/a.png"]), "there is no folder mask.png"),
        (edit("photo.png", "mask.png", &["--out", "./photo.png", "--force"]), "is the picture itself"),
        (edit("photo.png", "mask.png", &["--out", "mask.png"]), "mask.png exists already; add --force"),
        (edit("clear.png", "dot.png", &["--out", "a.jpg"]), "JPEG cannot hold transparency"),
        (vec!["outpaint", "photo.png", "--top", "16355", "--out", "a.webp"], "(largest side: 16384)"),
        (vec!["world", "sample", "--out", "photo.png"], "the folder photo.png cannot be written"),
        (vec!["demo", "--out", "photo.png/demo"], "cannot be written; choose another with --out"),
        (vec!["world", "build", "--from", "folder", "--out", "built"], "fetch it again with"),
    ] {
        refuse(&bench, &arguments, says);
    }
}

#[test]
fn arguments() {
    let bench = Workbench::with_photo();
    for (arguments, says) in [
        (edit("photo.png", "mask.png", &["--steps", "0"]), "0 is not in 1..=1000"),
        (edit("photo.png", "mask.png", &["--steps", "-3"]), "-3 is not in 1..=1000"),
        (edit("photo.png", "mask.png", &["--strength", "1.5"]), "1.5 is not within 0 to 1"),
        (edit("photo.png", "mask.png", &["--guidance", "nan"]), "not a finite number"),
        (edit("photo.png", "mask.png", &["--temperature", "0"]), "not above 0"),
        (edit("photo.png", "mask.png", &["--count", "0"]), "0 is not in 1..=64"),
        (edit("photo.png", "mask.png", &["--feather", "-1"]), "-1 is not in 0..=4096"),
        (edit("photo.png", "mask.png", &["--sampler", "plms"]), "possible values: ddim, euler"),
        (edit("photo.png", "mask.png", &["--device", "abacus"]), "there is no device `abacus`"),
        (vec!["outpaint", "photo.png", "--left", "-5"], "-5 is not in 0..=100000"),
        (vec!["outpaint", "photo.png"], "0 on all sides"),
        (vec!["edit", "photo.png", "--mask", "mask.png"], "--prompt"),
        (vec!["edit", "photo.png", "--prompt", "a cat"], "--mask"),
        (vec!["edit", "photo.png", "--mask", "mask.png", "--prompt", "\u{1} "], "the prompt is blank"),
        (vec!["inspect", "nothing-there"], "there is no file or folder nothing-there"),
        (vec!["train", "export", "nowhere", "--out", "x"], "nowhere holds no run"),
        (vec!["train", "plot", "nowhere", "--out", "x.svg"], "nowhere holds no run"),
        (vec!["train", "vae", "--set", "crop_size"], "write KEY=VALUE"),
        (vec!["train", "vae", "--set", "crop_sise=64"], "unknown field `crop_sise`"),
        (vec!["train", "vae", "--config", "photo.png"], "photo.png is not text"),
        (vec!["train", "vae", "--data", "folder"], "metadata.jsonl"),
        (vec!["train", "base", "--vae", "."], "holds no autoencoder"),
        (vec!["train", "base", "--init", "nowhere"], "nowhere is no model folder"),
        (vec!["run", "missing.jsonl"], "missing.jsonl cannot be read"),
        (vec!["run", "photo.png"], "photo.png is not text"),
        (vec!["paint"], "unrecognized subcommand"),
    ] {
        refuse(&bench, &arguments, says);
    }
}

#[test]
fn numbers_that_only_the_model_can_judge() {
    let bench = Workbench::with_photo();
    let model = model();
    let with =
        |more: &[&'static str]| [edit("photo.png", "mask.png", more), vec!["--model", &model]].concat();
    refuse(&bench, &with(&["--strength", "0.01", "--steps", "2"]), "leaves no step to run");
    let half = ["outpaint", "photo.png", "--left", "4", "--strength", "0.5", "--model", &model];
    refuse(&bench, &half, "1 for outpainting");
    let wide = ["outpaint", "photo.png", "--left", "100000", "--top", "100000", "--model", &model];
    refuse(&bench, &wide, "exceeds the limit of 100000000 pixels");
}

#[test]
fn models() {
    let bench = Workbench::with_photo();
    bench.model_copy("broken");
    let weights = "broken/unet/diffusion_pytorch_model.safetensors";
    let whole = fs::read(bench.path(weights)).unwrap();
    let check = |says: &str| refuse(&bench, &edit("photo.png", "mask.png", &["--model", "broken"]), says);
    refuse(
        &bench,
        &edit("photo.png", "mask.png", &["--model", "nowhere"]),
        "there is no model folder nowhere",
    );
    bench.write(weights, &whole[..whole.len() - 7]);
    check("is not a readable safetensors file");
    refuse(&bench, &["inspect", weights], "is no readable safetensors file");
    refuse(&bench, &["inspect", "broken"], "is no readable safetensors file");
    let mut nan = whole.clone();
    let end = nan.len();
    nan[end - 2..].copy_from_slice(&[0x00, 0x7e]);
    bench.write(weights, &nan);
    check("holds NaN at element");
    bench.write(weights, "text");
    check("is not a readable safetensors file");
    bench.write(weights, &whole);
    let config = fs::read_to_string(bench.path("broken/unet/config.json")).unwrap();
    bench.write("broken/unet/config.json", config.replacen('{', "{\"dropuot\": 0.5,", 1));
    check("`dropuot`");
    bench.write("broken/unet/config.json", config);
    fs::remove_file(bench.path("broken/vae/config.json")).unwrap();
    check("has no `vae/config.json`");
}

#[test]
fn benchmarks() {
    let bench = Workbench::new();
    let model = model();
    let unet = format!("{model}/unet/config.json");
    bench.write("other.json", r#"{"_class_name": "PixArtTransformer2DModel"}"#);
    for (arguments, says) in [
        (&["conv", "--dtype", "f16"][..], "16 bits are refused"),
        (&["conv", "--dtype", "f64"], "f64 is refused"),
        (&["conv", "--shape", "8,8,3"], "128,128,3,256"),
        (&["norm", "--config", "nowhere"], "nowhere cannot be read"),
        (&["norm", "--config", "."], ". holds no config.json"),
        (&["norm", "--config", "other.json"], "is of `PixArtTransformer2DModel`"),
        (&["norm", "--config", &model, "--only", "batch norm"], "no case's name contains `batch norm`"),
        (&["unet", "--config", &model, "--size", "18"], "18 px is no positive multiple of 4"),
        (&["vae", "--config", &unet], "has no autoencoder"),
        (&["train-step", "--config", &unet], "has no text encoder"),
        (&["unet", "--config", &model, "--weights", &model], "cannot be used with"),
        (&["edit", "--size", "64"], "--config"),
        (&["edit", "--paced", "--model", &model], "--paced takes turns"),
    ] {
        refuse(&bench, &[&["bench"], arguments].concat(), says);
    }
}

/// A PNG header that promises 3.6 gigapixels.
fn bomb() -> Vec<u8> {
    let mut png = encode(&photo(1, 1), &Encoding::new(Format::Png)).unwrap();
    // The header chunk's type stands at 12, width and height after it, then five bytes and the checksum.
    png[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    png
}

/// PNG's checksum (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}
