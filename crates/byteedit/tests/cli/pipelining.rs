//! `pipeline`: what is current is skipped, what has changed is done again with all that follows, what fails is named.

use std::fs;

use serde_json::{Value, json};

use crate::training::{start_and_wait, vae_config};
use crate::workbench::{Answer, Workbench, is_partial, model};

const RUN: [&str; 4] = ["pipeline", "pipeline.json", "--out", "out"];

fn stage(name: &str, args: &[&str], needs: &[&str], show: &[&str]) -> Value {
    json!({"name": name, "about": "As <said>.", "args": args, "needs": needs, "show": show})
}

/// Some samples, what is known of them, and a stage that needs neither.
fn with_samples(bench: &Workbench, count: &str, more: &[Value]) {
    let sample = ["world", "sample", "--out", "{out}/samples", "--size", "32", "--count", count];
    let mut stages = vec![
        stage("samples", &sample, &[], &["samples/0000*/truth.png", "samples/*.jsonl"]),
        stage("concepts", &["world", "concepts"], &[], &[]),
        stage("after", &["world", "concepts", "--json"], &["samples"], &[]),
    ];
    stages.extend_from_slice(more);
    bench.write("pipeline.json", json!({"title": "Two & more", "stages": stages}).to_string());
}

fn states(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let json = answer.json();
    let stages = json["stages"].as_array().unwrap();
    stages.iter().map(|stage| (text(&stage["name"]), text(&stage["state"]))).collect()
}

#[track_caller]
fn expect(answer: &Answer, expected: &[(&str, &str)]) {
    let states = states(answer);
    let states: Vec<_> = states.iter().map(|(name, state)| (name.as_str(), state.as_str())).collect();
    assert_eq!(states, expected, "{}", answer.stderr);
}

#[test]
fn stages_run_once_until_what_they_are_made_from_changes() {
    let bench = Workbench::new();
    with_samples(&bench, "4", &[]);
    let list = [&RUN[..], &["--list"]].concat();
    assert!(
        bench
            .run(&list)
            .done()
            .stdout
            .starts_with("samples\tnot run\tbyteedit world sample --out out/samples")
    );
    assert!(!bench.path("out").exists());
    assert_eq!(bench.run(&RUN).done().stdout, "out/report.html\n");
    let page = fs::read_to_string(bench.path("out/report.html")).unwrap();
    for part in ["<title>Two &amp; more</title>", "As &lt;said&gt;.", "samples/00003/truth.png", "animals"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    // Of four pictures the last three; and no file beside the page is needed.
    assert_eq!(page.matches("data:image/png;base64,").count(), 3);
    assert!(!page.contains("samples/00000/truth.png\""), "{page}");

    let again = [&RUN[..], &["--json"]].concat();
    let all_current = [("samples", "current"), ("concepts", "current"), ("after", "current")];
    expect(&bench.run(&again).done(), &all_current);
    with_samples(&bench, "2", &[]);
    expect(&bench.run(&again).done(), &[("samples", "ran"), ("concepts", "current"), ("after", "ran")]);
    expect(&bench.run(&again).done(), &all_current);
    // What is gone is made again.
    fs::remove_dir_all(bench.path("out/samples")).unwrap();
    expect(&bench.run(&again).done(), &[("samples", "ran"), ("concepts", "current"), ("after", "current")]);
    assert!(!bench.files().iter().any(|path| is_partial(path)));
}

#[test]
fn a_stage_that_fails_is_named_and_what_follows_waits() {
    let bench = Workbench::new();
    let more = |target: &str| {
        let inspect = ["inspect", target];
        [
            stage("broken", &inspect, &["samples"], &[]),
            stage("last", &["world", "concepts"], &["broken"], &[]),
        ]
    };
    with_samples(&bench, "1", &more("{out}/no such model"));
    let answer = bench.run(&[&RUN[..], &["--json"]].concat());
    assert_eq!((answer.code, &answer.json()["status"]), (1, &"failed".into()), "{}", answer.stderr);
    let done = [("samples", "ran"), ("concepts", "ran"), ("after", "ran")];
    expect(&answer, &[&done[..], &[("broken", "failed"), ("last", "waiting")]].concat());
    for says in ["stage `broken` failed, exit code 2", "inspect 'out/no such model'", "no such model"] {
        assert!(answer.stderr.contains(says), "{says} in {}", answer.stderr);
    }
    assert!(fs::read_to_string(bench.path("out/report.html")).unwrap().contains("broken <small>failed"));
    // It goes on once that is mended.
    with_samples(&bench, "1", &more(&model()));
    let answer = bench.run(&[&RUN[..], &["--json"]].concat()).done();
    let done = [("samples", "current"), ("concepts", "current"), ("after", "current")];
    expect(&answer, &[&done[..], &[("broken", "ran"), ("last", "ran")]].concat());
}

#[test]
fn parts_of_a_pipeline_need_what_is_before_them() {
    let bench = Workbench::new();
    with_samples(&bench, "1", &[]);
    let run = |more: &[&str]| bench.run(&[&RUN[..], &["--json"], more].concat());
    let refused = run(&["--only", "after"]);
    assert!(refused.code == 2 && refused.stderr.contains("`after` needs `samples`"), "{}", refused.stderr);
    let unknown = run(&["--from", "nothing"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("no stage `nothing`"), "{}", unknown.stderr);
    assert!(!bench.path("out").exists());
    expect(
        &run(&["--only", "samples"]).done(),
        &[("samples", "ran"), ("concepts", "waiting"), ("after", "waiting")],
    );
    expect(
        &run(&["--only", "after"]).done(),
        &[("samples", "current"), ("concepts", "waiting"), ("after", "ran")],
    );
    expect(
        &run(&["--from", "concepts"]).done(),
        &[("samples", "current"), ("concepts", "ran"), ("after", "current")],
    );
}

#[test]
fn a_mistake_in_the_last_stage_is_told_before_the_first_runs() {
    let bench = Workbench::new();
    with_samples(&bench, "1", &[stage("last", &["world", "sample", "--count", "1"], &[], &[])]);
    let answer = bench.run(&RUN);
    assert!(answer.code == 2 && answer.stderr.contains("stage `last`: `args`"), "{}", answer.stderr);
    assert!(answer.stderr.contains("--out"), "{}", answer.stderr);
    assert!(!bench.path("out").exists());
}

#[test]
#[cfg(unix)]
fn an_interrupted_pipeline_goes_on_within_its_stage() {
    use std::process::Command;

    let bench = Workbench::new();
    let write = |seed: &str| {
        let config = "{config}/vae.json";
        let vae = ["train", "vae", "--run", "{out}/vae", "--config", config, "--set", seed];
        let stages = [stage("vae", &vae, &[], &[]), stage("last", &["world", "concepts"], &["vae"], &[])];
        bench.write("pipeline.json", json!({"title": "Long", "stages": stages}).to_string());
    };
    bench.write("vae.json", vae_config(200).to_string());
    write("training.seed=1");
    // The signal goes to the pipeline alone, which has to hand it on.
    let child = start_and_wait(&bench, &RUN, &bench.path("out/vae"), 5);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("stopped at stage `vae`; the same command goes on"), "{stderr}");
    assert!(!bench.path("out/.stages/vae.json").exists());

    let resumed = bench.run(&[&RUN[..], &["--json"]].concat()).done();
    assert!(resumed.stderr.contains("going on after step "), "{}", resumed.stderr);
    expect(&resumed, &[("vae", "ran"), ("last", "ran")]);
    // Its folder refuses other settings, and the pipeline says what to remove.
    write("training.seed=2");
    let refused = bench.run(&RUN);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    for says in ["`training.seed`", "stage `vae` failed", "remove out/vae."] {
        assert!(refused.stderr.contains(says), "{says} in {}", refused.stderr);
    }
    fs::remove_dir_all(bench.path("out/vae")).unwrap();
    expect(&bench.run(&[&RUN[..], &["--json"]].concat()).done(), &[("vae", "ran"), ("last", "ran")]);
}

#[test]
#[cfg(unix)]
fn a_second_interrupt_ends_the_stage_too() {
    use std::process::Command;

    let bench = Workbench::new();
    bench.write("vae.json", vae_config(200).to_string());
    let vae = ["train", "vae", "--run", "{out}/vae", "--config", "{config}/vae.json"];
    let stages = [stage("vae", &vae, &[], &[])];
    bench.write("pipeline.json", json!({"title": "Long", "stages": stages}).to_string());
    let child = start_and_wait(&bench, &RUN, &bench.path("out/vae"), 5);
    for _ in 0..2 {
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    // Nobody holds the stage's folder any more, so that the same command goes on.
    expect(&bench.run(&[&RUN[..], &["--json"]].concat()).done(), &[("vae", "ran")]);
}

#[test]
fn a_folder_that_has_changed_is_looked_into_again() {
    let bench = Workbench::new();
    let model = bench.model_copy("model");
    let stages = [stage("look", &["inspect", "{config}/model", "--json"], &[], &[])];
    bench.write("pipeline.json", json!({"title": "One", "stages": stages}).to_string());
    let run = || bench.run(&[&RUN[..], &["--json"]].concat()).done();
    expect(&run(), &[("look", "ran")]);
    expect(&run(), &[("look", "current")]);
    bench.write(&format!("{model}/notes.txt"), "It has been read.");
    expect(&run(), &[("look", "ran")]);
    expect(&run(), &[("look", "current")]);
}

#[test]
fn what_annotating_adds_to_its_folder_is_no_change() {
    let bench = Workbench::new();
    let generators = r#"generators=[{"sampler":"ddim","n_steps":1,"guidance_scale":1.0,"temperature":1.0},
        {"sampler":"ddim","n_steps":2,"guidance_scale":1.0,"temperature":1.0}]"#;
    let candidates = ["data", "candidates", "--out", "feedback", "--set", "n_tasks=3", "--set", generators];
    bench.run_tiny(&candidates).done();
    let stages = [stage("annotate", &["data", "annotate", "{config}/feedback"], &[], &[])];
    bench.write("pipeline.json", json!({"title": "One", "stages": stages}).to_string());
    let run = || bench.run(&[&RUN[..], &["--json"]].concat()).done();
    expect(&run(), &[("annotate", "ran")]);
    assert!(bench.path("feedback/annotation.json").exists());
    expect(&run(), &[("annotate", "current")]);
}

/// From the built-in model to a comparison of four arms: every verb of the loop, with nothing between them but files.
#[test]
fn the_whole_loop_runs_as_small_as_it_gets() {
    let bench = Workbench::new();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/tiny/pipeline.json");
    let tiny = ["pipeline", config, "--out", "out", "--json"];
    let ran = bench.run(&tiny).done();
    assert!(states(&ran).iter().all(|(_, state)| state == "ran"), "{}", ran.stderr);
    let page = fs::read_to_string(bench.path("out/report.html")).unwrap();
    for part in ["byteedit-3", "rewards: optimised and held out", "data:image/png;base64,"] {
        assert!(page.contains(part), "{part}");
    }
    let report: Value =
        serde_json::from_str(&fs::read_to_string(bench.path("out/compare/compare.json")).unwrap()).unwrap();
    assert_eq!(report["arms"].as_array().unwrap().len(), 4);
    let again = bench.run(&tiny).done();
    assert!(states(&again).iter().all(|(_, state)| state == "current"), "{}", again.stderr);
}
