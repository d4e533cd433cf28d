//! Training a reward that ranks: which of several pictures is the best answer to a prompt (`R_α`), which of several
//! captions fits a picture (`R_β`); Ren et al. 2024, Eqs. 1 and 5.

mod config;
mod data;
mod frozen;
mod model;
mod objective;
mod records;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use byteedit_data::{ColorWord, World};
use byteedit_models::Component;
use byteedit_models::store::read_text;
use byteedit_models::tokenizer::{BertTokenizer, BertTokenizerFiles};
use byteedit_nn::Init;
use byteedit_reward::{ImageRewardConfig, ImageRewardNetwork, Standardisation, load_network};
use sha2::{Digest, Sha256};

pub use config::RankingRunConfig;
pub(super) use config::{check_keeps, mini_training};

use self::config::check_network;
use self::data::Comparisons;
use self::model::RankingModel;
use self::objective::Ranking;
use self::records::Records;
use super::fingerprint;
use super::keeper::Keeper;
use super::vocabulary::vocab_txt;
use crate::files::{file_sha256, hex, write_files};
use crate::progress::Outcome;
use crate::run::{Checkpoint, RunFolder, warm_start_note};
use crate::training::Training;
use crate::{Result, RunContext, TrainError};

/// The vocabulary's file.
const VOCAB: &str = "vocab.txt";
/// Where a run keeps it.
const TOKENIZER: &str = "tokenizer";

/// What a ranking reward is trained on.
#[derive(Clone, Copy, Debug)]
pub struct RankingInputs<'a> {
    /// Files of preferences.
    pub preferences: &'a [PathBuf],
    /// A file of captions.
    pub captions: Option<&'a Path>,
    /// Lines of each file that may be bad; they are left out, and told.
    pub skip_bad: usize,
    /// Whose composites are shown with captions.
    pub world: &'a World,
    /// Folder of the reward to start from.
    pub init: Option<&'a Path>,
}

/// Trains a reward in the context's folder, going on where an earlier run with the same configuration stopped. Its best
/// weights by the held-out loss lie in `folder/NAME`, where [`byteedit_reward::open`] finds them.
///
/// # Errors
/// A configuration out of range, a folder of another run or in use, preferences or captions that are not worth training on,
/// weights to start from that cannot be read, a training that diverges.
pub fn train(
    config: &RankingRunConfig,
    name: &str,
    inputs: &RankingInputs<'_>,
    context: RunContext<'_>,
) -> Result<Outcome> {
    let RunContext { folder, device, progress, stop } = context;
    let mut config = RankingRunConfig { data_sha256: data_sha256(inputs)?, ..config.clone() };
    let records = Records::read(&config, inputs)?;
    let start = Start::prepare(&mut config, &records, inputs, folder, device)?;
    config.validate()?;
    let records = records.without_longer(&start.tokenizer, config.network.max_length)?;
    records.skipped().for_each(|bad| progress.on_warning(&format!("skipped {bad}")));
    let data = Comparisons::new(&config, records, inputs.world)?;
    let annotators = data.annotators();
    for annotator in &annotators {
        progress.on_warning(&format!("learns what {annotator} thinks"));
    }
    let run = RunFolder::open(folder, &config)?;
    write_files(&folder.join(TOKENIZER), [(VOCAB, start.vocab_txt.as_str())])?;
    if let (Some(note), false) = (&start.note, Checkpoint::exists_in(folder)) {
        run.log_note(note)?;
    }
    let keeper = Keeper::new(folder.join(name), &config.data_sha256, &annotators, config.training.seed)
        .with(VOCAB, start.vocab_txt);
    let objective = Ranking::new(&config, data, &start.tokenizer, keeper, device)?;
    let model =
        RankingModel::new(start.network, &mut Init::seeded(device, config.training.seed.wrapping_add(1)));
    let training = Training::start(config.training, &run, progress, objective, model, device)?;
    Ok(training.run(stop)?.outcome)
}

/// Everything that is fixed before the first step.
struct Start {
    network: ImageRewardNetwork,
    tokenizer: BertTokenizer,
    vocab_txt: String,
    /// Says which weights were loaded; nothing of a run that has a state, or begins at random.
    note: Option<String>,
}

impl Start {
    /// Completes the configuration and builds the network. A run that has a state goes on with its own vocabulary and
    /// architecture, whatever became of what it started from.
    fn prepare(
        config: &mut RankingRunConfig,
        records: &Records,
        inputs: &RankingInputs<'_>,
        folder: &Path,
        device: &Device,
    ) -> Result<Self> {
        let seeded = |network: &ImageRewardConfig, seed| {
            check_network(network)?;
            let mut init = Init::seeded(device, seed);
            let mut network = ImageRewardNetwork::from_config(network, &mut init);
            network.mlp = network.mlp.with_unit_gain(&mut init);
            Ok::<_, TrainError>(network)
        };
        let seed = config.training.seed;
        if Checkpoint::exists_in(folder) {
            let earlier = RankingRunConfig::of_run(folder)?;
            let vocab_txt = read_text(&folder.join(TOKENIZER).join(VOCAB))?;
            if inputs.init.is_some() {
                config.network = ImageRewardConfig { region: config.network.region, ..earlier.network };
                config.init_sha256 = earlier.init_sha256;
            } else {
                config.network.blip_config.text_config.vocab_size = vocab_txt.lines().count();
            }
            let (network, tokenizer) = (seeded(&config.network, seed)?, tokenizer(&vocab_txt)?);
            return Ok(Self { network, tokenizer, vocab_txt, note: None });
        }
        let Some(init) = inputs.init else {
            let known = world_texts(inputs.world);
            let vocab_txt = vocab_txt(known.iter().map(String::as_str).chain(records.texts()));
            config.network.blip_config.text_config.vocab_size = vocab_txt.lines().count();
            let (network, tokenizer) = (seeded(&config.network, seed)?, tokenizer(&vocab_txt)?);
            return Ok(Self { network, tokenizer, vocab_txt, note: None });
        };
        let warm: ImageRewardNetwork = load_network(init, device)?;
        let sha256 = file_sha256(&init.join(ImageRewardNetwork::WEIGHTS_FILE))?;
        config.network = ImageRewardConfig {
            region: config.network.region,
            standardisation: Standardisation::NONE,
            ..warm.config().clone()
        };
        let parameters = crate::named::parameters_of(&warm);
        let network = crate::named::with_parameters(seeded(&config.network, seed)?, &parameters);
        let vocab_txt = read_text(&init.join(VOCAB))?;
        let (tokenizer, note) = (tokenizer(&vocab_txt)?, Some(warm_start_note(init, &sha256)));
        config.init_sha256 = Some(sha256);
        Ok(Self { network, tokenizer, vocab_txt, note })
    }
}

fn tokenizer(vocab_txt: &str) -> Result<BertTokenizer> {
    let files = BertTokenizerFiles { vocab_txt: vocab_txt.to_owned(), tokenizer_config_json: None };
    Ok(BertTokenizer::from_files(&files)?)
}

/// What captions of the world are made of.
fn world_texts(world: &World) -> Vec<String> {
    let colors = ColorWord::ALL.iter().map(|color| color.as_str().to_owned());
    let concepts = world.concepts().iter().map(|concept| concept.name.clone());
    ["a an".to_owned()].into_iter().chain(colors).chain(concepts).collect()
}

/// A hash of everything that is learned from, but for the pictures that the files name; of the world, of its first ones.
fn data_sha256(inputs: &RankingInputs<'_>) -> Result<String> {
    let mut hasher = Sha256::new();
    for path in inputs.preferences {
        hasher.update(format!("preferences {}", file_sha256(path)?));
    }
    if let Some(path) = inputs.captions {
        hasher.update(format!("captions {}", file_sha256(path)?));
    }
    hasher.update(fingerprint(inputs.world)?);
    Ok(hex(&hasher.finalize()))
}
