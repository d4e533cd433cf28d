//! What an autoencoder run starts from: a configuration completed by its pictures, and fresh weights or
//! those of an earlier autoencoder.

use std::path::Path;

use burn::tensor::Device;
use byteedit_models::Component;
use byteedit_models::store::load_component;
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::Init;

use super::whiten::with_whitened_colors;
use super::{VaeInputs, VaeRunConfig};
use crate::files::{file_sha256, hex};
use crate::run::{Checkpoint, warm_start_note};
use crate::source::PairConfig;
use crate::{Result, Source};

/// Everything that is fixed before the first step.
pub(super) struct Start {
    pub(super) config: VaeRunConfig,
    pub(super) vae: AutoencoderKL,
    /// Says which weights were loaded; nothing where the run has a state, or begins at random.
    pub(super) note: Option<String>,
}

impl Start {
    /// Completes the configuration, checks it and builds the network. A run that has a state goes on with
    /// the architecture that its warm start gave it: what is named as its start may have changed since.
    pub(super) fn prepare(
        config: &VaeRunConfig,
        inputs: &VaeInputs<'_>,
        folder: &Path,
        device: &Device,
    ) -> Result<Self> {
        let mut config = config.clone();
        config.data_sha256 = data_sha256(inputs.source)?;
        config.init_sha256 = None;
        let mut warm = None;
        if let Some(init) = inputs.init {
            if let Some(earlier) = warm_run(folder)? {
                config.vae = earlier.vae;
                config.init_sha256 = earlier.init_sha256;
            } else {
                let vae: AutoencoderKL = load_component(init, device)?;
                config.vae = vae.config().clone();
                let sha256 = file_sha256(&init.join(AutoencoderKL::WEIGHTS_FILE))?;
                warm = Some((vae, warm_start_note(init, &sha256)));
                config.init_sha256 = Some(sha256);
            }
        }
        config.validate()?;
        let (vae, note) = warm.map_or_else(
            || {
                let mut init = Init::seeded(device, config.training.seed);
                (with_whitened_colors(AutoencoderKL::from_config(&config.vae, &mut init)), None)
            },
            |(vae, note)| (vae, Some(note)),
        );
        Ok(Self { config, vae, note })
    }
}

/// The configuration of the run in `folder`, if it has a state and started warm.
fn warm_run(folder: &Path) -> Result<Option<VaeRunConfig>> {
    if !Checkpoint::exists_in(folder) {
        return Ok(None);
    }
    Ok(Some(VaeRunConfig::of_run(folder)?).filter(|earlier| earlier.init_sha256.is_some()))
}

/// What a run is bound to of its source. Any fixed kind of pairs tells sources apart.
pub(crate) fn data_sha256(source: &Source) -> Result<String> {
    Ok(hex(&source.fingerprint(&PairConfig::of_all_kinds(128))?))
}
