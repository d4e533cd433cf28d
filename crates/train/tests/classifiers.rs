//! Judge and annotator: runs that learn, leave what they promise, and refuse what is not theirs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tiny;

use std::fs;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use byteedit_data::folder::FolderDataset;
use byteedit_data::{Photos, SampleSpec, Split, Task, World};
use byteedit_models::Component;
use byteedit_models::classifier::{Annotator, Classifier, Judge, NOTHING};
use byteedit_models::store::load_component;
use byteedit_train::run::read_log;
use byteedit_train::{Outcome, RunContext, Silent, Source, annotator, judge};
use serde_json::Value;

#[test]
fn a_judge_learns_and_leaves_its_weights_its_figures_and_its_mistakes() {
    let (source, folder) = (tiny::source(), tempfile::tempdir().unwrap());
    let mut config = tiny::judge_config();
    config.training.n_steps = 60;
    config.training.batch_size = 16;
    let run = folder.path().join("run");
    let stop = AtomicBool::new(false);
    let outcome = tiny::train_judge(&config, &source, &run, &mut Silent, &stop).unwrap();
    assert_eq!(outcome, Outcome::Finished);
    let log = read_log(&run.join("log.jsonl")).unwrap();
    let loss = |part: &[byteedit_train::run::LogRecord]| {
        part.iter().map(|record| record.values["loss"]).sum::<f64>() / part.len() as f64
    };
    // At first it is the logarithm of the number of labels, about 4.4.
    assert!(loss(&log[50..]) < loss(&log[..10]) - 0.1, "{} and {}", loss(&log[..10]), loss(&log[50..]));
    for key in
        ["validation/accuracy", "validation/accuracy_nothing", "validation/accuracy_held_out_renderings"]
    {
        assert!((0.0..=1.0).contains(&log[59].values[key]), "{key}");
    }
    let judge: Judge = load_component(&run.join("judge"), &Device::default()).unwrap();
    let Source::World(world) = &source else { panic!("the tiny source is the world") };
    let labels = Judge::labels(judge.config());
    assert_eq!(labels.len(), world.concepts().len() + 1);
    assert_eq!(
        (labels[0].as_str(), labels.last().unwrap().as_str()),
        (world.concepts()[0].name.as_str(), NOTHING)
    );
    let record: Value =
        serde_json::from_str(&fs::read_to_string(run.join("accuracy.json")).unwrap()).unwrap();
    assert_eq!((record.as_array().unwrap().len(), &record[3]["photographs"]), (4, &"test".into()));
    assert!(fs::read_to_string(run.join("samples/step_000060.txt")).unwrap().contains("mistakes in 20"));
    assert!(run.join("samples/step_000060.png").is_file());

    judge::export(&run, &folder.path().join("out"), &Device::default()).unwrap();
    let weights = |place: &str| fs::read(folder.path().join(place).join(Judge::WEIGHTS_FILE)).unwrap();
    assert!(weights("out") == weights("run/judge"));
}

#[test]
fn an_annotator_is_another_network_on_other_photographs() {
    let (source, folder) = (tiny::source(), tempfile::tempdir().unwrap());
    let mut config = tiny::annotator_config();
    assert_ne!(config.glimpses.photos, judge::mini().glimpses.photos);
    config.training.n_steps = 2;
    let stop = AtomicBool::new(false);
    let context =
        RunContext { folder: folder.path(), device: &Device::default(), progress: &mut Silent, stop: &stop };
    assert_eq!(annotator::train(&config, &source, context).unwrap(), Outcome::Finished);
    let annotator: Annotator = load_component(&folder.path().join("annotator"), &Device::default()).unwrap();
    assert_eq!(Annotator::side(annotator.config()), 16);
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
    let message = refused(|config| config.glimpses.photos = Photos::Test, &source);
    assert!(message.contains("`glimpses.photos` is Test"), "{message}");
    assert!(refused(|config| config.n_validation = 0, &source).contains("`n_validation` is 0"));
    assert!(
        refused(|config| config.loss.label_smoothing = 1.0, &source).contains("`loss.label_smoothing` is 1")
    );
    assert!(refused(|config| config.network.side = 18, &source).contains("`side` is 18"));
    let Source::World(world) = &source else { panic!("the tiny source is the world") };
    let pictures = folder.path().join("pictures");
    write_pictures(world, &pictures);
    let source = Source::Folder(FolderDataset::open(&pictures).unwrap());
    assert!(refused(|_| {}, &source).contains("leave --data out"));
}

fn write_pictures(world: &World, folder: &std::path::Path) {
    let spec = SampleSpec { size: 32, ..SampleSpec::new(Task::Edit, Split::Train, 0) };
    byteedit_data::world::write_samples(folder, world, &spec, 2).unwrap();
}
