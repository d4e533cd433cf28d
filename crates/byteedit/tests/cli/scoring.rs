//! `score`, by rewards of random weights.

use std::fs;

use burn::tensor::Device;
use byteedit_nn::Init;
use byteedit_reward::CoherentNetwork;
use serde_json::{Value, json};

use crate::tiny_model;
use crate::workbench::{Answer, Workbench, photo};

/// A folder with the photo and three rewards: `seen`, which sees pixels, `asked`, which sees the prompt, and `none`.
fn bench() -> Workbench {
    let bench = Workbench::with_photo();
    let coherent = json!({
        "dinov2_config": {
            "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 2,
            "image_size": 8, "patch_size": 4,
        },
        "side": 8,
    });
    let (folder, mut init) = (bench.path(""), Init::seeded(&Device::flex(), 11));
    tiny_model::save::<CoherentNetwork>(&coherent, &folder, "seen", &mut init);
    tiny_model::save_asked(&folder, "asked", &mut init);
    fs::create_dir(bench.path("none")).unwrap();
    bench
}

/// Score and path of each line.
fn scores(answer: &Answer) -> Vec<(f64, &str)> {
    let lines = answer.stdout.lines().map(|line| line.split_once('\t').unwrap());
    lines.map(|(score, path)| (score.parse().unwrap(), path)).collect()
}

fn json_lines(answer: &Answer) -> Vec<Value> {
    answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn refused(bench: &Workbench, arguments: &[&str], says: &str) {
    let before = bench.files();
    let answer = bench.run(&[&["score"], arguments].concat());
    assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{answer:?}");
    assert!(answer.stderr.contains(says), "{}", answer.stderr);
    assert_eq!(bench.files(), before, "{arguments:?}");
}

#[test]
fn pictures_and_folders_are_scored_in_their_order() {
    let bench = bench();
    fs::create_dir(bench.path("album")).unwrap();
    bench.png("album/b.png", &photo(20, 16));
    bench.png("album/a.png", &photo(40, 30));
    bench.write("album/notes.txt", "no picture");
    let answer = bench.run(&["score", "--reward", "seen", "photo.png", "album"]).done();
    let scores = scores(&answer);
    let paths: Vec<_> = scores.iter().map(|(_, path)| *path).collect();
    assert_eq!(paths, ["photo.png", "album/a.png", "album/b.png"]);
    // The same samples under another name.
    let [photo, same, other] = [0, 1, 2].map(|line| scores[line].0);
    assert!((photo - same).abs() < 1e-9 && (photo - other).abs() > 1e-9, "{scores:?}");
    assert!(!answer.stderr.contains("--prompt"), "{}", answer.stderr);
}

#[test]
fn prompt_and_mask_count_where_the_reward_sees_them() {
    let bench = bench();
    let of = |more: &[&str]| {
        let answer = bench.run(&[&["score", "photo.png", "--json", "--reward"], more].concat()).done();
        let line = answer.json();
        (line["score"].as_f64().unwrap(), line, answer.stderr)
    };
    let (whole, line, _) = of(&["seen"]);
    assert_eq!((&line["path"], &line["reward"]), (&"photo.png".into(), &"seen".into()));
    assert!(line.get("prompt").is_none() && line.get("task_id").is_none(), "{line}");
    let (masked, _, _) = of(&["seen", "--mask", "mask.png"]);
    let (boxed, _, stderr) = of(&["seen", "--mask", "12,9,10,8", "--prompt", "a red apple"]);
    assert!((whole - masked).abs() > 1e-9 && (masked - boxed).abs() < 1e-9, "{whole}, {masked}, {boxed}");
    assert!(stderr.contains("--prompt changes nothing"), "{stderr}");
    let (_, line, stderr) = of(&["asked"]);
    assert!(line["prompt"] == "" && stderr.contains("empty prompt"), "{line}, {stderr}");
    let (_, line, stderr) = of(&["asked", "--prompt", "a red apple"]);
    assert!(line["prompt"] == "a red apple" && stderr.is_empty(), "{line}, {stderr}");
    let (_, _, stderr) = of(&["asked", "--prompt", "a red apple a red apple a red apple"]);
    assert!(stderr.contains("is longer than the 8 tokens that asked reads"), "{stderr}");
}

#[test]
fn candidates_of_records_have_their_own_prompts_and_masks() {
    let bench = bench();
    fs::create_dir(bench.path("feedback")).unwrap();
    for name in ["0.png", "1.png"] {
        bench.png(&format!("feedback/{name}"), &photo(40, 30));
    }
    fs::copy(bench.path("mask.png"), bench.path("feedback/m.png")).unwrap();
    let record = json!({
        "task_id": "t", "task": "edit", "prompt": "a red apple", "image": "0.png", "mask": "m.png",
        "candidates": [{ "path": "0.png" }, { "path": "1.png" }],
    });
    bench.write("feedback/tasks.jsonl", format!("{record}\nnonsense\n"));
    let arguments = ["feedback/tasks.jsonl", "--reward", "asked"];
    refused(&bench, &arguments, "tasks.jsonl:2: ");
    refused(&bench, &[&arguments[..], &["--prompt", "a duck"]].concat(), "leave --prompt and --mask out");
    let skipping = [&["score"], &arguments[..], &["--skip-bad", "1"]].concat();
    let answer = bench.run(&skipping).done();
    let ends: Vec<_> = scores(&answer).into_iter().map(|(_, end)| end).collect();
    assert_eq!(ends, ["feedback/0.png\tt\t0", "feedback/1.png\tt\t1"]);
    assert!(answer.stderr.contains("tasks.jsonl:2: ") && !answer.stderr.contains("empty prompt"));
    let lines = json_lines(&bench.run(&[&skipping[..], &["--json"]].concat()).done());
    assert_eq!(lines.len(), 2);
    for (number, line) in lines.iter().enumerate() {
        assert_eq!((&line["task_id"], &line["candidate"]), (&"t".into(), &number.into()));
        assert_eq!((&line["prompt"], &line["reward"]), (&"a red apple".into(), &"asked".into()));
    }
}

#[test]
fn a_heat_map_has_the_size_of_its_picture() {
    let bench = bench();
    let arguments = ["photo.png", "--reward", "seen", "--heat-map", "map.png"];
    bench.run(&[&["score"], &arguments[..]].concat()).done();
    assert_eq!(bench.picture("map.png").size(), bench.picture("photo.png").size());
    refused(
        &bench,
        &arguments,
        "map.png exists already; add --force to replace it, or choose another place with --heat-map",
    );
    bench.run(&[&["score"], &arguments[..], &["--force"]].concat()).done();
    let of_two = ["photo.png", "mask.png", "--reward", "seen", "--heat-map", "two.png"];
    refused(&bench, &of_two, "and 2 are named");
    let whole = ["photo.png", "--reward", "asked", "--heat-map", "none.png"];
    refused(&bench, &whole, "sees a picture as a whole");
    let itself = ["photo.png", "--reward", "seen", "--heat-map", "./photo.png", "--force"];
    refused(&bench, &itself, "is the picture itself");
}

#[test]
fn what_cannot_be_scored_is_named() {
    let bench = bench();
    refused(
        &bench,
        &["photo.png", "--reward", "beauty"],
        "choose aesthetic, alignment or coherent, or name the folder of one",
    );
    refused(&bench, &["photo.png", "--reward", "none"], "neither config.json nor ImageReward.pt");
    refused(&bench, &["none", "--reward", "seen"], "none holds no picture");
    bench.write("empty.jsonl", "\n");
    refused(&bench, &["empty.jsonl", "--reward", "asked"], "empty.jsonl holds no record");
    refused(&bench, &["missing.png", "--reward", "seen"], "missing.png cannot be read; check the name");
    refused(
        &bench,
        &["photo.png", "--reward", "seen", "--mask", "30,20,20,5"],
        "photo.png: the rectangle 20 x 5 px",
    );
    refused(&bench, &["photo.png"], "--reward");
}

#[test]
fn the_built_in_rewards_score_what_they_are_shown() {
    let bench = Workbench::with_photo();
    for name in ["aesthetic", "alignment", "coherent"] {
        let answer = bench.run(&["score", "--reward", name, "--prompt", "a red apple", "photo.png"]).done();
        assert_eq!(scores(&answer).len(), 1, "{name}");
    }
    let apple = json_lines(&bench.run(&[
        "score",
        "--reward",
        "alignment",
        "--prompt",
        "a red apple",
        "photo.png",
        "--json",
    ]));
    let hat = json_lines(&bench.run(&[
        "score",
        "--reward",
        "alignment",
        "--prompt",
        "a hat",
        "photo.png",
        "--json",
    ]));
    assert_ne!(apple[0]["score"], hat[0]["score"]);
}
