//! What is loaded and saved is the same file again: same keys, same shapes, same numbers.

use std::collections::BTreeMap;

use burn::tensor::Device;
use byteedit_models::component::Component;
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
}

#[test]
fn an_f16_file_comes_back_bit_for_bit() {
    assert_same_file::<UNet2DConditionModel>("unet_mini", Precision::F16);
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
