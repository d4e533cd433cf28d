//! A run may start from the weights of an earlier one, says so, and goes on without them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tiny;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use byteedit_edit::Hole;
use byteedit_models::store::{Precision, load_component, save_component};
use byteedit_models::vae::AutoencoderKL;
use byteedit_train::TrainError;
use byteedit_train::base::{BaseInputs, BaseRunConfig};
use byteedit_train::optim::Decay;
use byteedit_train::run::read_log;
use byteedit_train::vae::{VaeInputs, VaeRunConfig};

/// Trains, and returns what the user was warned of.
fn warnings_of(config: &BaseRunConfig, inputs: &BaseInputs<'_>, folder: &Path) -> Vec<String> {
    let mut warnings = tiny::Warnings::default();
    tiny::train_base_with(config, inputs, folder, &mut warnings, &AtomicBool::new(false)).unwrap();
    warnings.0
}

fn vae_config(n_steps: u64) -> VaeRunConfig {
    let mut config = tiny::vae_config();
    config.training.n_steps = n_steps;
    config.training.report.sample_every = 0;
    config.training.learning_rate.decay = Decay::Constant;
    config
}

#[test]
fn an_autoencoder_starts_from_the_weights_of_another_and_goes_on_without_them() {
    let source = tiny::source();
    let dir = tempfile::tempdir().unwrap();
    let (init, run) = (dir.path().join("init"), dir.path().join("run"));
    tiny::write_vae(&init);
    let first_layer = |folder: &Path| {
        let vae: AutoencoderKL = load_component(folder, &Device::default()).unwrap();
        vae.encoder.conv_in.weight.val().into_data()
    };
    let started_from = first_layer(&init);
    let inputs = VaeInputs { source: &source, init: Some(&init) };
    let train = |config: &VaeRunConfig, inputs: &VaeInputs<'_>| {
        let mut warnings = tiny::Warnings::default();
        tiny::train_vae_with(config, inputs, &run, &mut warnings, &AtomicBool::new(false)).unwrap();
        warnings.0
    };
    // Widths of the preset are those of the autoencoder that the run starts from.
    let mut other = vae_config(0);
    other.vae.block_out_channels = vec![16, 16, 16];
    let warnings = train(&other, &inputs);
    assert!(warnings.len() == 1 && warnings[0].contains("SHA-256"), "{warnings:?}");
    // Without a step, what comes out is what went in, but for the basis of its latents.
    assert!(first_layer(&run.join("vae")) == started_from, "the weights differ");
    // A state is there now: what lies at the same path does not matter any more.
    tiny::write_vae_of(&init, 6);
    let config = vae_config(2);
    assert!(train(&config, &inputs).is_empty());
    let log = read_log(&run.join("log.jsonl")).unwrap();
    assert_eq!(log.iter().map(|record| record.step).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(log[0].note.as_deref(), Some(warnings[0].as_str()));
}

#[test]
fn a_run_that_began_at_random_takes_no_weights_later() {
    let source = tiny::source();
    let dir = tempfile::tempdir().unwrap();
    let (init, run) = (dir.path().join("init"), dir.path().join("run"));
    tiny::write_vae(&init);
    tiny::train_vae(&vae_config(1), &source, &run).unwrap();
    let inputs = VaeInputs { source: &source, init: Some(&init) };
    let go = AtomicBool::new(false);
    let error =
        tiny::train_vae_with(&vae_config(2), &inputs, &run, &mut byteedit_train::Silent, &go).unwrap_err();
    assert!(matches!(error, TrainError::OtherRun { .. }), "{error}");
    assert!(error.to_string().contains("`init_sha256` (was null"), "{error}");
}

#[test]
fn a_warm_start_takes_weights_widths_and_vocabulary() {
    let source = tiny::source();
    let dir = tempfile::tempdir().unwrap();
    tiny::train_and_export(&source, dir.path());
    let (vae, init) = (dir.path().join("vae"), dir.path().join("run/model"));
    let mut config = tiny::base_config();
    config.training.n_steps = 0;
    config.training.learning_rate.decay = Decay::Constant;
    // Widths of the preset are those of the model that the run starts from.
    config.unet.block_out_channels = vec![64];
    let inputs = BaseInputs { source: &source, vae: &vae, init: Some(&init) };
    let warm = dir.path().join("warm");
    assert_eq!(warnings_of(&config, &inputs, &warm).len(), 1, "what it starts from, and nothing else");
    // Without a step, what comes out is what went in.
    for file in
        ["unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors", "tokenizer/vocab.json"]
    {
        assert!(
            fs::read(warm.join("model").join(file)).unwrap() == fs::read(init.join(file)).unwrap(),
            "{file}"
        );
    }
    let config_json = fs::read_to_string(warm.join("config.json")).unwrap();
    assert!(config_json.contains("init_unet_sha256\": \""), "the run records its warm start");
    // It goes on whatever has become of the weights that it started from.
    fs::remove_dir_all(&init).unwrap();
    config.training.n_steps = 1;
    assert!(warnings_of(&config, &inputs, &warm).is_empty());
    let log = read_log(&warm.join("log.jsonl")).unwrap();
    assert_eq!(log.iter().map(|record| record.step).collect::<Vec<_>>(), [0, 1]);
    assert!(log[0].note.as_ref().unwrap().starts_with("warm start from the weights in "), "{log:?}");
}

#[test]
fn a_warm_start_on_the_latents_of_another_autoencoder_is_warned_of() {
    let source = tiny::source();
    let dir = tempfile::tempdir().unwrap();
    tiny::train_and_export(&source, dir.path());
    let (vae, init) = (dir.path().join("other"), dir.path().join("run/model"));
    tiny::write_vae_of(&vae, 6);
    let mut config = tiny::base_config();
    config.training.n_steps = 0;
    let inputs = BaseInputs { source: &source, vae: &vae, init: Some(&init) };
    let warnings = warnings_of(&config, &inputs, &dir.path().join("warm"));
    assert!(warnings[1].contains("latents of another autoencoder"), "{warnings:?}");
    // Another decoder changes nothing of the latents.
    let load = |folder: &Path| load_component::<AutoencoderKL>(folder, &Device::default()).unwrap();
    let mut sharpened = load(&dir.path().join("vae"));
    sharpened.decoder = load(&vae).decoder;
    save_component(&sharpened, &vae, Precision::F16, &BTreeMap::new()).unwrap();
    let warnings = warnings_of(&config, &inputs, &dir.path().join("sharpened"));
    assert!(warnings.len() == 1 && warnings[0].contains("warm start"), "{warnings:?}");
}

#[test]
fn a_warm_start_with_another_hole_is_warned_of() {
    let source = tiny::source();
    let dir = tempfile::tempdir().unwrap();
    tiny::train_and_export(&source, dir.path());
    let (vae, init) = (dir.path().join("vae"), dir.path().join("run/model"));
    let inputs = BaseInputs { source: &source, vae: &vae, init: Some(&init) };
    let mut config = tiny::base_config();
    config.training.n_steps = 0;
    let same = warnings_of(&config, &inputs, &dir.path().join("same"));
    assert!(same.iter().all(|warning| !warning.contains("hole")), "{same:?}");
    config.hole = Hole::Grey;
    let other = warnings_of(&config, &inputs, &dir.path().join("other"));
    assert!(other.iter().any(|warning| warning.contains("`hole` guess, not grey")), "{other:?}");
}

#[test]
fn every_seed_is_validated_on_the_same_pairs_with_the_same_noise() {
    let source = tiny::source();
    let dir = tempfile::tempdir().unwrap();
    tiny::train_and_export(&source, dir.path());
    let (vae, init) = (dir.path().join("vae"), dir.path().join("run/model"));
    let losses = [0, 1].map(|seed| {
        let mut config = tiny::base_config();
        config.training.seed = seed;
        config.training.n_steps = 1;
        // The weights stay what they are.
        config.training.learning_rate.peak = 1e-30;
        let inputs = BaseInputs { source: &source, vae: &vae, init: Some(&init) };
        let run = dir.path().join(seed.to_string());
        warnings_of(&config, &inputs, &run);
        let log = read_log(&run.join("log.jsonl")).unwrap();
        (log[1].values["loss"].to_bits(), log[1].values["validation/loss"].to_bits())
    });
    assert_ne!(losses[0].0, losses[1].0, "the seeds train on different pairs");
    assert_eq!(losses[0].1, losses[1].1);
}
