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
    let arguments = ["eval", "world", "--steps", "1", "--split", "validation", "--samples", "2"];
    let table = bench.run_tiny(&arguments).done();
    assert!(table.stdout.contains('|'), "{}", table.stdout);
    assert!(table.stderr.contains("s for each picture") && bench.path("eval/timing.json").is_file());
    // Asked again, it says the same to the last byte.
    let report = fs::read(bench.path("eval/report.json")).unwrap();
    let again = bench.run_tiny(&arguments).done();
    assert_eq!(again.stdout, table.stdout);
    assert!(fs::read(bench.path("eval/report.json")).unwrap() == report);
    assert!(bench.path("eval/report.json").is_file() && bench.path("eval/erase.png").is_file());
    let others = ["--out", "report", "--json", "--sampler", "euler-a", "--guidance", "2.5"];
    let json = bench.run_tiny(&[&arguments[..], &others].concat()).done().json();
    let settings = &json["settings"];
    assert_eq!((&settings["n_steps"], &settings["n_samples"]), (&1.into(), &2.into()));
    assert_eq!((&settings["sampler"], &settings["guidance"]["edit"]), (&"euler-a".into(), &2.5.into()));
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
    let [small, large] = &report["cases"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!((&report["n_steps"], &large["edit_seconds"]["n"]), (&1.into(), &1.into()));
    // Picture and result of three samples each, and a mask.
    assert_eq!(
        (&small["pictures_bytes"], &large["pictures_bytes"]),
        (&(7 * 640 * 480).into(), &(7 * 4000 * 3000).into())
    );
    assert!(large["decode_seconds"].as_f64().unwrap() > 0.0);
    let is_ratio = |name: &str, of: &dyn Fn(&serde_json::Value) -> f64| {
        let (found, expected) = (report[name].as_f64().unwrap(), of(large) / of(small));
        assert!((found / expected - 1.0).abs() < 1e-9, "{name} is {found}, not {expected}");
    };
    is_ratio("seconds_ratio", &|case| case["edit_seconds"]["median"].as_f64().unwrap());
    if cfg!(target_os = "linux") {
        is_ratio("memory_ratio", &|case| case["edit_bytes"].as_f64().unwrap());
        for case in [small, large] {
            let bytes = |name: &str| case[name].as_u64().unwrap();
            assert_eq!(bytes("peak_bytes"), bytes("pictures_bytes") + bytes("edit_bytes"));
        }
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
