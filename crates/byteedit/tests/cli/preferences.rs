//! `data` without a model: prompts that differ, the formats of others, tasks for people, and bad lines.

use std::fs;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::workbench::{Answer, Workbench, is_partial};

#[track_caller]
fn refused(answer: &Answer, parts: &[&str]) {
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(parts.iter().all(|part| answer.stderr.contains(part)), "{}", answer.stderr);
}

fn text(bench: &Workbench, name: &str) -> String {
    fs::read_to_string(bench.path(name)).unwrap()
}

fn value(bench: &Workbench, name: &str) -> Value {
    serde_json::from_str(&text(bench, name)).unwrap()
}

/// The lines of a file of preferences.
fn lines(bench: &Workbench, name: &str) -> Vec<Value> {
    text(bench, name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A pair that nobody has compared, one line of a file.
fn pair(id: &str) -> Value {
    json!({ "task_id": id, "prompt": "a cat", "candidates": [{ "path": "0.png" }, { "path": "1.png" }] })
}

/// `pair` with one more key.
fn compared(id: &str, gsb: &str) -> Value {
    let mut record = pair(id);
    record["gsb"] = gsb.into();
    record
}

/// A folder with two pictures, as far as names go, and a file of preferences.
fn with_records(records: &[Value]) -> Workbench {
    let bench = Workbench::new();
    for name in ["0.png", "1.png"] {
        bench.write(name, "");
    }
    let lines: Vec<_> = records.iter().map(ToString::to_string).collect();
    bench.write("records.jsonl", lines.join("\n"));
    bench
}

/// Six prompts, of which the second repeats the first, the third only decorates, and the last is like the fourth.
fn with_prompts() -> Workbench {
    let bench = Workbench::new();
    bench.write(
        "captions.txt",
        "A red  apple on a wooden table, morning light\n\na red apple on a wooden table; morning light!\n\
         unbelievable, fantastic, 8k\na dog runs on the beach\n",
    );
    bench.write(
        "metadata.jsonl",
        "{\"file_name\": \"a.png\", \"text\": \"a cat sleeps in the sun\"}\n\
         {\"prompt\": \"a dog runs along the beach\"}\n",
    );
    bench
}

#[test]
fn prompts_that_differ_are_chosen_and_the_same_ones_again() {
    let bench = with_prompts();
    let choose = |out: &str, more: &[&str]| {
        let arguments = ["data", "prompts", "captions.txt", "metadata.jsonl", "--json", "--out", out];
        let report = bench.run(&[&arguments[..], more].concat()).done().json()["report"].take();
        (report, text(&bench, out))
    };
    let (report, chosen) = choose("all.txt", &["--set", "max_cosine=0.6"]);
    let expected =
        "A red apple on a wooden table, morning light\na dog runs on the beach\na cat sleeps in the sun\n";
    assert_eq!(chosen, expected);
    let counts = ["n_given", "n_decoration", "n_repeated", "n_alike", "n_passed_over", "n_selected"];
    assert_eq!(counts.map(|name| report[name].as_u64()), [6, 1, 1, 1, 0, 3].map(Some));
    assert!(report["nearest_after"].as_f64() < report["nearest_before"].as_f64(), "{report}");

    let two = choose("two.txt", &["--n", "2", "--seed", "3"]);
    assert_eq!((two.1.lines().count(), two.0["n_passed_over"].as_u64()), (2, Some(2)));
    assert_eq!(choose("again.txt", &["--n", "2", "--seed", "3"]), two);

    let lines = bench.run(&["data", "prompts", "captions.txt", "--out", "lines.txt"]).done().stdout;
    assert!(lines.starts_with("2 of 4 prompts chosen") && lines.contains("nearest other: "), "{lines}");
    assert!(lines.ends_with("after\nlines.txt\n"), "{lines}");
}

#[test]
fn a_models_embeddings_decide_what_is_alike() {
    let bench = with_prompts();
    let embed = |name: &str, rows: &[[f32; 2]]| {
        let bytes: Vec<u8> = rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
        let tensor = TensorView::new(Dtype::F32, vec![rows.len(), 2], &bytes).unwrap();
        bench.write(name, safetensors::serialize([("embeddings", tensor)], None).unwrap());
    };
    // The cat is where the apple is.
    embed("six.safetensors", &[[1.0, 0.0], [9.0, 9.0], [9.0, 9.0], [0.0, 1.0], [2.0, 0.1], [-1.0, 0.0]]);
    embed("five.safetensors", &[[1.0, 0.0]; 5]);
    let choose = |embeddings: &str| {
        let arguments = ["data", "prompts", "captions.txt", "metadata.jsonl", "--out", "out.txt"];
        bench.run(&[&arguments[..], &["--embeddings", embeddings]].concat())
    };
    refused(&choose("five.safetensors"), &["5 rows for 6 prompts"]);
    refused(&choose("captions.txt"), &["captions.txt is no readable safetensors file"]);
    choose("six.safetensors").done();
    let expected =
        "A red apple on a wooden table, morning light\na dog runs on the beach\na dog runs along the beach\n";
    assert_eq!(text(&bench, "out.txt"), expected);
    refused(&choose("six.safetensors"), &["out.txt exists already; add --force"]);
}

#[test]
fn rankings_come_in_and_go_out_again() {
    let bench = Workbench::new();
    let entry = |id: &str, ranking: &[u32]| {
        let generations = ["a.webp", "b.webp", "c.webp"];
        json!({ "id": id, "prompt": "a cat", "generations": generations, "ranking": ranking })
    };
    let good = json!([entry("7", &[2, 1, 3]), entry("8", &[1, 1, 2])]);
    bench.write("train.json", good.to_string());
    let import = |more: &[&str]| {
        let arguments =
            ["data", "import", "image-reward", "train.json", "--images", "images", "--out", "r.jsonl"];
        bench.run(&[&arguments[..], more].concat())
    };
    let answer = import(&[]).done();
    assert_eq!(answer.stdout, "r.jsonl\n");
    assert!(answer.stderr.contains("there is no file images/a.webp"), "{}", answer.stderr);
    assert_eq!(lines(&bench, "r.jsonl")[0]["candidates"][1]["path"], "images/b.webp");
    refused(&import(&[]), &["r.jsonl exists already; add --force"]);

    let export = ["data", "export", "image-reward", "r.jsonl", "--images", "images", "--out", "back.json"];
    bench.run(&export).done();
    assert_eq!(value(&bench, "back.json"), good);
    let alone = ["data", "export", "pick-a-pic", "r.jsonl", "--out", "alone.parquet"];
    refused(&bench.run(&alone), &["the format compares 2 candidates, but there are 3"]);

    bench.write("train.json", json!([{}, entry("7", &[2, 1]), entry("8", &[1, 1, 2])]).to_string());
    refused(&import(&["--force"]), &["entry 0: missing field `id`"]);
    let one_too_many = import(&["--force", "--skip-bad", "1"]);
    refused(&one_too_many, &["entry 1: there are 2 ranks", "1 bad lines before it"]);
    assert_eq!(lines(&bench, "r.jsonl").len(), 2, "what fails replaces nothing");
    let answer = import(&["--force", "--skip-bad", "2", "--json"]).done();
    assert!(answer.stderr.contains("entry 1: there are 2 ranks for 3 generations"), "{}", answer.stderr);
    let told = answer.json();
    assert_eq!((told["n_records"].as_u64(), told["skipped"].as_array().unwrap().len()), (Some(1), 2));
    assert!(!bench.files().iter().any(|path| is_partial(path)));
}

#[test]
fn label_studio_is_given_tasks_and_gives_answers_back() {
    let bench = with_records(&[pair("a"), pair("b")]);
    let address = "http://localhost/files";
    let export = ["data", "export", "label-studio", "records.jsonl", "--out", "tasks.json"];
    bench.run(&[&export[..], &["--address", address]].concat()).done();
    assert!(text(&bench, "tasks.xml").contains("<Pairwise"));
    let mut tasks = value(&bench, "tasks.json");
    assert_eq!(tasks[0]["data"]["img2"], format!("{address}/1.png"));
    tasks[1]["annotations"] =
        json!([{ "result": [{ "value": { "selected": "right" } }], "completed_by": 4 }]);
    bench.write("export.json", tasks.to_string());
    let import = ["data", "import", "label-studio", "export.json", "--out", "judged.jsonl"];
    refused(&bench.run(&import), &["name their file with --tasks"]);
    bench.run(&[&import[..], &["--tasks", "records.jsonl"]].concat()).done();
    let judged = lines(&bench, "judged.jsonl");
    assert_eq!(judged.len(), 1);
    assert_eq!((&judged[0]["task_id"], &judged[0]["gsb"]), (&"b".into(), &"bad".into()));
    assert_eq!(judged[0]["annotator"], "4");
}

#[test]
fn people_are_given_what_nobody_has_judged() {
    let bench = with_records(&[pair("a"), compared("b", "good"), pair("c")]);
    let export = |out: &str| bench.run(&["data", "export", "tasks", "records.jsonl", "--out", out]);
    fs::create_dir(bench.path("elsewhere")).unwrap();
    refused(&export("elsewhere/tasks.jsonl"), &["count from its folder"]);
    export("tasks.jsonl").done();
    let ids: Vec<_> = lines(&bench, "tasks.jsonl").iter().map(|task| task["task_id"].clone()).collect();
    assert_eq!(ids, ["a", "c"]);

    bench.write("answers.jsonl", format!("{}\n{}\n", compared("a", "same"), compared("b", "good")));
    let import = |more: &[&str]| {
        let arguments =
            ["data", "import", "answers", "answers.jsonl", "--tasks", "tasks.jsonl", "--out", "j.jsonl"];
        bench.run(&[&arguments[..], more].concat())
    };
    refused(&import(&[]), &["answers.jsonl:2: task b is unknown"]);
    let answer = import(&["--skip-bad", "1", "--json"]).done();
    assert_eq!(answer.json()["not_judged"], json!(["c"]));
    assert!(answer.stderr.contains("1 tasks are not judged: c"), "{}", answer.stderr);
    assert_eq!(lines(&bench, "j.jsonl")[0]["gsb"], "same");
}

#[test]
fn bad_lines_are_tolerated_up_to_a_number_and_always_listed() {
    let bench = with_records(&[compared("a", "good"), json!({ "task_id": "b" }), compared("c", "bad")]);
    let strict = bench.run(&["data", "check", "records.jsonl"]);
    refused(&strict, &["cannot be trained on"]);
    let tolerant = bench.run(&["data", "check", "records.jsonl", "--skip-bad", "1"]).done();
    for answer in [strict, tolerant] {
        assert!(answer.stdout.contains("records.jsonl:2: missing field `prompt`"), "{}", answer.stdout);
    }
    // What is wrong with the whole file is no bad line.
    bench.write("empty.jsonl", "");
    refused(&bench.run(&["data", "check", "empty.jsonl", "--skip-bad", "9"]), &["cannot be trained on"]);
}

#[test]
fn captions_are_checked_as_what_they_are() {
    let bench = with_records(&[]);
    let line = |image: &str, worse: &[&str]| json!({ "image": image, "better": "a cup", "worse": worse });
    let lines = [line("0.png", &["a hat", "a duck"]), line("2.png", &["a hat"]), line("1.png", &[])];
    bench.write("align.jsonl", lines.map(|line| format!("{line}\n")).concat());
    let strict = bench.run(&["data", "check", "align.jsonl", "--skip-bad", "1"]);
    refused(&strict, &["align.jsonl cannot be trained on"]);
    let says =
        ["3 records of 3 pictures", "jsonl:2: there is no file 2.png in .; ", "jsonl:3: worse is empty"];
    assert!(says.iter().all(|part| strict.stdout.contains(part)), "{}", strict.stdout);
    let report = bench.run(&["data", "check", "align.jsonl", "--skip-bad", "2", "--json"]).done().json();
    assert_eq!((&report["n_pairs"], &report["problems"][0]["line"]), (&3.into(), &2.into()));
    let scored = bench.run(&["data", "check", "align.jsonl", "--axis", "structure", "--skip-bad", "2"]);
    refused(&scored, &["--axis is for scores, but align.jsonl holds captions"]);
}

#[test]
fn what_a_format_cannot_do_is_said() {
    let bench = with_records(&[compared("a", "good")]);
    let out = |arguments: &[&str]| bench.run(&[&["data"][..], arguments, &["--out", "x"]].concat());
    refused(&out(&["import", "tasks", "records.jsonl"]), &["possible values: image-reward, hpdv2"]);
    refused(&out(&["export", "answers", "records.jsonl"]), &["possible values: image-reward, hpdv2"]);
    let images = out(&["import", "arena", "records.jsonl", "--images", "a"]);
    refused(&images, &["--images is not for arena, but for image-reward, hpdv2"]);
    refused(&out(&["export", "tasks", "records.jsonl"]), &["every record of records.jsonl is judged"]);
    let same = ["data", "export", "arena", "records.jsonl", "--force", "--out", "records.jsonl"];
    refused(&bench.run(&same), &["records.jsonl is the input"]);
    assert!(!bench.path("x").exists());
}
