//! Training on a folder of pictures with `metadata.jsonl` instead of the world.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tiny;

use std::path::Path;

use byteedit_data::{FolderDataset, SampleSpec, Split, Task, world};
use byteedit_train::base::BaseInputs;
use byteedit_train::{Outcome, Source};

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
fn pairs_depend_on_their_address_alone_and_use_the_folders_masks() {
    let dir = tempfile::tempdir().unwrap();
    let source = folder(dir.path());
    let config = tiny::base_config().data;
    let pair = |split, seed, index| source.pair(&config, split, seed, index).unwrap();
    assert_eq!(pair(Split::Train, 1, 5), pair(Split::Train, 1, 5));
    assert_ne!(pair(Split::Train, 1, 5), pair(Split::Train, 2, 5));
    assert!((0..20).all(|index| pair(Split::Train, 0, index).edit_mask.area() > 0));
    let source_again = Source::Folder(FolderDataset::open(dir.path()).unwrap());
    assert_eq!(source.fingerprint(&config).unwrap(), source_again.fingerprint(&config).unwrap());
    assert_ne!(source.fingerprint(&config).unwrap(), tiny::source().fingerprint(&config).unwrap());
}
