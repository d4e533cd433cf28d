//! `data`: candidates, what a simulated annotator says of them, and whether a file can be trained on.

use std::fs;

use serde_json::Value;

use crate::workbench::{Answer, Workbench, is_partial};

/// Four tasks, three answers each, by a model of random weights.
fn collect(bench: &Workbench, out: &str, n_tasks: usize) {
    let generator = |n_steps: usize| {
        format!(r#"{{"sampler":"ddim","n_steps":{n_steps},"guidance_scale":2.0,"temperature":1.0}}"#)
    };
    let generators = format!("generators=[{},{},{}]", generator(1), generator(2), generator(2));
    let n_tasks = format!("n_tasks={n_tasks}");
    let arguments = [
        "data",
        "candidates",
        "--out",
        out,
        "--set",
        &generators,
        "--set",
        &n_tasks,
        "--set",
        "batch_size=3",
    ];
    assert_eq!(bench.run_tiny(&arguments).done().stdout, format!("{out}/tasks.jsonl\n"));
}

#[track_caller]
fn refused(answer: &Answer, parts: &[&str]) {
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(parts.iter().all(|part| answer.stderr.contains(part)), "{}", answer.stderr);
}

fn lines(bench: &Workbench, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(bench.path(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_collection_that_was_cut_off_goes_on_to_the_same_records() {
    let bench = Workbench::new();
    collect(&bench, "whole", 4);
    collect(&bench, "cut", 4);
    let path = bench.path("cut/tasks.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    // The last line was half written when the power went.
    let end = text.trim_end().rfind('\n').unwrap() + 20;
    fs::write(&path, &text[..end]).unwrap();
    collect(&bench, "cut", 4);
    assert_eq!(lines(&bench, "cut/tasks.jsonl"), lines(&bench, "whole/tasks.jsonl"));
    for name in ["000003-2.png", "000000-source.png", "000001-mask.png"] {
        let read = |folder: &str| fs::read(bench.path(&format!("{folder}/pictures/{name}"))).unwrap();
        assert!(read("cut") == read("whole"), "{name}");
    }
    let arguments = ["data", "candidates", "--out", "cut", "--set", "seed=5"];
    refused(&bench.run_tiny(&arguments), &["another configuration", "`seed`"]);
    assert!(!bench.files().iter().any(|path| is_partial(path)));
}

#[test]
fn the_annotator_ranks_every_task_and_says_what_it_is() {
    let bench = Workbench::new();
    collect(&bench, "feedback", 6);
    let answer = bench.run(&["data", "annotate", "feedback", "--noise", "0", "--tie-band", "0"]).done();
    assert!(answer.stderr.contains("not of people"), "{}", answer.stderr);
    let annotation: Value =
        serde_json::from_slice(&fs::read(bench.path("feedback/annotation.json")).unwrap()).unwrap();
    assert!(annotation["by"].as_str().unwrap().contains("no person"));
    for opinion in ["structure", "obedience", "coherence"] {
        assert_eq!(annotation["opinions"][opinion]["agreement"], 1.0, "{opinion}");
        let records = lines(&bench, &format!("feedback/{opinion}.jsonl"));
        assert!(!records.is_empty(), "{opinion}");
        for record in records {
            let by = record["annotator"].as_str().unwrap();
            assert!(by.starts_with("simulated-"), "{by}");
            // The better a candidate's measure, the lower its rank.
            let candidates = record["candidates"].as_array().unwrap();
            let mut ranked: Vec<(u64, f64)> = record["ranking"]
                .as_array()
                .unwrap()
                .iter()
                .zip(candidates)
                .map(|(rank, candidate)| {
                    (rank.as_u64().unwrap(), candidate["params"][opinion].as_f64().unwrap())
                })
                .collect();
            ranked.sort_by_key(|(rank, _)| *rank);
            assert!(ranked.windows(2).all(|pair| pair[0].1 >= pair[1].1), "{ranked:?}");
        }
    }
    let report = bench.run(&["data", "check", "feedback/structure.jsonl", "--json"]).done().json();
    assert!(report["n_pairs"].as_u64().unwrap() > 0 && report["problems"].as_array().unwrap().is_empty());
}

#[test]
fn bad_input_is_named() {
    let bench = Workbench::new();
    refused(&bench.run(&["data", "annotate", "nowhere"]), &["nowhere"]);
    bench.write("broken.jsonl", "{\"task_id\":\"a\"}\n");
    refused(&bench.run(&["data", "check", "broken.jsonl"]), &["cannot be trained on"]);
    let arguments = ["data", "candidates", "--out", "out", "--set", "p_edit=3"];
    refused(&bench.run_tiny(&arguments), &["`p_edit + p_erase + p_outpaint` is 3.4"]);
    assert!(!bench.path("out").exists());
}
