//! A model as a whole: its parts, and what its JSON files say.

use std::collections::BTreeMap;

use anyhow::bail;
use byteedit_edit::{MemoryNeed, NetworkConfigs};
use byteedit_models::text::CLIPTextConfig;
use byteedit_models::unet::UNet2DConditionConfig;
use byteedit_models::vae::AutoencoderKLConfig;
use serde::Serialize;
use serde_json::Value;

use super::place::Place;
use super::weights::Weights;

/// What a model consists of.
#[derive(Debug, Serialize)]
pub(super) struct ModelReport {
    name: String,
    /// diffusers' class of the whole.
    pipeline: Option<String>,
    parts: BTreeMap<String, Part>,
    n_parameters: u64,
    /// Side in pixels of the pictures it was trained on.
    resolution: Option<u64>,
    /// What an edit takes at its peak beside its pictures; `None` for a folder that is no whole model.
    memory: Option<MemoryNeed>,
    /// The noise schedule, as `scheduler_config.json` has it.
    schedule: BTreeMap<String, Value>,
    n_concepts: Option<usize>,
    groups: Vec<String>,
    /// `byteedit.json` without its lists.
    card: BTreeMap<String, Value>,
}

/// One folder of a model.
#[derive(Debug, Serialize)]
struct Part {
    class: Option<String>,
    weights: Vec<Weights>,
}

impl ModelReport {
    /// Reads the headers of every part.
    ///
    /// # Errors
    /// A place without any weights, or with broken files.
    pub(super) fn of(place: &Place) -> anyhow::Result<Self> {
        let mut parts = BTreeMap::new();
        for name in place.parts()? {
            let weights = place.weights(&name)?;
            if !weights.is_empty() {
                parts.insert(name.clone(), Part { class: class(place, &name)?, weights });
            }
        }
        if parts.is_empty() {
            bail!(
                "{} holds no weights: there is no .safetensors file in it or in a folder of it",
                place.name()
            );
        }
        let weights = parts.values().flat_map(|part| &part.weights);
        let n_parameters = weights.map(|weights| weights.n_parameters).sum();
        let card = place.json("byteedit.json")?.unwrap_or_default();
        let index = place.json("model_index.json")?;
        Ok(Self {
            name: place.name(),
            pipeline: index.and_then(|index| Some(index.get("_class_name")?.as_str()?.to_owned())),
            n_parameters,
            resolution: resolution(place)?,
            memory: memory(place)?,
            schedule: schedule(&place.json("scheduler/scheduler_config.json")?.unwrap_or_default()),
            n_concepts: card.get("concepts").and_then(Value::as_array).map(Vec::len),
            groups: groups(&card),
            card: scalars(&card),
            parts,
        })
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{}: {}, {:.2} M parameters",
            self.name,
            self.pipeline.as_deref().unwrap_or("no pipeline"),
            self.n_parameters as f64 / 1e6
        )];
        for (name, part) in &self.parts {
            let (name, class) = (if name.is_empty() { "." } else { name }, part.class.as_deref());
            for weights in &part.weights {
                lines.push(format!("  {name}: {}, {}", class.unwrap_or("no class"), weights.summary()));
            }
        }
        lines.extend(self.resolution.map(|side| format!("  resolution: {side} px")));
        if let Some(need) = &self.memory {
            let [total, weights, networks] =
                [need.total_bytes(), need.weights_bytes, need.networks_bytes].map(|bytes| bytes as f64 / 1e6);
            lines.push(format!(
                "  memory: {total:.0} MB for one picture, of which weights {weights:.0} and networks at work {networks:.0}"
            ));
        }
        let pairs = |values: &BTreeMap<String, Value>| {
            values.iter().map(|(key, value)| format!("{key} {}", plain(value))).collect::<Vec<_>>().join(", ")
        };
        if !self.schedule.is_empty() {
            lines.push(format!("  schedule: {}", pairs(&self.schedule)));
        }
        if let Some(n_concepts) = self.n_concepts {
            lines.push(format!("  concepts: {n_concepts} ({})", self.groups.join(", ")));
        }
        if !self.card.is_empty() {
            lines.push(format!("  made: {}", pairs(&self.card)));
        }
        lines
    }
}

/// The class of a part, as diffusers or transformers name it.
fn class(place: &Place, part: &str) -> anyhow::Result<Option<String>> {
    let file = if part.is_empty() { "config.json".to_owned() } else { format!("{part}/config.json") };
    let Some(config) = place.json(&file)? else { return Ok(None) };
    let class = config.get("_class_name").or_else(|| config.get("architectures")?.get(0));
    Ok(class.and_then(Value::as_str).map(str::to_owned))
}

/// The U-Net's latent side times the VAE's reduction: one halving for each width but the last.
fn resolution(place: &Place) -> anyhow::Result<Option<u64>> {
    let (unet, vae) = (place.json("unet/config.json")?, place.json("vae/config.json")?);
    let side = unet.and_then(|config| config.get("sample_size")?.as_u64());
    let n_widths = vae.and_then(|config| Some(config.get("block_out_channels")?.as_array()?.len()));
    let factor = n_widths.and_then(|n| 1_u64.checked_shl(n.checked_sub(1)? as u32));
    Ok(side.zip(factor).and_then(|(side, factor)| side.checked_mul(factor)))
}

/// From the configurations alone, if the three networks are ours.
fn memory(place: &Place) -> anyhow::Result<Option<MemoryNeed>> {
    let config =
        |part: &str| anyhow::Ok(place.json(&format!("{part}/config.json"))?.map(|json| json.to_string()));
    let (unet, vae, text) = (config("unet")?, config("vae")?, config("text_encoder")?);
    let (Some(unet), Some(vae), Some(text)) = (unet, vae, text) else { return Ok(None) };
    let unet = UNet2DConditionConfig::from_json(&unet);
    let (vae, text) = (AutoencoderKLConfig::from_json(&vae), CLIPTextConfig::from_json(&text));
    // Other networks can be looked at, too; only nothing is known of what they take.
    let (Ok(unet), Ok(vae), Ok(text)) = (unet, vae, text) else { return Ok(None) };
    let configs = NetworkConfigs { unet: &unet, vae: &vae, text_encoder: &text };
    // One picture, under guidance.
    Ok(Some(MemoryNeed::of_model(configs, 2)))
}

fn schedule(config: &Value) -> BTreeMap<String, Value> {
    let keys = [
        "prediction_type",
        "beta_schedule",
        "num_train_timesteps",
        "timestep_spacing",
        "rescale_betas_zero_snr",
    ];
    keys.iter().filter_map(|key| Some(((*key).to_owned(), config.get(key)?.clone()))).collect()
}

fn groups(card: &Value) -> Vec<String> {
    let concepts = card.get("concepts").and_then(Value::as_array).into_iter().flatten();
    let mut groups: Vec<String> = Vec::new();
    for group in concepts.filter_map(|concept| concept.get("group")?.as_str()) {
        if !groups.iter().any(|known| known == group) {
            groups.push(group.to_owned());
        }
    }
    groups
}

/// The values of an object that are neither lists nor objects.
fn scalars(object: &Value) -> BTreeMap<String, Value> {
    let entries = object.as_object().into_iter().flatten();
    entries
        .filter(|(_, value)| !(value.is_array() || value.is_object() || value.is_null()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Text without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
