//! `eval reward`, by rewards of random weights: one that sees pixels, and one that sees prompts.

use std::fs;

use burn::tensor::Device;
use byteedit_nn::Init;
use byteedit_reward::CoherentNetwork;
use serde_json::{Value, json};

use crate::tiny_model;
use crate::workbench::{Workbench, is_partial, mask, model, photo};

/// A folder with the rewards `seen` and `asked` and six tasks, each of which compares the same two pictures.
fn bench() -> Workbench {
    let bench = Workbench::with_photo();
    let coherent = json!({
        "dinov2_config": {
            "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 2,
            "image_size": 8, "patch_size": 4,
        },
        "side": 8,
    });
    let mut init = Init::seeded(&Device::flex(), 11);
    tiny_model::save::<CoherentNetwork>(&coherent, &bench.path(""), "seen", &mut init);
    tiny_model::save_asked(&bench.path(""), "asked", &mut init);
    bench.png("0.png", &photo(40, 30));
    bench.png("1.png", &mask(40, 30, [0, 0, 20, 30]));
    let verdicts = ["good", "bad", "good", "good", "bad", "good"];
    bench.write("records.jsonl", verdicts.iter().enumerate().map(line).collect::<String>());
    bench
}

fn line((id, verdict): (usize, &&str)) -> String {
    let record = json!({
        "task_id": id.to_string(), "task": "edit", "prompt": "a red apple", "image": "photo.png",
        "mask": "mask.png", "candidates": [{ "path": "0.png" }, { "path": "1.png" }], "gsb": verdict,
    });
    format!("{record}\n")
}

#[test]
fn a_reward_is_measured_on_judged_preferences() {
    let (bench, vae) = (bench(), model());
    let arguments = [
        "eval",
        "reward",
        "records.jsonl",
        "--reward",
        "seen",
        "--split-unseen",
        "records.jsonl",
        "--vae",
        &vae,
    ];
    let tables = bench.run(&arguments).done();
    assert!(tables.stdout.starts_with("# seen on judged preferences\n"), "{}", tables.stdout);
    for name in ["report.json", "report.md", "calibration.svg", "sheet.png"] {
        assert!(bench.path("eval-reward").join(name).is_file(), "{name}");
    }
    let json = bench.run(&[&arguments[..], &["--json", "--out", "again"]].concat()).done().json();
    let written: Value =
        serde_json::from_slice(&fs::read(bench.path("eval-reward/report.json")).unwrap()).unwrap();
    assert_eq!(written, json);
    assert_eq!((&json["records"]["n_pairs"], &json["records"]["n_tasks"]), (&6.into(), &6.into()));
    // It always prefers the same picture: in four tasks of six the right one, or in two.
    let share = json["accuracy"]["share"]["mean"].as_f64().unwrap();
    assert!((share - 2.0 / 3.0).abs() < 1e-6 || (share - 1.0 / 3.0).abs() < 1e-6, "{share}");
    assert_eq!(json["prompts"]["seen"], json["accuracy"]);
    for auc in ["auc_naive", "auc_through_vae"] {
        let mean = json["pixels"][auc]["mean"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&mean), "{auc} is {mean}");
    }
    assert!(!bench.files().iter().any(|path| is_partial(path)));
}

#[test]
fn a_prompt_of_which_the_end_is_not_read_is_named() {
    let bench = bench();
    let lines = fs::read_to_string(bench.path("records.jsonl")).unwrap();
    bench.write("long.jsonl", lines.replace("a red apple", "a red apple a red apple a red apple"));
    let warned = |file: &str, reward: &str| {
        let answer = bench.run(&["eval", "reward", file, "--reward", reward]).done();
        answer.stderr.contains("is longer than the 8 tokens that asked reads: its end changes nothing")
    };
    assert!(warned("long.jsonl", "asked") && !warned("records.jsonl", "asked"));
    assert!(!warned("long.jsonl", "seen"));
}

#[test]
fn what_cannot_be_measured_is_named() {
    let bench = bench();
    bench.write("ties.jsonl", ["same"; 3].iter().enumerate().map(line).collect::<String>());
    bench.write("lost.jsonl", line((0, &"good")).replace("1.png", "2.png"));
    bench.write("one-sided.jsonl", ["good"; 9].iter().enumerate().map(line).collect::<String>());
    bench.write("repeated.jsonl", line((0, &"good")) + &line((0, &"bad")));
    bench.write("empty.jsonl", "");
    let refused = |file: &str, more: &[&str], says: &str| {
        let before = bench.files();
        let answer = bench.run(&[&["eval", "reward", file], more].concat());
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{answer:?}");
        assert!(answer.stderr.contains(says), "{}", answer.stderr);
        assert_eq!(bench.files(), before, "{file}");
    };
    refused("missing.jsonl", &["--reward", "seen"], "missing.jsonl");
    refused("empty.jsonl", &["--reward", "seen"], "empty.jsonl: there is no record");
    refused("ties.jsonl", &["--reward", "seen"], "all 3 judged pairs are ties");
    refused(
        "one-sided.jsonl",
        &["--reward", "seen"],
        "one-sided: the first candidate always wins, in 9 of 9",
    );
    refused("repeated.jsonl", &["--reward", "seen"], "repeated.jsonl:2: task 0 by nobody named is on line 1");
    refused("lost.jsonl", &["--reward", "seen"], "lost.jsonl:1: there is no file 2.png");
    refused("records.jsonl", &["--reward", "beauty"], "choose aesthetic, alignment or coherent");
    refused("records.jsonl", &["--reward", "seen", "--vae", "."], "holds no autoencoder");
    refused("records.jsonl", &["--reward", "seen", "--out", "0.png"], "choose another with --out");
    refused("records.jsonl", &[], "--reward");
}
