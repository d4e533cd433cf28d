//! `train pefl` and `train accelerate`: the built-in model taught for a step or two.

use std::fs;

use serde_json::{Value, json};

use crate::workbench::{Answer, Workbench, is_partial};

const PEFL: [&str; 6] = ["train", "pefl", "--run", "run", "--config", "config.json"];

/// As few pictures and denoising steps as there can be.
fn bench(n_steps: u64) -> Workbench {
    let bench = Workbench::with_photo();
    let report = json!({"log_every": 1, "validate_every": 2, "sample_every": 0, "checkpoint_every": 2});
    let config = json!({
        "phases": [{"from_step": 0, "T": 2, "T1": 2, "T2": 1}],
        "guard": {"n_per_task": 2, "n_diverse": 0, "n_denoised": 4},
        "samples": {"n_per_task": 1, "n_steps": 2},
        "training": {"n_steps": n_steps, "batch_size": 2, "n_accumulate": 1, "report": report},
    });
    bench.write("config.json", config.to_string());
    bench
}

fn value(bench: &Workbench, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(bench.path(name)).unwrap()).unwrap()
}

#[track_caller]
fn refused(answer: &Answer, says: &str) {
    assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{answer:?}");
    assert!(answer.stderr.contains(says), "{says} in {}", answer.stderr);
}

#[test]
fn an_editor_that_was_taught_by_rewards_edits() {
    let bench = bench(2);
    let answer = bench.run(&PEFL).done();
    assert_eq!(answer.stdout, "run/model\n");
    assert!(answer.stderr.contains("step: 2 of 2, loss "), "{}", answer.stderr);
    assert!(answer.stderr.contains("memory: a step is foretold to take "), "{}", answer.stderr);
    assert_eq!(answer.stderr.contains(" GB that there are"), cfg!(target_os = "linux"), "{}", answer.stderr);
    let guard = value(&bench, "run/guard.json");
    assert_eq!((&guard["last_step"], &guard["stopped_early"]), (&2.into(), &false.into()));
    for key in ["held_out", "aesthetic", "alignment", "saturation", "denoising"] {
        assert!(guard["before"][format!("validation/{key}")].is_number(), "{key} in {guard}");
    }
    let svg = fs::read_to_string(bench.path("run/rewards.svg")).unwrap();
    assert!(svg.contains("validation/held_out") && svg.contains("validation/alignment"));
    let critics = value(&bench, "run/config.json")["provenance"]["critics"].clone();
    let critics: Vec<_> = critics.as_object().unwrap().keys().cloned().collect();
    assert_eq!(critics, ["aesthetic", "alignment", "held out"]);

    assert_eq!(bench.run(&["inspect", "run/model", "--json"]).done().json()["resolution"], 128);
    let card = value(&bench, "run/model/byteedit.json");
    assert_eq!((&card["defaults"]["n_steps"], &card["defaults"]["sampler"]), (&2.into(), &"ddim".into()));
    assert_eq!(card["feedback_learning"]["phases"][0]["T"], 2);
    let edit = ["edit", "photo.png", "--mask", "mask.png", "--prompt", "a red apple", "--model", "run/model"];
    bench.run(&[&edit[..], &["--steps", "1"]].concat()).done();

    refused(&bench.run(&["train", "export", "run", "--out", "mine"]), "its best weights lie in its model/");
    let other = bench.run(&[&PEFL[..], &["--set", "loss.w_pefl=0.5"]].concat());
    refused(&other, "`loss.w_pefl` (was 0.1, is 0.5)");
    assert!(!bench.path("mine").exists() && !bench.files().iter().any(|path| is_partial(path)));
}

#[test]
fn without_rewards_an_editor_goes_on_towards_its_sources() {
    let bench = bench(1);
    let none = ["--aesthetic", "none", "--alignment", "none", "--held-out", "none", "--json"];
    let answer = bench.run(&[&PEFL[..], &none].concat()).done().json();
    assert_eq!((&answer["status"], &answer["output"]), (&"finished".into(), &"run/model".into()));
    assert_eq!(value(&bench, "run/config.json")["provenance"]["critics"], json!({}));
    let guard = value(&bench, "run/guard.json");
    assert!(guard["verdict"].as_str().unwrap().contains("unguarded"), "{guard}");
    let last = &guard["last"];
    assert!(last["loss_l1"].is_number() && last["loss_aesthetic"].is_null(), "{guard}");
}

#[test]
fn what_cannot_teach_is_named() {
    let bench = bench(1);
    let pefl = |more: &[&str]| bench.run(&[&PEFL[..], more].concat());
    refused(&pefl(&["--held-out", "nobody"]), "there is no reward nobody; choose aesthetic, alignment");
    refused(&pefl(&["--held-out", "alignment"]), "--held-out alignment is what is optimised");
    refused(&pefl(&["--aesthetic", "nobody"]), "there is no reward nobody");
    refused(&pefl(&["--init", "nowhere"]), "nowhere is no model folder");
    refused(&pefl(&["--set", "loss.w_pefl=-1"]), "`loss.w_pefl` is -1");
    refused(&pefl(&["--set", "phases=[]"]), "`phases` is empty");
    refused(&pefl(&["--preset", "huge"]), "possible values: mini, paper");
    let accelerate =
        ["train", "accelerate", "--run", "run", "--config", "config.json", "--coherent", "nowhere"];
    refused(&bench.run(&accelerate), "there is no coherent reward nowhere; name its folder, or choose mini");

    bench.run(&["world", "sample", "--out", "data", "--count", "3", "--size", "32"]).done();
    refused(&pefl(&["--data", "data"]), "the annotator knows the mini world alone");
    // None of it binds the next start.
    assert!(!bench.path("run/state.safetensors").exists());
}
