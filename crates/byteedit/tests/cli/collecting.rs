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

/// A reward of a few hundred weights.
const SMALL: [&str; 20] = [
    "network.blip_config.vision_config.hidden_size=16",
    "network.blip_config.vision_config.intermediate_size=16",
    "network.blip_config.vision_config.num_hidden_layers=1",
    "network.blip_config.vision_config.num_attention_heads=2",
    "network.blip_config.vision_config.image_size=16",
    "network.blip_config.text_config.hidden_size=16",
    "network.blip_config.text_config.encoder_hidden_size=16",
    "network.blip_config.text_config.intermediate_size=16",
    "network.blip_config.text_config.num_hidden_layers=1",
    "network.blip_config.text_config.num_attention_heads=2",
    "network.mlp_widths=[8,8,4,4]",
    "p_world=0.5",
    "p_captions=0.5",
    "held_out_percent=50",
    "n_validation=4",
    "training.n_steps=3",
    "training.batch_size=4",
    "training.report.validate_every=1",
    "training.report.log_every=1",
    "training.learning_rate.warmup_steps=1",
];

#[test]
fn what_was_collected_makes_a_reward_that_scores_and_is_examined() {
    let bench = Workbench::new();
    collect(&bench, "feedback", 12);
    bench.run(&["data", "annotate", "feedback", "--noise", "0"]).done();
    let aligned = bench.run(&["data", "align", "feedback", "--min-confidence", "0", "--json"]).done().json();
    let report = &aligned["report"];
    let n = report["n_matching"].as_u64().unwrap() + report["n_mismatched"].as_u64().unwrap();
    let captions = lines(&bench, "feedback/align.jsonl");
    assert_eq!(captions.len() as u64, n);
    for line in &captions {
        let worse = line["worse"].as_array().unwrap();
        assert!(
            worse.len() == 4 && !worse.contains(&line["better"]) && line["annotator"].is_string(),
            "{line}"
        );
    }

    let mut train =
        vec!["train", "reward", "alignment", "--run", "run", "--captions", "feedback/align.jsonl"];
    train.extend(SMALL.iter().flat_map(|value| ["--set", value]));
    let trained = bench.run(&train).done();
    assert_eq!(trained.stdout.trim(), "run/alignment");
    assert!(trained.stderr.contains("learns what simulated-align thinks"), "{}", trained.stderr);

    let score = ["score", "--reward", "run/alignment", "feedback/tasks.jsonl", "--json"];
    let scores = bench.run(&score).done().stdout;
    assert_eq!(scores.lines().count(), 36);
    let examine = [
        "eval",
        "reward",
        "--reward",
        "run/alignment",
        "feedback/structure.jsonl",
        "--out",
        "exam",
        "--json",
    ];
    bench.run(&examine).done();
    for name in ["report.json", "report.md", "calibration.svg", "sheet.png"] {
        assert!(bench.path(&format!("exam/{name}")).is_file(), "{name}");
    }
    // Its folder is a run's, and no collection nor a classifier's.
    refused(&bench.run(&["train", "export", "run", "--out", "out"]), &["`train reward`"]);
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
