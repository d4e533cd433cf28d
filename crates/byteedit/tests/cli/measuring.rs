//! `world`, `eval`, `bench` and `demo`.

use std::env;
use std::fs;

use crate::workbench::{Workbench, is_partial, model};

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
    assert!(!table.stderr.contains("measured before"), "{}", table.stderr);
    assert!(again.stderr.contains("all 8 samples were measured before"), "{}", again.stderr);
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
    // Some of it alone: measured before, and no sheet of what was not asked stays.
    let erase = bench.run_tiny(&[&arguments[..], &["--sections", "erase"]].concat()).done();
    assert!(erase.stderr.contains("all 2 samples were measured before"), "{}", erase.stderr);
    assert!(bench.path("eval/erase.png").is_file() && !bench.path("eval/edit.png").exists());
    let others = [
        "--sections",
        "erase",
        "--temperature",
        "0.5",
        "--erase-temperature",
        "0.75",
        "--outpaint-temperature",
        "0.625",
        "--json",
    ];
    let json = bench.run_tiny(&[&arguments[..], &others].concat()).done().json();
    let settings = &json["settings"];
    let of = |key: &str| settings[key].as_f64();
    let temperatures = ["temperature", "erase_temperature", "outpaint_temperature"].map(of);
    assert_eq!(temperatures, [Some(0.5), Some(0.75), Some(0.625)]);
    assert_eq!(settings["sections"], serde_json::json!(["erase"]));
}

#[test]
fn an_evaluation_that_cannot_be_is_refused_and_leaves_no_folder() {
    let bench = Workbench::new();
    for (more, says) in [
        (["--sections", "edit,edit"], "each of them once"),
        (["--sections", "replace"], "invalid value 'replace'"),
        (["--erase-temperature", "0"], "not above 0"),
        (["--outpaint-temperature", "1.5"], "is not within"),
    ] {
        let answer = bench.run(&[&["eval", "world"][..], &more].concat());
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{more:?}: {answer:?}");
        assert!(answer.stderr.contains(says), "{more:?}: {}", answer.stderr);
        assert!(bench.files().is_empty(), "{more:?}");
    }
}

#[test]
fn an_evaluation_goes_on_with_what_is_valid_still() {
    let bench = Workbench::new();
    let model = bench.model_copy("model");
    let arguments = ["eval", "world", "--model", &model, "--steps", "1", "--samples", "3"];
    let evaluate = |more: &[&str]| bench.run(&[&arguments[..], more].concat()).done();
    let is_new = |stderr: &str| !stderr.contains("goes on after") && !stderr.contains("measured before");
    let read = |name: &str| fs::read(bench.path(name)).unwrap();
    let json = |name: &str| serde_json::from_slice::<serde_json::Value>(&read(name)).unwrap();
    let mut card = json("model/byteedit.json");
    let suited = [
        ("temperature", 0.5),
        ("erase_temperature", 0.75),
        ("outpaint_temperature", 0.875),
        ("box_share", 0.625),
    ];
    for (key, value) in suited {
        card["defaults"][key] = value.into();
    }
    bench.write("model/byteedit.json", card.to_string());
    let whole = evaluate(&[]);
    for (key, value) in suited {
        assert_eq!(json("eval/report.json")["settings"][key], value, "{key}");
    }
    let answers = fs::read_dir(bench.path("eval/answers")).unwrap().next().unwrap().unwrap().path();
    let lines = fs::read_to_string(&answers).unwrap();
    // The basis, and a batch of each section, of which a crash leaves two and a part.
    assert_eq!(lines.lines().count(), 5);
    let ends: Vec<usize> = lines.match_indices('\n').map(|(at, _)| at).collect();
    fs::write(&answers, &lines[..ends[2] + 99]).unwrap();
    let resumed = evaluate(&[]);
    assert_eq!(resumed.stdout, whole.stdout);
    assert!(resumed.stderr.contains("goes on after 6 samples"), "{}", resumed.stderr);
    let sheet = read("eval/outpaint-free.png");
    for other in [&["--seed", "1"][..], &["--guidance", "1.5"], &["--examples", "2"]] {
        let answer = evaluate(other);
        assert!(is_new(&answer.stderr), "{other:?}: {}", answer.stderr);
    }
    // Other kernels sum in another order.
    let is_reference = env::var_os("BYTEEDIT_KERNELS").is_some_and(|choice| choice == "reference");
    let other = if is_reference { "own" } else { "reference" };
    let answer = bench.command(&arguments).env("BYTEEDIT_KERNELS", other).output().unwrap();
    let stderr = String::from_utf8(answer.stderr).unwrap();
    assert!(answer.status.success() && is_new(&stderr), "{stderr}");
    // What is no weight counts too.
    bench.write("model/notes.txt", "It is another model now.");
    assert!(is_new(&evaluate(&[]).stderr));
    fs::remove_file(bench.path("model/notes.txt")).unwrap();
    let before = evaluate(&[]);
    assert_eq!(before.stdout, whole.stdout);
    assert!(before.stderr.contains("all 12 samples were measured before"), "{}", before.stderr);
    assert!(read("eval/outpaint-free.png") == sheet);
}

#[test]
fn results_within_the_folder_of_a_model_are_no_part_of_it() {
    let bench = Workbench::new();
    let model = bench.model_copy("model");
    let twice = |arguments: &[&str], says: &str| {
        let [first, second] = [0, 1].map(|_| bench.run(arguments).done());
        assert_eq!(first.stdout, second.stdout);
        assert!(!first.stderr.contains(says) && second.stderr.contains(says), "{}", second.stderr);
    };
    let world = ["eval", "world", "--model", &model, "--steps", "1", "--samples", "2", "--out", "model/eval"];
    twice(&world, "all 8 samples were measured before");
    let [one, two] = [("one", "1"), ("two", "2")].map(|(name, steps)| format!("{name}={model}@{steps}"));
    let compare = ["eval", "compare", "--arm", &one, "--arm", &two, "--sections", "erase", "--samples", "2"];
    twice(&[&compare[..], &["--out", "model/compare"]].concat(), "the arm two goes on after 2 answers");
}

#[test]
fn a_comparison_writes_what_it_prints() {
    let bench = Workbench::new();
    let arms = [("one", "1"), ("two", "2:1.5"), ("again", "1")];
    let arms = arms.map(|(name, settings)| format!("{name}={}@{settings}", model()));
    let [one, two, again] = &arms;
    let arguments = [
        "eval",
        "compare",
        "--arm",
        one,
        "--arm",
        two,
        "--arm",
        again,
        "--sections",
        "edit,outpaint-free",
        "--samples",
        "3",
        "--diverse",
        "1",
        "--seeds",
        "2",
    ];
    let tables = bench.run(&arguments).done();
    assert!(tables.stdout.starts_with("# 3 arms on the mini world, validation split\n"), "{}", tables.stdout);
    assert!(tables.stderr.contains("edit, two: ") && tables.stderr.contains("s for each picture"));
    for name in ["compare.md", "compare-timing.json", "compare-edit.png", "compare-outpaint-free.png"] {
        assert!(bench.path("eval-compare").join(name).is_file(), "{name}");
    }
    // Asked again, it says the same without painting anything.
    let again = bench.run(&arguments).done();
    assert_eq!(again.stdout, tables.stdout);
    assert!(again.stderr.contains("the arm two goes on after 6 answers"), "{}", again.stderr);
    let more = ["--pair", "two,again", "--pair", "again,one", "--json", "--out", "pairs"];
    let json = bench.run(&[&arguments[..], &more].concat()).done().json();
    let written: serde_json::Value =
        serde_json::from_slice(&fs::read(bench.path("pairs/compare.json")).unwrap()).unwrap();
    assert_eq!(written, json);
    let settings = &json["arms"][1]["settings"];
    assert_eq!((&settings["n_steps"], &settings["guidance"]["edit"]), (&2.into(), &1.5.into()));
    assert_eq!(&json["arms"][0]["settings"]["guidance"]["edit"], &2.0);
    // An arm against the same one under another name: nothing but ties.
    let pair = &json["sections"][0]["pairs"][1];
    assert_eq!((&pair["first"], &pair["second"]), (&"again".into(), &"one".into()));
    assert_eq!(pair["scores"]["structure"]["counts"], serde_json::json!({ "good": 0, "same": 3, "bad": 0 }));
    assert_eq!(pair["scores"]["coherence"]["win_rate"]["mean"], 0.5);
    assert!(!bench.files().iter().any(|path| is_partial(path)));
}

#[test]
fn a_comparison_goes_on_with_what_is_valid_still() {
    let bench = Workbench::new();
    let model = bench.model_copy("model");
    let compare = |steps: &str| {
        let [one, two] = [("one", "1"), ("two", steps)].map(|(name, n)| format!("{name}={model}@{n}"));
        let arms = ["eval", "compare", "--arm", &one, "--arm", &two, "--sections", "erase", "--samples", "3"];
        bench.run(&arms).done()
    };
    let whole = compare("1");
    let mut files = bench.files().into_iter();
    let answers = files.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("two-")).unwrap();
    let lines = fs::read_to_string(&answers).unwrap();
    assert_eq!(lines.lines().count(), 4);
    // A part of a line is none.
    fs::write(&answers, &lines[..lines.len() - 9]).unwrap();
    let resumed = compare("1");
    assert_eq!(resumed.stdout, whole.stdout);
    for says in ["the arm one goes on after 3 answers", "the arm two goes on after 2 answers"] {
        assert!(resumed.stderr.contains(says), "{says} in {}", resumed.stderr);
    }
    // Nothing is removed: the part stays, and the three that were painted as one batch are added.
    assert_eq!(fs::read_to_string(&answers).unwrap().lines().count(), 7);
    let other = compare("2");
    assert!(other.stderr.contains("the arm one goes on after 3"), "{}", other.stderr);
    assert!(!other.stderr.contains("the arm two goes on"), "{}", other.stderr);
    // What is no weight counts too.
    bench.write("model/notes.txt", "It is another model now.");
    let other = compare("2");
    assert!(!other.stderr.contains("goes on after"), "{}", other.stderr);
    // None of it has cost any answers.
    fs::remove_file(bench.path("model/notes.txt")).unwrap();
    let before = compare("1");
    assert_eq!(before.stdout, whole.stdout);
    assert!(before.stderr.contains("the arm two goes on after 3 answers"), "{}", before.stderr);
}

#[test]
fn guidance_is_chosen_on_validation_and_taken_by_a_comparison() {
    let bench = Workbench::new();
    let [one, two] = [("one", "1"), ("two", "2")].map(|(name, steps)| format!("{name}={}@{steps}", model()));
    let arms = ["--arm", &one, "--arm", &two];
    let grid = ["--grid", "1,2.5", "--samples", "3"];
    let guidance = [&["eval", "guidance"][..], &arms, &grid].concat();
    let choice = bench.run(&[&guidance[..], &["--json"]].concat()).done().json();
    let written: serde_json::Value =
        serde_json::from_slice(&fs::read(bench.path("eval-guidance/guidance.json")).unwrap()).unwrap();
    assert_eq!(written, choice);
    assert_eq!(choice["arms"][1]["judge_top_1"].as_array().unwrap().len(), 2);
    let table = bench.run(&guidance).done();
    assert!(table.stdout.contains("| two | "), "{}", table.stdout);
    assert!(table.stderr.contains("the arm two-at-2.5 goes on after 3 answers"), "{}", table.stderr);

    let compare = ["--sections", "edit", "--samples", "2", "--diverse", "0", "--split", "test", "--json"];
    let compare = [&["eval", "compare"][..], &arms, &compare].concat();
    let from = ["--guidance-from", "eval-guidance/guidance.json"];
    let report = bench.run(&[&compare[..], &from].concat()).done().json();
    for arm in 0..2 {
        let [chosen, taken] = [&choice, &report].map(|json| &json["arms"][arm]["settings"]["guidance"]);
        assert_eq!(chosen, taken);
    }
    // An arm that names its own keeps it; one of other settings has none.
    let own = format!("own={}@1:1.25", model());
    let report = bench.run(&[&compare[..], &from, &["--arm", &own, "--out", "own"]].concat()).done().json();
    assert_eq!(report["arms"][2]["settings"]["guidance"]["edit"], 1.25);
    let other = format!("one={}@3", model());
    let arms = ["eval", "compare", "--arm", &two, "--arm", &other, "--out", "never", "--split", "test"];
    for (more, says) in [
        ([&arms[..], &from].concat(), "was chosen for other weights or settings"),
        (
            [&arms[..4], &arms[6..], &from, &["--arm", "x=nowhere"]].concat(),
            "for the arm x, but for one, two",
        ),
        ([&arms[..8], &from].concat(), "chosen on the validation split, which is also the one to compare"),
        (
            vec!["eval", "guidance", "--arm", "a=nowhere", "--arm", "a=nowhere@8", "--out", "never"],
            "two arms are named a;",
        ),
        ([&guidance[..], &["--split", "test", "--out", "never"]].concat(), "`split` is test"),
        ([&guidance[..], &["--grid", "2,1", "--out", "never"]].concat(), "the smallest first"),
        (vec!["eval", "guidance", "--arm", &own, "--out", "never"], "the arm own has a guidance"),
    ] {
        let answer = bench.run(&more);
        assert!(answer.code == 2 && answer.stderr.contains(says), "{more:?}: {}", answer.stderr);
        assert!(!bench.path("never").exists(), "{more:?}");
    }
}

#[test]
fn what_cannot_be_compared_is_named() {
    let bench = Workbench::new();
    for (more, says) in [
        (&[][..], "--arm"),
        (&["--arm", "base=mini"], "at least two arms, not 1"),
        (&["--arm", "base"], "write NAME=MODEL"),
        (&["--arm", "base=mini@fast"], "`fast` is no number of steps"),
        (&["--arm", "base=mini", "--arm", "base=mini@8"], "two arms are named base"),
        (&["--arm", "base=mini", "--arm", "fast=mini@8", "--pair", "fast,best"], "there is no arm best"),
        (&["--arm", "base=mini", "--arm", "fast=mini@8", "--pair", "fast"], "such as pefl,base"),
        (&["--arm", "base=mini", "--arm", "fast=mini@8", "--sections", "edit,edit"], "each of them once"),
        (&["--arm", "base=nowhere", "--arm", "fast=nowhere@8"], "there is no model folder nowhere"),
    ] {
        let answer = bench.run(&[&["eval", "compare"], more].concat());
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{more:?}: {answer:?}");
        assert!(answer.stderr.contains(says), "{more:?}: {}", answer.stderr);
        assert!(bench.files().is_empty(), "{more:?}");
    }
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
