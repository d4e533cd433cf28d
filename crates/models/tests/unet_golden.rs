//! The U-Net against diffusers: whole outputs of tiny random checkpoints with the published keys.
//!
//! `scripts/golden/unet.py` makes the files; `scripts/golden/README.md` lists how far each classic
//! mistake (head counts, epsilons, padding, GELU, order of the skips) would move the outputs.

use burn::tensor::Device;
use byteedit_models::store::load_component;
use byteedit_models::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use byteedit_testing::{assert_close, case_dir, golden, tol};

fn check(case: &str, call: &str) {
    let device = Device::default();
    let dir = case_dir!(case);
    let unet: UNet2DConditionModel = load_component(&dir, &device).expect("the checkpoint loads");
    let golden = golden::load(dir.join("expected.safetensors"));
    let output = unet.forward(
        golden.float(&format!("{call}.sample"), &device),
        golden.float(&format!("{call}.timesteps"), &device),
        golden.float(&format!("{call}.context"), &device),
    );
    assert_close(&output, &golden.float(&format!("{call}.output"), &device), tol::f32_golden());
}

/// One module for each checkpoint, one test for each recorded call of it:
/// `ends` has timesteps 0 and 999 in one batch, `middle` 261 and 501 on tall latents, `fractional`
/// timestep 333.25, and `odd` a 9 x 13 latent that no downsampler halves evenly.
macro_rules! golden_calls {
    ($($case:ident),*) => {
        $(mod $case {
            golden_calls!(@calls $case: ends, middle, fractional, odd);
        })*
    };
    (@calls $case:ident: $($call:ident),*) => {
        $(#[test]
        fn $call() {
            super::check(stringify!($case), stringify!($call));
        })*
    };
}

golden_calls!(unet_sd15_inpaint, unet_sd15_text2img, unet_sd21, unet_mini, unet_rare);

#[test]
fn rows_of_a_batch_do_not_see_each_other() {
    let device = Device::default();
    let dir = case_dir!("unet_sd15_inpaint");
    let unet: UNet2DConditionModel = load_component(&dir, &device).unwrap();
    let golden = golden::load(dir.join("expected.safetensors"));
    let row = 1..2;
    let output = unet.forward(
        golden.float::<4>("ends.sample", &device).slice_dim(0, row.clone()),
        golden.float::<1>("ends.timesteps", &device).slice_dim(0, row.clone()),
        golden.float::<3>("ends.context", &device).slice_dim(0, row.clone()),
    );
    let expected = golden.float::<4>("ends.output", &device).slice_dim(0, row);
    assert_close(&output, &expected, tol::f32_golden());
}

/// Files written before diffusers 0.7 hold only the keys that Stable Diffusion 1.x sets.
#[test]
fn the_short_configuration_of_the_first_release_is_enough() {
    let config = UNet2DConditionConfig::from_json(
        r#"{
        "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0.dev0",
        "act_fn": "silu", "attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280],
        "center_input_sample": false, "cross_attention_dim": 768,
        "down_block_types":
            ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "downsample_padding": 1, "flip_sin_to_cos": true, "freq_shift": 0, "in_channels": 9,
        "layers_per_block": 2, "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 32,
        "out_channels": 4, "sample_size": 64,
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]
        }"#,
    )
    .unwrap();
    assert_eq!(config.block_out_channels, [320, 640, 1280, 1280]);
    assert!(config.is_inpainting());
}
