//! Feedback learning from a model folder to a better one: gone on with to the same bits, guarded, and refused where it
//! would be another run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tiny;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, Tensor};
use byteedit_edit::EditModel;
use byteedit_models::Component;
use byteedit_models::lora::{LoraConfig, is_of_branch};
use byteedit_models::store::load_component;
use byteedit_models::text::CLIPTextModel;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_nn::Init;
use byteedit_reward::{CoherentNetwork, Reward, Shown};
use byteedit_train::base::SamplesConfig;
use byteedit_train::named::{NamedTensors, parameters_of};
use byteedit_train::optim::{Decay, LrSchedule};
use byteedit_train::pefl::{self, GuardConfig, HeldOut, PeflInputs, PeflRunConfig, PhaseConfig};
use byteedit_train::reward::coherent::CoherentRunConfig;
use byteedit_train::run::{Checkpoint, RunFolder, read_log};
use byteedit_train::source::PairConfig;
use byteedit_train::training::{ReportConfig, TrainingConfig};
use byteedit_train::{Outcome, Progress, Result, RunContext, Source, StepReport, TrainError};
use serde_json::{Value, json};
use tempfile::TempDir;

const SIDE: usize = 32;
/// No step that any run makes.
const NEVER: u64 = u64::MAX;

/// What all runs start from: a base model after two steps.
static BASE: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    tiny::train_and_export(&tiny::source(), folder.path());
    folder
});

fn init() -> PathBuf {
    BASE.path().join("run/model")
}

/// Likes bright pictures.
struct Bright;

/// Likes whatever it is shown more than what it was shown before.
#[derive(Default)]
struct Flatterer(Cell<f32>);

/// Finds all pictures alike.
struct Bored;

impl Reward for Bright {
    fn name(&self) -> &'static str {
        "bright"
    }

    fn sees_prompt(&self) -> bool {
        false
    }

    fn sees_mask(&self) -> bool {
        false
    }

    fn n_parameters(&self) -> usize {
        0
    }

    fn score(&self, shown: &Shown) -> byteedit_reward::Result<Tensor<1>> {
        let pixels = shown.pixels();
        let [batch, channels, height, width] = pixels.dims();
        Ok(pixels.reshape([batch, channels * height * width]).mean_dim(1).reshape([batch]) * 4.0)
    }
}

impl Reward for Flatterer {
    fn name(&self) -> &'static str {
        "flatterer"
    }

    fn sees_prompt(&self) -> bool {
        false
    }

    fn sees_mask(&self) -> bool {
        false
    }

    fn n_parameters(&self) -> usize {
        0
    }

    fn score(&self, shown: &Shown) -> byteedit_reward::Result<Tensor<1>> {
        self.0.set(self.0.get() + 0.1);
        Ok(Bright.score(shown)? * 0.0 + self.0.get())
    }
}

impl Reward for Bored {
    fn name(&self) -> &'static str {
        "bored"
    }

    fn sees_prompt(&self) -> bool {
        false
    }

    fn sees_mask(&self) -> bool {
        false
    }

    fn n_parameters(&self) -> usize {
        0
    }

    fn score(&self, shown: &Shown) -> byteedit_reward::Result<Tensor<1>> {
        Ok(Bright.score(shown)? * 0.0)
    }
}

/// Four steps of two batches each.
fn config(validate_every: u64) -> PeflRunConfig {
    let preset = PeflRunConfig::mini();
    let learning_rate = LrSchedule { peak: 1e-2, warmup_steps: 0, decay: Decay::Constant };
    let report = ReportConfig { log_every: 1, validate_every, sample_every: 0, checkpoint_every: 3 };
    PeflRunConfig {
        data: PairConfig { picture_size: SIDE, ..preset.data },
        phases: vec![PhaseConfig { from_step: 0, t: 3, t_1: 2, t_2: 2 }],
        guard: GuardConfig { n_per_task: 1, n_diverse: 1, n_denoised: 4, patience: 9, max_drift: 1e9 },
        samples: SamplesConfig { n_per_task: 1, n_steps: 2, ..preset.samples },
        training: TrainingConfig {
            n_steps: 4,
            batch_size: 2,
            n_accumulate: 2,
            learning_rate,
            report,
            ..preset.training
        },
        ..preset
    }
}

/// The same with an adversary that learns in every other step, and with fewer noise levels in the last two.
fn accelerating() -> PeflRunConfig {
    let config = config(2);
    let phases = vec![config.phases[0], PhaseConfig { from_step: 2, t: 2, t_1: 2, t_2: 1 }];
    let mut adversary = config.clone().accelerating().adversary;
    adversary.as_mut().unwrap().every = 2;
    PeflRunConfig { phases, adversary, ..config }
}

/// The same by branches beside the projections of attention alone.
fn by_branches(config: PeflRunConfig) -> PeflRunConfig {
    PeflRunConfig { lora: Some(LoraConfig::of_attention(2)), ..config }
}

fn coherent() -> CoherentNetwork {
    let mut config = CoherentRunConfig::mini().network;
    let body = &mut config.dinov2_config;
    (body.hidden_size, body.num_hidden_layers, body.num_attention_heads) = (16, 1, 2);
    (body.image_size, config.side) = (SIDE, SIDE);
    CoherentNetwork::from_config(&config, &mut Init::seeded(&Device::default(), 9))
}

/// A run in a folder, with a held-out reward or without.
struct Run<'a> {
    config: &'a PeflRunConfig,
    held_out: Option<Box<dyn Reward>>,
    /// What the adversary is to begin as; [`Run::new`] has one where there is to be an adversary.
    coherent: Option<CoherentNetwork>,
    folder: &'a Path,
    memory_bytes: Option<u64>,
}

impl<'a> Run<'a> {
    fn new(config: &'a PeflRunConfig, folder: &'a Path) -> Self {
        let coherent = config.adversary.map(|_| coherent());
        Self { config, held_out: Some(Box::new(Bright)), coherent, folder, memory_bytes: None }
    }

    fn held_out(self, reward: impl Reward + 'static) -> Self {
        Self { held_out: Some(Box::new(reward)), ..self }
    }

    /// Teaches brightness until the end, or until a step is made.
    fn learn(self, stop_at: u64) -> Result<Outcome> {
        let (source, init, device): (Source, _, _) = (tiny::source(), init(), Device::default());
        let inputs = PeflInputs {
            source: &source,
            init: &init,
            aesthetic: Some(Box::new(Bright)),
            alignment: None,
            coherent: self.coherent,
            features: None,
            held_out: self.held_out.map(HeldOut::Reward),
            critics: BTreeMap::from([("aesthetic".to_owned(), "bright".to_owned())]),
            memory_bytes: self.memory_bytes,
        };
        let stop = AtomicBool::new(false);
        let mut progress = StopAt(stop_at, &stop);
        let context =
            RunContext { folder: self.folder, device: &device, progress: &mut progress, stop: &stop };
        pefl::train(self.config, inputs, context)
    }

    #[track_caller]
    fn finish(self) {
        assert_eq!(self.learn(NEVER).unwrap(), Outcome::Finished);
    }
}

/// Asks to stop once a step is made.
struct StopAt<'a>(u64, &'a AtomicBool);

impl Progress for StopAt<'_> {
    fn on_step(&mut self, report: &StepReport) {
        if report.step == self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

fn guard(run: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(run.join("guard.json")).unwrap()).unwrap()
}

/// The weights of the U-Net in a model folder.
fn unet(model: &Path) -> BTreeMap<String, Vec<f32>> {
    let unet: UNet2DConditionModel = load_component(&model.join("unet"), &Device::default()).unwrap();
    let values = |value: Tensor<1>| value.into_data().as_slice::<f32>().unwrap().to_vec();
    parameters_of(&unet).into_iter().map(|(name, value)| (name, values(value))).collect()
}

/// The newest state of a run.
fn state(run: &Path) -> Checkpoint {
    Checkpoint::load_newest(run, &Device::default()).unwrap().unwrap().0
}

fn bits(values: &NamedTensors) -> BTreeMap<&str, Vec<u32>> {
    let read = |value: &Tensor<1>| {
        let data = value.clone().into_data();
        data.as_slice::<f32>().unwrap().iter().map(|number| number.to_bits()).collect()
    };
    values.iter().map(|(name, value)| (name.as_str(), read(value))).collect()
}

/// A step with what was logged of it.
type Logged = (u64, BTreeMap<String, f64>);

/// What a run leaves behind, but for the clock.
fn trace(run: &Path) -> (Vec<u8>, Vec<u8>, Vec<Logged>) {
    let read = |name: &str| fs::read(run.join(name)).unwrap();
    let timeless = |mut values: BTreeMap<String, f64>| {
        values.retain(|key, _| !key.ends_with("per_second"));
        values
    };
    let log = read_log(&run.join("log.jsonl")).unwrap().into_iter();
    (
        read("state.safetensors"),
        read("model/unet/diffusion_pytorch_model.safetensors"),
        log.map(|record| (record.step, timeless(record.values))).collect(),
    )
}

fn interrupted_and_resumed_is_uninterrupted(config: &PeflRunConfig) {
    let dir = tempfile::tempdir().unwrap();
    let (whole, broken) = (dir.path().join("whole"), dir.path().join("broken"));
    Run::new(config, &whole).finish();
    for step in [1, 3] {
        let outcome = Run::new(config, &broken).learn(step).unwrap();
        assert_eq!(outcome, Outcome::Interrupted { step });
    }
    Run::new(config, &broken).finish();
    let (expected, resumed) = (trace(&whole), trace(&broken));
    let steps: Vec<_> = expected.2.iter().map(|(step, _)| *step).collect();
    // The note of what it started from, the figures of that, and four steps.
    assert_eq!(steps, [0, 0, 1, 2, 3, 4]);
    assert_eq!(resumed.2, expected.2);
    assert!(resumed.0 == expected.0, "the states differ");
    assert!(resumed.1 == expected.1, "the models differ");
    for key in ["verdict", "kept_step", "last_step", "drifted_at"] {
        assert_eq!(guard(&broken)[key], guard(&whole)[key], "{key}");
    }
}

#[test]
fn an_interrupted_run_goes_on_bit_for_bit() {
    interrupted_and_resumed_is_uninterrupted(&config(2));
}

#[test]
fn an_interrupted_run_with_an_adversary_goes_on_bit_for_bit() {
    interrupted_and_resumed_is_uninterrupted(&accelerating());
}

#[test]
fn an_interrupted_run_by_branches_goes_on_bit_for_bit() {
    interrupted_and_resumed_is_uninterrupted(&by_branches(config(2)));
}

#[test]
fn an_interrupted_run_by_branches_with_an_adversary_goes_on_bit_for_bit() {
    interrupted_and_resumed_is_uninterrupted(&by_branches(accelerating()));
}

/// Names of the parameters of a state after one step, those that learn and no others.
fn names_in_state(mut config: PeflRunConfig) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    (config.training.n_steps, config.phases) = (1, vec![config.phases[0]]);
    Run { held_out: None, ..Run::new(&config, dir.path()) }.finish();
    let Checkpoint { model, states, ema, .. } = state(dir.path());
    assert!(model.keys().eq(states.keys()) && model.keys().eq(ema.keys()));
    model.into_keys().collect()
}

#[test]
fn a_state_holds_what_learns_and_nothing_else() {
    let all_of = |names: &[String], prefix: &str| names.iter().all(|name| name.starts_with(prefix));
    let unet = names_in_state(config(1));
    assert!(!unet.is_empty() && all_of(&unet, "base.unet."));
    let branches = names_in_state(by_branches(config(1)));
    assert!(!branches.is_empty() && branches.iter().all(|name| is_of_branch(name)));
    let with_text = names_in_state(PeflRunConfig { trains_text_encoder: true, ..config(1) });
    assert!(with_text.iter().any(|name| name.starts_with("base.text_encoder.")));
    let (ours, theirs): (Vec<_>, Vec<_>) = names_in_state(by_branches(accelerating()))
        .into_iter()
        .partition(|name| name.starts_with("base.unet."));
    assert_eq!(ours, branches);
    assert!(!theirs.is_empty() && all_of(&theirs, "coherent."));
}

/// Makes a run by branches one of before: its configuration has no hash of the text encoder, and its state holds all weights
/// and averages, in the layout of then.
fn as_begun_before(run: &Path) {
    let mut config = PeflRunConfig::of_run(run).unwrap();
    config.provenance.init_text_encoder_sha256.take().unwrap();
    let then = tempfile::tempdir().unwrap();
    let folder = RunFolder::open(then.path(), &config).unwrap();
    fs::copy(then.path().join("config.json"), run.join("config.json")).unwrap();
    let mut state = state(run);
    state.header.schema_version = 2;
    folder.config_hash().clone_into(&mut state.header.config_hash);
    let (parts, device) = (run.join("parts"), Device::default());
    let unet: UNet2DConditionModel = load_component(&parts.join("unet"), &device).unwrap();
    let text_encoder: CLIPTextModel = load_component(&parts.join("text_encoder"), &device).unwrap();
    for (prefix, values) in
        [("base.unet.", parameters_of(&unet)), ("base.text_encoder.", parameters_of(&text_encoder))]
    {
        for (name, value) in values {
            state.model.insert(format!("{prefix}{name}"), value.clone());
            state.ema.insert(format!("{prefix}{name}"), value);
        }
    }
    state.save(run).unwrap();
}

#[test]
fn a_run_that_an_earlier_program_began_goes_on_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, earlier) = (dir.path().join("whole"), dir.path().join("earlier"));
    let config = by_branches(config(2));
    Run::new(&config, &whole).finish();
    assert_eq!(Run::new(&config, &earlier).learn(1).unwrap(), Outcome::Interrupted { step: 1 });
    as_begun_before(&earlier);
    Run::new(&config, &earlier).finish();
    let (expected, mut found) = (state(&whole), state(&earlier));
    assert!(bits(&found.ema) == bits(&expected.ema), "the averages differ");
    assert!(unet(&earlier.join("model")) == unet(&whole.join("model")), "the models differ");
    // Which text encoder it began with, only its states tell.
    let n_all = found.model.len();
    found.model.retain(|name, _| !name.starts_with("base.text_encoder."));
    assert!(n_all > found.model.len());
    assert!(bits(&found.model) == bits(&expected.model), "the weights differ");
}

#[test]
fn a_run_does_not_go_on_beside_other_weights() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = by_branches(config(1));
    config.training.n_steps = 1;
    Run { held_out: None, ..Run::new(&config, dir.path()) }.finish();
    config.training.n_steps = 2;
    for part in ["unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"] {
        let path = dir.path().join("parts").join(part);
        let bytes = fs::read(&path).unwrap();
        let mut other = bytes.clone();
        *other.last_mut().unwrap() ^= 1;
        fs::write(&path, other).unwrap();
        let error = Run { held_out: None, ..Run::new(&config, dir.path()) }.learn(NEVER).unwrap_err();
        assert!(
            matches!(&error, TrainError::OtherWeights { path: named, .. } if *named == path),
            "{part}: {error}"
        );
        fs::write(&path, bytes).unwrap();
    }
    Run { held_out: None, ..Run::new(&config, dir.path()) }.finish();
}

#[test]
fn steps_that_there_is_no_memory_for_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (config, run) = (config(1), dir.path().join("run"));
    let error = Run { memory_bytes: Some(1_000_000), ..Run::new(&config, &run) }.learn(NEVER).unwrap_err();
    assert!(matches!(error, TrainError::Memory { limit_bytes: 1_000_000, .. }), "{error}");
    assert!(error.to_string().contains("set recompute=true"), "{error}");
    assert!(!run.exists());
}

#[test]
fn a_run_that_has_ended_needs_no_memory_for_steps_and_a_longer_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(1);
    config.training.n_steps = 1;
    Run { held_out: None, ..Run::new(&config, dir.path()) }.finish();
    Run { held_out: None, memory_bytes: Some(1_000_000), ..Run::new(&config, dir.path()) }.finish();
    config.training.n_steps = 2;
    let longer = Run { held_out: None, memory_bytes: Some(1_000_000), ..Run::new(&config, dir.path()) };
    let message = longer.learn(NEVER).unwrap_err().to_string();
    assert!(message.ends_with("; set recompute=true, or end other programs"), "{message}");
}

#[test]
fn a_folder_of_another_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = config(1);
    first.training.n_steps = 1;
    Run::new(&first, dir.path()).finish();
    let refused = |change: fn(&mut PeflRunConfig)| {
        let mut other = first.clone();
        change(&mut other);
        let error = Run::new(&other, dir.path()).learn(NEVER).unwrap_err();
        assert!(matches!(error, TrainError::OtherRun { .. }), "{error}");
        error.to_string()
    };
    let message = refused(|config| config.loss.eta = 0.5);
    assert!(message.contains("`loss.eta` (was 0.1, is 0.5)"), "{message}");
    let message = refused(|config| config.phases[0].t_2 = 1);
    assert!(message.contains("`phases`"), "{message}");
    // At a constant learning rate a longer run is the same run.
    first.training.n_steps = 2;
    Run::new(&first, dir.path()).finish();
}

#[test]
fn an_adversary_and_a_coherent_reward_come_together() {
    let dir = tempfile::tempdir().unwrap();
    let (with, without) = (accelerating(), config(1));
    let alone = Run { coherent: None, ..Run::new(&with, dir.path()) }.learn(NEVER).unwrap_err().to_string();
    assert!(alone.contains("`adversary` is given") && alone.contains("--coherent"), "{alone}");
    let run = Run { coherent: Some(coherent()), ..Run::new(&without, dir.path()) };
    let message = run.learn(NEVER).unwrap_err().to_string();
    assert!(message.contains("`adversary` is null") && message.contains("train accelerate"), "{message}");
}

#[test]
fn a_run_that_is_never_better_ends_and_keeps_what_it_started_from() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(1);
    config.guard.patience = 1;
    Run::new(&config, dir.path()).held_out(Bored).finish();
    let guard = guard(dir.path());
    assert_eq!((&guard["kept_step"], &guard["last_step"]), (&0.into(), &1.into()), "{guard}");
    assert_eq!(guard["stopped_early"], true);
    assert!(guard["verdict"].as_str().unwrap().contains("nothing was better"), "{guard}");
    let model = dir.path().join("model");
    assert!(unet(&model) == unet(&init()), "other weights were kept");
    // It is a whole model, and knows what it was taught before.
    let load = |folder: &Path| EditModel::load(folder, &Device::default()).unwrap();
    let (model, before) = (load(&model), load(&init()));
    assert_eq!(model.concepts(), before.concepts());
    assert_eq!(model.info().defaults().n_steps, 2);
    // It has ended, and needs no memory for steps.
    Run { memory_bytes: Some(1_000_000), ..Run::new(&config, dir.path()) }.held_out(Bored).finish();
}

#[test]
fn the_best_weights_are_kept_unless_something_drifts() {
    for (max_drift, drifts) in [(1e9, false), (1.000_001, true)] {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(1);
        (config.training.n_steps, config.guard.max_drift) = (2, max_drift);
        Run::new(&config, dir.path()).held_out(Flatterer::default()).finish();
        let guard = guard(dir.path());
        let steps: &[u64] = if drifts { &[1, 2] } else { &[] };
        assert_eq!(guard["drifted_at"], json!(steps), "{guard}");
        assert_eq!(guard["kept_step"], if drifts { 0 } else { 2 }, "{guard}");
        assert_eq!(unet(&dir.path().join("model")) == unet(&init()), drifts);
        // Whatever drifts, the held-out reward is told as it is.
        let held_out = |when: &str| guard[when]["validation/held_out"].as_f64().unwrap();
        assert!(held_out("last") > held_out("before"));
    }
}

#[test]
fn without_a_held_out_reward_the_last_weights_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(1);
    config.training.n_steps = 1;
    Run { held_out: None, ..Run::new(&config, dir.path()) }.finish();
    let guard = guard(dir.path());
    assert!(guard["verdict"].as_str().unwrap().contains("unguarded"), "{guard}");
    assert_eq!(guard["kept_step"], 1);
    assert!(unet(&dir.path().join("model")) != unet(&init()));
    assert!(fs::read_to_string(dir.path().join("rewards.svg")).unwrap().contains("validation/aesthetic"));
}

#[test]
fn an_adversary_is_left_beside_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = accelerating();
    (config.training.n_steps, config.phases) = (2, vec![config.phases[0]]);
    Run { held_out: None, ..Run::new(&config, dir.path()) }.finish();
    let network: CoherentNetwork = load_component(&dir.path().join("coherent"), &Device::default()).unwrap();
    let difference = network.head.fc2.weight.val() - coherent().head.fc2.weight.val();
    assert!(difference.abs().max().into_scalar::<f32>() > 1e-5, "it has not learned");
    let log = read_log(&dir.path().join("log.jsonl")).unwrap();
    let last = &log.last().unwrap().values;
    for key in ["adversary", "loss_coherent", "grad_norm_opponent", "validation/coherent"] {
        assert!(last[key].is_finite(), "{key}");
    }
}
