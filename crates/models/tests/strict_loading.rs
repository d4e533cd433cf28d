//! What is wrong with a checkpoint is said by name, and nothing wrong is loaded.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use byteedit_models::component::Component;
use byteedit_models::store::load_component;
use byteedit_models::text::CLIPTextModel;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;
use byteedit_testing::checkpoint::StoredTensor;
use byteedit_testing::{Checkpoint, case_dir};
use safetensors::Dtype;

const WEIGHT: &str = "text_model.encoder.layers.1.mlp.fc1.weight";

fn text_checkpoint() -> Checkpoint {
    Checkpoint::read(&case_dir!("clip_text_sd15"), "model.safetensors")
}

/// The message with which a folder is refused.
#[track_caller]
fn refusal<C: Component>(folder: &Path) -> String {
    match load_component::<C>(folder, &Device::default()) {
        Ok(_) => panic!("the broken checkpoint in {} was loaded", folder.display()),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn assert_names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in the message: {message}");
    }
}

#[test]
fn an_untouched_copy_loads() {
    let folder = text_checkpoint().write();
    assert!(load_component::<CLIPTextModel>(folder.path(), &Device::default()).is_ok());
}

#[test]
fn a_missing_tensor_is_named() {
    let mut checkpoint = text_checkpoint();
    checkpoint.tensors.remove(WEIGHT).unwrap();
    assert_names(&refusal::<CLIPTextModel>(checkpoint.write().path()), &[WEIGHT, "missing"]);
}

#[test]
fn every_missing_tensor_is_noticed() {
    fn check<C: Component>(case: &str) {
        let checkpoint = Checkpoint::read(&case_dir!(case), C::WEIGHTS_FILE);
        // Every seventh key: all kinds of layer, at a seventh of the time.
        for key in checkpoint.tensors.keys().step_by(7) {
            let mut without = checkpoint.clone();
            without.tensors.remove(key);
            assert_names(&refusal::<C>(without.write().path()), &[key]);
        }
    }
    check::<UNet2DConditionModel>("unet_mini");
    check::<AutoencoderKL>("vae_sd");
    check::<CLIPTextModel>("clip_text_sd15");
}

#[test]
fn an_unknown_tensor_is_named() {
    let mut checkpoint = text_checkpoint();
    let extra = "text_model.encoder.layers.2.mlp.fc1.bias";
    checkpoint.tensors.insert(extra.to_owned(), StoredTensor::full(&[96], 0.0));
    assert_names(&refusal::<CLIPTextModel>(checkpoint.write().path()), &[extra]);
}

#[test]
fn all_problems_are_named_at_once() {
    let mut checkpoint = text_checkpoint();
    checkpoint.tensors.remove(WEIGHT).unwrap();
    checkpoint.tensors.insert("stranger".to_owned(), StoredTensor::full(&[1], 0.0));
    assert_names(&refusal::<CLIPTextModel>(checkpoint.write().path()), &[WEIGHT, "stranger"]);
}

#[test]
fn a_wrong_shape_is_named_with_both_shapes() {
    let mut checkpoint = text_checkpoint();
    // As many numbers as before, so that only the shape can tell: a transposed weight.
    checkpoint.tensor_mut(WEIGHT).shape.reverse();
    let message = refusal::<CLIPTextModel>(checkpoint.write().path());
    assert_names(&message, &[WEIGHT, "[24, 96]", "[96, 24]"]);
}

#[test]
fn a_wrong_rank_is_named() {
    let mut checkpoint = text_checkpoint();
    checkpoint.tensor_mut(WEIGHT).shape = vec![96, 24, 1, 1];
    assert_names(&refusal::<CLIPTextModel>(checkpoint.write().path()), &[WEIGHT, "[96, 24, 1, 1]"]);
}

#[test]
fn weights_of_another_type_are_refused() {
    let mut checkpoint = text_checkpoint();
    checkpoint.tensor_mut(WEIGHT).dtype = Dtype::I32;
    assert_names(&refusal::<CLIPTextModel>(checkpoint.write().path()), &[WEIGHT, "I32"]);
}

#[test]
fn a_weight_that_is_not_finite_is_named() {
    for (value, printed) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let mut checkpoint = text_checkpoint();
        checkpoint.tensor_mut(WEIGHT).bytes[4 * 40..4 * 41].copy_from_slice(&value.to_le_bytes());
        let message = refusal::<CLIPTextModel>(checkpoint.write().path());
        assert_names(&message, &[WEIGHT, printed, "40"]);
    }
}

/// Cut in the length, in the header, before and inside the numbers: never a panic, never a half-filled
/// model, and the file is named.
#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let checkpoint = text_checkpoint();
    let bytes = checkpoint.weight_bytes();
    let header = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    for end in [0, 5, 8, header / 2, header, header + 1, bytes.len() / 2, bytes.len() - 1] {
        let folder = checkpoint.write_with_weights(&bytes[..end]);
        assert_names(&refusal::<CLIPTextModel>(folder.path()), &["model.safetensors"]);
    }
}

#[test]
fn another_kind_of_file_is_refused() {
    let checkpoint = text_checkpoint();
    let too_long_a_header = [u64::MAX.to_le_bytes().as_slice(), b"{}"].concat();
    for content in [b"\x89PNG\r\n\x1a\n not weights at all".as_slice(), &[0; 64], &too_long_a_header] {
        let folder = checkpoint.write_with_weights(content);
        assert_names(&refusal::<CLIPTextModel>(folder.path()), &["model.safetensors"]);
    }
}

#[test]
fn a_missing_file_is_named() {
    for file in ["config.json", "model.safetensors"] {
        let folder = text_checkpoint().write();
        fs::remove_file(folder.path().join(file)).unwrap();
        assert_names(&refusal::<CLIPTextModel>(folder.path()), &[file]);
    }
}

/// A width in the configuration that the weights do not have.
#[test]
fn weights_of_another_configuration_are_refused() {
    let checkpoint = text_checkpoint().with_config("\"intermediate_size\": 96", "\"intermediate_size\": 48");
    let message = refusal::<CLIPTextModel>(checkpoint.write().path());
    assert_names(&message, &[WEIGHT, "[96, 24]", "[48, 24]"]);
}
