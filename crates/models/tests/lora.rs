//! LoRA files: what is written is read, and what does not fit is named.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use byteedit_models::lora::{
    Form, Lora, LoraConfig, NamedBranch, Network, branches, is_of_branch, merged, save, with_branches,
};
use byteedit_models::store::load_component;
use byteedit_models::text::CLIPTextModel;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_nn::Init;
use byteedit_nn::parameters::{ParameterMapper, ParameterVisitor, map_parameters, visit_parameters};
use byteedit_testing::{TempDir, assert_close, case_dir, golden, tol};
use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};

/// Every kind of layer that a U-Net can have a branch beside.
const TARGETS: [&str; 7] =
    ["to_q", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "conv_shortcut"];

fn unet() -> UNet2DConditionModel {
    load_component(&case_dir!("unet_mini"), &Device::default()).unwrap()
}

fn text_encoder() -> CLIPTextModel {
    load_component(&case_dir!("clip_text_sd15"), &Device::default()).unwrap()
}

/// A branch that has learned nothing adds nothing, and would let every test pass.
struct Learned;

impl ParameterMapper for Learned {
    fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !name.ends_with("low_rank.b") {
            return param;
        }
        param.map(|b| {
            let shape: [usize; D] = b.dims();
            let values: Vec<f32> =
                (0..b.shape().num_elements()).map(|i| 0.2 * (1.7 * i as f32).sin()).collect();
            Tensor::from_data(TensorData::new(values, shape), &b.device())
        })
    }
}

fn config(targets: &[&str]) -> LoraConfig {
    let target_modules = targets.iter().map(|&target| target.to_owned()).collect();
    LoraConfig { rank: 3, alpha: 1.5, target_modules }
}

fn adapted() -> UNet2DConditionModel {
    let mut init = Init::seeded(&Device::default(), 1);
    map_parameters(with_branches(unet(), &config(&TARGETS), &mut init).unwrap(), &mut Learned)
}

fn adapted_text_encoder() -> CLIPTextModel {
    let mut init = Init::seeded(&Device::default(), 2);
    map_parameters(
        with_branches(text_encoder(), &config(&["q_proj", "fc1"]), &mut init).unwrap(),
        &mut Learned,
    )
}

fn output(unet: &UNet2DConditionModel) -> Tensor<4> {
    let (device, golden) =
        (Device::default(), golden::load(case_dir!("unet_mini").join("expected.safetensors")));
    unet.forward(
        golden.float("middle.sample", &device),
        golden.float("middle.timesteps", &device),
        golden.float("middle.context", &device),
    )
}

fn numbers(matrix: Tensor<2>) -> Vec<f32> {
    matrix.into_data().as_slice::<f32>().unwrap().to_vec()
}

/// Rank, `α` and the numbers of both matrices, by layer.
fn matrices(branches: &[NamedBranch]) -> BTreeMap<String, (usize, f64, Vec<f32>)> {
    let entry = |NamedBranch { path, branch, .. }: &NamedBranch| {
        let both = [&branch.a, &branch.b].map(|matrix| numbers(matrix.val()));
        (path.clone(), (branch.rank(), branch.alpha, both.concat()))
    };
    branches.iter().map(entry).collect()
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("lora").join("a.safetensors")
}

#[test]
fn a_new_branch_changes_no_output_and_a_learned_one_what_its_merged_weights_do() {
    let fresh = with_branches(unet(), &config(&TARGETS), &mut Init::seeded(&Device::default(), 1)).unwrap();
    let before = output(&unet());
    assert_close(&output(&fresh), &before, tol::exact());
    let adapted = adapted();
    let after = output(&adapted);
    assert!((after.clone() - before).abs().max().into_scalar::<f32>() > 0.01);
    let merged = merged(adapted);
    assert!(branches(Network::Unet, &merged).is_empty());
    assert_close(&output(&merged), &after, tol::f32_golden());
}

#[test]
fn every_layer_that_is_named_has_a_branch_and_no_other() {
    let branches = branches(Network::Unet, &adapted());
    for target in TARGETS {
        assert!(branches.iter().any(|branch| branch.path.ends_with(&format!(".{target}"))), "{target}");
    }
    let is_named = |path: &str| TARGETS.iter().any(|target| path.ends_with(&format!(".{target}")));
    assert!(branches.iter().all(|branch| is_named(&branch.path)));
    assert!(branches.iter().any(|branch| branch.is_convolution));
    let of_attention =
        with_branches(unet(), &LoraConfig::of_attention(2), &mut Init::blank(&Device::default()));
    let of_attention = byteedit_models::lora::branches(Network::Unet, &of_attention.unwrap());
    // Two blocks on the way down and two up, of 2 and 3 transformers, and the middle: four projections twice in each.
    assert_eq!(of_attention.len(), 8 * (2 * 2 + 2 * 3 + 1));
}

#[test]
fn a_file_of_either_form_gives_the_branches_that_were_saved() {
    let folder = TempDir::new().unwrap();
    let saved =
        [branches(Network::Unet, &adapted()), branches(Network::TextEncoder, &adapted_text_encoder())];
    for form in [Form::Diffusers, Form::Kohya] {
        save(&saved.concat(), form, &file(&folder)).unwrap();
        let lora = Lora::read(&file(&folder)).unwrap();
        assert_eq!((lora.form(), lora.n_branches()), (form, saved[0].len() + saved[1].len()));
        let (mut unet, mut text_encoder) = (unet(), text_encoder());
        lora.attach(&mut unet, Some(&mut text_encoder)).unwrap();
        let read = [branches(Network::Unet, &unet), branches(Network::TextEncoder, &text_encoder)];
        assert_eq!(read.map(|read| matrices(&read)), [matrices(&saved[0]), matrices(&saved[1])]);
    }
}

#[test]
fn merging_a_file_is_merging_its_branches_and_strength_scales_it() {
    let folder = TempDir::new().unwrap();
    save(&branches(Network::Unet, &adapted()), Form::Kohya, &file(&folder)).unwrap();
    let lora = Lora::read(&file(&folder)).unwrap();
    let with_strength = |strength: f64| {
        let mut unet = unet();
        lora.merge(&mut unet, None, strength).unwrap();
        output(&unet)
    };
    assert_close(&with_strength(1.0), &output(&adapted()), tol::f32_golden());
    assert_close(&with_strength(0.0), &output(&unet()), tol::exact());
    let mut twice = unet();
    lora.merge(&mut twice, None, 0.25).unwrap();
    lora.merge(&mut twice, None, 0.5).unwrap();
    assert_close(&output(&twice), &with_strength(0.75), tol::f32_golden());
}

/// Frozen weights pass gradients on and take none.
#[test]
fn the_network_learns_by_its_branches_alone_if_the_rest_is_frozen() {
    struct Frozen;
    impl ParameterMapper for Frozen {
        fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if is_of_branch(name) { param } else { param.set_require_grad(false) }
        }
    }
    struct Learns(burn::tensor::Gradients, usize);
    impl ParameterVisitor for Learns {
        fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(&self.0);
            assert_eq!(gradient.is_some(), is_of_branch(name), "{name}");
            let moves = gradient.is_some_and(|gradient| gradient.abs().max().into_scalar::<f32>() > 0.0);
            self.1 += usize::from(moves);
        }
    }
    let unet = map_parameters(adapted().train(), &mut Frozen);
    let mut learns = Learns(output(&unet).square().sum().backward(), 0);
    visit_parameters(&unet, &mut learns);
    assert_eq!(learns.1, 2 * branches(Network::Unet, &unet).len());
}

#[test]
fn a_layer_that_is_not_there_is_named_before_anything_learns() {
    let no = with_branches(unet(), &config(&["to_q", "to_qk"]), &mut Init::blank(&Device::default()));
    let message = no.unwrap_err().to_string();
    assert!(message.contains("`target_modules` is \"to_qk\""), "{message}");
}

/// A tensor of one value, to be written.
type Entry<'a> = (&'a str, Dtype, &'a [usize]);

fn entry<'a>(key: &'a str, dtype: Dtype, shape: &'a [usize]) -> Entry<'a> {
    (key, dtype, shape)
}

fn written(folder: &TempDir, entries: &[Entry<'_>], header: Option<&str>) -> Result<Lora, String> {
    let bytes = |(_, dtype, shape): &Entry<'_>| {
        let one = match dtype {
            Dtype::I64 => 2_i64.to_le_bytes().to_vec(),
            Dtype::F16 => vec![0, 0x3c],
            _ => 1.0_f32.to_le_bytes().to_vec(),
        };
        one.repeat(shape.iter().product())
    };
    let bytes: Vec<_> = entries.iter().map(bytes).collect();
    let views = entries
        .iter()
        .zip(&bytes)
        .map(|((key, dtype, shape), bytes)| (*key, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()));
    let header = header.map(|text| [("lora_adapter_metadata".to_owned(), text.to_owned())].into());
    let path = folder.path().join("b.safetensors");
    std::fs::write(&path, serialize(views, header).unwrap()).unwrap();
    Lora::read(&path).map_err(|error| error.to_string())
}

/// In the middle of the tiny network, which is 16 wide.
const TO_Q: &str = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";

fn alpha_of(lora: &Lora) -> f64 {
    let mut unet = unet();
    lora.attach(&mut unet, None).unwrap();
    branches(Network::Unet, &unet)[0].branch.alpha
}

#[test]
fn alpha_is_the_rank_unless_the_file_says_another() {
    let folder = TempDir::new().unwrap();
    let is = |entries: &[Entry<'_>], header: Option<&str>, expected: f64| {
        let alpha = alpha_of(&written(&folder, entries, header).unwrap());
        assert!((alpha - expected).abs() < 1e-12, "{alpha} for {expected}");
    };
    let [a, b] = ["A", "B"].map(|matrix| format!("unet.{TO_Q}.lora_{matrix}.weight"));
    let pair = [entry(&a, Dtype::F16, &[4, 16]), entry(&b, Dtype::F16, &[16, 4])];
    is(&pair, None, 4.0);
    is(&pair, Some(r#"{"unet.lora_alpha": 8, "unet.r": 4}"#), 8.0);
    let flat = format!("lora_unet_{}", TO_Q.replace('.', "_"));
    let [down, up] = ["down", "up"].map(|matrix| format!("{flat}.lora_{matrix}.weight"));
    let alpha = format!("{flat}.alpha");
    let pair = [entry(&down, Dtype::F32, &[4, 16]), entry(&up, Dtype::F32, &[16, 4])];
    is(&pair, None, 4.0);
    for (dtype, expected) in [(Dtype::I64, 2.0), (Dtype::F32, 1.0), (Dtype::F16, 1.0)] {
        is(&[pair[0], pair[1], entry(&alpha, dtype, &[])], None, expected);
    }
}

#[test]
fn every_key_that_does_not_fit_is_named() {
    let folder = TempDir::new().unwrap();
    let keys = ["A", "B"].map(|matrix| format!("unet.{TO_Q}.lora_{matrix}.weight"));
    let [a, b] = [keys[0].as_str(), keys[1].as_str()];
    let refused = |entries: &[Entry<'_>], header: Option<&str>| match written(&folder, entries, header) {
        Ok(lora) => lora.merge(&mut unet(), Some(&mut text_encoder()), 1.0).unwrap_err().to_string(),
        Err(message) => message,
    };
    let good = entry(b, Dtype::F32, &[16, 4]);
    let pair = [entry(a, Dtype::F32, &[4, 16]), good];
    let with_a = |dtype: Dtype, shape: &'static [usize]| vec![entry(a, dtype, shape), good];
    let beside =
        |key: &'static str, shape: &'static [usize]| vec![pair[0], pair[1], entry(key, Dtype::F32, shape)];
    let norm = "unet.mid_block.lora_magnitude_vector";
    for (entries, header, says) in [
        (vec![], None, "holds no tensor"),
        (vec![good], None, "lora_B.weight` lacks the other matrix"),
        (with_a(Dtype::F32, &[3, 16]), None, "has rank 3"),
        (with_a(Dtype::F32, &[4, 8]), None, "from 8 to 16 channels, the model's is from 16 to 16"),
        (with_a(Dtype::F32, &[4, 16, 3, 3]), None, "[4, 16, 3, 3]; only linear maps and 1x1 convolutions"),
        (with_a(Dtype::I64, &[4, 16]), None, "is not stored as F32"),
        (with_a(Dtype::F32, &[0, 16]), None, "no element"),
        (beside(norm, &[16]), None, "`unet.mid_block.lora_magnitude_vector` is no part"),
        (beside("unet.mid_block.alpha", &[]), None, "`unet.mid_block.alpha` lacks"),
        (pair.to_vec(), Some("{"), "`lora_adapter_metadata` cannot be read"),
        (pair.to_vec(), Some(r#"{"unet.lora_alpha": []}"#), "no number"),
    ] {
        let message = refused(&entries, header);
        assert!(
            message.contains("b.safetensors is no LoRA for this model") && message.contains(says),
            "{message}"
        );
    }
    let elsewhere = "unet.down_blocks.7.attentions.0.proj_in";
    let keys = ["A", "B"].map(|matrix| format!("{elsewhere}.lora_{matrix}.weight"));
    let others = [entry(&keys[0], Dtype::F32, &[4, 16]), entry(&keys[1], Dtype::F32, &[16, 4])];
    let message = refused(&[pair, others].concat(), None);
    assert!(message.contains(&format!("`{elsewhere}` is no linear map or 1x1 convolution")), "{message}");
}

#[test]
fn a_file_that_does_not_fit_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let all = [branches(Network::Unet, &adapted()), branches(Network::TextEncoder, &adapted_text_encoder())]
        .concat();
    save(&all, Form::Diffusers, &file(&folder)).unwrap();
    let lora = Lora::read(&file(&folder)).unwrap();
    // The text encoder's branches have no network here.
    let mut alone = unet();
    let message = lora.merge(&mut alone, None, 1.0).unwrap_err().to_string();
    assert!(message.contains("`text_encoder.text_model.encoder.layers.0"), "{message}");
    assert_close(&output(&alone), &output(&unet()), tol::exact());
    // Almost no layer of another network fits; the first are told.
    let mut other: UNet2DConditionModel =
        load_component(&case_dir!("unet_sd21"), &Device::default()).unwrap();
    let message = lora.attach(&mut other, Some(&mut text_encoder())).unwrap_err().to_string();
    assert!(message.contains("more") && message.len() < 2000, "{message}");
    assert!(branches(Network::Unet, &other).is_empty());
}

#[test]
fn a_matrix_that_is_no_number_is_not_written() {
    let folder = TempDir::new().unwrap();
    let mut broken = branches(Network::Unet, &adapted());
    let infinite = Tensor::full(broken[0].branch.a.dims(), f32::INFINITY, &Device::default());
    broken[0].branch.a = Param::from_tensor(infinite);
    let message = save(&broken, Form::Diffusers, &file(&folder)).unwrap_err().to_string();
    assert!(message.contains("lora_A.weight` holds inf"), "{message}");
    assert!(!file(&folder).exists());
}

/// As diffusers reads it: keys, kernels of 1x1 convolutions, and the header.
#[test]
fn convolutions_have_kernels_and_the_header_has_what_peft_needs() {
    let folder = TempDir::new().unwrap();
    save(&branches(Network::Unet, &adapted()), Form::Diffusers, &file(&folder)).unwrap();
    let bytes = std::fs::read(file(&folder)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let shape = |key: &str| tensors.tensor(key).unwrap().shape().to_vec();
    assert_eq!(shape("unet.mid_block.attentions.0.proj_in.lora_A.weight"), [3, 16, 1, 1]);
    assert_eq!(shape("unet.mid_block.attentions.0.proj_in.lora_B.weight"), [16, 3, 1, 1]);
    assert_eq!(shape(&format!("unet.{TO_Q}.lora_A.weight")), [3, 16]);
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let text = header.metadata().as_ref().unwrap()["lora_adapter_metadata"].clone();
    let adapter: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&adapter["unet.r"], &adapter["unet.lora_alpha"]), (&3.into(), &1.5.into()));
    assert!(adapter["unet.target_modules"].as_array().unwrap().contains(&TO_Q.into()));
}
