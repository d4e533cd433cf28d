//! Training on a folder of pictures with `metadata.jsonl` instead of the world.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tiny;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use byteedit_data::{FolderDataset, SampleSpec, Split, Task, world};
use byteedit_train::base::BaseInputs;
use byteedit_train::{Outcome, Source, vae};

fn folder(dir: &Path) -> Source {
    let Source::World(world) = tiny::source() else { unreachable!("the tests train on the world") };
    let spec = SampleSpec { size: 48, ..SampleSpec::new(Task::Edit, Split::Train, 1) };
    world::write_samples(dir, &world, &spec, 24).unwrap();
    Source::Folder(FolderDataset::open(dir).unwrap())
}

#[test]
fn both_trainers_run_on_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(&dir.path().join("data"));
    let mut config = tiny::vae_config();
    config.training.n_steps = 2;
    let run = dir.path().join("vae-run");
    assert_eq!(tiny::train_vae(&config, &source, &run).unwrap(), Outcome::Finished);

    let mut config = tiny::base_config();
    config.training.n_steps = 2;
    let vae = run.join("vae");
    let inputs = BaseInputs { source: &source, vae: &vae, init: None };
    assert_eq!(tiny::train_base(&config, &inputs, &dir.path().join("base-run")).unwrap(), Outcome::Finished);
}

#[test]
fn captions_that_are_never_empty_are_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(&dir.path().join("data"));
    let vae = dir.path().join("vae");
    tiny::write_vae(&vae);
    let inputs = BaseInputs { source: &source, vae: &vae, init: None };
    let warned = |caption_dropout: f32, run: &str| {
        let mut config = tiny::base_config();
        config.training.n_steps = 0;
        config.loss.caption_dropout = caption_dropout;
        let mut warnings = tiny::Warnings::default();
        let run = dir.path().join(run);
        tiny::train_base_with(&config, &inputs, &run, &mut warnings, &AtomicBool::new(false)).unwrap();
        warnings.0.iter().any(|warning| warning.contains("no caption is empty and none is dropped"))
    };
    assert!(warned(0.0, "never-empty"));
    assert!(!warned(0.1, "dropped"));
}

#[test]
fn a_run_is_bound_to_its_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(&dir.path().join("data"));
    let mut config = tiny::vae_config();
    config.training.n_steps = 1;
    let run = dir.path().join("run");
    tiny::train_vae(&config, &tiny::source(), &run).unwrap();
    let error = tiny::train_vae(&config, &source, &run).unwrap_err().to_string();
    assert!(error.contains("`data_sha256` (was "), "{error}");
    let error =
        vae::export(&run, &source, &dir.path().join("out"), &Device::default()).unwrap_err().to_string();
    assert!(error.contains("was trained on other pictures; name their folder with --data"), "{error}");
    assert!(!dir.path().join("out").exists(), "a failed export leaves nothing behind");
}

#[test]
fn the_fingerprint_sees_every_file() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(dir.path());
    let Source::Folder(dataset) = &source else { unreachable!("made as a folder") };
    let config = tiny::base_config().data;
    let mut last = source.fingerprint(&config).unwrap();
    for (name, path) in dataset.files() {
        // Behind the end of a PNG, where no decoder looks.
        fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"x").unwrap();
        let now = source.fingerprint(&config).unwrap();
        assert_ne!(now, last, "{name}");
        last = now;
    }
}

#[test]
fn pairs_use_the_folders_masks() {
    let dir = tempfile::tempdir().unwrap();
    let white_corner = |x, y| image::Luma([if x < 20 && y < 15 { 255 } else { 0 }]);
    image::GrayImage::from_fn(90, 60, white_corner).save(dir.path().join("corner.png")).unwrap();
    image::GrayImage::new(90, 60).save(dir.path().join("black.png")).unwrap();
    let lines = concat!(
        r#"{"file_name": "corner.png", "text": "its own mask", "mask": "corner.png"}"#,
        "\n",
        r#"{"file_name": "corner.png", "text": "an empty mask", "mask": "black.png"}"#,
    );
    fs::write(dir.path().join("metadata.jsonl"), lines).unwrap();
    let source = Source::Folder(FolderDataset::open(dir.path()).unwrap());
    let config = tiny::base_config().data;
    let pairs = (0..40).map(|index| source.pair(&config, Split::Train, 0, index).unwrap());
    let (own, empty): (Vec<_>, Vec<_>) = pairs.partition(|pair| pair.caption == "its own mask");
    assert!(own.len() > 5 && empty.len() > 5, "{} and {}", own.len(), empty.len());
    for pair in own {
        // At most 60 px of the picture become 32: the corner keeps 10 x 8 of them.
        assert!(pair.edit_mask.area() >= 80, "{}", pair.edit_mask.area());
        for ([value, ..], inside) in pair.truth.pixels().zip(&pair.edit_mask.values) {
            // The picture has values in between at the corner's edge, the mask has not.
            assert!((64..192).contains(&value) || (value > 128) == (*inside == 255));
        }
    }
    assert!(
        empty.iter().all(|pair| pair.edit_mask.area() > 0),
        "the strategy draws what the folder does not"
    );
}

#[test]
fn pairs_depend_on_their_address_alone() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(dir.path());
    let config = tiny::base_config().data;
    let pair = |split, seed, index| source.pair(&config, split, seed, index).unwrap();
    assert_eq!(pair(Split::Train, 1, 5), pair(Split::Train, 1, 5));
    assert_ne!(pair(Split::Train, 1, 5), pair(Split::Train, 2, 5));
    let source_again = Source::Folder(FolderDataset::open(dir.path()).unwrap());
    assert_eq!(source.fingerprint(&config).unwrap(), source_again.fingerprint(&config).unwrap());
    assert_ne!(source.fingerprint(&config).unwrap(), tiny::source().fingerprint(&config).unwrap());
}
