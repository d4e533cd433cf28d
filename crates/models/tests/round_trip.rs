//! What is loaded and saved is the same file again: same keys, same shapes, same numbers.

use std::collections::BTreeMap;
use std::fs;

use burn::tensor::Device;
use byteedit_models::blip::BlipForImageTextRetrieval;
use byteedit_models::clip::CLIPModel;
use byteedit_models::component::Component;
use byteedit_models::dinov2::Dinov2Model;
use byteedit_models::store::{Precision, load_component, save_component};
use byteedit_models::text::CLIPTextModel;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;
use byteedit_testing::{Checkpoint, TempDir, case_dir};

fn saved<C: Component>(case: &str, precision: Precision) -> Checkpoint {
    let component: C =
        load_component(&case_dir!(case), &Device::default()).expect("the published file loads");
    let folder = TempDir::new().expect("the temporary folder is writable");
    save_component(&component, folder.path(), precision, &BTreeMap::new()).expect("the component is saved");
    let written = Checkpoint::read(folder.path(), C::WEIGHTS_FILE);
    load_component::<C>(folder.path(), &Device::default()).expect("what was saved loads");
    written
}

#[track_caller]
fn assert_same_file<C: Component>(case: &str, precision: Precision) {
    let original = Checkpoint::read(&case_dir!(case), C::WEIGHTS_FILE);
    let written = saved::<C>(case, precision);
    let keys = |checkpoint: &Checkpoint| checkpoint.tensors.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&written), keys(&original), "keys (left: written, right: published)");
    for (key, tensor) in &original.tensors {
        assert!(written.tensors[key] == *tensor, "{case}: `{key}` changed on its way through");
    }
}

#[test]
fn f32_files_come_back_bit_for_bit() {
    for case in ["unet_sd15_inpaint", "unet_sd15_text2img", "unet_sd21"] {
        assert_same_file::<UNet2DConditionModel>(case, Precision::F32);
    }
    assert_same_file::<AutoencoderKL>("vae_sd", Precision::F32);
    assert_same_file::<AutoencoderKL>("vae_mini", Precision::F32);
    assert_same_file::<CLIPTextModel>("clip_text_sd15", Precision::F32);
    assert_same_file::<CLIPTextModel>("clip_text_sd21", Precision::F32);
    assert_same_file::<CLIPModel>("clip_openai", Precision::F32);
    assert_same_file::<BlipForImageTextRetrieval>("blip_itm", Precision::F32);
    assert_same_file::<Dinov2Model>("dinov2", Precision::F32);
}

#[test]
fn an_f16_file_comes_back_bit_for_bit() {
    assert_same_file::<UNet2DConditionModel>("unet_mini", Precision::F16);
    assert_same_file::<UNet2DConditionModel>("unet_rare", Precision::F16);
}

#[test]
fn a_weight_too_large_for_f16_is_named_and_nothing_is_written() {
    let key = "text_model.encoder.layers.1.mlp.fc1.weight";
    let mut checkpoint = Checkpoint::read(&case_dir!("clip_text_sd15"), CLIPTextModel::WEIGHTS_FILE);
    checkpoint.tensor_mut(key).bytes[4 * 40..4 * 41].copy_from_slice(&70_000_f32.to_le_bytes());
    let source = checkpoint.write();
    let component: CLIPTextModel = load_component(source.path(), &Device::default()).unwrap();
    let target = TempDir::new().unwrap();
    let save = |precision| save_component(&component, target.path(), precision, &BTreeMap::new());
    let message = save(Precision::F16).unwrap_err().to_string();
    for part in [key, "70000", "40", "65504"] {
        assert!(message.contains(part), "`{part}` is not in the message: {message}");
    }
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0);
    save(Precision::F32).unwrap();
    load_component::<CLIPTextModel>(target.path(), &Device::default()).expect("what was saved loads");
}

#[test]
fn a_failed_save_leaves_no_partial_file() {
    let component: CLIPTextModel =
        load_component(&case_dir!("clip_text_sd15"), &Device::default()).expect("the published file loads");
    let target = TempDir::new().unwrap();
    // A folder that is not empty stands where the weights belong.
    fs::create_dir_all(target.path().join(CLIPTextModel::WEIGHTS_FILE).join("inside")).unwrap();
    let saved = save_component(&component, target.path(), Precision::F32, &BTreeMap::new());
    assert!(saved.unwrap_err().to_string().contains(CLIPTextModel::WEIGHTS_FILE));
    let mut left: Vec<_> =
        fs::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["config.json", CLIPTextModel::WEIGHTS_FILE]);
}

/// JSON does not tell 0 from 0.0, but its parser does.
fn as_real(value: &serde_json::Value) -> serde_json::Value {
    value.as_f64().map_or_else(|| value.clone(), Into::into)
}

/// Every key of diffusers' `config.json` that we write has diffusers' value.
#[test]
fn the_configuration_keeps_its_values() {
    fn check<C: Component>(case: &str) {
        let parse = |text: &str| serde_json::from_str::<BTreeMap<String, serde_json::Value>>(text).unwrap();
        let original = parse(&Checkpoint::read(&case_dir!(case), C::WEIGHTS_FILE).config);
        let written = parse(&saved::<C>(case, Precision::F32).config);
        for (key, value) in &written {
            if !key.starts_with('_') {
                assert_eq!(original.get(key).map(as_real), Some(as_real(value)), "{case}: `{key}`");
            }
        }
        assert!(written.len() > 8, "{case}: only {} keys were written", written.len());
    }
    check::<UNet2DConditionModel>("unet_sd21");
    check::<AutoencoderKL>("vae_mini");
    check::<CLIPTextModel>("clip_text_sd21");
}
