//! `world`, `eval`, `bench` and `demo`.

use std::fs;

use crate::workbench::{Workbench, is_partial};

#[test]
fn samples_of_the_world_repeat_themselves() {
    let bench = Workbench::new();
    for (out, seed) in [("a", "1"), ("b", "1"), ("c", "2")] {
        let arguments = [
            "world", "sample", "--out", out, "--count", "2", "--task", "erase", "--seed", seed, "--size",
            "64",
        ];
        assert_eq!(bench.run(&arguments).done().stdout, format!("{out}\n"));
    }
    let read = |name: &str| fs::read(bench.path(name)).unwrap();
    assert_eq!(read("a/00001/truth.png"), read("b/00001/truth.png"));
    assert_ne!(read("a/00001/truth.png"), read("c/00001/truth.png"));
    assert_eq!(bench.picture("a/00000/mask.png").width(), 64);
    assert_eq!(fs::read_to_string(bench.path("a/metadata.jsonl")).unwrap().lines().count(), 2);
}

#[test]
fn the_world_names_its_concepts() {
    let concepts = Workbench::new().run(&["world", "concepts", "--json"]).done().json();
    let concepts = concepts.as_array().unwrap();
    assert!(concepts.len() >= 64);
    assert!(concepts.iter().any(|concept| concept["name"] == "apple" && concept["group"] == "food"));
}

#[test]
fn an_evaluation_writes_what_it_prints() {
    let bench = Workbench::new();
    let arguments = ["eval", "world", "--steps", "1", "--samples", "2", "--out", "report"];
    let table = bench.run_tiny(&arguments).done();
    assert!(table.stdout.contains('|'), "{}", table.stdout);
    let json = bench.run_tiny(&[&arguments[..], &["--json"]].concat()).done().json();
    assert_eq!((&json["settings"]["n_steps"], &json["settings"]["n_samples"]), (&1.into(), &2.into()));
    let written: serde_json::Value =
        serde_json::from_slice(&fs::read(bench.path("report/report.json")).unwrap()).unwrap();
    assert_eq!(written, json);
    assert!(!bench.files().iter().any(|path| is_partial(path)));
}

#[test]
fn the_bench_compares_two_sizes() {
    let report =
        Workbench::new().run_tiny(&["bench", "edit", "--runs", "1", "--steps", "1", "--json"]).done().json();
    let sizes: Vec<_> =
        report["cases"].as_array().unwrap().iter().map(|case| case["width"].as_u64()).collect();
    assert_eq!(sizes, [Some(640), Some(4000)]);
    assert!(report["seconds_ratio"].as_f64().unwrap() > 0.0);
    assert!(report["cases"][1]["decode_seconds"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(report["cases"][1]["peak_bytes"].as_u64().unwrap() > 36_000_000);
    }
}

#[test]
fn the_demo_makes_pairs_a_sheet_and_an_index() {
    let bench = Workbench::new();
    let answer = bench.run_tiny(&["demo", "--out", "shown", "--json"]).done().json();
    let edits = answer["edits"].as_array().unwrap();
    assert!(edits.len() >= 6);
    let index = fs::read_to_string(bench.path("shown/index.md")).unwrap();
    for edit in edits {
        for part in ["before", "after"] {
            let name = edit[part].as_str().unwrap();
            assert!(index.contains(name) && bench.path(&format!("shown/{name}")).is_file(), "{name}");
        }
    }
    assert!(bench.picture("shown/contact-sheet.png").width() > 1000);
    assert!(!bench.files().iter().any(|path| is_partial(path)));
}
