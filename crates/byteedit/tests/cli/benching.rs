//! `bench` on networks so small that a run takes milliseconds.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use burn::tensor::{Device, Tensor};
use byteedit_models::store::load_component;
use byteedit_models::unet::UNet2DConditionModel;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::tiny_model::{MAX_LENGTH, RESOLUTION};
use crate::workbench::{Workbench, model};

const ONCE: [&str; 6] = ["--runs", "1", "--threads", "1", "--json", "--warmup"];

/// The cases of a benchmark of the tiny model, run once.
fn cases(arguments: &[&str]) -> Vec<Value> {
    let model = model();
    let arguments = [&["bench"], arguments, &["--config", &model], &ONCE, &["0"]].concat();
    let report = Workbench::new().run(&arguments).done().json();
    assert_eq!((&report["dtype"], &report["machine"]["n_threads"]), (&"f32".into(), &1.into()));
    report["cases"].as_array().unwrap().clone()
}

fn number(case: &Value, key: &str) -> f64 {
    case[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {case}"))
}

#[test]
fn kernels_are_timed_forward_and_with_their_gradients() {
    for (verb, kinds) in [
        ("conv", &["conv"][..]),
        ("attention", &["attention"]),
        ("norm", &["group_norm", "layer_norm", "geglu"]),
    ] {
        let cases = cases(&[verb]);
        for pair in cases.chunks(2) {
            let [forward, training] = pair else { panic!("{verb}: {pair:?}") };
            assert_eq!(
                (&forward["shape"]["pass"], &training["shape"]["pass"]),
                (&"forward".into(), &"training".into())
            );
            assert!((number(training, "gflop") / number(forward, "gflop") - 3.0).abs() < 1e-9);
            let rate = number(forward, "gflop") / number(&forward["seconds"], "median");
            assert!((rate / number(forward, "gflop_per_second") - 1.0).abs() < 1e-9);
        }
        for kind in kinds {
            assert!(cases.iter().any(|case| case["shape"]["kind"] == *kind), "{verb} lacks {kind}");
        }
    }
}

#[test]
fn cases_can_be_chosen_and_convolutions_given() {
    let name = format!(" x {MAX_LENGTH},");
    let text = cases(&["attention", "--only", &name, "--pass", "forward"]);
    assert!(!text.is_empty() && text.iter().all(|case| case["shape"]["n_keys"] == MAX_LENGTH));
    let arguments = [&["bench", "conv", "--shape", "4,8,3,10,2", "--batch", "3"], &ONCE[..], &["1"]].concat();
    let report = Workbench::new().run(&arguments).done().json();
    // Two operations for each of 4 channels in, 8 out, 9 taps and 5 x 5 outputs, thrice.
    let expected = 2.0 * 4.0 * 8.0 * 9.0 * 25.0 * 3.0 / 1e9;
    assert!((number(&report["cases"][0], "gflop") / expected - 1.0).abs() < 1e-9);
}

#[test]
fn networks_and_training_steps_are_timed() {
    let side = RESOLUTION.to_string();
    for (arguments, kinds) in [
        (&["unet", "--batch", "3"][..], &["unet"][..]),
        (&["vae", "--size", &side], &["vae", "vae"]),
        (&["train-step", "--size", &side, "--batch", "2"], &["train_unet", "train_vae"]),
        (&["train-step", "--part", "vae", "--batch", "2"], &["train_vae"]),
    ] {
        let cases = cases(arguments);
        let found: Vec<_> = cases.iter().map(|case| case["shape"]["kind"].as_str().unwrap()).collect();
        assert_eq!(found, kinds, "{arguments:?}");
        for case in &cases {
            assert!(number(case, "weights_bytes") > 0.0 && number(case, "gflop") > 0.0);
            if cfg!(target_os = "linux") {
                assert!(number(case, "peak_bytes") >= number(case, "before_bytes") / 2.0);
            }
        }
    }
}

#[test]
fn rewards_are_timed_forward_and_back_to_the_pixels() {
    for (network, side) in [("blip-mini", 96), ("coherent-mini", 128)] {
        let arguments =
            [&["bench", "reward", "--network", network, "--batch", "2"][..], &ONCE, &["0"]].concat();
        let report = Workbench::new().run(&arguments).done().json();
        assert_eq!(report["config"], network);
        let cases = report["cases"].as_array().unwrap();
        let [forward, training] = &cases[..] else { panic!("{network}: {cases:?}") };
        for (case, pass) in [(forward, "forward"), (training, "training")] {
            assert_eq!((&case["shape"]["pass"], &case["shape"]["side"]), (&pass.into(), &side.into()));
            assert!(number(case, "weights_bytes") > 0.0);
            let rate = 2.0 / number(&case["seconds"], "median");
            assert!((rate / number(case, "images_per_second") - 1.0).abs() < 1e-9);
        }
        assert!((number(training, "gflop") / number(forward, "gflop") - 2.0).abs() < 1e-9);
    }
}

#[test]
fn a_step_of_feedback_learning_is_timed_in_its_parts_beside_the_memory_foretold() {
    for tape in ["inputs", "whole"] {
        let cases = cases(&["pefl", "--t-prime", "9", "--rank", "2", "--batch", "2", "--tape", tape]);
        let [case] = &cases[..] else { panic!("{cases:?}") };
        let shape = &case["shape"];
        assert_eq!((&shape["side"], &shape["t_prime"]), (&RESOLUTION.into(), &9.into()));
        assert_eq!(shape["lora"]["rank"], 2);
        let parts = ["rollout", "gradient"].map(|part| number(&case["parts"][part], "min"));
        assert!(parts.iter().all(|seconds| *seconds > 0.0), "{parts:?}");
        assert!(parts.iter().sum::<f64>() <= number(&case["seconds"], "max"), "{case}");
        assert!(number(case, "foretold_bytes") > number(case, "weights_bytes"));
    }
}

#[test]
fn a_whole_edit_is_timed_in_its_parts() {
    let cases = cases(&["edit", "--steps", "2"]);
    let [case] = &cases[..] else { panic!("{cases:?}") };
    assert_eq!((&case["shape"]["side"], &case["shape"]["n_steps"]), (&RESOLUTION.into(), &2.into()));
    let parts: f64 = case["parts"].as_object().unwrap().values().map(|part| number(part, "min")).sum();
    let whole = number(&case["seconds"], "max");
    assert!(parts > 0.0 && parts <= whole, "{parts} of {whole} s");
}

#[test]
fn another_program_can_take_turns() {
    let bench = Workbench::new();
    let turns = |n_lines: usize| {
        let model = model();
        let arguments = ["bench", "vae", "--part", "decode", "--config", &model, "--runs", "2", "--paced"];
        let mut command = bench.command(&arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all("\n".repeat(n_lines).as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = turns(3);
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["case", "run", "run", "report"]);
    assert_eq!(lines[0]["shape"], lines[3]["report"]["cases"][0]["shape"]);
    let output = turns(2);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("ended before the last run"), "{message}");
}

/// Writes f32 tensors, all of whose numbers are the same.
fn write_tensors(path: &Path, tensors: &[(&str, &[usize], f32)]) {
    let bytes: BTreeMap<&str, (&[usize], Vec<u8>)> = tensors
        .iter()
        .map(|&(name, shape, value)| (name, (shape, value.to_le_bytes().repeat(shape.iter().product()))))
        .collect();
    let views = bytes
        .iter()
        .map(|(&name, (shape, bytes))| (name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn the_answer_to_an_input_is_the_networks() {
    let bench = Workbench::new();
    let weights = format!("{}/unet", model());
    let input =
        [("sample", &[2, 9, 8, 8][..], 0.5), ("timestep", &[2], 250.0), ("context", &[2, 5, 8], -0.25)];
    write_tensors(&bench.path("in.safetensors"), &input);
    let arguments = ["bench", "unet", "--weights", &weights, "--input", "in.safetensors"];
    let output = ["--output", "out.safetensors", "--runs", "1"];
    bench.run(&[&arguments[..], &output].concat()).done();
    let device = Device::flex();
    let unet: UNet2DConditionModel = load_component(Path::new(&weights), &device).unwrap();
    let expected = unet
        .forward(
            Tensor::full([2, 9, 8, 8], 0.5, &device),
            Tensor::full([2], 250.0, &device),
            Tensor::full([2, 5, 8], -0.25, &device),
        )
        .into_data();
    let bytes = fs::read(bench.path("out.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let answer = file.tensor("sample").unwrap();
    assert_eq!(answer.shape(), [2, 4, 8, 8]);
    let answer: Vec<f32> =
        answer.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(answer, expected.as_slice::<f32>().unwrap());

    write_tensors(&bench.path("in.safetensors"), &[input[0], input[1], ("context", &[2, 5, 7], 0.0)]);
    let answer = bench.run(&arguments);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("the width of `context` must be 8, not 7"), "{}", answer.stderr);
}
