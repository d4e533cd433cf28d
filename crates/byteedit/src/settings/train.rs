//! `train`: run folders, configurations from presets, files and single values.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use burn::tensor::Device;
use byteedit_data::World;
use byteedit_train::Source;
use byteedit_train::annotator::{self, AnnotatorRunConfig};
use byteedit_train::base::BaseRunConfig;
use byteedit_train::decoder::DecoderRunConfig;
use byteedit_train::judge::{self, JudgeRunConfig};
use byteedit_train::pefl::PeflRunConfig;
use byteedit_train::run::config_from_overlay;
use byteedit_train::vae::VaeRunConfig;
use etcetera::BaseStrategy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{device, source, world};
use crate::args::{
    FeedbackPreset, TrainAnnotatorArgs, TrainBaseArgs, TrainDecoderArgs, TrainFeedbackArgs, TrainJudgeArgs,
    TrainRewardRunArgs, TrainRunArgs, TrainVaeArgs,
};
use crate::files;

/// What every trainer is started with.
pub(crate) struct RunSettings<C> {
    /// The run folder.
    pub(crate) folder: PathBuf,
    /// The whole configuration.
    pub(crate) config: C,
    /// Where pictures come from.
    pub(crate) source: Source,
    /// Where it computes.
    pub(crate) device: Device,
    /// Whether the end is told as JSON.
    pub(crate) json: bool,
}

/// `train vae`.
pub(crate) struct VaeSettings {
    /// The run.
    pub(crate) run: RunSettings<VaeRunConfig>,
    /// The autoencoder to start from, if one was named.
    pub(crate) init: Option<String>,
}

/// `train decoder`.
pub(crate) struct DecoderSettings {
    /// The run.
    pub(crate) run: RunSettings<DecoderRunConfig>,
    /// The autoencoder whose decoder it is.
    pub(crate) vae: String,
}

/// `train base`.
pub(crate) struct BaseSettings {
    /// The run.
    pub(crate) run: RunSettings<BaseRunConfig>,
    /// The autoencoder's folder, if one was named.
    pub(crate) vae: Option<PathBuf>,
    /// The model to start from, if one was named.
    pub(crate) init: Option<String>,
}

impl VaeSettings {
    /// # Errors
    /// The first argument that cannot be used.
    pub(crate) fn resolve(args: TrainVaeArgs) -> anyhow::Result<Self> {
        let TrainVaeArgs { run, init } = args;
        Ok(Self { run: RunSettings::resolve(run, "vae", VaeRunConfig::mini())?, init })
    }
}

impl DecoderSettings {
    /// # Errors
    /// The first argument that cannot be used.
    pub(crate) fn resolve(args: TrainDecoderArgs) -> anyhow::Result<Self> {
        let TrainDecoderArgs { run, vae } = args;
        Ok(Self { run: RunSettings::resolve(run, "decoder", DecoderRunConfig::mini())?, vae })
    }
}

impl BaseSettings {
    /// # Errors
    /// The first argument that cannot be used.
    pub(crate) fn resolve(args: TrainBaseArgs) -> anyhow::Result<Self> {
        let TrainBaseArgs { run, vae, init } = args;
        Ok(Self { run: RunSettings::resolve(run, "base", BaseRunConfig::mini())?, vae, init })
    }
}

/// `train judge`.
///
/// # Errors
/// The first argument that cannot be used.
pub(crate) fn judge_settings(args: TrainJudgeArgs) -> anyhow::Result<RunSettings<JudgeRunConfig>> {
    let TrainJudgeArgs { run } = args;
    RunSettings::resolve(run, "judge", judge::mini())
}

/// `train annotator`.
///
/// # Errors
/// The first argument that cannot be used.
pub(crate) fn annotator_settings(
    args: TrainAnnotatorArgs,
) -> anyhow::Result<RunSettings<AnnotatorRunConfig>> {
    let TrainAnnotatorArgs { run } = args;
    RunSettings::resolve(run, "annotator", annotator::mini())
}

/// `train pefl` and `train accelerate`.
pub(crate) struct FeedbackSettings {
    /// The run.
    pub(crate) run: RunSettings<PeflRunConfig>,
    /// The model to teach.
    pub(crate) init: String,
    /// The aesthetic reward, if there is one.
    pub(crate) aesthetic: Option<String>,
    /// The alignment reward, if there is one.
    pub(crate) alignment: Option<String>,
    /// The folder of VGG16, if there is one.
    pub(crate) vgg: Option<PathBuf>,
    /// What chooses the weights, if anything does.
    pub(crate) held_out: Option<String>,
}

impl FeedbackSettings {
    /// The settings of `train NAME`, whose presets are made of the given ones.
    ///
    /// # Errors
    /// The first argument that cannot be used.
    pub(crate) fn resolve(
        args: TrainFeedbackArgs,
        name: &str,
        preset_of: impl FnOnce(PeflRunConfig) -> PeflRunConfig,
    ) -> anyhow::Result<Self> {
        let TrainFeedbackArgs { run, preset, init, aesthetic, alignment, vgg, held_out } = args;
        let preset = match preset {
            FeedbackPreset::Mini => PeflRunConfig::mini(),
            FeedbackPreset::Paper => PeflRunConfig::paper(),
        };
        let given = |name: String| Some(name).filter(|name| name != "none");
        Ok(Self {
            run: RunSettings::resolve(run, name, preset_of(preset))?,
            init,
            aesthetic: given(aesthetic),
            alignment: given(alignment),
            vgg,
            held_out: given(held_out),
        })
    }
}

/// What every trainer of a reward is started with.
pub(crate) struct RewardSettings<C> {
    /// The run folder.
    pub(crate) folder: PathBuf,
    /// The whole configuration.
    pub(crate) config: C,
    /// Files of preference records.
    pub(crate) data: Vec<PathBuf>,
    /// The reward to start from, if one was named.
    pub(crate) init: Option<PathBuf>,
    /// The mini world.
    pub(crate) world: World,
    /// Where it computes.
    pub(crate) device: Device,
    /// Whether the end is told as JSON.
    pub(crate) json: bool,
}

impl<C: Serialize + DeserializeOwned> RewardSettings<C> {
    /// # Errors
    /// The first argument that cannot be used.
    pub(crate) fn resolve(args: TrainRewardRunArgs, name: &str, preset: C) -> anyhow::Result<Self> {
        let TrainRewardRunArgs { data, run, init, config, set, world: pack, device: device_name, json } =
            args;
        Ok(Self {
            folder: run.map_or_else(|| default_folder(name), Ok)?,
            config: overlaid(preset, config.as_deref(), &set)?,
            data,
            init,
            world: world(pack.as_deref())?,
            device: device(device_name.as_deref())?,
            json,
        })
    }
}

impl<C: Serialize + DeserializeOwned> RunSettings<C> {
    fn resolve(args: TrainRunArgs, name: &str, preset: C) -> anyhow::Result<Self> {
        let TrainRunArgs { run, config, set, data, device: device_name, json } = args;
        Ok(Self {
            folder: run.map_or_else(|| default_folder(name), Ok)?,
            config: overlaid(preset, config.as_deref(), &set)?,
            source: source(data.as_deref())?,
            device: device(device_name.as_deref())?,
            json,
        })
    }
}

/// A preset with a file's values over it, and single values over both.
///
/// # Errors
/// A file that cannot be read, a key that does not exist, or a value of a wrong type.
pub(crate) fn overlaid<C: Serialize + DeserializeOwned>(
    preset: C,
    config: Option<&Path>,
    set: &[String],
) -> anyhow::Result<C> {
    let mut resolved = preset;
    if let Some(path) = config {
        let what = path.display().to_string();
        resolved = config_from_overlay(&resolved, &files::read_text(path)?, &what)?;
    }
    for assignment in set {
        let overlay = overlay_of(assignment)?.to_string();
        resolved = config_from_overlay(&resolved, &overlay, &format!("--set {assignment}"))?;
    }
    Ok(resolved)
}

/// `byteedit/runs/NAME` in the user's cache folder.
pub(crate) fn default_folder(name: &str) -> anyhow::Result<PathBuf> {
    let folders = etcetera::choose_base_strategy()
        .context("there is no home folder; name the run folder with --run")?;
    Ok(folders.cache_dir().join("byteedit").join("runs").join(name))
}

/// `a.b=1` as `{"a": {"b": 1}}`. A value that is not JSON is text.
fn overlay_of(assignment: &str) -> anyhow::Result<Value> {
    let Some((path, value)) = assignment.split_once('=').filter(|(path, _)| !path.is_empty()) else {
        bail!("--set {assignment} has no value; write KEY=VALUE, such as training.n_steps=1000");
    };
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    let nest = |inner, key: &str| Value::Object(Map::from_iter([(key.to_owned(), inner)]));
    Ok(path.split('.').rev().fold(value, nest))
}

/// What a run folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunKind {
    /// A run of `train vae`.
    Vae,
    /// A run of `train decoder`.
    Decoder,
    /// A run of `train base`.
    Base,
    /// A run of `train judge`.
    Judge,
    /// A run of `train annotator`.
    Annotator,
    /// A run of `train reward`.
    Reward,
    /// A run of `train pefl` or `train accelerate`.
    Feedback,
}

/// Tells by a run's configuration which trainer made it.
///
/// # Errors
/// A folder that holds no run.
pub(crate) fn run_kind(folder: &Path) -> anyhow::Result<RunKind> {
    let path = folder.join("config.json");
    if !path.is_file() {
        bail!("{} holds no run: it has no config.json; name the folder of a `train` run", folder.display());
    }
    let text = files::read_text(&path)?;
    let config: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    let is_reward =
        ["/network/blip_config", "/network/dinov2_config"].iter().any(|key| config.pointer(key).is_some());
    if is_reward {
        Ok(RunKind::Reward)
    } else if config.get("phases").is_some() {
        Ok(RunKind::Feedback)
    } else if config.get("discriminator_channels").is_some() {
        Ok(RunKind::Decoder)
    } else if config.get("crop_size").is_some() {
        Ok(RunKind::Vae)
    } else if config.get("text_encoder").is_some() {
        Ok(RunKind::Base)
    } else if config.pointer("/network/d_hidden").is_some() {
        Ok(RunKind::Annotator)
    } else if config.pointer("/network/labels").is_some() {
        Ok(RunKind::Judge)
    } else {
        bail!("{} is the configuration of no run; name the folder of a `train` run", path.display())
    }
}

#[cfg(test)]
mod tests {
    use byteedit_train::reward::coherent::CoherentRunConfig;
    use byteedit_train::reward::ranking::RankingRunConfig;
    use serde_json::json;

    use super::*;

    #[test]
    fn assignments_nest() {
        assert_eq!(overlay_of("a.b=1").unwrap(), json!({"a": {"b": 1}}));
        assert_eq!(overlay_of("a=[1, 2]").unwrap(), json!({"a": [1, 2]}));
        assert_eq!(overlay_of("a.b.c=ddim=x").unwrap(), json!({"a": {"b": {"c": "ddim=x"}}}));
        for bad in ["a", "=1", ""] {
            assert!(overlay_of(bad).unwrap_err().to_string().contains("KEY=VALUE"), "{bad}");
        }
    }

    #[test]
    fn values_reach_the_configuration_and_unknown_keys_are_named() {
        let with = |assignment: &str| {
            let overlay = overlay_of(assignment).unwrap().to_string();
            config_from_overlay(&VaeRunConfig::mini(), &overlay, assignment)
        };
        assert_eq!(with("training.n_steps=7").unwrap().training.n_steps, 7);
        assert!(with("training.n_stepz=7").unwrap_err().to_string().contains("n_stepz"));
    }

    #[test]
    fn runs_are_told_apart_by_their_configuration() {
        let folder = tempfile::tempdir().unwrap();
        assert!(run_kind(folder.path()).unwrap_err().to_string().contains("holds no run"));
        let write =
            |value: Value| std::fs::write(folder.path().join("config.json"), value.to_string()).unwrap();
        write(serde_json::to_value(VaeRunConfig::mini()).unwrap());
        assert_eq!(run_kind(folder.path()).unwrap(), RunKind::Vae);
        write(serde_json::to_value(BaseRunConfig::mini()).unwrap());
        assert_eq!(run_kind(folder.path()).unwrap(), RunKind::Base);
        write(serde_json::to_value(judge::mini()).unwrap());
        assert_eq!(run_kind(folder.path()).unwrap(), RunKind::Judge);
        write(serde_json::to_value(annotator::mini()).unwrap());
        assert_eq!(run_kind(folder.path()).unwrap(), RunKind::Annotator);
        write(serde_json::to_value(RankingRunConfig::aesthetic()).unwrap());
        assert_eq!(run_kind(folder.path()).unwrap(), RunKind::Reward);
        write(serde_json::to_value(CoherentRunConfig::mini()).unwrap());
        assert_eq!(run_kind(folder.path()).unwrap(), RunKind::Reward);
        write(serde_json::to_value(PeflRunConfig::mini()).unwrap());
        assert_eq!(run_kind(folder.path()).unwrap(), RunKind::Feedback);
        write(json!({}));
        assert!(run_kind(folder.path()).is_err());
    }
}
