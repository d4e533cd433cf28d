//! How a picture was made, in the words of A1111.

use byteedit_diffusion::SamplerKind;
use byteedit_image::{Padding, Parameters};

use super::pass::Pass;
use crate::model::{AppliedLora, EditModel};
use crate::request::{EditRequest, Prompt, TaskKind};

/// Program and version.
const VERSION: &str = concat!("byteedit ", env!("CARGO_PKG_VERSION"));

/// The `parameters` text of one picture. Names are A1111's where it has one.
pub(super) fn parameters(model: &EditModel, request: &EditRequest, seed: u64, passes: &[Pass]) -> Parameters {
    let settings = request.settings();
    let (sampling, framing) = (&settings.sampling, &settings.framing);
    let task = request.task().kind();
    let size = model.canvas_size();
    let prompt = with_loras(request.task().prompt(), model.loras());
    let negative_prompt = sampling.negative_prompt.as_ref().map_or_else(String::new, Prompt::to_string);
    let mut parameters = Parameters { prompt, negative_prompt, settings: Vec::new() }
        .with("Steps", sampling.n_steps)
        .with("Sampler", a1111_name(sampling.sampler))
        .with("CFG scale", sampling.guidance_scale)
        .with("Seed", seed)
        .with("Size", format!("{}x{}", size.width, size.height))
        .with("Model hash", &model.info().hash)
        .with("Model", &model.info().name)
        .with("Denoising strength", sampling.strength);
    if sampling.guidance_rescale > 0.0 {
        parameters = parameters.with("CFG rescale", sampling.guidance_rescale);
    }
    if sampling.temperature < 1.0 {
        parameters = parameters.with("Temperature", sampling.temperature);
    }
    parameters = parameters.with("Task", task.name());
    if task != TaskKind::Outpaint {
        let padding = padding_pixels(framing.padding, passes);
        parameters = parameters
            .with("Mask blur", framing.feather)
            .with("Mask grow", framing.mask_grow)
            .with("Inpaint area", "Only masked")
            .with("Masked area padding", padding)
            .with("Masked content", if sampling.strength < 1.0 { "original" } else { "latent noise" });
    }
    if !model.loras().is_empty() {
        let hashes = model.loras().iter().map(|AppliedLora { name, hash, .. }| format!("{name}: {hash}"));
        parameters = parameters.with("Lora hashes", hashes.collect::<Vec<_>>().join(", "));
    }
    parameters.with("Version", VERSION)
}

/// A prompt with the words by which A1111 is told which LoRAs to use.
fn with_loras(prompt: &str, loras: &[AppliedLora]) -> String {
    let words = loras.iter().map(|AppliedLora { name, strength, .. }| format!("<lora:{name}:{strength}>"));
    let parts: Vec<_> = (!prompt.is_empty()).then(|| prompt.to_owned()).into_iter().chain(words).collect();
    parts.join(" ")
}

fn a1111_name(sampler: SamplerKind) -> &'static str {
    match sampler {
        SamplerKind::Ddim { .. } => "DDIM",
        SamplerKind::Euler => "Euler",
        SamplerKind::EulerAncestral => "Euler a",
        SamplerKind::DpmPp2M { karras: false } => "DPM++ 2M",
        SamplerKind::DpmPp2M { karras: true } => "DPM++ 2M Karras",
        SamplerKind::Lcm => "LCM",
    }
}

/// A1111 knows padding in pixels only.
fn padding_pixels(padding: Padding, passes: &[Pass]) -> usize {
    let focus = || passes.first().and_then(|pass| pass.alpha.bounding_box());
    match padding {
        Padding::Pixels(pixels) => pixels,
        Padding::Fraction(part) => {
            focus().map_or(0, |focus| (part * focus.width.max(focus.height) as f64).ceil() as usize)
        }
        Padding::Share(_) => focus().map_or(0, |focus| {
            let region = passes[0].plan.region();
            (region.width - focus.width).min(region.height - focus.height) / 2
        }),
    }
}
