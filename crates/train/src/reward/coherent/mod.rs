//! Training the coherent reward before it meets an editor: which pixels were generated (Ren et al. 2024, Eq. 6).
//!
//! The paper's learns while the editor does, and from that alone; this one can be the start of that, and a reward by itself.

mod config;
mod data;
mod objective;

use std::path::{Path, PathBuf};

use byteedit_data::World;
use byteedit_models::Component;
use byteedit_models::store::load_component;
use byteedit_models::vae::AutoencoderKL;
use byteedit_nn::Init;
use byteedit_reward::{CoherentNetwork, load_network};
use sha2::{Digest, Sha256};

pub use config::CoherentRunConfig;

use self::data::{Pictures, records_of};
use self::objective::Telling;
use super::fingerprint;
use super::keeper::Keeper;
use crate::files::{file_sha256, hex};
use crate::progress::Outcome;
use crate::run::{Checkpoint, RunFolder, warm_start_note};
use crate::training::Training;
use crate::{Result, RunContext};

/// What a coherent reward is trained on.
#[derive(Clone, Copy, Debug)]
pub struct CoherentInputs<'a> {
    /// Files of records, judged or not, whose candidates are the generated pictures.
    pub records: &'a [PathBuf],
    /// Lines of each file that may be bad; they are left out, and told.
    pub skip_bad: usize,
    /// Whose composites and photographs are the true ones.
    pub world: &'a World,
    /// Folder of the autoencoder that all go through.
    pub vae: &'a Path,
    /// Folder of the reward to start from.
    pub init: Option<&'a Path>,
}

/// Whether a parameter of the network takes no part in any loss here: what `DINOv2`'s own training puts in the place of
/// patches that it hides.
pub(crate) fn is_unused(name: &str) -> bool {
    name.ends_with(".mask_token")
}

/// Trains a coherent reward in the context's folder, going on where an earlier run with the same configuration stopped. Its
/// best weights by the held-out loss lie in `folder/coherent`, where [`byteedit_reward::open`] finds them.
///
/// # Errors
/// A configuration out of range, a folder of another run or in use, records without pictures, an autoencoder or weights to
/// start from that cannot be read, a training that diverges.
pub fn train(
    config: &CoherentRunConfig,
    inputs: &CoherentInputs<'_>,
    context: RunContext<'_>,
) -> Result<Outcome> {
    let RunContext { folder, device, progress, stop } = context;
    let mut hasher = Sha256::new();
    for path in inputs.records {
        hasher.update(file_sha256(path)?);
    }
    hasher.update(fingerprint(inputs.world)?);
    let mut config = CoherentRunConfig {
        data_sha256: hex(&hasher.finalize()),
        vae_sha256: file_sha256(&inputs.vae.join(AutoencoderKL::WEIGHTS_FILE))?,
        ..config.clone()
    };
    let mut warm = None;
    if let Some(init) = inputs.init {
        if Checkpoint::exists_in(folder) {
            let earlier = CoherentRunConfig::of_run(folder)?;
            (config.network, config.init_sha256) = (earlier.network, earlier.init_sha256);
        } else {
            let network: CoherentNetwork = load_network(init, device)?;
            let sha256 = file_sha256(&init.join(CoherentNetwork::WEIGHTS_FILE))?;
            config.network = network.config().clone();
            warm = Some((network, warm_start_note(init, &sha256)));
            config.init_sha256 = Some(sha256);
        }
    }
    config.validate()?;
    let vae = load_component(inputs.vae, device)?;
    let records = records_of(inputs.records, inputs.skip_bad, progress)?;
    let pictures = Pictures::list(&config, records, inputs.world, vae, device)?;
    let run = RunFolder::open(folder, &config)?;
    let seed = config.training.seed;
    let network = match warm {
        Some((network, note)) => {
            run.log_note(&note)?;
            network
        }
        None => CoherentNetwork::from_config(&config.network, &mut Init::seeded(device, seed)),
    };
    let keeper = Keeper::new(folder.join("coherent"), &config.data_sha256, &[], seed);
    let objective = Telling { config: &config, pictures, keeper, device };
    let training = Training::start(config.training, &run, progress, objective, network, device)?;
    Ok(training.run(stop)?.outcome)
}
