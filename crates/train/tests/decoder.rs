//! Sharpening leaves the latents alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tiny;

use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use byteedit_models::store::load_component;
use byteedit_models::vae::AutoencoderKL;
use byteedit_train::decoder::{DecoderInputs, DecoderRunConfig};
use byteedit_train::named::{NamedTensors, parameters_of};
use byteedit_train::run::read_log;
use byteedit_train::{Outcome, Silent};

fn values(parameters: NamedTensors) -> Vec<(String, Vec<f32>)> {
    let read = |(name, value): (String, burn::tensor::Tensor<1>)| {
        (name, value.into_data().as_slice::<f32>().unwrap().to_vec())
    };
    parameters.into_iter().map(read).collect()
}

#[test]
fn the_encoder_stays_bit_for_bit_and_the_decoder_moves() {
    let dir = tempfile::tempdir().unwrap();
    let (vae, run) = (dir.path().join("vae"), dir.path().join("run"));
    tiny::write_vae(&vae);
    let source = tiny::source();
    let inputs = DecoderInputs { source: &source, vae: &vae };
    let go = AtomicBool::new(false);
    let outcome = tiny::train_decoder(&tiny::decoder_config(), &inputs, &run, &mut Silent, &go).unwrap();
    assert_eq!(outcome, Outcome::Finished);

    let load = |folder| load_component::<AutoencoderKL>(folder, &Device::default()).unwrap();
    let (before, after) = (load(&vae), load(&run.join("vae")));
    let encoder = |vae: &AutoencoderKL| values(parameters_of(&vae.encoder));
    let decoder = |vae: &AutoencoderKL| values(parameters_of(&vae.decoder));
    assert_eq!(encoder(&after), encoder(&before));
    assert_ne!(decoder(&after), decoder(&before));
    // The scaling factor is the latents' too.
    assert_eq!(
        std::fs::read(vae.join("config.json")).unwrap(),
        std::fs::read(run.join("vae/config.json")).unwrap()
    );
}

#[test]
fn pixels_get_nearer_and_the_adversary_learns() {
    let dir = tempfile::tempdir().unwrap();
    let (vae, run) = (dir.path().join("vae"), dir.path().join("run"));
    tiny::write_vae(&vae);
    let source = tiny::source();
    let mut config = tiny::decoder_config();
    config.training.n_steps = 80;
    config.training.learning_rate.peak = 3e-3;
    config.training.learning_rate.warmup_steps = 0;
    let inputs = DecoderInputs { source: &source, vae: &vae };
    tiny::train_decoder(&config, &inputs, &run, &mut Silent, &AtomicBool::new(false)).unwrap();
    let log = read_log(&run.join("log.jsonl")).unwrap();
    let steps: Vec<_> = log.iter().filter(|record| record.note.is_none()).collect();
    let mean = |key: &str, records: &[&byteedit_train::run::LogRecord]| {
        records.iter().map(|record| record.values[key]).sum::<f64>() / records.len() as f64
    };
    let (first, last) = (&steps[..8], &steps[72..]);
    assert!(mean("l1", last) < 0.85 * mean("l1", first), "{} then {}", mean("l1", first), mean("l1", last));
    // Two without an opinion; below that it tells truth and output apart.
    assert!(mean("discriminator", last) < 1.7, "{}", mean("discriminator", last));
}

#[test]
fn latents_are_disturbed_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let vae = dir.path().join("vae");
    tiny::write_vae(&vae);
    let source = tiny::source();
    let l1 = |latent_noise: f64, latent_smoothing: f64| {
        let run = dir.path().join(format!("{latent_noise}-{latent_smoothing}"));
        let config = DecoderRunConfig { latent_noise, latent_smoothing, ..tiny::decoder_config() };
        let inputs = DecoderInputs { source: &source, vae: &vae };
        tiny::train_decoder(&config, &inputs, &run, &mut Silent, &AtomicBool::new(false)).unwrap();
        let log = read_log(&run.join("log.jsonl")).unwrap();
        log.iter().find_map(|record| record.values.get("l1").copied()).unwrap()
    };
    let (clean, noised, smoothed) = (l1(0.0, 0.0), l1(3.0, 0.0), l1(0.0, 9.0));
    assert!(noised > clean, "{noised} with noise, {clean} without");
    assert_ne!(smoothed.to_bits(), clean.to_bits());
}
