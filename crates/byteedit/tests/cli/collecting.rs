//! `data`: candidates, what a simulated annotator says of them, captions, and whether a file can be trained on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use byteedit_models::clip::CLIPModel;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_nn::Init;
use serde_json::{Value, json};

use crate::tiny_model;
use crate::workbench::{Answer, Workbench, is_partial, model, photo};

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
fn several_models_answer_the_same_tasks() {
    let bench = Workbench::new();
    let other = bench.model_copy("other");
    let unet = fs::read_to_string(bench.path("other/unet/config.json")).unwrap();
    let mut init = Init::seeded(&Device::flex(), 9);
    let folder = bench.path("other");
    let unet: Value = serde_json::from_str(&unet).unwrap();
    tiny_model::save::<UNet2DConditionModel>(&unet, &folder, "unet", &mut init);
    let generators = r#"generators=[{"sampler":"ddim","n_steps":1,"guidance_scale":1.0,"temperature":1.0}]"#;
    let collect = |more: &[&str]| {
        let arguments = ["data", "candidates", "--out", "both", "--set", "n_tasks=3", "--set", generators];
        bench.run_tiny(&[&arguments[..], more].concat())
    };
    refused(&collect(&[]), &["`generators` is 1"]);
    refused(&collect(&["--also", &model()]), &["`a model` is ", "given once"]);
    collect(&["--also", &other]).done();
    let mut seeds = BTreeSet::new();
    for task in lines(&bench, "both/tasks.jsonl") {
        let candidates = task["candidates"].as_array().unwrap();
        let names: Vec<&str> = candidates.iter().map(|one| one["model"].as_str().unwrap()).collect();
        assert!(names.len() == 2 && names[0] != "other" && names[1] == "other", "{names:?}");
        seeds.extend(candidates.iter().map(|one| one["seed"].as_u64().unwrap()));
    }
    assert_eq!(seeds.len(), 6);
    let [one, another] =
        ["000000-0", "000000-1"].map(|name| bench.path(&format!("both/pictures/{name}.png")));
    assert!(fs::read(one).unwrap() != fs::read(another).unwrap());
    refused(&collect(&["--also", "nowhere"]), &["there is no model folder nowhere"]);
    bench.run(&["data", "annotate", "both"]).done();
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
    let checked = bench.run(&["data", "check", "feedback/align.jsonl", "--json"]).done().json();
    assert_eq!((&checked["n_masked"], &checked["n_pairs"]), (&n.into(), &(4 * n).into()));
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

/// A CLIP of random weights in the folder `clip`, with the tokenizer of the tiny model.
fn write_clip(bench: &Workbench, seed: u64) {
    let model = model();
    let tokenizer = Path::new(&model).join("tokenizer");
    let vocab = fs::read_to_string(tokenizer.join("vocab.json")).unwrap();
    let n_tokens = serde_json::from_str::<BTreeMap<String, usize>>(&vocab).unwrap().len();
    let sizes = json!({
        "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    });
    let (mut text, mut vision) = (sizes.clone(), sizes);
    text["vocab_size"] = n_tokens.into();
    text["max_position_embeddings"] = tiny_model::MAX_LENGTH.into();
    text["eos_token_id"] = (n_tokens - 1).into();
    (vision["image_size"], vision["patch_size"]) = (8.into(), 4.into());
    let config = json!({ "text_config": text, "vision_config": vision, "projection_dim": 8 });
    let mut init = Init::seeded(&Device::flex(), seed);
    tiny_model::save::<CLIPModel>(&config, &bench.path(""), "clip", &mut init);
    for name in ["vocab.json", "merges.txt", "tokenizer_config.json"] {
        fs::copy(tokenizer.join(name), bench.path("clip").join(name)).unwrap();
    }
}

/// Pictures of ducks, one of which is no picture, and better captions for all of them.
fn with_pictures(n: usize) -> Workbench {
    let bench = Workbench::new();
    write_clip(&bench, 5);
    fs::create_dir(bench.path("pictures")).unwrap();
    for at in 0..n {
        bench.png(&format!("pictures/{at}.png"), &photo(20 + at, 24));
    }
    bench.write("pictures/3.png", "no picture");
    let captions = |what: &str, last: &str| {
        let caption = |at: usize| json!({ "file_name": format!("{at}.png"), "text": format!("{what} {at}") });
        let captions = (0..n).map(|at| caption(at).to_string());
        let lines: Vec<String> = captions.chain([last.to_owned()]).collect();
        lines.join("\n")
    };
    bench.write("pictures/metadata.jsonl", captions("a duck", "nonsense"));
    bench.write("better.jsonl", captions("a red apple", r#"{"file_name": "none.png", "text": "a hat"}"#));
    bench
}

/// Asks CLIP for captions.
const ALIGN: &[&str] = &["data", "align", "pictures", "--clip", "clip", "--better-captions", "better.jsonl"];
/// Whatever the cosines, which say nothing of random weights.
const ANY: &[&str] = &["--set=max_score=1", "--set=min_score=-1", "--set=min_gain=-2", "--set=min_margin=-2"];

#[test]
fn pictures_that_fit_their_captions_badly_get_better_ones_that_a_reward_learns_from() {
    let bench = with_pictures(16);
    let align = |more: &[&str]| bench.run(&[ALIGN, more].concat());
    refused(&align(&[]), &["metadata.jsonl:17: "]);
    refused(&align(&["--skip-bad", "1"]), &["metadata.jsonl:4: ", "3.png", "1 bad lines before it"]);
    let any = [ANY, &["--skip-bad", "2", "--json"]].concat();
    let answer = align(&any).done();
    let unknown = "better.jsonl:17: none.png is none of the 16 pictures";
    for part in ["metadata.jsonl:17: ", "metadata.jsonl:4: ", unknown] {
        assert!(answer.stderr.contains(part), "{}", answer.stderr);
    }
    // No picture fits, so nothing stands against the style of the better captions.
    assert!(answer.stderr.contains("told by the style of the captions alone"), "{}", answer.stderr);
    let (answer, records) = (answer.json(), lines(&bench, "pictures/align.jsonl"));
    // The folder is the user's own.
    refused(&align(&any), &["align.jsonl exists already", "--force"]);
    align(&[&any[..], &["--force"]].concat()).done();
    assert_eq!(answer["measure"], "clipscore/clip/cos");
    assert_eq!(answer["output"], "pictures/align.jsonl");
    let report = &answer["report"];
    assert_eq!((&report["n_pictures"], &report["n_corrected"], records.len()), (&15.into(), &15.into(), 15));
    let mut n_exchanged = 0;
    for record in &records {
        let better = record["better"].as_str().unwrap();
        let worse = record["worse"].as_array().unwrap().iter();
        let worse: Vec<&str> = worse.map(|caption| caption.as_str().unwrap()).collect();
        assert!(better.starts_with("a red apple ") && worse[0].starts_with("a duck "), "{record}");
        assert!(worse[1..].iter().all(|it| it.starts_with("a red apple ") && *it != better), "{record}");
        n_exchanged += worse.len() - 1;
    }
    assert_eq!(report["n_exchanged"], n_exchanged);

    let mut train =
        vec!["train", "reward", "alignment", "--run", "run", "--captions", "pictures/align.jsonl"];
    train.extend(SMALL.iter().chain(&["p_world=0", "p_captions=1"]).flat_map(|value| ["--set", value]));
    let trained = bench.run(&train).done();
    assert!(trained.stderr.contains("learns what clip-align thinks"), "{}", trained.stderr);
}

/// Has captions made, whatever was made before; returns them as they are written.
fn aligned(bench: &Workbench) -> String {
    let answer = bench.run(&[ALIGN, ANY, &["--skip-bad", "2", "--force"]].concat()).done();
    assert!(answer.stderr.contains("metadata.jsonl:4: "), "{}", answer.stderr);
    fs::read_to_string(bench.path("pictures/align.jsonl")).unwrap()
}

/// The files of what CLIP has seen: the first line says what all others depend on, each of which holds a batch.
fn kept(bench: &Workbench) -> Vec<String> {
    let Ok(folder) = fs::read_dir(bench.path("pictures/align.kept")) else { return Vec::new() };
    let files = folder.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let mut files: Vec<String> = files.collect();
    files.sort();
    files
}

/// How many batches of pictures have been seen.
fn n_batches(bench: &Workbench) -> usize {
    kept(bench).first().map_or(0, |lines| lines.lines().count().saturating_sub(1))
}

#[test]
fn an_alignment_that_was_cut_off_goes_on_to_the_same_captions() {
    let bench = with_pictures(40);
    let whole = aligned(&bench);
    let path = fs::read_dir(bench.path("pictures/align.kept")).unwrap().next().unwrap().unwrap().path();
    let seen = fs::read_to_string(&path).unwrap();
    assert!(n_batches(&bench) >= 3, "{seen}");
    // The last line was half written when the power went: its batch is looked at again, to the last bit.
    let (before, last) = seen.trim_end().rsplit_once('\n').unwrap();
    let cut = format!("{before}\n{}", &last[..last.len() / 2]);
    fs::write(&path, &cut).unwrap();
    assert_eq!(aligned(&bench), whole);
    let mended = format!("{cut}\n{last}\n");
    assert_eq!(kept(&bench), [mended.as_str()]);
    // Now there is nothing that CLIP has not seen, whatever is to be made of it.
    assert_eq!(aligned(&bench), whole);
    let half = ["--skip-bad", "2", "--force", "--set", "lowest_share=0.5"];
    bench.run(&[ALIGN, ANY, &half].concat()).done();
    assert_ne!(fs::read_to_string(bench.path("pictures/align.jsonl")).unwrap(), whole);
    assert_eq!(kept(&bench), [mended]);
}

#[test]
fn what_has_changed_is_looked_at_again() {
    let bench = with_pictures(40);
    let replace = |name: &str, from: &str, to: &str| {
        let text = fs::read_to_string(bench.path(name)).unwrap();
        assert!(text.contains(from), "{text}");
        bench.write(name, text.replacen(from, to, 1));
    };
    let changes: [&dyn Fn(); 4] = [
        &|| replace("pictures/metadata.jsonl", "a duck 20", "an apple 20"),
        &|| replace("better.jsonl", "a red apple 39", "a red duck 39"),
        &|| bench.png("pictures/5.png", &photo(9, 31)),
        // The same bytes, written again.
        &|| {
            let file = fs::File::options().write(true).open(bench.path("pictures/6.png")).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        },
    ];
    let mut captions = aligned(&bench);
    let n_all = n_batches(&bench);
    for change in changes {
        change();
        captions = aligned(&bench);
        assert_eq!(n_batches(&bench), n_all + 1);
        fs::remove_dir_all(bench.path("pictures/align.kept")).unwrap();
        assert_eq!(aligned(&bench), captions);
    }
    assert!(captions.contains("an apple 20") && captions.contains("a red duck 39"), "{captions}");
    // A line more moves those behind it by one, but some pictures end a batch wherever they stand.
    bench.png("pictures/new.png", &photo(7, 24));
    let line = json!({ "file_name": "new.png", "text": "a new duck" });
    let behind = json!({ "file_name": "7.png", "text": "a duck 7" }).to_string();
    replace("pictures/metadata.jsonl", &behind, &format!("{line}\n{behind}"));
    captions = aligned(&bench);
    assert!(n_all == 5 && n_batches(&bench) == n_all + 2, "{} of {n_all}", n_batches(&bench));
    let of_one = kept(&bench).remove(0);
    write_clip(&bench, 6);
    aligned(&bench);
    let of_both = kept(&bench);
    assert!(of_both.len() == 2 && of_both.contains(&of_one));
    write_clip(&bench, 5);
    assert_eq!(aligned(&bench), captions);
    assert_eq!(kept(&bench), of_both);
}

#[test]
#[cfg(unix)]
fn an_interrupted_alignment_says_so_and_goes_on() {
    use std::process::Command;

    use crate::training::start_until;

    let bench = with_pictures(16);
    // A few pictures again and again, so that there is time for the signal.
    let caption = |at: usize| json!({ "file_name": format!("{}.png", at % 3), "text": format!("duck {at}") });
    let captions: Vec<String> = (0..48_000).map(|at| caption(at).to_string()).collect();
    bench.write("pictures/metadata.jsonl", captions.join("\n"));
    bench.write("better.jsonl", r#"{"file_name": "0.png", "text": "a red apple"}"#);
    let align = [ALIGN, ANY].concat();
    let child = start_until(&bench, &align, || n_batches(&bench) >= 2);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("stopping") && stderr.contains("the same command goes on"), "{stderr}");
    assert!(!bench.path("pictures/align.jsonl").exists());
    // What was seen by then is not looked at again.
    let seen = kept(&bench);
    bench.write("pictures/metadata.jsonl", captions[..16 * n_batches(&bench)].join("\n"));
    bench.run(&align).done();
    assert_eq!(kept(&bench), seen);
}

#[test]
fn what_captions_cannot_be_made_of_is_named() {
    let bench = with_pictures(16);
    let align = |more: &[&str]| bench.run(&[&["data", "align", "pictures"], more].concat());
    let both = ["--clip", "clip", "--better-captions", "better.jsonl"];
    let with = |more: &[&str]| align(&[&both[..], more].concat());
    refused(&align(&["--clip", "clip"]), &["--better-captions"]);
    refused(&align(&["--better-captions", "better.jsonl"]), &["--clip"]);
    refused(&align(&["--skip-bad", "1"]), &["--clip"]);
    refused(&with(&["--n-wrong", "3"]), &["cannot be used with"]);
    refused(&with(&["--set", "max_score=22"]), &["`max_score` is 22"]);
    refused(&with(&["--set", "max_scor=0.2"]), &["unknown field `max_scor`"]);
    refused(&align(&["--clip", "pictures", "--better-captions", "better.jsonl"]), &["pictures/config.json"]);
    refused(&align(&["--clip", "clip", "--better-captions", "none.jsonl"]), &["metadata.jsonl:17: "]);
    let none = ["--clip", "clip", "--better-captions", "none.jsonl", "--skip-bad", "2"];
    refused(&align(&none), &["none.jsonl"]);
    // No caption is as bad as that.
    let unseen = ["--skip-bad", "2", "--set", "max_score=-1"];
    refused(&with(&unseen), &["the number of pictures with a better caption", "0 of 15"]);
    assert!(!bench.path("pictures/align.jsonl").exists());
    let network = json!({ "_class_name": "CoherentReward", "side": 8 });
    bench.write("clip/config.json", network.to_string());
    refused(&with(&[]), &["clip holds `CoherentReward`, but `CLIPModel` is needed"]);
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
