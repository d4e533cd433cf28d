//! `run`.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::workbench::{Answer, Workbench, model, photo};

const JOBS: &str = r#"{"task": "edit", "picture": "photo.png", "mask": "mask.png", "prompt": "a duck"}
{"task": "erase", "picture": "photo.png", "maks": "mask.png"}

{"task": "erase", "picture": "photo.png", "mask": [1, 2, 9, 9], "out": "clean.png", "seed": 4}
{"task": "erase", "picture": "gone.png", "mask": [1, 2, 9, 9]}
{"task": "outpaint", "picture": "photo.png", "left": 5, "out": "clean.png"}
"#;

fn statuses(answer: &Answer) -> Vec<(u64, String)> {
    let lines = answer.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| (line["line"].as_u64().unwrap(), line["status"].as_str().unwrap().to_owned())).collect()
}

fn expected(status: [&str; 5]) -> Vec<(u64, String)> {
    [1, 2, 4, 5, 6].into_iter().zip(status.map(str::to_owned)).collect()
}

#[test]
fn failing_lines_are_named_and_the_others_done_once() {
    let bench = Workbench::with_photo();
    bench.write("jobs.jsonl", JOBS);
    let first = bench.run_tiny(&["run", "jobs.jsonl", "--json"]);
    assert_eq!(first.code, 1, "{}", first.stderr);
    assert_eq!(statuses(&first), expected(["done", "failed", "done", "failed", "failed"]));
    for says in [
        "line 2: it is no job: unknown field `maks`",
        "line 5: gone.png cannot be read",
        "line 6: it writes the same file as line 4",
        "2 done, 0 done before, 3 failed",
    ] {
        assert!(first.stderr.contains(says), "{says} in {}", first.stderr);
    }
    let made = fs::read(bench.path("photo-edit.png")).unwrap();
    let again = bench.run_tiny(&["run", "jobs.jsonl", "--json"]);
    assert_eq!(statuses(&again), expected(["skipped", "failed", "skipped", "failed", "failed"]));
    assert_eq!(fs::read(bench.path("photo-edit.png")).unwrap(), made);
}

#[test]
fn what_has_changed_is_done_again() {
    let bench = Workbench::with_photo();
    let job = |seed: u32| {
        format!(
            "{{\"task\": \"erase\", \"picture\": \"photo.png\", \"mask\": [1, 2, 9, 9], \"seed\": {seed}}}\n"
        )
    };
    let run = |more: &[&str]| {
        let answer = bench.run_tiny(&[&["run", "jobs.jsonl", "--json"], more].concat()).done();
        let status = statuses(&answer).remove(0).1;
        (status, fs::read(bench.path("photo-erase.png")).unwrap())
    };
    bench.write("jobs.jsonl", job(1));
    let first = run(&[]);
    assert_eq!((first.0.as_str(), run(&[]).0.as_str()), ("done", "skipped"));
    bench.write("jobs.jsonl", job(2));
    let second = run(&[]);
    assert!(second.0 == "done" && second.1 != first.1, "another seed is another job");
    assert_eq!(run(&["--steps", "3"]).0, "done");
    bench.png("photo.png", &photo(41, 30));
    assert_eq!(run(&["--steps", "3"]).0, "done");
    fs::remove_file(bench.path("photo-erase.png")).unwrap();
    assert_eq!(run(&["--steps", "3"]).0, "done");
}

#[test]
fn a_picture_that_a_crash_left_is_replaced_and_a_foreign_one_is_not() {
    let bench = Workbench::with_photo();
    bench.write("jobs.jsonl", "{\"task\": \"erase\", \"picture\": \"photo.png\", \"mask\": [1, 2, 9, 9]}\n");
    bench.write("photo-erase.png", "somebody's");
    let refused = bench.run_tiny(&["run", "jobs.jsonl"]);
    assert!(refused.code == 1 && refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(fs::read(bench.path("photo-erase.png")).unwrap(), b"somebody's");
    // A line that was begun, and a record cut off in the middle.
    bench.write(
        "jobs.jsonl.done",
        "{\"state\":\"begun\",\"key\":\"00\",\"outputs\":[\"photo-erase.png\"]}\n{\"sta",
    );
    assert_eq!(bench.run_tiny(&["run", "jobs.jsonl"]).done().stdout, "photo-erase.png\n");
    assert_eq!(bench.run_tiny(&["run", "jobs.jsonl", "--json"]).done().json()["status"], "skipped");
}

/// A line that fails has made nothing, so what lies there later is not its own.
#[test]
fn a_picture_that_was_put_where_a_line_failed_is_not_replaced() {
    let bench = Workbench::with_photo();
    let job = |guidance: i32| {
        format!(
            "{{\"task\": \"erase\", \"picture\": \"photo.png\", \"mask\": [1, 2, 9, 9], \"guidance\": {guidance}, \
             \"out\": \"mine.png\"}}\n"
        )
    };
    bench.write("jobs.jsonl", job(-1));
    let failed = bench.run_tiny(&["run", "jobs.jsonl"]);
    assert!(failed.code == 1 && failed.stderr.contains("`guidance_scale` is -1"), "{}", failed.stderr);
    bench.write("mine.png", "mine");
    bench.write("jobs.jsonl", job(1));
    let refused = bench.run_tiny(&["run", "jobs.jsonl"]);
    assert!(refused.code == 1 && refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(fs::read(bench.path("mine.png")).unwrap(), b"mine");
}

#[test]
fn a_reader_that_has_enough_does_not_stop_the_work() {
    let bench = Workbench::with_photo();
    bench.write("jobs.jsonl", JOBS);
    let model = model();
    let mut command = bench.command(&["run", "jobs.jsonl", "--model", &model]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1), "the lines that fail decide");
    assert!(bench.path("photo-edit.png").is_file() && bench.path("clean.png").is_file());
}

#[test]
fn paths_count_from_the_manifest() {
    let bench = Workbench::new();
    fs::create_dir(bench.path("jobs")).unwrap();
    bench.png("jobs/a.png", &photo(20, 20));
    bench.write("jobs/list.jsonl", "{\"task\": \"erase\", \"picture\": \"a.png\", \"mask\": [1, 2, 9, 9]}");
    assert_eq!(bench.run_tiny(&["run", "jobs/list.jsonl"]).done().stdout, "jobs/a-erase.png\n");
}
