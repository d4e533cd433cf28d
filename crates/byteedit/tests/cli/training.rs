//! `train`: stopped in every way, and gone on with to the same weights.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::workbench::{Workbench, is_partial, model};

/// Longest time that a test waits for a step.
const PATIENCE: Duration = Duration::from_mins(2);

fn training(n_steps: u64) -> Value {
    json!({
        "n_steps": n_steps, "batch_size": 2,
        "report": {"log_every": 1, "validate_every": 50, "sample_every": 0, "checkpoint_every": 7},
    })
}

pub(crate) fn vae_config(n_steps: u64) -> Value {
    json!({
        "vae": {"latent_channels": 8, "block_out_channels": [8, 8], "norm_num_groups": 4,
            "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
            "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
        },
        "crop_size": 32, "validation": {"n_crops": 1, "n_pictures": 1, "picture_size": 32},
        "training": training(n_steps),
    })
}

fn base_config(n_steps: u64) -> Value {
    json!({
        "unet": {
            "down_block_types": ["CrossAttnDownBlock2D"], "up_block_types": ["CrossAttnUpBlock2D"],
            "block_out_channels": [8], "layers_per_block": 1, "norm_num_groups": 4, "cross_attention_dim": 8,
            "attention_head_dim": 2,
        },
        "text_encoder": {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
        "data": {"picture_size": 32}, "pool": {"capacity": 32, "n_initial": 16},
        "validation": {"n_samples": 4}, "training": training(n_steps),
    })
}

fn n_logged(run: &Path) -> usize {
    fs::read_to_string(run.join("log.jsonl")).map_or(0, |log| log.lines().count())
}

/// Starts a run and waits until it has logged `n_steps`.
pub(crate) fn start_and_wait(bench: &Workbench, arguments: &[&str], run: &Path, n_steps: usize) -> Child {
    start_until(bench, arguments, || n_logged(run) >= n_steps)
}

/// Starts the program and waits until something can be seen of its work.
pub(crate) fn start_until(bench: &Workbench, arguments: &[&str], is_seen: impl Fn() -> bool) -> Child {
    let mut command = bench.command(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while !is_seen() {
        assert!(begin.elapsed() < PATIENCE, "the run makes no progress");
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be stopped");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

fn state(run: &Path) -> Vec<u8> {
    fs::read(run.join("state.safetensors")).unwrap()
}

#[test]
fn a_run_that_was_killed_twice_ends_with_the_same_bits() {
    let bench = Workbench::new();
    bench.write("config.json", vae_config(120).to_string());
    let arguments = |run| ["train", "vae", "--run", run, "--config", "config.json"];
    let answer = bench.run(&arguments("whole")).done();
    assert_eq!(answer.stdout, "whole/vae\n");
    assert!(answer.stderr.contains("step: 120 of 120, loss "), "{}", answer.stderr);
    let run = bench.path("killed");
    for n_steps in [10, 45] {
        let mut child = start_and_wait(&bench, &arguments("killed"), &run, n_steps);
        // On Unix this is SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let resumed = bench.run(&arguments("killed")).done();
    assert!(resumed.stderr.contains("going on after step "), "{}", resumed.stderr);
    assert!(state(&run) == state(&bench.path("whole")), "the weights differ");
    assert_eq!(n_logged(&run), 120);
    let other = bench.run(&[&arguments("whole")[..], &["--set", "training.seed=9"]].concat());
    assert!(other.code == 2 && other.stderr.contains("`training.seed`"), "{}", other.stderr);
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_saves_says_so_and_goes_on() {
    let bench = Workbench::new();
    bench.write("config.json", vae_config(200).to_string());
    let arguments = ["train", "vae", "--run", "run", "--config", "config.json"];
    let run = bench.path("run");
    let child = start_and_wait(&bench, &arguments, &run, 5);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("stopping") && stderr.contains("the same command goes on"), "{stderr}");
    // Not a step is lost, though the next checkpoint was not due.
    let saved = n_logged(&run);
    let resumed = bench.run(&[&arguments[..], &["--set", "training.n_steps=200"]].concat()).done();
    assert!(resumed.stderr.contains(&format!("going on after step {saved};")), "{}", resumed.stderr);
    assert!(!bench.files().iter().any(|path| is_partial(path)));
}

#[test]
fn a_base_run_becomes_a_model_that_edits() {
    let bench = Workbench::with_photo();
    bench.write("config.json", base_config(4).to_string());
    let vae = format!("{}/vae", model());
    let arguments = ["train", "base", "--run", "base", "--config", "config.json", "--vae", &vae];
    assert_eq!(bench.run(&arguments).done().stdout, "base/model\n");
    // The run holds all it needs; the autoencoder need not be named again.
    bench.run(&["train", "base", "--run", "base", "--config", "config.json"]).done();
    let report = bench.run(&["train", "export", "base", "--out", "mine", "--json"]).done().json();
    assert_eq!((&report["kind"], &report["n_images"]), (&"base".into(), &8.into()));
    let parts = bench.run(&["inspect", "mine", "--json"]).done().json();
    assert_eq!((&parts["resolution"], &parts["card"]["n_images"]), (&32.into(), &8.into()));
    let edit = [
        "edit",
        "photo.png",
        "--mask",
        "mask.png",
        "--prompt",
        "a red apple",
        "--model",
        "mine",
        "--steps",
        "1",
    ];
    let answer = bench.run(&edit).done();
    assert!(!answer.stderr.contains("never shown"), "{}", answer.stderr);
    // An export never takes the place of a run.
    let config = fs::read(bench.path("base/config.json")).unwrap();
    let refused = bench.run(&["train", "export", "base", "--out", "./base"]);
    assert!(refused.code == 2 && refused.stderr.contains("is the folder of a run"), "{}", refused.stderr);
    assert!(fs::read(bench.path("base/config.json")).unwrap() == config);
    bench.run(&["train", "plot", "base", "--out", "loss.svg"]).done();
    assert!(fs::read_to_string(bench.path("loss.svg")).unwrap().contains("<svg"));
}

#[test]
fn a_run_may_train_on_a_folder_and_start_from_a_model() {
    let bench = Workbench::new();
    bench.run(&["world", "sample", "--out", "data", "--count", "3", "--size", "32"]).done();
    bench.write("config.json", base_config(2).to_string());
    let model = model();
    let arguments = [
        "train",
        "base",
        "--run",
        "base",
        "--config",
        "config.json",
        "--data",
        "data",
        "--init",
        &model,
        "--set",
        "data.picture_size=16",
    ];
    let answer = bench.run(&arguments).done();
    assert!(answer.stderr.contains("warning: warm start from the weights in"), "{}", answer.stderr);
    assert_eq!(answer.stdout, "base/model\n");
    // The model card lists what the run was shown, so the export needs the same folder.
    let refused = bench.run(&["train", "export", "base", "--out", "mine"]);
    assert!(refused.code == 2 && refused.stderr.contains("--data"), "{}", refused.stderr);
    assert!(!bench.path("mine").exists(), "a failed export leaves nothing behind");
    bench.run(&["train", "export", "base", "--out", "mine", "--data", "data"]).done();
}

#[test]
fn an_autoencoder_may_start_from_that_of_a_model() {
    let bench = Workbench::new();
    bench.write("config.json", vae_config(1).to_string());
    let model = model();
    let arguments = ["train", "vae", "--run", "run", "--config", "config.json", "--init", &model];
    let answer = bench.run(&arguments).done();
    assert!(answer.stderr.contains("warning: warm start from the weights in"), "{}", answer.stderr);
    let config: Value =
        serde_json::from_str(&fs::read_to_string(bench.path("run/config.json")).unwrap()).unwrap();
    assert!(config["init_sha256"].is_string() && config["data_sha256"].is_string(), "{config}");
    // Once there is a state, what it started from is not looked at.
    let gone = [&arguments[..7], &["nowhere"]].concat();
    let answer = bench.run(&gone).done();
    assert!(!answer.stderr.contains("warm start") && answer.stderr.contains("going on after step 1"));
}

#[test]
fn a_start_that_failed_does_not_bind_the_next_one() {
    let bench = Workbench::new();
    bench.write("config.json", vae_config(1).to_string());
    let arguments = ["train", "vae", "--run", "run", "--config", "config.json"];
    let too_large = ["--set", "crop_size=512", "--set", "validation.picture_size=512"];
    let failed = bench.run(&[&arguments[..], &too_large].concat());
    assert_eq!(failed.code, 2, "{}", failed.stderr);
    bench.run(&arguments).done();
}

#[test]
fn a_judge_is_trained_exported_and_asked() {
    let bench = Workbench::new();
    let network = json!({"side": 16, "block_out_channels": [8, 16]});
    let config = json!({"network": network, "n_validation": 4, "training": training(2)});
    bench.write("config.json", config.to_string());
    let answer = bench.run(&["train", "judge", "--run", "run", "--config", "config.json"]).done();
    assert_eq!(answer.stdout, "run/judge\n");
    let report = bench.run(&["train", "export", "run", "--out", "judge", "--json"]).done().json();
    assert_eq!(report["kind"], "judge");
    assert!(
        fs::read(bench.path("judge/model.safetensors")).unwrap()
            == fs::read(bench.path("run/judge/model.safetensors")).unwrap()
    );
    let refused = bench.run(&["train", "export", "run", "--out", "other", "--data", "pictures"]);
    assert!(refused.code == 2 && refused.stderr.contains("leave --data pictures out"), "{}", refused.stderr);
    let eval = ["eval", "world", "--steps", "1", "--samples", "2", "--diverse", "0", "--judge"];
    let report = bench.run_tiny(&[&eval[..], &["judge", "--json"]].concat()).done().json();
    assert_eq!(report["judge"]["name"], "judge");

    let refused = bench.run_tiny(&[&eval[..], &["nowhere", "--out", "never"]].concat());
    assert!(refused.code == 2 && refused.stderr.contains("nowhere is no judge"), "{}", refused.stderr);
    assert!(!bench.path("never").exists());
}

#[test]
fn an_annotator_is_trained_and_no_judge() {
    let bench = Workbench::new();
    let network = json!({"side": 16, "block_out_channels": [8, 16]});
    let config = json!({"network": network, "n_validation": 4, "training": training(1)});
    bench.write("config.json", config.to_string());
    let answer = bench.run(&["train", "annotator", "--run", "run", "--config", "config.json"]).done();
    assert_eq!(answer.stdout, "run/annotator\n");
    let report = bench.run(&["train", "export", "run", "--out", "out", "--json"]).done().json();
    assert_eq!(report["kind"], "annotator");
    let refused = bench.run_tiny(&["eval", "world", "--samples", "1", "--judge", "out"]);
    assert!(refused.code == 2 && refused.stderr.contains("ByteeditJudge"), "{}", refused.stderr);
}

#[test]
fn runs_lie_in_the_cache_unless_a_place_is_named() {
    let bench = Workbench::new();
    bench.write("config.json", vae_config(1).to_string());
    let answer = bench.run(&["train", "vae", "--config", "config.json", "--json"]).done().json();
    assert_eq!(answer["status"], "finished");
    if cfg!(target_os = "linux") {
        assert!(bench.path("cache/byteedit/runs/vae/state.safetensors").is_file());
    }
}
