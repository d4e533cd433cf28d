//! `--config`: which networks are measured, and at what size.

use std::path::Path;

use anyhow::{Context, bail};
use byteedit_models::Component;
use byteedit_models::presets::{Preset, sd15_inpaint};
use byteedit_models::text::{CLIPTextConfig, CLIPTextModel};
use byteedit_models::unet::{UNet2DConditionConfig, UNet2DConditionModel};
use byteedit_models::vae::{AutoencoderKL, AutoencoderKLConfig};
use serde_json::Value;

use crate::args::BenchConfigArgs;
use crate::files;
use crate::model::{BUILT_IN, check_built_in};

/// The name of [`sd15_inpaint`].
pub(super) const SD15_INPAINT: &str = "sd15-inpaint";
/// Where only a U-Net is named: Stable Diffusion's eight pixels for each latent, and CLIP's tokens.
const DOWNSCALE: usize = 8;
const N_TOKENS: usize = 77;
/// Pictures at once: a batch of training for the small model, the pair of guidance for others.
const BATCH_MINI: usize = 16;
const BATCH: usize = 2;

/// The configurations that were named; a single file names one of them.
#[derive(Clone, Debug)]
pub(super) struct Networks {
    pub(super) name: String,
    unet: Option<UNet2DConditionConfig>,
    vae: Option<AutoencoderKLConfig>,
    text_encoder: Option<CLIPTextConfig>,
}

/// Networks, the side of the picture and the batch.
pub(super) struct Resolved {
    pub(super) networks: Networks,
    /// In pixels.
    pub(super) side: usize,
    /// `--batch`, if it was given.
    pub(super) batch: Option<usize>,
}

impl Resolved {
    /// # Errors
    /// A name, a file or a size that cannot be used.
    pub(super) fn of(args: BenchConfigArgs) -> anyhow::Result<Self> {
        let BenchConfigArgs { config, size, batch } = args;
        let networks = Networks::named(&config)?;
        let side = networks.side(size)?;
        Ok(Self { networks, side, batch: batch.map(|n| n as usize) })
    }

    /// Height and width of the latents.
    pub(super) fn latent_side(&self) -> usize {
        self.side / self.networks.downscale()
    }

    /// `--batch`, or what suits the networks.
    pub(super) fn batch(&self) -> usize {
        self.batch.unwrap_or(if self.networks.name == BUILT_IN { BATCH_MINI } else { BATCH })
    }
}

impl Networks {
    /// # Errors
    /// A name that is no preset and no file or folder with a configuration.
    pub(super) fn named(name: &str) -> anyhow::Result<Self> {
        if name == SD15_INPAINT {
            let Preset { unet, vae, text_encoder } = sd15_inpaint();
            return Ok(Self {
                name: name.to_owned(),
                unet: Some(unet),
                vae: Some(vae),
                text_encoder: Some(text_encoder),
            });
        }
        if name == BUILT_IN {
            return Self::built_in();
        }
        Self::from_path(name)
    }

    fn built_in() -> anyhow::Result<Self> {
        check_built_in()?;
        let text = |part: &str| {
            let file = format!("{part}/config.json");
            let content = byteedit_mini::file(byteedit_mini::MODEL, &file)
                .with_context(|| format!("the built-in model has no {file}"))?;
            std::str::from_utf8(content).with_context(|| format!("{file} of the built-in model"))
        };
        Ok(Self {
            name: BUILT_IN.to_owned(),
            unet: Some(UNet2DConditionModel::parse_config(text("unet")?)?),
            vae: Some(AutoencoderKL::parse_config(text("vae")?)?),
            text_encoder: Some(CLIPTextModel::parse_config(text("text_encoder")?)?),
        })
    }

    fn from_path(name: &str) -> anyhow::Result<Self> {
        let path = Path::new(name);
        let mut networks = Self { name: name.to_owned(), unet: None, vae: None, text_encoder: None };
        let own = path.join("config.json");
        if !path.is_dir() {
            networks.add(path)?;
        } else if own.is_file() {
            networks.add(&own)?;
        } else {
            for part in ["unet", "vae", "text_encoder"] {
                let file = path.join(part).join("config.json");
                if file.is_file() {
                    networks.add(&file)?;
                }
            }
        }
        if networks.unet.is_none() && networks.vae.is_none() && networks.text_encoder.is_none() {
            bail!("{name} holds no config.json, nor do unet, vae or text_encoder in it");
        }
        Ok(networks)
    }

    /// Adds the network of a `config.json`, which says itself what it is.
    fn add(&mut self, file: &Path) -> anyhow::Result<()> {
        let json = files::read_text(file)?;
        let named = || file.display().to_string();
        let value: Value = serde_json::from_str(&json).with_context(|| format!("{} is no JSON", named()))?;
        let says = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let class = if says("_class_name").is_empty() { says("model_type") } else { says("_class_name") };
        match class {
            UNet2DConditionModel::CLASS => {
                self.unet = Some(UNet2DConditionModel::parse_config(&json).with_context(named)?);
            }
            AutoencoderKL::CLASS => self.vae = Some(AutoencoderKL::parse_config(&json).with_context(named)?),
            CLIPTextModel::CLASS | "clip_text_model" => {
                self.text_encoder = Some(CLIPTextModel::parse_config(&json).with_context(named)?);
            }
            other => bail!(
                "{} is of `{other}`; `_class_name` must be {}, {} or {}",
                named(),
                UNet2DConditionModel::CLASS,
                AutoencoderKL::CLASS,
                CLIPTextModel::CLASS
            ),
        }
        Ok(())
    }

    /// # Errors
    /// If none was named.
    pub(super) fn unet(&self) -> anyhow::Result<&UNet2DConditionConfig> {
        self.unet.as_ref().with_context(|| self.lacks("U-Net", "unet"))
    }

    /// # Errors
    /// If none was named.
    pub(super) fn vae(&self) -> anyhow::Result<&AutoencoderKLConfig> {
        self.vae.as_ref().with_context(|| self.lacks("autoencoder", "vae"))
    }

    /// # Errors
    /// If none was named.
    pub(super) fn text_encoder(&self) -> anyhow::Result<&CLIPTextConfig> {
        self.text_encoder.as_ref().with_context(|| self.lacks("text encoder", "text_encoder"))
    }

    fn lacks(&self, what: &str, folder: &str) -> String {
        format!("{} has no {what}; name a model folder with {folder}/config.json", self.name)
    }

    /// Pixels for each latent, along each side.
    pub(super) fn downscale(&self) -> usize {
        self.vae.as_ref().map_or(DOWNSCALE, AutoencoderKLConfig::downscale)
    }

    /// Tokens of a text.
    pub(super) fn n_tokens(&self) -> usize {
        self.text_encoder.as_ref().map_or(N_TOKENS, |text| text.max_position_embeddings)
    }

    /// The side that was asked for, or that the networks were made for, in pixels.
    ///
    /// # Errors
    /// A side that is no multiple of what the U-Net, or else the autoencoder, halves.
    fn side(&self, size: Option<u32>) -> anyhow::Result<usize> {
        let made_for = match (&self.unet, &self.vae) {
            (Some(unet), _) => unet.sample_size * self.downscale(),
            (None, Some(vae)) => vae.sample_size,
            (None, None) => DOWNSCALE,
        };
        let side = size.map_or(made_for, |size| size as usize);
        let multiple = self.downscale() * self.unet.as_ref().map_or(1, UNet2DConditionConfig::size_multiple);
        if side == 0 || !side.is_multiple_of(multiple) {
            bail!(
                "a side of {side} px is no positive multiple of {multiple}, by which {} reduces it",
                self.name
            );
        }
        Ok(side)
    }
}
