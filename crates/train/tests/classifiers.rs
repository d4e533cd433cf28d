//! Judge and annotator: runs that learn, leave what they promise, and refuse what is not theirs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tiny;

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use byteedit_data::folder::FolderDataset;
use byteedit_data::{SampleSpec, Split, Task, World};
use byteedit_models::Component;
use byteedit_models::classifier::{Annotator, Classifier, Judge, NOTHING};
use byteedit_models::store::load_component;
use byteedit_train::run::{config_from_overlay, read_log};
use byteedit_train::{Outcome, RunContext, Silent, Source, annotator, judge};
use serde_json::Value;

#[test]
fn a_judge_learns_and_leaves_its_weights_its_figures_and_its_mistakes() {
    let (source, folder) = (tiny::source(), tempfile::tempdir().unwrap());
    let mut config = tiny::judge_config();
    config.training.n_steps = 150;
    config.training.batch_size = 64;
    config.training.report.validate_every = 150;
    config.network.block_out_channels = vec![16, 32];
    // Half of its glimpses are backgrounds: who sees nothing cannot do better than the entropy of the labels.
    config.glimpses.p_nothing = 0.5;
    let run = folder.path().join("run");
    let stop = AtomicBool::new(false);
    let outcome = tiny::train_judge(&config, &source, &run, &mut Silent, &stop).unwrap();
    assert_eq!(outcome, Outcome::Finished);
    let log = read_log(&run.join("log.jsonl")).unwrap();
    let loss = |part: &[byteedit_train::run::LogRecord]| {
        part.iter().map(|record| record.values["loss"]).sum::<f64>() / part.len() as f64
    };
    let n_concepts = world(&source).concepts().len();
    let smoothing = config.loss.label_smoothing;
    let target = |share: f64| (1.0 - smoothing) * share + smoothing / (n_concepts + 1) as f64;
    let entropy = |share: f64| -target(share) * target(share).ln();
    let blind = entropy(0.5) + n_concepts as f64 * entropy(0.5 / n_concepts as f64);
    assert!(loss(&log[120..]) < blind - 0.08, "{} is no better than {blind}", loss(&log[120..]));
    for key in ["validation/accuracy", "validation/accuracy_nothing"] {
        assert!((0.0..=1.0).contains(&log[149].values[key]), "{key}");
    }
    let judge: Judge = load_component(&run.join("judge"), &Device::default()).unwrap();
    let labels = Judge::labels(judge.config());
    assert_eq!(labels.len(), n_concepts + 1);
    assert_eq!(
        (labels[0].as_str(), labels.last().unwrap().as_str()),
        (world(&source).concepts()[0].name.as_str(), NOTHING)
    );
    let record = accuracy_record(&run);
    assert_eq!(record.len(), 1, "every rendering is learned, so none is held out");
    assert_eq!((&record[0]["photographs"], &record[0]["n"]), (&"validation".into(), &20.into()));
    assert!(fs::read_to_string(run.join("samples/step_000150.txt")).unwrap().contains("mistakes in 20"));
    assert!(run.join("samples/step_000150.png").is_file());

    judge::export(&run, &folder.path().join("out"), &Device::default()).unwrap();
    let weights = |place: &str| fs::read(folder.path().join(place).join(Judge::WEIGHTS_FILE)).unwrap();
    assert!(weights("out") == weights("run/judge"));
    let making = making(&weights("out"));
    assert_eq!((&making["photographs"], &making["renderings"]), (&"first_half".into(), &"every".into()));
    assert_eq!((&making["seed"], &making["n_images"]), (&config.training.seed.into(), &9600.into()));
}

fn world(source: &Source) -> &World {
    let Source::World(world) = source else { panic!("the tiny source is the world") };
    world
}

fn accuracy_record(run: &Path) -> Vec<Value> {
    serde_json::from_str(&fs::read_to_string(run.join("accuracy.json")).unwrap()).unwrap()
}

/// What the header of a weight file says of its training: JSON behind eight bytes of its length.
fn making(weights: &[u8]) -> Value {
    let n = u64::from_le_bytes(*weights.first_chunk().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&weights[8..8 + n]).unwrap();
    serde_json::from_str(header["__metadata__"]["training"].as_str().unwrap()).unwrap()
}

#[test]
fn an_annotator_is_another_network_on_other_photographs() {
    let (source, folder) = (tiny::source(), tempfile::tempdir().unwrap());
    let mut config = tiny::annotator_config();
    config.training.n_steps = 2;
    let stop = AtomicBool::new(false);
    let context =
        RunContext { folder: folder.path(), device: &Device::default(), progress: &mut Silent, stop: &stop };
    assert_eq!(annotator::train(&config, &source, context).unwrap(), Outcome::Finished);
    let annotator: Annotator = load_component(&folder.path().join("annotator"), &Device::default()).unwrap();
    assert_eq!(Annotator::side(annotator.config()), 16);
    let making = making(&fs::read(folder.path().join("annotator").join(Annotator::WEIGHTS_FILE)).unwrap());
    assert_eq!((&making["photographs"], &making["renderings"]), (&"second_half".into(), &"seen".into()));
    let record = accuracy_record(folder.path());
    assert_eq!((record.len(), &record[1]["renderings"]), (2, &"held_out".into()));
    // Only objects that have a rendering which it does not learn.
    assert!(record[1]["n"].as_u64().unwrap() < 20 && record[1]["by_label"].get(NOTHING).is_none());
    // Its folder is no judge's.
    assert!(judge::export(folder.path(), &folder.path().join("out"), &Device::default()).is_err());
}

#[test]
fn what_cannot_be_learned_from_is_refused_by_name() {
    let (source, folder) = (tiny::source(), tempfile::tempdir().unwrap());
    let refused = |change: fn(&mut judge::JudgeRunConfig), source: &Source| {
        let mut config = tiny::judge_config();
        change(&mut config);
        let stop = AtomicBool::new(false);
        let error = tiny::train_judge(&config, source, &folder.path().join("run"), &mut Silent, &stop);
        error.unwrap_err().to_string()
    };
    assert!(
        refused(|config| config.glimpses.p_nothing = 1.5, &source).contains("`glimpses.p_nothing` is 1.5")
    );
    let message = refused(|config| config.network.labels = vec!["cat".into(), NOTHING.into()], &source);
    assert!(message.contains("`network.labels` is a list of 2, but it must be left out"), "{message}");
    assert!(refused(|config| config.n_validation = 0, &source).contains("`n_validation` is 0"));
    assert!(
        refused(|config| config.loss.label_smoothing = 1.0, &source).contains("`loss.label_smoothing` is 1")
    );
    assert!(refused(|config| config.network.side = 18, &source).contains("`side` is 18"));
    let pictures = folder.path().join("pictures");
    write_pictures(world(&source), &pictures);
    let source = Source::Folder(FolderDataset::open(&pictures).unwrap());
    assert!(refused(|_| {}, &source).contains("leave --data out"));
}

fn write_pictures(world: &World, folder: &Path) {
    let spec = SampleSpec { size: 32, ..SampleSpec::new(Task::Edit, Split::Train, 0) };
    byteedit_data::world::write_samples(folder, world, &spec, 2).unwrap();
}

#[test]
fn the_choice_of_what_is_seen_is_not_for_a_configuration() {
    for overlay in [r#"{"glimpses": {"renderings": "every"}}"#, r#"{"glimpses": {"photos": "first_half"}}"#] {
        let error = config_from_overlay(&annotator::mini(), overlay, "--set").unwrap_err().to_string();
        assert!(error.contains("unknown field"), "{error}");
    }
}

#[test]
fn a_run_is_bound_to_the_glimpses_it_began_with() {
    let (source, folder) = (tiny::source(), tempfile::tempdir().unwrap());
    let hash_with = |name: &str, change: fn(&mut judge::JudgeRunConfig)| {
        let mut config = tiny::judge_config();
        config.training.n_steps = 1;
        change(&mut config);
        let run = folder.path().join(name);
        tiny::train_judge(&config, &source, &run, &mut Silent, &AtomicBool::new(false)).unwrap();
        judge::JudgeRunConfig::of_run(&run).unwrap().data_sha256
    };
    let usual = hash_with("usual", |_| {});
    assert_eq!(usual, hash_with("again", |config| config.n_validation = 10));
    assert_ne!(usual, hash_with("without", |config| config.glimpses.p_nothing = 1.0));
}
