//! Models from files: on disk, in memory, and broken in every way that has happened to someone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use byteedit_edit::{EditModel, EmbeddedFiles, ModelInfo, Watch};
use byteedit_image::{Mask, Rect};
use byteedit_models::store::{Precision, save_component};
use byteedit_testing::TempDir;
use support::{Kind, edit, parts, rgb, settings, tokenizer_files};

const CARD: &str = r#"{"schema_version": 1, "picture_size": 16, "words": ["a", "duck"],
    "concepts": [{"name": "duck", "group": "birds"}], "n_images": 5, "n_steps": 1, "provenance": {}}"#;
const INDEX: &str = r#"{"_class_name": "StableDiffusionInpaintPipeline", "safety_checker": [null, null],
    "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"]}"#;

/// A whole model on disk.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let parts = parts(Kind::Inpainting);
    let none = BTreeMap::new();
    let root = folder.path();
    save_component(&parts.unet, &root.join("unet"), Precision::F16, &none).unwrap();
    save_component(&parts.vae, &root.join("vae"), Precision::F16, &none).unwrap();
    save_component(&parts.text_encoder, &root.join("text_encoder"), Precision::F16, &none).unwrap();
    let tokenizer = tokenizer_files(12);
    write(root, "tokenizer/vocab.json", &tokenizer.vocab_json);
    write(root, "tokenizer/merges.txt", &tokenizer.merges_txt);
    write(root, "tokenizer/tokenizer_config.json", &tokenizer.tokenizer_config_json);
    write(root, "scheduler/scheduler_config.json", &parts.schedule.config().to_json().unwrap());
    write(root, "model_index.json", INDEX);
    write(root, "byteedit.json", CARD);
    folder
}

fn write(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn files_of(root: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(root.join(prefix)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            files_of(root, &format!("{name}/"), files);
        } else {
            files.push((name, fs::read(entry.path()).unwrap()));
        }
    }
}

fn load(root: &Path) -> Result<EditModel, byteedit_edit::EditError> {
    EditModel::load(root, &Device::default())
}

#[test]
fn disk_and_memory_give_the_same_model() {
    let folder = folder();
    let on_disk = load(folder.path()).unwrap();
    let mut files = Vec::new();
    files_of(folder.path(), "", &mut files);
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    let files: &EmbeddedFiles<'_> = &files;
    let in_memory = EditModel::from_files("tiny", files, &Device::default()).unwrap();

    assert_eq!(in_memory.info().hash, on_disk.info().hash);
    assert_eq!(in_memory.info().hash.len(), 10);
    assert_eq!(in_memory.info(), &ModelInfo { name: "tiny".into(), ..on_disk.info().clone() });
    assert_eq!(in_memory.unknown_words("a goose")[0].word, "goose");
    let picture = rgb(20, 20);
    let mask = Mask::from_rect(picture.size(), Rect::new(5, 5, 9, 9)).unwrap();
    let request = edit(picture, mask, settings(byteedit_edit::TaskKind::Edit));
    let edited =
        |model: &EditModel| model.edit(&request, &mut Watch::silent()).unwrap().pictures.remove(0).picture;
    assert_eq!(edited(&on_disk), edited(&in_memory));
}

#[test]
fn a_checkpoint_from_elsewhere_has_no_card() {
    let folder = folder();
    fs::remove_file(folder.path().join("byteedit.json")).unwrap();
    let model = load(folder.path()).unwrap();
    assert_eq!((model.concepts().len(), model.unknown_words("anything").len()), (0, 0));
    assert!((model.info().defaults().guidance_scale - 7.5).abs() < 1e-12);
}

#[test]
fn every_missing_file_is_named() {
    for file in [
        "model_index.json",
        "unet/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "scheduler/scheduler_config.json",
    ] {
        let folder = folder();
        fs::remove_file(folder.path().join(file)).unwrap();
        let message = load(folder.path()).unwrap_err().to_string();
        assert!(message.contains(&format!("has no `{file}`")), "{message}");
    }
    let nowhere = load(Path::new("no/such/folder")).unwrap_err().to_string();
    assert!(nowhere.contains("`folder` has no `model_index.json`"), "{nowhere}");
    let nothing = EditModel::from_files("mini", &[], &Device::default()).unwrap_err().to_string();
    assert!(nothing.contains("`mini` has no `model_index.json`"), "{nothing}");
}

#[test]
fn parts_that_do_not_fit_are_named_with_both_numbers() {
    let replace = |file: &str, from: &str, to: &str| {
        let folder = folder();
        let path = folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(&path, text.replace(from, to)).unwrap();
        load(folder.path()).unwrap_err().to_string()
    };
    for (message, parts) in [
        (
            replace("tokenizer/tokenizer_config.json", "12", "77"),
            ["model_max_length is 77", "max_position_embeddings 12"],
        ),
        (replace("tokenizer/vocab.json", ":513", ":999"), ["999 for `<|endoftext|>`", "vocab_size 514"]),
        (
            replace("unet/config.json", r#""sample_size": 8"#, r#""sample_size": 7"#),
            ["sample_size is 7", "multiple of 2"],
        ),
        (
            replace("byteedit.json", "{}", r#"{}, "defaults": {"box_share": 2.0}"#),
            ["defaults.box_share in byteedit.json is 2", "up to 0.9"],
        ),
        (
            replace("byteedit.json", "{}", r#"{}, "defaults": {"temperature": 0.0}"#),
            ["defaults.temperature in byteedit.json is 0", "above 0 and up to 1"],
        ),
        (
            replace("byteedit.json", "{}", r#"{}, "defaults": {"erase_temperature": 7.0}"#),
            ["defaults.erase_temperature in byteedit.json is 7", "above 0 and up to 1"],
        ),
        (
            replace("byteedit.json", "{}", r#"{}, "defaults": {"outpaint_temperature": -1.0}"#),
            ["defaults.outpaint_temperature in byteedit.json is -1", "above 0 and up to 1"],
        ),
        (
            replace("byteedit.json", r#""schema_version": 1"#, r#""schema_version": 2"#),
            ["schema_version", "is 2"],
        ),
        (replace("model_index.json", "AutoencoderKL", "VQModel"), ["vae VQModel", "vae AutoencoderKL"]),
        (
            replace(
                "model_index.json",
                r#""unet""#,
                r#""text_encoder_2": ["a", "CLIPTextModelWithProjection"], "unet""#,
            ),
            ["text_encoder_2", "absent"],
        ),
        (replace("byteedit.json", "{", "}"), ["`byteedit.json`", "export the model again"]),
    ] {
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn a_damaged_weight_file_is_refused() {
    let folder = folder();
    let path = folder.path().join("vae/diffusion_pytorch_model.safetensors");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let message = load(folder.path()).unwrap_err().to_string();
    assert!(message.contains("not a readable safetensors file"), "{message}");
}

#[test]
fn networks_of_other_widths_are_refused() {
    let mut mixed = parts(Kind::Inpainting);
    let vae = r#"{"block_out_channels": [8, 8], "latent_channels": 6, "norm_num_groups": 4}"#;
    mixed.vae = <byteedit_models::vae::AutoencoderKL as byteedit_models::Component>::from_config(
        &byteedit_models::vae::AutoencoderKLConfig::from_json(vae).unwrap(),
        &mut byteedit_nn::Init::seeded(&Device::default(), 1),
    );
    let message = EditModel::new(mixed, support::info(), Device::default()).unwrap_err().to_string();
    assert!(message.contains("unet.out_channels is 4") && message.contains("latent_channels 6"), "{message}");
}
