//! `byteedit train reward`.

use byteedit_train::reward::coherent::{self, CoherentInputs, CoherentRunConfig};
use byteedit_train::reward::ranking::{self, RankingInputs, RankingRunConfig};
use byteedit_train::{Outcome, Result as TrainResult, RunContext};

use super::{observed, parts, report};
use crate::args::{
    TrainAestheticArgs, TrainAlignmentArgs, TrainCoherentArgs, TrainRankingArgs, TrainRewardVerb,
};
use crate::exit::ExitStatus;
use crate::printer::Printer;
use crate::settings::RewardSettings;

/// Trains one of the rewards.
///
/// # Errors
/// Those of [`ranking::train`] and [`coherent::train`], and an autoencoder that is nowhere to be found.
pub(crate) fn train_reward(verb: TrainRewardVerb, printer: &Printer) -> anyhow::Result<ExitStatus> {
    match verb {
        TrainRewardVerb::Aesthetic(args) => {
            let TrainAestheticArgs { ranking: TrainRankingArgs { run, skip_bad } } = args;
            let settings = RewardSettings::resolve(run, "aesthetic", RankingRunConfig::aesthetic())?;
            ranked(&settings, "aesthetic", RankingInputs { skip_bad, ..inputs(&settings) }, printer)
        }
        TrainRewardVerb::Alignment(args) => {
            let TrainAlignmentArgs { ranking: TrainRankingArgs { run, skip_bad }, captions } = args;
            let settings = RewardSettings::resolve(run, "alignment", RankingRunConfig::alignment())?;
            let captions = captions.as_deref();
            let inputs = RankingInputs { skip_bad, captions, ..inputs(&settings) };
            ranked(&settings, "alignment", inputs, printer)
        }
        TrainRewardVerb::Coherent(args) => {
            let TrainCoherentArgs { run, vae, skip_bad } = args;
            let settings = RewardSettings::resolve(run, "coherent", CoherentRunConfig::mini())?;
            let vae = parts::init_vae_folder(&vae, &settings.folder)?;
            let RewardSettings { config, data, init, world, .. } = &settings;
            let inputs = CoherentInputs { records: data, skip_bad, world, vae: &vae, init: init.as_deref() };
            trained(&settings, "coherent", printer, |context| coherent::train(config, &inputs, context))
        }
    }
}

fn inputs(settings: &RewardSettings<RankingRunConfig>) -> RankingInputs<'_> {
    let RewardSettings { data, init, world, .. } = settings;
    RankingInputs { preferences: data, captions: None, skip_bad: 0, world, init: init.as_deref() }
}

fn ranked(
    settings: &RewardSettings<RankingRunConfig>,
    name: &str,
    inputs: RankingInputs<'_>,
    printer: &Printer,
) -> anyhow::Result<ExitStatus> {
    trained(settings, name, printer, |context| ranking::train(&settings.config, name, &inputs, context))
}

fn trained<C>(
    settings: &RewardSettings<C>,
    name: &str,
    printer: &Printer,
    train: impl FnOnce(RunContext<'_>) -> TrainResult<Outcome>,
) -> anyhow::Result<ExitStatus> {
    let RewardSettings { folder, device, json, .. } = settings;
    printer.note(format_args!("run folder: {}", folder.display()));
    let outcome = observed(folder, device, printer, train)?;
    report(outcome, folder, name, *json, printer)
}
