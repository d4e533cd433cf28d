//! Both trainers learn, on runs of a few seconds.

mod tiny;

use byteedit_diffusion::Prediction;
use byteedit_diffusion::loss::LossWeighting;
use byteedit_edit::Hole;
use byteedit_train::TrainError;
use byteedit_train::base::{BaseInputs, BaseRunConfig};
use byteedit_train::optim::{Decay, LrSchedule};
use byteedit_train::run::{LogRecord, read_log};
use byteedit_train::training::TrainingConfig;

const FAST: LrSchedule = LrSchedule { peak: 3e-3, warmup_steps: 5, decay: Decay::Constant };

fn mean(records: &[LogRecord], key: &str) -> f64 {
    records.iter().map(|record| record.values[key]).sum::<f64>() / records.len() as f64
}

fn quiet(training: &mut TrainingConfig, n_steps: u64) {
    training.n_steps = n_steps;
    training.learning_rate = FAST;
    training.report.sample_every = 0;
    training.report.validate_every = n_steps / 2;
    training.report.checkpoint_every = n_steps;
}

#[test]
fn the_autoencoder_learns_to_reconstruct() {
    let source = tiny::source();
    let dir = tempfile::tempdir().unwrap();
    let mut config = tiny::vae_config();
    quiet(&mut config.training, 160);
    config.training.ema.decay = 0.9;
    tiny::train_vae(&config, &source, dir.path()).unwrap();
    let log = read_log(&dir.path().join("log.jsonl")).unwrap();
    // The squared error alone: the loss also weighs colours and outlines, which take longer.
    let (first, last) = (mean(&log[..10], "mse"), mean(&log[150..], "mse"));
    assert!(last < 0.5 * first, "the squared error went from {first} to {last}");
    let psnr = |record: &LogRecord| record.values["validation/psnr_photographs"];
    assert!(psnr(&log[159]) > 15.0, "{} dB", psnr(&log[159]));
    assert!(dir.path().join("vae/diffusion_pytorch_model.safetensors").exists());
}

#[test]
fn the_base_model_learns_to_denoise() {
    let source = tiny::source();
    let dir = tempfile::tempdir().unwrap();
    let vae = dir.path().join("vae");
    tiny::write_vae(&vae);
    let mut config = tiny::base_config();
    quiet(&mut config.training, 200);
    config.training.ema.decay = 0.9;
    // A few samples, seen again and again.
    config.pool.n_initial = 16;
    config.pool.uses_per_sample = 1e6;
    let run = dir.path().join("run");
    tiny::train_base(&config, &BaseInputs { source: &source, vae: &vae, init: None }, &run).unwrap();
    let log = read_log(&run.join("log.jsonl")).unwrap();
    let (first, last) = (mean(&log[..10], "loss"), mean(&log[180..], "loss"));
    assert!(last < 0.6 * first, "loss went from {first} to {last}");
    let quarters: f64 = (0..4).map(|q| log[199].values[&format!("validation/loss_t{q}")]).sum();
    assert!((quarters / 4.0 - log[199].values["validation/loss"]).abs() < 1e-9);
    // The few are known by heart, and others of their kind are not.
    let [seen, unseen] = ["seen", "unseen"].map(|name| log[199].values[&format!("validation/inside_{name}")]);
    assert!(seen < 0.9 * unseen, "{seen} of seen samples, {unseen} of others");
}

#[test]
fn every_option_of_the_loss_takes_part() {
    let source = tiny::source();
    let dir = tempfile::tempdir().unwrap();
    let vae = dir.path().join("vae");
    tiny::write_vae(&vae);
    let loss = |name: &str, change: fn(&mut BaseRunConfig)| {
        let mut config = tiny::base_config();
        // The last layers of the network start at zero, so the first steps cannot hear the caption.
        quiet(&mut config.training, 8);
        change(&mut config);
        let run = dir.path().join(name);
        tiny::train_base(&config, &BaseInputs { source: &source, vae: &vae, init: None }, &run).unwrap();
        mean(&read_log(&run.join("log.jsonl")).unwrap(), "loss")
    };
    let plain = loss("plain", |_| {});
    for (name, other) in [
        ("min-snr", loss("min-snr", |config| config.loss.weighting = LossWeighting::MinSnr(5.0))),
        ("dropout", loss("dropout", |config| config.loss.caption_dropout = 1.0)),
        ("offset", loss("offset", |config| config.loss.offset_noise = 0.2)),
        ("v", loss("v", |config| config.schedule.prediction_type = Prediction::V)),
        ("hole", loss("hole", |config| config.hole = Hole::Grey)),
        ("muon", loss("muon", |config| config.training.muon = None)),
        ("some-snr", loss("some-snr", |config| config.schedule.rescale_betas_zero_snr = false)),
        ("accumulated", loss("accumulated", |config| config.training.n_accumulate = 2)),
        ("seed", loss("seed", |config| config.training.seed = 1)),
    ] {
        // A run repeats bit for bit, so any difference is the option's; the caption's is small after eight steps.
        assert!(other.is_finite() && other.to_bits() != plain.to_bits(), "{name}: {other} and {plain}");
    }
}

#[test]
fn accumulated_micro_batches_are_one_batch() {
    let source = tiny::source();
    let losses = |batch_size, n_accumulate| {
        let dir = tempfile::tempdir().unwrap();
        let mut config = tiny::vae_config();
        quiet(&mut config.training, 4);
        config.training.batch_size = batch_size;
        config.training.n_accumulate = n_accumulate;
        tiny::train_vae(&config, &source, dir.path()).unwrap();
        let log = read_log(&dir.path().join("log.jsonl")).unwrap();
        log.iter().map(|record| (record.n_images, record.values["loss"])).collect::<Vec<_>>()
    };
    for ((n, one), (m, two)) in losses(4, 1).into_iter().zip(losses(2, 2)) {
        // The same pictures and noise, so the same mean up to the rounding of f32.
        assert!(n == m && (one / two - 1.0).abs() < 1e-3, "{one} and {two} after {n} and {m} pictures");
    }
}

#[test]
fn a_training_that_diverges_stops_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = tiny::vae_config();
    quiet(&mut config.training, 60);
    config.training.learning_rate = LrSchedule { peak: 1e30, warmup_steps: 0, decay: Decay::Constant };
    let error = tiny::train_vae(&config, &tiny::source(), dir.path()).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
    assert!(!dir.path().join("state.safetensors").exists(), "a diverged state must not be saved");
}
