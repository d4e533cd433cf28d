//! A `config.json` is understood completely or refused by the name of the key.

use std::path::Path;

use burn::tensor::Device;
use byteedit_models::component::Component;
use byteedit_models::store::load_component;
use byteedit_models::text::CLIPTextModel;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;
use byteedit_testing::{Checkpoint, case_dir};

/// Changes a configuration and demands a refusal that names all `parts`.
#[track_caller]
fn refuses<C: Component>(case: &str, change: [&str; 2], parts: &[&str]) {
    let checkpoint = Checkpoint::read(&case_dir!(case), C::WEIGHTS_FILE).with_config(change[0], change[1]);
    let message = load::<C>(checkpoint.write().path()).expect_err(change[1]);
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in the message: {message}");
    }
}

fn load<C: Component>(folder: &Path) -> Result<(), String> {
    load_component::<C>(folder, &Device::default()).map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_misspelt_key_is_named() {
    let change = ["\"layers_per_block\"", "\"layer_per_blocks\": 2, \"layers_per_block\""];
    refuses::<UNet2DConditionModel>("unet_mini", change, &["layer_per_blocks"]);
    refuses::<AutoencoderKL>("vae_sd", change, &["layer_per_blocks"]);
    let change = ["\"hidden_act\"", "\"hiden_act\": \"gelu\", \"hidden_act\""];
    refuses::<CLIPTextModel>("clip_text_sd15", change, &["hiden_act"]);
}

#[test]
fn a_network_that_we_do_not_have_is_named() {
    for (change, part) in [
        (["\"class_embed_type\": null", "\"class_embed_type\": \"timestep\""], "class_embed_type"),
        (["\"addition_embed_type\": null", "\"addition_embed_type\": \"text_time\""], "addition_embed_type"),
        (
            ["\"resnet_time_scale_shift\": \"default\"", "\"resnet_time_scale_shift\": \"scale_shift\""],
            "scale_shift",
        ),
        (["\"time_cond_proj_dim\": null", "\"time_cond_proj_dim\": 256"], "time_cond_proj_dim"),
        (["\"act_fn\": \"silu\"", "\"act_fn\": \"mish\""], "mish"),
        (["\"CrossAttnDownBlock2D\"", "\"AttnDownBlock2D\""], "AttnDownBlock2D"),
        (["\"dual_cross_attention\": false", "\"dual_cross_attention\": true"], "dual_cross_attention"),
        (["\"only_cross_attention\": false", "\"only_cross_attention\": true"], "only_cross_attention"),
    ] {
        refuses::<UNet2DConditionModel>("unet_mini", change, &[part]);
    }
    let change = ["\"DownEncoderBlock2D\"", "\"AttnDownEncoderBlock2D\""];
    refuses::<AutoencoderKL>("vae_sd", change, &["AttnDownEncoderBlock2D"]);
    let change = ["\"hidden_act\": \"quick_gelu\"", "\"hidden_act\": \"relu\""];
    refuses::<CLIPTextModel>("clip_text_sd15", change, &["relu", "quick_gelu"]);
}

#[test]
fn numbers_that_do_not_divide_are_named() {
    let groups = ["\"norm_num_groups\": 4", "\"norm_num_groups\": 3"];
    refuses::<UNet2DConditionModel>("unet_mini", groups, &["norm_num_groups", "8", "3"]);
    refuses::<AutoencoderKL>("vae_sd", groups, &["norm_num_groups", "8", "3"]);
    let heads = ["\"num_attention_heads\": 3", "\"num_attention_heads\": 7"];
    refuses::<CLIPTextModel>("clip_text_sd15", heads, &["num_attention_heads", "24", "7"]);
    let no_groups = ["\"norm_num_groups\": 4", "\"norm_num_groups\": 0"];
    refuses::<UNet2DConditionModel>("unet_mini", no_groups, &["norm_num_groups"]);
    refuses::<AutoencoderKL>("vae_sd", no_groups, &["norm_num_groups"]);
}

#[test]
fn a_configuration_that_is_no_json_is_refused() {
    for broken in ["", "[]", "{\"in_channels\": 9", "not JSON"] {
        let mut checkpoint = Checkpoint::read(&case_dir!("unet_mini"), UNet2DConditionModel::WEIGHTS_FILE);
        broken.clone_into(&mut checkpoint.config);
        let message = load::<UNet2DConditionModel>(checkpoint.write().path()).expect_err(broken);
        assert!(message.contains("config"), "the message does not say what is broken: {message}");
    }
}
