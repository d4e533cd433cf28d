//! A run that is stopped at any moment goes on to the same weights, bit for bit.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tiny;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use byteedit_train::base::BaseInputs;
use byteedit_train::decoder::DecoderInputs;
use byteedit_train::optim::Decay;
use byteedit_train::run::read_log;
use byteedit_train::vae::VaeInputs;
use byteedit_train::{Outcome, Progress, Result, Source, StepReport};

/// Tells the child which trainer to run, and where.
const TRAINER: &str = "BYTEEDIT_TEST_TRAINER";
const FOLDER: &str = "BYTEEDIT_TEST_FOLDER";

fn train(
    trainer: &str,
    source: &Source,
    folder: &Path,
    progress: &mut dyn Progress,
    stop: &AtomicBool,
) -> Result<Outcome> {
    let run = folder.join("run");
    if trainer == "vae" {
        let inputs = VaeInputs { source, init: None };
        return tiny::train_vae_with(&tiny::vae_config(), &inputs, &run, progress, stop);
    }
    if trainer == "judge" {
        return tiny::train_judge(&tiny::judge_config(), source, &run, progress, stop);
    }
    let vae = folder.join("vae");
    if !vae.exists() {
        tiny::write_vae(&vae);
    }
    if trainer == "decoder" {
        let inputs = DecoderInputs { source, vae: &vae };
        return tiny::train_decoder(&tiny::decoder_config(), &inputs, &run, progress, stop);
    }
    let inputs = BaseInputs { source, vae: &vae, init: None };
    tiny::train_base_with(&tiny::base_config(), &inputs, &run, progress, stop)
}

/// Slow enough to be killed between any two steps.
struct Slow;

impl Progress for Slow {
    fn on_step(&mut self, _: &StepReport) {
        std::thread::sleep(Duration::from_millis(40));
    }
}

/// Asks to stop once a step is reached.
struct StopAt<'a>(u64, &'a AtomicBool);

impl Progress for StopAt<'_> {
    fn on_step(&mut self, report: &StepReport) {
        if report.step == self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
// Not a check of its own: the process that the other tests start and kill. Without their variables it does nothing.
fn killed_process() {
    let (Ok(trainer), Ok(folder)) = (std::env::var(TRAINER), std::env::var(FOLDER)) else { return };
    train(&trainer, &tiny::source(), Path::new(&folder), &mut Slow, &AtomicBool::new(false)).unwrap();
}

/// Runs the trainer in another process and kills it once it has logged `n_steps`.
fn run_and_kill(trainer: &str, folder: &Path, n_steps: usize) {
    let mut child = start(trainer, folder);
    let log = folder.join("run/log.jsonl");
    let started = Instant::now();
    while fs::read_to_string(&log).map_or(0, |text| text.lines().count()) < n_steps {
        assert!(started.elapsed() < Duration::from_mins(2), "the child makes no progress");
        assert!(child.try_wait().unwrap().is_none(), "the child ended before it could be killed");
        std::thread::sleep(Duration::from_millis(3));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn start(trainer: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed_process", "--quiet"])
        .env(TRAINER, trainer)
        .env(FOLDER, folder)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

/// What a run leaves behind, but for the clock.
#[derive(PartialEq)]
struct Trace {
    state: Vec<u8>,
    samples: Vec<Vec<u8>>,
    log: Vec<(u64, BTreeMap<String, f64>)>,
}

fn trace(folder: &Path) -> Trace {
    let run = folder.join("run");
    let entries = fs::read_dir(run.join("samples")).unwrap();
    let mut samples: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    samples.sort();
    let log = read_log(&run.join("log.jsonl")).unwrap();
    // A warm start's note comes once; it is no step.
    let log = log.into_iter().filter(|record| record.note.is_none());
    let timeless = |mut values: BTreeMap<String, f64>| {
        values.retain(|key, _| !key.ends_with("per_second"));
        values
    };
    Trace {
        state: fs::read(run.join("state.safetensors")).unwrap(),
        samples: samples.iter().map(|path| fs::read(path).unwrap()).collect(),
        log: log.map(|record| (record.step, timeless(record.values))).collect(),
    }
}

fn killed_and_resumed_is_uninterrupted(trainer: &str, kills: &[usize]) {
    let source = tiny::source();
    let go = AtomicBool::new(false);
    let whole = tempfile::tempdir().unwrap();
    assert_eq!(
        train(trainer, &source, whole.path(), &mut byteedit_train::Silent, &go).unwrap(),
        Outcome::Finished
    );

    let broken = tempfile::tempdir().unwrap();
    for &n_steps in kills {
        run_and_kill(trainer, broken.path(), n_steps);
    }
    train(trainer, &source, broken.path(), &mut byteedit_train::Silent, &go).unwrap();

    let (expected, resumed) = (trace(whole.path()), trace(broken.path()));
    assert_eq!(expected.log.iter().map(|line| line.0).collect::<Vec<_>>(), (1..=16).collect::<Vec<_>>());
    assert_eq!(resumed.log, expected.log);
    assert!(resumed.state == expected.state, "the states differ");
    assert!(resumed.samples == expected.samples, "the samples differ");
}

#[test]
fn a_killed_vae_run_goes_on_bit_for_bit() {
    killed_and_resumed_is_uninterrupted("vae", &[2, 7]);
}

#[test]
fn a_killed_decoder_run_goes_on_bit_for_bit() {
    killed_and_resumed_is_uninterrupted("decoder", &[4, 10]);
}

#[test]
fn a_killed_base_run_goes_on_bit_for_bit() {
    killed_and_resumed_is_uninterrupted("base", &[5, 11]);
}

#[test]
fn a_killed_judge_run_goes_on_bit_for_bit() {
    killed_and_resumed_is_uninterrupted("judge", &[4, 9]);
}

#[test]
fn a_base_run_without_its_pool_file_encodes_the_same_again() {
    let source = tiny::source();
    let (whole, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let go = AtomicBool::new(false);
    train("base", &source, whole.path(), &mut byteedit_train::Silent, &go).unwrap();
    let stop = AtomicBool::new(false);
    let outcome = train("base", &source, stopped.path(), &mut StopAt(10, &stop), &stop).unwrap();
    assert_eq!(outcome, Outcome::Interrupted { step: 10 });
    fs::remove_file(stopped.path().join("run/pool.bin")).unwrap();
    train("base", &source, stopped.path(), &mut byteedit_train::Silent, &go).unwrap();
    assert!(trace(stopped.path()).state == trace(whole.path()).state, "the states differ");
}

#[test]
fn a_damaged_state_is_reported_and_the_one_before_it_used() {
    let source = tiny::source();
    let go = AtomicBool::new(false);
    let (whole, damaged) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&whole, &damaged] {
        train("vae", &source, folder.path(), &mut byteedit_train::Silent, &go).unwrap();
    }
    let state = damaged.path().join("run/state.safetensors");
    let bytes = fs::read(&state).unwrap();
    fs::write(&state, &bytes[..bytes.len() / 2]).unwrap();
    let mut warnings = tiny::Warnings::default();
    train("vae", &source, damaged.path(), &mut warnings, &go).unwrap();
    assert!(warnings.0[0].contains("going on from the one before it"), "{:?}", warnings.0);
    assert!(trace(damaged.path()).state == trace(whole.path()).state, "the states differ");
}

#[test]
fn another_configuration_in_the_same_folder_is_refused() {
    let source = tiny::source();
    let dir = tempfile::tempdir().unwrap();
    let mut config = tiny::vae_config();
    config.training.n_steps = 1;
    tiny::train_vae(&config, &source, dir.path()).unwrap();
    config.loss.kl = 0.5;
    let error = tiny::train_vae(&config, &source, dir.path()).unwrap_err().to_string();
    assert!(error.contains("`loss.kl` (was 1e-6, is 0.5)"), "{error}");
    // A cosine belongs to its number of steps.
    config.loss.kl = 1e-6;
    config.training.n_steps = 2;
    let error = tiny::train_vae(&config, &source, dir.path()).unwrap_err().to_string();
    assert!(error.contains("`training.n_steps` (was 1, is 2") && error.contains("--init"), "{error}");
    // At a constant learning rate a longer run is the same run.
    let dir = tempfile::tempdir().unwrap();
    config.training.learning_rate.decay = Decay::Constant;
    for n_steps in [1, 2] {
        config.training.n_steps = n_steps;
        assert_eq!(tiny::train_vae(&config, &source, dir.path()).unwrap(), Outcome::Finished);
    }
}
