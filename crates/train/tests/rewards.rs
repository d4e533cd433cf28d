//! Runs of rewards that learn, go on where they stopped, keep their best weights, and refuse what teaches nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tiny;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use byteedit_data::captions::{self, CaptionRecord};
use byteedit_data::preference::{self, Candidate, Judgement, PreferenceRecord, Source as Edited};
use byteedit_data::{Mask, Rgb8, Stream, Task, World};
use byteedit_models::Component;
use byteedit_models::store::{Precision, load_component, save_component};
use byteedit_nn::Init;
use byteedit_reward::losses::FakeRegion;
use byteedit_reward::{CoherentNetwork, ImageRewardNetwork, open};
use byteedit_train::named::parameters_of;
use byteedit_train::optim::Decay;
use byteedit_train::reward::coherent::{self, CoherentInputs, CoherentRunConfig};
use byteedit_train::reward::ranking::{self, RankingInputs, RankingRunConfig};
use byteedit_train::run::{Checkpoint, read_log};
use byteedit_train::training::{ReportConfig, TrainingConfig};
use byteedit_train::{Outcome, RunContext};
use safetensors::SafeTensors;

use tiny::Warnings;

const SIDE: usize = 32;

fn world() -> World {
    let byteedit_train::Source::World(world) = tiny::source() else { panic!("the tiny source is the world") };
    world
}

/// Four candidates for each of some prompts, grey with noise; the brighter the better.
fn write_preferences(folder: &Path, n: usize) -> PathBuf {
    let mut mask = Mask::empty(SIDE, SIDE);
    for y in 8..24 {
        mask.values[y * SIDE + 8..y * SIDE + 24].fill(255);
    }
    mask.write_png(&folder.join("mask.png")).unwrap();
    Rgb8::filled(SIDE, SIDE, [90; 3]).write_png(&folder.join("source.png")).unwrap();
    let mut stream = Stream::new([1, 2, 3, 4]);
    let mut records = Vec::new();
    for at in 0..n {
        let mut shades: Vec<u8> = (0..4).map(|_| stream.between(20, 230) as u8).collect();
        shades.dedup();
        let mut candidates = Vec::new();
        for (place, shade) in shades.iter().enumerate() {
            let mut picture = Rgb8::filled(SIDE, SIDE, [*shade; 3]);
            picture.data.iter_mut().for_each(|value| *value = value.saturating_add(stream.below(20) as u8));
            let path = format!("{at}-{place}.png");
            picture.write_png(&folder.join(&path)).unwrap();
            candidates.push(Candidate::new(path));
        }
        let rank = |shade: &u8| 1 + shades.iter().filter(|other| *other > shade).count() as u32;
        let (image, mask) = ("source.png".to_owned(), "mask.png".to_owned());
        let source = Some(Edited { task: Task::Edit, image, mask });
        let prompt = format!("a cup {}", at % 9);
        let task = PreferenceRecord::task(at.to_string(), source, prompt, candidates);
        records.push(PreferenceRecord {
            judgement: Some(Judgement::Ranking(shades.iter().map(rank).collect())),
            annotator: Some("a lamp".to_owned()),
            ..task
        });
    }
    let path = folder.join("records.jsonl");
    preference::write(&path, &records).unwrap();
    path
}

fn tiny_training(n_steps: u64, training: TrainingConfig) -> TrainingConfig {
    let report = ReportConfig { log_every: 1, validate_every: 5, sample_every: 0, checkpoint_every: 5 };
    TrainingConfig { n_steps, batch_size: 6, report, ..training }
}

fn ranking_config(n_steps: u64) -> RankingRunConfig {
    let mut config = RankingRunConfig::aesthetic();
    let blip = &mut config.network.blip_config;
    (blip.vision_config.hidden_size, blip.vision_config.intermediate_size) = (16, 32);
    (blip.vision_config.num_hidden_layers, blip.vision_config.num_attention_heads) = (2, 2);
    (blip.vision_config.image_size, blip.vision_config.patch_size) = (16, 8);
    (blip.text_config.hidden_size, blip.text_config.encoder_hidden_size) = (16, 16);
    (blip.text_config.intermediate_size, blip.text_config.num_hidden_layers) = (32, 2);
    blip.text_config.num_attention_heads = 2;
    config.network.mlp_widths = [8, 8, 4, 4];
    config.held_out_percent = 40;
    config.n_validation = 12;
    config.training = tiny_training(n_steps, config.training);
    config
}

struct Run<'a> {
    config: &'a RankingRunConfig,
    data: &'a [PathBuf],
    init: Option<&'a Path>,
    folder: &'a Path,
}

fn rank(run: &Run<'_>, world: &World, progress: &mut Warnings) -> byteedit_train::Result<Outcome> {
    let inputs = RankingInputs { preferences: run.data, captions: None, skip_bad: 0, world, init: run.init };
    let (device, stop) = (Device::default(), AtomicBool::new(false));
    let context = RunContext { folder: run.folder, device: &device, progress, stop: &stop };
    ranking::train(run.config, "aesthetic", &inputs, context)
}

#[test]
fn an_aesthetic_reward_learns_what_is_preferred_and_goes_on_to_the_same_weights() {
    let (folder, world, mut told) = (tempfile::tempdir().unwrap(), world(), Warnings::default());
    let data = [write_preferences(folder.path(), 40)];
    let at_once = folder.path().join("at-once");
    let config = ranking_config(60);
    let run = Run { config: &config, data: &data, init: None, folder: &at_once };
    assert_eq!(rank(&run, &world, &mut told).unwrap(), Outcome::Finished);
    assert!(told.0.iter().any(|warning| warning.contains("a lamp")), "{:?}", told.0);
    let log = read_log(&at_once.join("log.jsonl")).unwrap();
    let accuracy = log.last().unwrap().values["validation/accuracy_preferences"];
    assert!(accuracy > 0.9, "{accuracy}");
    // Any folder of a reward is opened by what lies in it.
    let reward = open(&at_once.join("aesthetic"), &Device::default()).unwrap();
    assert!(reward.sees_prompt() && reward.sees_mask());

    // The learning rate of a cosine depends on the length, so the run is stopped by a folder's copy of an earlier state.
    let in_parts = folder.path().join("in-parts");
    let constant = |n_steps| {
        let mut config = ranking_config(n_steps);
        config.training.learning_rate.decay = byteedit_train::optim::Decay::Constant;
        config
    };
    for n_steps in [10, 20] {
        let config = constant(n_steps);
        rank(&Run { config: &config, data: &data, init: None, folder: &in_parts }, &world, &mut told)
            .unwrap();
    }
    let whole = folder.path().join("whole");
    let config = constant(20);
    rank(&Run { config: &config, data: &data, init: None, folder: &whole }, &world, &mut told).unwrap();
    let weights =
        |run: &Path| fs::read(run.join("aesthetic").join(ImageRewardNetwork::WEIGHTS_FILE)).unwrap();
    assert!(weights(&in_parts) == weights(&whole));
}

#[test]
fn frozen_layers_and_a_run_without_patience_stay_where_they_were() {
    let (folder, world, mut told) = (tempfile::tempdir().unwrap(), world(), Warnings::default());
    let data = [write_preferences(folder.path(), 30)];
    let first = folder.path().join("first");
    let config = ranking_config(10);
    rank(&Run { config: &config, data: &data, init: None, folder: &first }, &world, &mut told).unwrap();
    let init = first.join("aesthetic");
    let second = folder.path().join("second");
    let mut config = ranking_config(400);
    (config.frozen_fraction, config.patience) = (0.5, 1);
    // Far too fast to get better.
    config.training.learning_rate.peak = 0.5;
    config.training.learning_rate.warmup_steps = 0;
    rank(&Run { config: &config, data: &data, init: Some(&init), folder: &second }, &world, &mut told)
        .unwrap();
    let log = read_log(&second.join("log.jsonl")).unwrap();
    assert!(log.last().unwrap().step < 400, "it did not end early");
    let note = log[0].note.as_ref().unwrap();
    assert!(note.contains("warm start"), "{note}");
    let load = |folder: &Path| load_component::<ImageRewardNetwork>(folder, &Device::default()).unwrap();
    let (before, after) = (load(&init), load(&second.join("aesthetic")));
    let change = |layer: usize| {
        let weight = |network: &ImageRewardNetwork| {
            network.blip.vision_model.encoder.layers[layer].mlp.fc1.weight.val()
        };
        (weight(&before) - weight(&after)).abs().max().into_scalar::<f32>()
    };
    assert!(change(0) == 0.0 && change(1) > 0.0, "{} {}", change(0), change(1));
}

/// Whether a parameter stays as it is where half of two layers do and there is no contrast.
fn stays(name: &str) -> bool {
    let parts = ["encoder.layers.0.", "encoder.layer.0.", "embeddings.", "vision_proj.", "text_proj."];
    parts.iter().any(|part| name.contains(part))
}

#[test]
fn a_state_holds_what_learns_and_the_rest_lies_beside_all_of_them() {
    let (folder, world, mut told) = (tempfile::tempdir().unwrap(), world(), Warnings::default());
    let data = [write_preferences(folder.path(), 30)];
    let [first, whole, in_parts] = ["first", "whole", "in-parts"].map(|name| folder.path().join(name));
    let config = ranking_config(5);
    rank(&Run { config: &config, data: &data, init: None, folder: &first }, &world, &mut told).unwrap();
    let (init, device) = (first.join("aesthetic"), Device::default());
    let started_from = parameters_of(&load_component::<ImageRewardNetwork>(&init, &device).unwrap());
    let mut train = |run: &Path, n_steps: u64| {
        let mut config = ranking_config(n_steps);
        config.frozen_fraction = 0.5;
        config.training.learning_rate.decay = Decay::Constant;
        rank(&Run { config: &config, data: &data, init: Some(&init), folder: run }, &world, &mut told)
    };
    train(&whole, 10).unwrap();
    train(&in_parts, 5).unwrap();
    // Nothing outside of its folder is read again.
    fs::remove_dir_all(&first).unwrap();
    train(&in_parts, 10).unwrap();
    let read = |run: &Path, name: &str| fs::read(run.join(name)).unwrap();
    assert!(read(&in_parts, "state.safetensors") == read(&whole, "state.safetensors"), "the states differ");
    let export = format!("aesthetic/{}", ImageRewardNetwork::WEIGHTS_FILE);
    assert!(read(&in_parts, &export) == read(&whole, &export), "the exports differ");

    let state = Checkpoint::load_newest(&whole, &device).unwrap().unwrap().0;
    let (frozen, learned): (Vec<&str>, Vec<&str>) =
        state.model.keys().map(String::as_str).partition(|name| stays(name));
    assert!(state.ema.keys().eq(&learned) && state.states.keys().eq(&learned));
    let bytes = read(&whole, "state.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert!(!file.names().into_iter().any(stays), "{:?}", file.names());
    let mut in_file: Vec<&str> =
        file.names().into_iter().filter_map(|name| name.strip_prefix("model.")).collect();
    in_file.sort_unstable();
    assert_eq!(in_file, learned);
    let of_network: Vec<&str> = frozen.iter().filter_map(|name| name.strip_prefix("network.")).collect();
    assert!(!of_network.is_empty() && of_network.len() < frozen.len(), "{frozen:?}");
    for name in of_network {
        let now = state.model[&format!("network.{name}")].clone().into_data();
        assert!(now == started_from[name].clone().into_data(), "{name}");
    }

    let beside = format!("frozen-{:.12}.safetensors", state.header.frozen_sha256.as_ref().unwrap());
    let mut other = read(&whole, &beside);
    assert!(other == read(&in_parts, &beside));
    *other.last_mut().unwrap() ^= 1;
    fs::write(whole.join(&beside), other).unwrap();
    let message = train(&whole, 10).unwrap_err().to_string();
    assert!(message.contains(&beside) && message.contains("put the file back"), "{message}");
}

#[test]
fn captions_of_the_world_are_learned_and_say_nothing_by_themselves() {
    let (folder, world, mut told) = (tempfile::tempdir().unwrap(), world(), Warnings::default());
    let mut config = ranking_config(10);
    (config.p_world, config.n_validation, config.training.batch_size) = (1.0, 40, 12);
    let run = Run { config: &config, data: &[], init: None, folder: folder.path() };
    assert_eq!(rank(&run, &world, &mut told).unwrap(), Outcome::Finished);
    let log = read_log(&folder.path().join("log.jsonl")).unwrap();
    let figures = &log.last().unwrap().values;
    let shuffled = figures["validation/accuracy_captions_shuffled"];
    // Some 200 pairs; captions of one picture are drawn from the others', so there is nothing to know.
    assert!((shuffled - 0.5).abs() < 0.15, "{shuffled}");
    assert!(figures["validation/accuracy_captions"] > 0.4);
}

#[test]
fn what_teaches_nothing_is_refused_by_name() {
    let (folder, world, mut told) = (tempfile::tempdir().unwrap(), world(), Warnings::default());
    let data = [write_preferences(folder.path(), 12)];
    let run_folder = folder.path().join("run");
    let mut refused = |data: &[PathBuf], change: fn(&mut RankingRunConfig)| {
        let mut config = ranking_config(2);
        change(&mut config);
        let run = Run { config: &config, data, init: None, folder: &run_folder };
        rank(&run, &world, &mut told).unwrap_err().to_string()
    };
    assert!(refused(&[], |_| ()).contains("0 to learn from, 0 held out"));
    assert!(refused(&data, |config| config.p_captions = 0.5).contains("`p_captions` is 0.5"));
    assert!(refused(&data, |config| config.network.max_length = 4).contains("\"a cup"));
    let ties = folder.path().join("ties.jsonl");
    let mut records = preference::read(&data[0]).unwrap();
    for record in &mut records {
        record.judgement = Some(Judgement::Ranking(vec![1; record.candidates.len()]));
    }
    preference::write(&ties, &records).unwrap();
    let message = refused(&[ties], |_| ());
    assert!(message.contains("all ") && message.contains(" judged pairs are ties"), "{message}");
    let empty = folder.path().join("empty.jsonl");
    fs::write(&empty, "").unwrap();
    assert!(refused(&[empty], |_| ()).contains("empty.jsonl: there is no record"));
    let one_sided = folder.path().join("one-sided.jsonl");
    for record in &mut records {
        record.judgement = Some(Judgement::Ranking((1..=record.candidates.len() as u32).collect()));
    }
    preference::write(&one_sided, &records).unwrap();
    let message = refused(&[one_sided], |_| ());
    assert!(message.contains("one-sided: the first candidate always wins, in 12 of 12"), "{message}");
    let repeated = folder.path().join("repeated.jsonl");
    let mut records = preference::read(&data[0]).unwrap();
    records[1].task_id = records[0].task_id.clone();
    preference::write(&repeated, &records).unwrap();
    let message = refused(&[repeated], |_| ());
    assert!(message.contains("repeated.jsonl:2: task 0 by a lamp is on line 1 already"), "{message}");
    fs::remove_file(folder.path().join("3-1.png")).unwrap();
    assert!(refused(&data, |_| ()).contains("there is no file 3-1.png"));
}

/// Bright and dark cups, each with the other's caption as the wrong one, and lines that are bad.
fn write_captions(folder: &Path) -> PathBuf {
    let mut records = Vec::new();
    for at in 0..30_u8 {
        let image = format!("cup-{at}.png");
        let [bright, dark] = ["a bright cup", "a dark cup"].map(str::to_owned);
        let is_bright = at.is_multiple_of(2);
        let (shade, better, worse) = if is_bright { (220, bright, dark) } else { (30, dark, bright) };
        Rgb8::filled(SIDE, SIDE, [shade; 3]).write_png(&folder.join(&image)).unwrap();
        records.push(CaptionRecord {
            image,
            mask: None,
            better,
            worse: vec![worse],
            annotator: Some("a lamp".to_owned()),
        });
    }
    Mask::empty(SIDE, SIDE).write_png(&folder.join("nothing.png")).unwrap();
    records[3].worse.push("a cup ".repeat(10));
    "gone.png".clone_into(&mut records[4].image);
    records[5].mask = Some("nothing.png".to_owned());
    let path = folder.join("captions.jsonl");
    captions::write(&path, &records).unwrap();
    fs::write(&path, fs::read_to_string(&path).unwrap() + "nonsense\n").unwrap();
    path
}

#[test]
fn bad_lines_of_captions_are_tolerated_up_to_a_number_and_always_listed() {
    let (folder, world, mut told) = (tempfile::tempdir().unwrap(), world(), Warnings::default());
    let captions = write_captions(folder.path());
    let mut config = ranking_config(5);
    config.p_captions = 1.0;
    let run = folder.path().join("run");
    let mut train = |skip_bad: usize| {
        let captions = Some(captions.as_path());
        let inputs = RankingInputs { preferences: &[], captions, skip_bad, world: &world, init: None };
        let (device, stop) = (Device::default(), AtomicBool::new(false));
        let context = RunContext { folder: &run, device: &device, progress: &mut told, stop: &stop };
        ranking::train(&config, "alignment", &inputs, context)
    };
    let message = train(0).unwrap_err().to_string();
    assert!(message.contains("captions.jsonl:31: "), "{message}");
    // What is too long is known last.
    let message = train(3).unwrap_err().to_string();
    assert!(message.contains("captions.jsonl:4: ") && message.contains("tokens, but at most 10 are read"));
    assert!(message.contains("3 bad lines before it were skipped"), "{message}");
    assert!(!run.exists());
    assert_eq!(train(4).unwrap(), Outcome::Finished);
    for reason in [
        "captions.jsonl:31: ",
        "captions.jsonl:5: there is no file gone.png",
        "captions.jsonl:6: nothing.png marks nothing as repainted",
        "captions.jsonl:4: \"a cup ",
    ] {
        let is_told = told.0.iter().any(|it| it.contains("skipped ") && it.contains(reason));
        assert!(is_told, "{reason} is not in {:?}", told.0);
    }
    let log = read_log(&run.join("log.jsonl")).unwrap();
    assert!(log.last().unwrap().values.contains_key("validation/accuracy_captions_shuffled"));
}

/// Pictures with captions may be others than those with preferences.
#[test]
fn captions_of_other_pictures_are_held_out_by_their_names() {
    let (folder, world, mut told) = (tempfile::tempdir().unwrap(), world(), Warnings::default());
    let data = [write_preferences(folder.path(), 20)];
    let captions = write_captions(folder.path());
    let mut config = ranking_config(5);
    config.p_captions = 0.5;
    let captions = Some(captions.as_path());
    let inputs = RankingInputs { preferences: &data, captions, skip_bad: 4, world: &world, init: None };
    let (device, stop, run) = (Device::default(), AtomicBool::new(false), folder.path().join("run"));
    let context = RunContext { folder: &run, device: &device, progress: &mut told, stop: &stop };
    assert_eq!(ranking::train(&config, "alignment", &inputs, context).unwrap(), Outcome::Finished);
    let log = read_log(&run.join("log.jsonl")).unwrap();
    let figures = &log.last().unwrap().values;
    for key in ["validation/accuracy_preferences", "validation/accuracy_captions"] {
        assert!(figures.contains_key(key), "{figures:?}");
    }
}

#[test]
fn a_checkpoint_of_another_reward_is_no_start() {
    let (folder, world, mut told) = (tempfile::tempdir().unwrap(), world(), Warnings::default());
    let data = [write_preferences(folder.path(), 12)];
    let [coherent, aesthetic, vae] = ["coherent", "aesthetic", "vae"].map(|name| folder.path().join(name));
    let mut init = Init::seeded(&Device::default(), 1);
    let network = CoherentNetwork::from_config(&CoherentRunConfig::mini().network, &mut init);
    save_component(&network, &coherent, Precision::F32, &BTreeMap::new()).unwrap();
    let mut config = ranking_config(2);
    config.network.blip_config.text_config.vocab_size = 50;
    let network = ImageRewardNetwork::from_config(&config.network, &mut init);
    save_component(&network, &aesthetic, Precision::F32, &BTreeMap::new()).unwrap();

    let run = folder.path().join("run");
    let ranked = Run { config: &config, data: &data, init: Some(&coherent), folder: &run };
    let message = rank(&ranked, &world, &mut told).unwrap_err().to_string();
    assert!(message.contains("coherent holds `CoherentReward`, but `ImageReward` is needed"), "{message}");
    tiny::write_vae(&vae);
    let inputs =
        CoherentInputs { records: &data, skip_bad: 0, world: &world, vae: &vae, init: Some(&aesthetic) };
    let (device, stop) = (Device::default(), AtomicBool::new(false));
    let context = RunContext { folder: &run, device: &device, progress: &mut told, stop: &stop };
    let message = coherent::train(&CoherentRunConfig::mini(), &inputs, context).unwrap_err().to_string();
    assert!(message.contains("aesthetic holds `ImageReward`, but `CoherentReward` is needed"), "{message}");
    assert!(!run.exists());
}

#[test]
fn a_coherent_reward_finds_what_was_painted() {
    let (folder, world, mut told) = (tempfile::tempdir().unwrap(), world(), Warnings::default());
    let path = write_preferences(folder.path(), 24);
    // Stripes under the mask.
    for record in preference::read(&path).unwrap() {
        for candidate in &record.candidates {
            let file = folder.path().join(&candidate.path);
            let mut picture = Rgb8::open(&file).unwrap();
            for at in 0..SIDE * SIDE {
                let (x, y) = (at % SIDE, at / SIDE);
                if (8..24).contains(&x) && (8..24).contains(&y) {
                    picture.data[3 * at..3 * at + 3].fill(if x % 4 < 2 { 0 } else { 255 });
                }
            }
            picture.write_png(&file).unwrap();
        }
    }
    let vae = folder.path().join("vae");
    tiny::write_vae(&vae);
    let mut config = CoherentRunConfig::mini();
    let body = &mut config.network.dinov2_config;
    (body.hidden_size, body.num_hidden_layers, body.num_attention_heads) = (16, 1, 2);
    (body.image_size, config.network.side) = (SIDE, SIDE);
    (config.n_pictures, config.n_validation, config.held_out_percent) = (40, 8, 40);
    // Random weights are no autoencoder.
    config.real_through_vae = false;
    config.training = tiny_training(150, config.training);
    (config.training.learning_rate.peak, config.training.learning_rate.warmup_steps) = (3e-3, 5);
    let (device, stop, run) = (Device::default(), AtomicBool::new(false), folder.path().join("run"));
    let records = [path];
    let inputs = CoherentInputs { records: &records, skip_bad: 0, world: &world, vae: &vae, init: None };
    let context = RunContext { folder: &run, device: &device, progress: &mut told, stop: &stop };
    assert_eq!(coherent::train(&config, &inputs, context).unwrap(), Outcome::Finished);
    let log = read_log(&run.join("log.jsonl")).unwrap();
    let area = log.last().unwrap().values["validation/auc"];
    assert!(area > 0.8, "{area}");
    let network: CoherentNetwork = load_component(&run.join("coherent"), &device).unwrap();
    assert_eq!(network.config().side, SIDE);

    config.real_through_vae = true;
    config.fake_region = FakeRegion::All;
    config.training.n_steps = 2;
    let run = folder.path().join("through-vae");
    let context = RunContext { folder: &run, device: &device, progress: &mut told, stop: &stop };
    assert_eq!(coherent::train(&config, &inputs, context).unwrap(), Outcome::Finished);

    // A line that is none, and a picture that is gone.
    fs::write(&records[0], "nonsense\n".to_owned() + &fs::read_to_string(&records[0]).unwrap()).unwrap();
    fs::remove_file(folder.path().join("5-0.png")).unwrap();
    let run = folder.path().join("skipping");
    let gone = "jsonl:7: there is no file 5-0.png";
    for (skip_bad, says) in [(0, Some("jsonl:1: ")), (1, Some(gone)), (2, None)] {
        let inputs = CoherentInputs { skip_bad, ..inputs };
        let context = RunContext { folder: &run, device: &device, progress: &mut told, stop: &stop };
        let message = coherent::train(&config, &inputs, context).err().map(|error| error.to_string());
        match (message, says) {
            (Some(message), Some(says)) => assert!(message.contains(says), "{message}"),
            (message, says) => assert_eq!(message.as_deref(), says),
        }
    }
    assert!(told.0.iter().any(|it| it.contains("skipped ") && it.contains("jsonl:7: ")), "{:?}", told.0);
}
