//! The autoencoder against diffusers; `scripts/golden/vae.py` makes the files.

use burn::tensor::Device;
use byteedit_models::store::load_component;
use byteedit_models::vae::AutoencoderKL;
use byteedit_testing::{Checkpoint, Golden, assert_close, case_dir, golden, tol};

fn load(case: &str) -> (AutoencoderKL, Golden, Device) {
    let device = Device::default();
    let dir = case_dir!(case);
    let vae = load_component(&dir, &device).expect("the checkpoint loads");
    (vae, golden::load(dir.join("expected.safetensors")), device)
}

fn check_encode(vae: &AutoencoderKL, golden: &Golden, device: &Device) {
    let posterior = vae.encode(golden.float("pixels", device));
    assert_close(&posterior.mean, &golden.float("mean", device), tol::f32_golden());
    assert_close(&posterior.log_var, &golden.float("log_var", device), tol::f32_golden());
}

fn check_decode(vae: &AutoencoderKL, golden: &Golden, device: &Device) {
    let pixels = vae.decode(golden.float("raw_latents", device));
    assert_close(&pixels, &golden.float("decoded", device), tol::f32_golden());
}

/// Four levels and attention in the middle, as in Stable Diffusion.
#[test]
fn the_sd_encoder_is_that_of_diffusers() {
    let (vae, golden, device) = load("vae_sd");
    check_encode(&vae, &golden, &device);
}

#[test]
fn the_sd_decoder_is_that_of_diffusers() {
    let (vae, golden, device) = load("vae_sd");
    check_decode(&vae, &golden, &device);
}

/// Eight latent channels, no attention, no convolution on either side of the latent, and two log-variances that run into the limits -30 and 20.
#[test]
fn the_mini_encoder_is_that_of_diffusers() {
    let (vae, golden, device) = load("vae_mini");
    check_encode(&vae, &golden, &device);
    let log_var = golden.float::<4>("log_var", &device);
    assert_eq!(
        (log_var.clone().min().into_scalar::<f32>(), log_var.max().into_scalar::<f32>()),
        (-30.0, 20.0)
    );
}

#[test]
fn the_mini_decoder_is_that_of_diffusers() {
    let (vae, golden, device) = load("vae_mini");
    check_decode(&vae, &golden, &device);
}

/// The published Stable Diffusion 1.x autoencoders are older than diffusers' common attention layer and
/// spell its four projections otherwise; diffusers renames them while loading.
#[test]
fn attention_keys_of_old_files_are_understood() {
    let old_names = |key: &str| {
        [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")]
            .iter()
            .fold(key.to_owned(), |key, (new, old)| key.replace(&format!(".{new}."), &format!(".{old}.")))
    };
    let checkpoint =
        Checkpoint::read(&case_dir!("vae_sd"), "diffusion_pytorch_model.safetensors").with_keys(old_names);
    assert!(checkpoint.tensors.contains_key("encoder.mid_block.attentions.0.proj_attn.weight"));
    let folder = checkpoint.write();
    let device = Device::default();
    let vae: AutoencoderKL = load_component(folder.path(), &device).unwrap();
    let golden = golden::load(case_dir!("vae_sd").join("expected.safetensors"));
    check_encode(&vae, &golden, &device);
    check_decode(&vae, &golden, &device);
}
