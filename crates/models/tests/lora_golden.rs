//! LoRA files against diffusers and PEFT: what a U-Net answers with them, and what they are made of.
//!
//! `scripts/golden/lora.py` makes the files, and asks diffusers to load them again, and others with the keys and the
//! header that are written here. `lora_mini` has branches of weight 2 beside every kind of layer, 1x1 convolutions among
//! them; `lora_sd21` has them beside attention, under the keys that diffusers' own training scripts write.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use byteedit_models::lora::{FILE_NAME, Form, Lora, Network, branches, to_bytes};
use byteedit_models::store::load_component;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_testing::{assert_close, case_dir, golden, tol};
use safetensors::SafeTensors;

const KOHYA: &str = "kohya.safetensors";

/// The U-Net that a case changes.
fn base(case: &str) -> &'static str {
    if case == "lora_mini" { "unet_mini" } else { "unet_sd21" }
}

fn unet(case: &str) -> UNet2DConditionModel {
    load_component(&case_dir!(base(case)), &Device::default()).unwrap()
}

fn lora(case: &str, file: &str) -> Lora {
    Lora::read(&case_dir!(case).join(file)).unwrap()
}

/// The reference adds its branches in f64. A branch is two more products for each layer, so nothing is further away than
/// without branches: `PyTorch`'s own f32 is 2.4e-6 at most.
#[track_caller]
fn check(unet: &UNet2DConditionModel, case: &str) {
    let device = Device::default();
    let inputs = golden::load(case_dir!(base(case)).join("expected.safetensors"));
    let expected = golden::load(case_dir!(case).join("expected.safetensors"));
    for call in ["middle", "odd"] {
        let output: Tensor<4> = unet.forward(
            inputs.float(&format!("{call}.sample"), &device),
            inputs.float(&format!("{call}.timesteps"), &device),
            inputs.float(&format!("{call}.context"), &device),
        );
        assert_close(&output, &expected.float(&format!("{call}.output"), &device), tol::f32_golden());
    }
}

/// Shape and bytes by key.
fn content(bytes: &[u8]) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let tensors = file.tensors().into_iter();
    tensors.map(|(key, view)| (key, (view.shape().to_vec(), view.data().to_vec()))).collect()
}

#[test]
fn a_network_with_branches_answers_as_pefts() {
    for case in ["lora_mini", "lora_sd21"] {
        for (file, form) in [(FILE_NAME, Form::Diffusers), (KOHYA, Form::Kohya)] {
            let (mut unet, lora) = (unet(case), lora(case, file));
            assert_eq!(lora.form(), form);
            lora.attach(&mut unet, None).unwrap();
            check(&unet, case);
        }
    }
}

#[test]
fn a_network_with_merged_weights_answers_as_pefts() {
    for case in ["lora_mini", "lora_sd21"] {
        let mut unet = unet(case);
        lora(case, FILE_NAME).merge(&mut unet, None, 1.0).unwrap();
        check(&unet, case);
    }
}

#[test]
fn what_is_written_has_the_keys_shapes_and_numbers_of_the_reference() {
    for (case, file, form) in [
        ("lora_mini", FILE_NAME, Form::Diffusers),
        ("lora_mini", KOHYA, Form::Kohya),
        ("lora_sd21", KOHYA, Form::Kohya),
    ] {
        let mut unet = unet(case);
        lora(case, file).attach(&mut unet, None).unwrap();
        let written = to_bytes(&branches(Network::Unet, &unet), form, Path::new("written")).unwrap();
        let reference = fs::read(case_dir!(case).join(file)).unwrap();
        // Not the whole maps: a difference would fill the screen.
        let (written, reference) = (content(&written), content(&reference));
        assert_eq!(written.keys().collect::<Vec<_>>(), reference.keys().collect::<Vec<_>>());
        for (key, tensor) in &written {
            assert!(*tensor == reference[key], "{key} of {case}/{file} differs");
        }
    }
}

/// The header that diffusers was seen to load.
#[test]
fn the_header_is_the_one_that_diffusers_was_given() {
    for case in ["lora_mini", "lora_sd21"] {
        let mut unet = unet(case);
        lora(case, FILE_NAME).attach(&mut unet, None).unwrap();
        let bytes = to_bytes(&branches(Network::Unet, &unet), Form::Diffusers, Path::new("written")).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap();
        let expected = fs::read_to_string(case_dir!(case).join("header.json")).unwrap();
        assert_eq!(metadata["lora_adapter_metadata"], expected);
        assert_eq!(metadata["format"], "pt");
    }
}
