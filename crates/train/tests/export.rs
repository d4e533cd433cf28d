//! What a run leaves behind is a whole model in diffusers' layout.

mod tiny;

use std::fs;

use burn::tensor::Device;
use byteedit_data::{SampleSpec, Split, Task};
use byteedit_diffusion::NoiseScheduleConfig;
use byteedit_models::Component;
use byteedit_models::store::load_component;
use byteedit_models::text::CLIPTextModel;
use byteedit_models::tokenizer::ClipTokenizer;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;
use byteedit_train::Source;
use byteedit_train::export::{ModelCard, export_base};

#[test]
fn a_finished_run_is_a_whole_model() {
    let source = tiny::source();
    let dir = tempfile::tempdir().unwrap();
    tiny::train_and_export(&source, dir.path());
    let (model, device) = (dir.path().join("run/model"), Device::default());
    let unet: UNet2DConditionModel = load_component(&model.join("unet"), &device).unwrap();
    let text: CLIPTextModel = load_component(&model.join("text_encoder"), &device).unwrap();
    let vae: AutoencoderKL = load_component(&model.join("vae"), &device).unwrap();
    assert!(unet.config().is_inpainting());
    assert_eq!(unet.config().out_channels, vae.config().latent_channels);
    let tokenizer = ClipTokenizer::from_dir(&model.join("tokenizer")).unwrap();
    let end = *tokenizer.encode("").last().unwrap();
    assert_eq!(text.config().eos_token_id, i64::from(end));
    assert_eq!(text.config().vocab_size, end as usize + 1);
    assert_eq!(text.config().max_position_embeddings, tokenizer.max_length());
    let scheduler = fs::read_to_string(model.join("scheduler/scheduler_config.json")).unwrap();
    assert_eq!(NoiseScheduleConfig::from_json(&scheduler).unwrap(), tiny::base_config().schedule);
    let index: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(model.join("model_index.json")).unwrap()).unwrap();
    assert!(index["_diffusers_version"].is_string(), "diffusers refuses a folder without it");
    assert_eq!(index["unet"], serde_json::json!(["diffusers", "UNet2DConditionModel"]));
    // f16: half the bytes of the averaged f32 weights, and a header.
    let bytes = fs::metadata(model.join("unet/diffusion_pytorch_model.safetensors")).unwrap().len();
    let weights = 2 * burn::module::Module::num_params(&unet) as u64;
    assert!((weights..weights + 20_000).contains(&bytes), "{bytes} bytes for {weights}");

    let card: ModelCard =
        serde_json::from_str(&fs::read_to_string(model.join("byteedit.json")).unwrap()).unwrap();
    assert_eq!(
        card,
        export_base(&dir.path().join("run"), &source, &dir.path().join("again"), &device).unwrap()
    );
    // The editor reads the same file, and the same folder.
    let editor = byteedit_edit::EditModel::load(&model, &device).unwrap();
    assert_eq!(editor.concepts(), card.concepts);
    assert_eq!(editor.info().defaults(), card.defaults);
    assert!(editor.unknown_words("a purple apple").is_empty());
    assert_eq!((card.n_steps, card.n_images, card.picture_size), (2, 8, 32));
    assert!(card.concepts.len() >= 64 && card.words.contains(&"purple".to_owned()));
}

#[test]
fn the_vocabulary_has_a_token_for_every_word_of_every_caption() {
    let source = tiny::source();
    let Source::World(world) = &source else { unreachable!("the tests train on the world") };
    let captions = source.captions();
    let config = byteedit_train::base::BaseRunConfig::mini().vocabulary;
    let files =
        byteedit_train::vocabulary::train_vocabulary(captions.iter().map(String::as_str), &config).unwrap();
    let tokenizer = ClipTokenizer::from_files(&files).unwrap();
    for split in [Split::Train, Split::Test] {
        for index in 0..150 {
            let spec = SampleSpec { size: 32, ..SampleSpec::new(Task::Edit, split, 3) };
            let caption = world.sample(&spec, index).unwrap().caption;
            let n_words = caption.split_whitespace().count();
            assert_eq!(tokenizer.encode(&caption).len(), n_words + 2, "{caption}");
            assert_eq!(tokenizer.n_truncated(&caption), 0, "{caption}");
        }
    }
}

#[test]
fn an_exported_autoencoder_has_latents_of_unit_variance_on_average() {
    let source = tiny::source();
    let dir = tempfile::tempdir().unwrap();
    let mut config = tiny::vae_config();
    config.training.n_steps = 3;
    tiny::train_vae(&config, &source, dir.path()).unwrap();
    let device = Device::default();
    let vae: AutoencoderKL = load_component(&dir.path().join("vae"), &device).unwrap();
    let found = byteedit_train::vae::LatentStatistics::measure(&vae, &source, 32, &device).unwrap();
    // They were measured before the weights were rounded to f16, and the smallest are held down.
    let mean_square = found.channel_rms().iter().map(|rms| rms * rms).sum::<f64>() / 8.0;
    assert!((mean_square - 1.0).abs() < 0.05, "{:?}", found.channel_rms());
    assert!((vae.config().scaling_factor - 1.0).abs() < 1e-12);
    assert_eq!(found.channel_rms().len(), 8);
}
