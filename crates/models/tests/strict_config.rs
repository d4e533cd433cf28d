//! A `config.json` is understood completely or refused by the name of the key.

use std::path::Path;

use burn::tensor::Device;
use byteedit_models::blip::BlipForImageTextRetrieval;
use byteedit_models::clip::CLIPModel;
use byteedit_models::component::Component;
use byteedit_models::dinov2::Dinov2Model;
use byteedit_models::store::load_component;
use byteedit_models::text::CLIPTextModel;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;
use byteedit_models::vgg::Vgg16Features;
use byteedit_testing::{Checkpoint, case_dir};
use serde_json::{Map, Value, json};

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
    refuses::<CLIPModel>("clip_openai", change, &["hiden_act"]);
    refuses::<BlipForImageTextRetrieval>("blip_itm", change, &["hiden_act"]);
    refuses::<Dinov2Model>("dinov2", change, &["hiden_act"]);
    refuses::<Vgg16Features>("vgg16", ["\"base_width\"", "\"width\": 4, \"base_width\""], &["width"]);
}

#[test]
fn a_network_that_we_do_not_have_is_named() {
    for (change, part) in [
        (["\"class_embed_type\": null", "\"class_embed_type\": \"timestep\""], "class_embed_type"),
        (["\"addition_embed_type\": null", "\"addition_embed_type\": \"text_time\""], "addition_embed_type"),
        (
            ["\"resnet_time_scale_shift\": \"default\"", "\"resnet_time_scale_shift\": \"ada_group\""],
            "ada_group",
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
    refuses::<CLIPModel>("clip_openai", change, &["relu", "quick_gelu"]);
    let change = ["\"use_swiglu_ffn\": false", "\"use_swiglu_ffn\": true"];
    refuses::<Dinov2Model>("dinov2", change, &["use_swiglu_ffn", "only false"]);
    let change = ["\"encoder_hidden_size\": 24", "\"encoder_hidden_size\": 16"];
    refuses::<BlipForImageTextRetrieval>("blip_itm", change, &["encoder_hidden_size", "hidden_size is 24"]);
    let change = ["\"image_size\": 20", "\"image_size\": 21"];
    refuses::<CLIPModel>("clip_openai", change, &["image_size", "multiple of patch_size 5"]);
    refuses::<Dinov2Model>("dinov2", change, &["image_size", "multiple of patch_size 5"]);
}

#[test]
fn numbers_that_do_not_divide_are_named() {
    let groups = ["\"norm_num_groups\": 4", "\"norm_num_groups\": 3"];
    refuses::<UNet2DConditionModel>("unet_mini", groups, &["norm_num_groups", "8", "3"]);
    refuses::<AutoencoderKL>("vae_sd", groups, &["norm_num_groups", "8", "3"]);
    let heads = ["\"num_attention_heads\": 3", "\"num_attention_heads\": 7"];
    refuses::<CLIPTextModel>("clip_text_sd15", heads, &["num_attention_heads", "24", "7"]);
    let heads = ["\"addition_embed_type_num_heads\": 3", "\"addition_embed_type_num_heads\": 5"];
    refuses::<UNet2DConditionModel>("unet_rare", heads, &["addition_embed_type_num_heads", "12", "5"]);
    let no_groups = ["\"norm_num_groups\": 4", "\"norm_num_groups\": 0"];
    refuses::<UNet2DConditionModel>("unet_mini", no_groups, &["norm_num_groups"]);
    refuses::<AutoencoderKL>("vae_sd", no_groups, &["norm_num_groups"]);
}

/// Puts keys into a configuration and demands a refusal that names all `parts`.
#[track_caller]
fn refuses_keys<C: Component>(case: &str, keys: &Value, parts: &[&str]) {
    let text = Checkpoint::read(&case_dir!(case), C::WEIGHTS_FILE).config;
    let mut config: Map<String, Value> = serde_json::from_str(&text).expect("the published file is JSON");
    config.extend(keys.as_object().cloned().expect("the keys are an object"));
    let message = match C::parse_config(&Value::Object(config).to_string()) {
        Ok(_) => panic!("{keys} was accepted"),
        Err(error) => error.to_string(),
    };
    for part in parts {
        assert!(message.contains(part), "{keys}: `{part}` is not in the message: {message}");
    }
}

#[test]
fn numbers_out_of_range_are_named_with_the_limit() {
    for (keys, parts) in [
        (json!({"layers_per_block": 0}), ["layers_per_block", "0", "1 to 64"]),
        (json!({"layers_per_block": 1_000_000_000}), ["layers_per_block", "1000000000", "1 to 64"]),
        (json!({"transformer_layers_per_block": 65}), ["transformer_layers_per_block", "65", "1 to 64"]),
        (json!({"transformer_layers_per_block": [1, 0]}), ["transformer_layers_per_block", "0", "1 to 64"]),
        (json!({"transformer_layers_per_block": [1]}), ["transformer_layers_per_block", "[1]", "each block"]),
        (json!({"in_channels": 0}), ["in_channels", "0", "1 to 65536"]),
        (json!({"out_channels": 65_537}), ["out_channels", "65537", "1 to 65536"]),
        (json!({"cross_attention_dim": 0}), ["cross_attention_dim", "0", "1 to 65536"]),
        (json!({"block_out_channels": []}), ["block_out_channels", "[]", "1 to 8 entries"]),
        (json!({"block_out_channels": vec![8; 65]}), ["block_out_channels", "8, 8", "1 to 8 entries"]),
        (json!({"block_out_channels": [8, 0]}), ["block_out_channels", "0", "1 to 65536"]),
        (json!({"block_out_channels": [9, 16], "norm_num_groups": 1}), ["block_out_channels", "9", "even"]),
        (json!({"freq_shift": 4}), ["freq_shift", "4", "below 4"]),
        (json!({"norm_eps": -1e-5}), ["norm_eps", "-1e-5", "above 0"]),
        (json!({"norm_eps": 0}), ["norm_eps", "0", "above 0"]),
    ] {
        refuses_keys::<UNet2DConditionModel>("unet_mini", &keys, &parts);
    }
    for (keys, parts) in [
        (json!({"layers_per_block": 0}), ["layers_per_block", "0", "1 to 64"]),
        (json!({"layers_per_block": 1_000_000_000}), ["layers_per_block", "1000000000", "1 to 64"]),
        (json!({"latent_channels": 0}), ["latent_channels", "0", "1 to 65536"]),
        (json!({"in_channels": 0}), ["in_channels", "0", "1 to 65536"]),
        (json!({"out_channels": 65_537}), ["out_channels", "65537", "1 to 65536"]),
        (json!({"block_out_channels": vec![8; 9]}), ["block_out_channels", "8, 8", "1 to 8 entries"]),
        (json!({"block_out_channels": [0, 8, 12, 16]}), ["block_out_channels", "0", "1 to 65536"]),
    ] {
        refuses_keys::<AutoencoderKL>("vae_sd", &keys, &parts);
    }
    for (keys, parts) in [
        (json!({"num_hidden_layers": 0}), ["num_hidden_layers", "0", "1 to 64"]),
        (json!({"num_hidden_layers": 1_000_000_000}), ["num_hidden_layers", "1000000000", "1 to 64"]),
        (json!({"hidden_size": 0}), ["hidden_size", "0", "1 to 65536"]),
        (json!({"intermediate_size": 65_537}), ["intermediate_size", "65537", "1 to 65536"]),
        (json!({"max_position_embeddings": 0}), ["max_position_embeddings", "0", "1 to 65536"]),
        (json!({"layer_norm_eps": -1.0}), ["layer_norm_eps", "-1.0", "above 0"]),
    ] {
        refuses_keys::<CLIPTextModel>("clip_text_sd15", &keys, &parts);
    }
}

/// What is switched off by `null` or `false` has a name that we know; anything else is a misspelling.
#[test]
fn only_known_keys_may_be_switched_off() {
    for value in [Value::Null, Value::Bool(false)] {
        let keys = json!({"use_linear_projektion": value});
        refuses_keys::<UNet2DConditionModel>("unet_mini", &keys, &["use_linear_projektion", "misspelling"]);
        refuses_keys::<AutoencoderKL>("vae_sd", &json!({"use_qant_conv": value}), &["use_qant_conv"]);
        refuses_keys::<CLIPTextModel>("clip_text_sd15", &json!({"hiden_act": value}), &["hiden_act"]);
    }
    // For diffusers this is a network without a middle.
    let keys = json!({"mid_block_type": null});
    refuses_keys::<UNet2DConditionModel>(
        "unet_mini",
        &keys,
        &["mid_block_type", "null", "UNetMidBlock2DCrossAttn"],
    );
    let keys = json!({"latents_mean": [0.0, 0.0, 0.0, 0.0]});
    refuses_keys::<AutoencoderKL>("vae_sd", &keys, &["latents_mean", "null"]);
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
