//! Networks whose parts are computed again on the way back have the gradients of those that keep everything.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use byteedit_models::Component;
use byteedit_models::lora::{LoraConfig, is_of_branch, with_branches};
use byteedit_models::store::load_component;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::{AutoencoderKL, STRIP_POSITIONS};
use byteedit_nn::parameters::{ParameterMapper, ParameterVisitor, map_parameters, visit_parameters};
use byteedit_nn::{Init, Tape};
use byteedit_testing::{assert_close, case_dir, distance, golden, tol};

/// Of the largest gradient of a tensor: where ways meet, the same numbers are added up in another order.
const OF_TENSOR: f64 = 1e-4;
/// Of the largest gradient of all: what cancels to nothing keeps the rounding of what is around it.
const OF_ALL: f64 = 1e-6;

/// Gradients by name.
type Slopes = BTreeMap<String, Tensor<1>>;

struct Taken {
    gradients: Gradients,
    found: Slopes,
}

impl ParameterVisitor for Taken {
    fn visit<const D: usize>(&mut self, name: &str, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad_remove(&mut self.gradients) {
            self.found.insert(name.to_owned(), flat(gradient));
        }
    }
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let n_elements = tensor.shape().num_elements();
    tensor.reshape([n_elements])
}

/// Those of the parameters of `module` and of `input` in one direction of the answer.
fn slopes(module: &impl Module, input: &Tensor<4>, answer: Tensor<4>) -> Slopes {
    let direction: Vec<f32> = (0..answer.shape().num_elements()).map(|i| (1.3 * i as f32).sin()).collect();
    let direction = TensorData::new(direction, answer.dims());
    let gradients = (answer * Tensor::from_data(direction, &Device::default())).sum().backward();
    let of_input = input.grad(&gradients).map(|gradient| ("input".to_owned(), flat(gradient)));
    let mut taken = Taken { gradients, found: of_input.into_iter().collect() };
    visit_parameters(module, &mut taken);
    taken.found
}

fn largest(slopes: &Tensor<1>) -> f64 {
    f64::from(slopes.clone().abs().max().into_scalar::<f32>())
}

#[track_caller]
fn assert_same(found: &Slopes, expected: &Slopes) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    let of_all = expected.values().map(largest).fold(0.0, f64::max);
    assert!(of_all > 0.0);
    for (name, expected) in expected {
        let distance = distance(&found[name], expected);
        let limit = OF_TENSOR * largest(expected) + OF_ALL * of_all;
        assert!(distance.max_abs <= limit, "{name}: {distance}, at most {limit:.1e}");
    }
}

fn tracked(input: Tensor<4>) -> Tensor<4> {
    input.autodiff().require_grad()
}

fn unet(case: &str) -> UNet2DConditionModel {
    load_component(&case_dir!(case), &Device::default()).unwrap()
}

/// Gradients of a U-Net on a recorded call.
fn of_unet(unet: &UNet2DConditionModel, case: &str, call: &str) -> Slopes {
    let (device, golden) = (Device::default(), golden::load(case_dir!(case).join("expected.safetensors")));
    let sample = tracked(golden.float(&format!("{call}.sample"), &device));
    let answer = unet.forward(
        sample.clone(),
        golden.float(&format!("{call}.timesteps"), &device),
        golden.float(&format!("{call}.context"), &device),
    );
    slopes(unet, &sample, answer)
}

/// All weights learn; `odd` has latents that no downsampler halves evenly, and a skip connection of another size.
#[test]
fn a_u_net_that_learns_whole() {
    for (case, call) in [("unet_mini", "middle"), ("unet_sd15_inpaint", "odd"), ("unet_rare", "ends")] {
        let unet = unet(case).train();
        let expected = of_unet(&unet, case, call);
        let found = of_unet(&unet.clone().with_tape(Tape::Inputs), case, call);
        assert_same(&found, &expected);
    }
}

/// Branches alone learn, and have learned something, so that both of their matrices have a gradient.
struct Branches;

impl ParameterMapper for Branches {
    fn map<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let param = param.set_require_grad(is_of_branch(name));
        if name.ends_with("low_rank.b") { param.map(|b| b + 0.1) } else { param }
    }
}

/// As in learning from rewards.
#[test]
fn a_u_net_that_learns_by_branches() {
    let (case, call) = ("unet_mini", "middle");
    let mut init = Init::seeded(&Device::default(), 1);
    let adapted = with_branches(unet(case), &LoraConfig::of_attention(2), &mut init).unwrap();
    let adapted = map_parameters(adapted, &mut Branches).train();
    let expected = of_unet(&adapted, case, call);
    // `A` and `B` of eight projections in each of eleven transformers, and the input.
    assert_eq!(expected.len(), 11 * 8 * 2 + 1);
    assert_same(&of_unet(&adapted.clone().with_tape(Tape::Inputs), case, call), &expected);
}

/// Frozen, so that a gradient only passes through; and with weights that learn.
#[test]
fn a_decoder_that_is_frozen_and_one_that_learns() {
    for case in ["vae_sd", "vae_mini"] {
        let (device, folder) = (Device::default(), case_dir!(case));
        let vae: AutoencoderKL = load_component(&folder, &device).unwrap();
        let golden = golden::load(folder.join("expected.safetensors"));
        for vae in [vae.clone(), vae.train()] {
            let raw_latents = tracked(golden.float("raw_latents", &device));
            let of = |vae: &AutoencoderKL| slopes(vae, &raw_latents, vae.decode(raw_latents.clone()));
            assert_same(&of(&vae.clone().with_tape(Tape::Inputs)), &of(&vae));
        }
    }
}

/// Above the size from which pictures are cut into strips.
#[test]
fn large_pictures_stay_whole_on_a_tape() {
    let config = AutoencoderKL::parse_config(
        r#"{"block_out_channels": [8, 8, 8], "latent_channels": 4, "norm_num_groups": 4, "layers_per_block": 1}"#,
    );
    let vae = AutoencoderKL::from_config(&config.unwrap(), &mut Init::seeded(&Device::default(), 5));
    let side = 48;
    assert!((4 * side * 4 * side) > STRIP_POSITIONS);
    let values: Vec<f32> = (0..4 * side * side).map(|i| (0.37 * i as f32).sin()).collect();
    let latents = Tensor::from_data(TensorData::new(values, [1, 4, side, side]), &Device::default());
    let whole = vae.decode(latents.clone() / vae.config().scaling_factor);
    for tape in [Tape::Whole, Tape::Inputs] {
        let vae = vae.clone().with_tape(tape);
        assert_close(&vae.pixels_from_latents(tracked(latents.clone())).inner(), &whole, tol::exact());
    }
}
