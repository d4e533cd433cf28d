//! A whole edit of a region as large as the model's canvas, by networks of random weights.

use burn::module::Module;
use burn::tensor::Device;
use byteedit_diffusion::{NoiseSchedule, NoiseScheduleConfig};
use byteedit_edit::{
    EditModel, EditRequest, ModelInfo, ModelParts, Prompt, Settings, Task, TaskKind, Timings, Watch,
};
use byteedit_image::{Limits, Mask, Padding, Rect, Size};
use byteedit_models::tokenizer::ClipTokenizer;
use byteedit_models::{Component, flops};
use byteedit_train::vocabulary::{VocabularyConfig, train_vocabulary};
use serde_json::json;

use super::measure::{Bench, Case, RunSettings, Spread, Work};
use super::networks::Resolved;
use super::photograph::photograph;
use super::report::report;
use super::weights::random_network;
use crate::args::BenchConfigArgs;
use crate::exit::ExitStatus;
use crate::printer::Printer;

const PROMPT: &str = "a red apple";
/// Guided, so that every step evaluates the network for the prompt and without it.
const GUIDANCE_SCALE: f64 = 7.5;
/// Two: the prompt, and the empty one that guidance pushes away from.
const N_TEXTS: f64 = 2.0;
/// The photograph's sides over the region's.
const SURROUNDINGS: [f64; 2] = [2.0, 1.5];

/// Times edits of `n_steps` denoising steps.
///
/// # Errors
/// A configuration that cannot be used.
pub(super) fn bench_region(
    config: BenchConfigArgs,
    n_steps: usize,
    settings: RunSettings,
    printer: &Printer,
) -> anyhow::Result<ExitStatus> {
    let mut bench = Bench::new(printer, settings);
    let resolved = Resolved::of(config)?;
    let model = random_model(&resolved)?;
    let request = request(resolved.side, n_steps, model.info())?;
    let mut timings: Vec<Timings> = Vec::new();
    let measured = bench.case(case(&resolved, &model, n_steps)?, (), |()| {
        timings.push(model.edit(&request, &mut Watch::silent())?.timings);
        Ok(())
    })?;
    timings.drain(..settings.n_warmup);
    let part = |of: fn(&Timings) -> f64| Spread::of(timings.iter().map(of).collect());
    measured.parts.extend([
        ("text and encoder", part(|timings| timings.encode_sec)),
        ("denoising", part(|timings| timings.denoise_sec)),
        ("decoder", part(|timings| timings.decode_sec)),
        ("cut and paste", part(|timings| timings.compose_sec)),
    ]);
    report(&bench, "edit", &resolved.networks.name, printer)
}

fn case(resolved: &Resolved, model: &EditModel, n_steps: usize) -> anyhow::Result<Case> {
    let Resolved { networks, side, .. } = resolved;
    let (unet, vae, text) = (model.parts().unet.config(), networks.vae()?, networks.text_encoder()?);
    let flop = N_TEXTS * flops::clip_text(text)
        + flops::vae_encoder(vae, *side)
        + 2.0 * n_steps as f64 * flops::unet(unet, resolved.latent_side(), networks.n_tokens())
        + flops::vae_decoder(vae, *side);
    let ModelParts { unet: network, vae: autoencoder, text_encoder, .. } = model.parts();
    let n_parameters = network.num_params() + autoencoder.num_params() + text_encoder.num_params();
    Ok(Case {
        name: format!("edit of {side} x {side} px, {n_steps} guided steps"),
        shape: json!({
            "kind": "edit", "unet": unet, "vae": vae, "text_encoder": text, "side": side, "n_steps": n_steps,
            "guidance_scale": GUIDANCE_SCALE,
        }),
        work: Work { flop, bytes: None },
        weights_bytes: Some(4 * n_parameters as u64),
    })
}

/// Networks that fit each other, with a vocabulary of single bytes: what a text costs depends on its length
/// alone, which is always the longest.
fn random_model(resolved: &Resolved) -> anyhow::Result<EditModel> {
    let device = Device::flex();
    let Resolved { networks, .. } = resolved;
    let mut unet = networks.unet()?.clone();
    unet.sample_size = resolved.latent_side();
    let text = networks.text_encoder()?;
    let vocabulary = VocabularyConfig { max_size: text.vocab_size, max_length: text.max_position_embeddings };
    let parts = ModelParts {
        unet: random_network(&unet, &device),
        vae: random_network(networks.vae()?, &device),
        text_encoder: random_network(text, &device),
        tokenizer: ClipTokenizer::from_files(&train_vocabulary([PROMPT], &vocabulary)?)?,
        schedule: NoiseSchedule::new(NoiseScheduleConfig::stable_diffusion())?,
    };
    let info = ModelInfo { name: networks.name.clone(), hash: String::new(), card: None };
    Ok(EditModel::new(parts, info, device)?)
}

/// The mask is half as wide as the region, in the middle of a photograph that is larger.
fn request(side: usize, n_steps: usize, info: &ModelInfo) -> anyhow::Result<EditRequest> {
    let [width, height] = SURROUNDINGS.map(|factor| (factor * side as f64) as usize);
    let size = Size::new(width, height);
    let middle = Rect::new((width - side / 2) / 2, (height - side / 2) / 2, side / 2, side / 2);
    let task = Task::Edit { edit_mask: Mask::from_rect(size, middle)?, prompt: Prompt::new(PROMPT)? };
    let mut settings = Settings::new(TaskKind::Edit, &info.defaults());
    settings.sampling.n_steps = n_steps;
    settings.sampling.guidance_scale = GUIDANCE_SCALE;
    settings.framing.padding = Padding::Pixels(side / 4);
    Ok(EditRequest::new(photograph(size)?, task, settings, Limits::default())?)
}

#[cfg(test)]
mod tests {
    use byteedit_edit::Defaults;

    use super::*;

    #[test]
    fn the_region_is_what_was_asked_for() {
        let defaults = Defaults::of_diffusers();
        let info = ModelInfo { name: String::new(), hash: String::new(), card: None };
        assert_eq!(info.defaults(), defaults);
        let request = request(64, 3, &info).unwrap();
        assert_eq!(request.picture().size(), Size::new(128, 96));
        let Padding::Pixels(padding) = request.settings().framing.padding else { panic!("pixels") };
        let Task::Edit { edit_mask, .. } = request.task() else { panic!("an edit") };
        let masked = edit_mask.bounding_box().unwrap();
        assert_eq!([masked.width + 2 * padding, masked.height + 2 * padding], [64, 64]);
    }
}
