//! A model folder of random weights that edits 16 x 16 pixels in milliseconds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use byteedit_diffusion::NoiseScheduleConfig;
use byteedit_models::Component;
use byteedit_models::store::{Precision, save_component};
use byteedit_models::text::CLIPTextModel;
use byteedit_models::unet::UNet2DConditionModel;
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::Init;
use byteedit_reward::ImageRewardNetwork;
use byteedit_train::vocabulary::{VocabularyConfig, train_vocabulary};
use serde_json::{Value, json};

/// Side of the model's canvas in pixels.
pub(crate) const RESOLUTION: usize = 16;
/// Tokens that it reads, begin and end included.
pub(crate) const MAX_LENGTH: usize = 12;

/// Writes the model into `folder`.
pub(crate) fn write(folder: &Path) {
    let vocabulary = VocabularyConfig { max_size: 600, max_length: MAX_LENGTH };
    let tokenizer = train_vocabulary(["a red apple", "a duck"], &vocabulary).unwrap();
    let vocab: BTreeMap<String, usize> = serde_json::from_str(&tokenizer.vocab_json).unwrap();
    let mut init = Init::seeded(&Device::flex(), 7);
    save::<UNet2DConditionModel>(&unet(), folder, "unet", &mut init);
    save::<AutoencoderKL>(&vae(), folder, "vae", &mut init);
    save::<CLIPTextModel>(&text_encoder(vocab.len()), folder, "text_encoder", &mut init);
    text(folder, "tokenizer/vocab.json", &tokenizer.vocab_json);
    text(folder, "tokenizer/merges.txt", &tokenizer.merges_txt);
    text(folder, "tokenizer/tokenizer_config.json", &tokenizer.tokenizer_config_json);
    let schedule = NoiseScheduleConfig::stable_diffusion().to_json().unwrap();
    text(folder, "scheduler/scheduler_config.json", &schedule);
    text(folder, "model_index.json", &index().to_string());
    text(folder, "byteedit.json", &card().to_string());
}

/// Writes a network of random weights as the folder `part`.
pub(crate) fn save<C: Component>(config: &Value, folder: &Path, part: &str, init: &mut Init) {
    let component = C::from_config(&C::parse_config(&config.to_string()).unwrap(), init);
    save_component(&component, &folder.join(part), Precision::F16, &BTreeMap::new()).unwrap();
}

/// Writes a reward of random weights that sees prompts as the folder `part`. It knows three words and reads 8 tokens.
pub(crate) fn save_asked(folder: &Path, part: &str, init: &mut Init) {
    let text_config = json!({
        "vocab_size": 16, "max_position_embeddings": 8, "hidden_size": 8, "encoder_hidden_size": 8,
        "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    });
    let vision_config = json!({
        "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 8, "patch_size": 4,
    });
    let image_reward = json!({
        "blip_config": { "text_config": text_config, "vision_config": vision_config },
        "mlp_widths": [8, 8, 4, 4], "max_length": 8, "standardisation": { "mean": 0.0, "std": 1.0 },
    });
    save::<ImageRewardNetwork>(&image_reward, folder, part, init);
    text(folder, &format!("{part}/vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nred\napple\n");
}

fn text(folder: &Path, file: &str, content: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn unet() -> Value {
    json!({
        "sample_size": RESOLUTION / 2, "in_channels": 9, "out_channels": 4,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "block_out_channels": [8, 8],
        "layers_per_block": 1, "norm_num_groups": 4, "cross_attention_dim": 8, "attention_head_dim": 2,
    })
}

fn vae() -> Value {
    json!({
        "block_out_channels": [8, 8], "latent_channels": 4, "norm_num_groups": 4, "scaling_factor": 0.5,
    })
}

fn text_encoder(vocab_size: usize) -> Value {
    json!({
        "vocab_size": vocab_size, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": MAX_LENGTH, "eos_token_id": vocab_size - 1,
    })
}

fn index() -> Value {
    json!({
        "_class_name": "StableDiffusionInpaintPipeline", "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
    })
}

fn card() -> Value {
    json!({
        "schema_version": 1, "picture_size": RESOLUTION, "words": ["a", "apple", "duck", "red"],
        "concepts": [{"name": "apple", "group": "food"}, {"name": "duck", "group": "birds"}],
        "defaults": {"n_steps": 2, "guidance_scale": 2.0},
    })
}
