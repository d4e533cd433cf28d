//! Which reward a folder holds, told by its files: whoever names one need not say what it is.
//!
//! | in the folder | reward |
//! |---|---|
//! | `config.json` of [`ImageReward`], its weights, `vocab.txt` | that one: the aesthetic and alignment rewards too |
//! | `config.json` of [`CoherentReward`], its weights | that one, of what was repainted |
//! | `ImageReward.pt`, `vocab.txt` | [`ImageReward`] as its authors publish it |
//! | `config.json` of a `CLIPModel`, its tokenizer, its weights | [`PickScore`] |
//! | the same with `HPS*.pt`, which then are the weights | [`Hps`] |
//! | the same with `*_linear.pth` or `*linearMSE.pth` | [`LaionAesthetic`], the first or the second |

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use byteedit_models::clip::CLIPModel;
use byteedit_models::store::{component_from_bytes, load_component, read_text};
use byteedit_models::tokenizer::{BertTokenizer, BertTokenizerFiles};
use byteedit_models::{Component, ModelError};
use serde_json::{Map, Value};

use crate::coherent::{CoherentNetwork, CoherentReward};
use crate::error::{Result, RewardError};
use crate::hps::Hps;
use crate::image_reward::{ImageReward, ImageRewardNetwork};
use crate::laion::LaionAesthetic;
use crate::pick_score::PickScore;
use crate::region::Region;
use crate::reward::Reward;

const CONFIG: &str = "config.json";
/// Without a configuration, what a published `ImageReward` is known by.
const IMAGE_REWARD: &str = "ImageReward.pt";
const VOCABULARY: &str = "vocab.txt";
const TOKENIZER: &str = "tokenizer_config.json";
/// What may lie beside the `config.json` of a `CLIPModel`: how the names begin and end.
const BESIDE_CLIP: [Beside; 3] =
    [("HPS", ".pt", Kind::Hps), ("", "_linear.pth", Kind::LaionV1), ("", "linearMSE.pth", Kind::LaionV2)];

/// How a name begins, how it ends, and what that makes of the folder.
type Beside = (&'static str, &'static str, fn(PathBuf) -> Kind);

/// Opens the reward in `folder`.
///
/// # Errors
/// [`RewardError::Unknown`] for a folder that holds none, and missing, broken or unfitting files.
pub fn open(folder: &Path, device: &Device) -> Result<Box<dyn Reward>> {
    let reward: Box<dyn Reward> = match Kind::of(folder)? {
        Kind::ImageReward => Box::new(ImageReward::load(folder, device)?),
        Kind::PublishedImageReward => Box::new(ImageReward::load_published(folder, device)?),
        Kind::Coherent => Box::new(CoherentReward::load(folder, Region::Mask, device)?),
        Kind::PickScore => Box::new(PickScore::load(folder, device)?),
        Kind::Hps(weights) => Box::new(Hps::load(folder, &weights, device)?),
        Kind::LaionV1(head) => Box::new(LaionAesthetic::load_v1(folder, &head, device)?),
        Kind::LaionV2(head) => Box::new(LaionAesthetic::load_v2(folder, &head, device)?),
    };
    Ok(reward)
}

/// Opens an [`ImageReward`] or a [`CoherentReward`] from the content of its files, by name. `name` is what errors call
/// it.
///
/// # Errors
/// As [`open`].
pub fn open_files(name: &str, files: &[(&str, &[u8])], device: &Device) -> Result<Box<dyn Reward>> {
    let files = Files { name, files };
    let json = files.text(CONFIG)?;
    match Class::of(json).map_err(|reason| files.unknown(reason))? {
        Class::ImageReward => {
            let is_there = files.find(TOKENIZER).is_some();
            let tokenizer = BertTokenizerFiles {
                vocab_txt: files.text(VOCABULARY)?.to_owned(),
                tokenizer_config_json: is_there
                    .then(|| files.text(TOKENIZER))
                    .transpose()?
                    .map(str::to_owned),
            };
            let network: ImageRewardNetwork = files.component(json, device)?;
            Ok(Box::new(ImageReward::new(network, BertTokenizer::from_files(&tokenizer)?)?))
        }
        Class::Coherent => {
            let network: CoherentNetwork = files.component(json, device)?;
            Ok(Box::new(CoherentReward::new(network, Region::Mask)))
        }
        Class::Clip => Err(files.unknown("it is a CLIPModel, which is read from a folder alone".to_owned())),
    }
}

/// Loads the network whose `config.json` and weights lie in `folder`, to be trained or looked through.
///
/// # Errors
/// [`RewardError::OtherClass`] for a folder with the network of another reward, [`RewardError::Unknown`] for one with none of
/// any, and missing, broken or unfitting files.
pub fn load_network<C: Component>(folder: &Path, device: &Device) -> Result<C> {
    let place = folder.display().to_string();
    let class = match Class::of(&read_text(&folder.join(CONFIG))?) {
        Ok(class) => class,
        Err(reason) => return Err(RewardError::Unknown { place, reason }),
    };
    if class.name() != C::CLASS {
        return Err(RewardError::OtherClass { place, found: class.name(), wanted: C::CLASS });
    }
    Ok(load_component(folder, device)?)
}

/// What a `config.json` is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    ImageReward,
    Coherent,
    Clip,
}

impl Class {
    /// The class that a `config.json` names, or else that has its keys; the error says why it is none.
    fn of(json: &str) -> std::result::Result<Self, String> {
        let config: Map<String, Value> =
            serde_json::from_str(json).map_err(|error| format!("its {CONFIG} is no JSON object: {error}"))?;
        let text = |key: &str| config.get(key).and_then(Value::as_str);
        let (named, model_type) = (text("_class_name"), text("model_type"));
        let is =
            |class: &str, key: &str| named.map_or_else(|| config.contains_key(key), |named| named == class);
        let has_encoders = config.contains_key("text_config") && config.contains_key("vision_config");
        if is(ImageRewardNetwork::CLASS, "blip_config") {
            Ok(Self::ImageReward)
        } else if is(CoherentNetwork::CLASS, "dinov2_config") {
            Ok(Self::Coherent)
        } else if has_encoders && model_type.is_none_or(|name| name == "clip") {
            Ok(Self::Clip)
        } else if let Some(name) = named.or(model_type) {
            Err(format!("its {CONFIG} is of `{name}`"))
        } else {
            Err(format!("its {CONFIG} has the keys of none"))
        }
    }

    /// What its network is called.
    fn name(self) -> &'static str {
        match self {
            Self::ImageReward => ImageRewardNetwork::CLASS,
            Self::Coherent => CoherentNetwork::CLASS,
            Self::Clip => CLIPModel::CLASS,
        }
    }
}

/// How a folder is loaded.
#[derive(Debug)]
enum Kind {
    ImageReward,
    PublishedImageReward,
    Coherent,
    PickScore,
    /// With its weights.
    Hps(PathBuf),
    /// With its head.
    LaionV1(PathBuf),
    /// With its head.
    LaionV2(PathBuf),
}

impl Kind {
    fn of(folder: &Path) -> Result<Self> {
        let unknown = |reason: String| RewardError::Unknown { place: folder.display().to_string(), reason };
        if !folder.is_dir() {
            return Err(unknown("there is no such folder".to_owned()));
        }
        let path = folder.join(CONFIG);
        let class = if path.exists() {
            Class::of(&read_text(&path)?)
        } else {
            Err(format!("there is neither {CONFIG} nor {IMAGE_REWARD} in it"))
        };
        match class {
            Ok(Class::ImageReward) => Ok(Self::ImageReward),
            Ok(Class::Coherent) => Ok(Self::Coherent),
            Ok(Class::Clip) => Self::with_clip(folder),
            // Another network's configuration may have come with the vocabulary.
            Err(_) if folder.join(IMAGE_REWARD).exists() => Ok(Self::PublishedImageReward),
            Err(reason) => Err(unknown(reason)),
        }
    }

    /// What stands on the CLIP in `folder`.
    fn with_clip(folder: &Path) -> Result<Self> {
        let unreadable = |source| ModelError::Io { action: "listing", path: folder.to_owned(), source };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            for (start, end, kind) in BESIDE_CLIP {
                if name.starts_with(start) && name.ends_with(end) {
                    found.push((name.clone(), kind(entry.path())));
                }
            }
        }
        if let [(first, _), (second, _), ..] = &found[..] {
            let reason =
                format!("beside its CLIPModel lie {first} and {second}; leave the one that is meant");
            return Err(RewardError::Unknown { place: folder.display().to_string(), reason });
        }
        Ok(found.pop().map_or(Self::PickScore, |(_, kind)| kind))
    }
}

/// The files of a reward that lie in memory.
struct Files<'a> {
    name: &'a str,
    files: &'a [(&'a str, &'a [u8])],
}

impl<'a> Files<'a> {
    fn find(&self, name: &str) -> Option<&'a [u8]> {
        self.files.iter().find(|(other, _)| *other == name).map(|(_, content)| *content)
    }

    fn bytes(&self, name: &str) -> Result<&'a [u8]> {
        self.find(name).ok_or_else(|| self.unknown(format!("there is no {name} in it")))
    }

    fn text(&self, name: &str) -> Result<&'a str> {
        let no_text = |error| self.unknown(format!("its {name} is no text: {error}"));
        std::str::from_utf8(self.bytes(name)?).map_err(no_text)
    }

    /// The network of a `config.json`.
    fn component<C: Component>(&self, json: &str, device: &Device) -> Result<C> {
        let (config, path) = (C::parse_config(json)?, Path::new(self.name).join(C::WEIGHTS_FILE));
        Ok(component_from_bytes(&config, self.bytes(C::WEIGHTS_FILE)?, &path, device)?)
    }

    fn unknown(&self, reason: String) -> RewardError {
        RewardError::Unknown { place: self.name.to_owned(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_tells_what_it_is_of() {
        let of = |json: &str| Class::of(json);
        for (json, class) in [
            (r#"{"_class_name": "ImageReward"}"#, Class::ImageReward),
            (r#"{"blip_config": {}, "mlp_widths": []}"#, Class::ImageReward),
            (r#"{"_class_name": "CoherentReward", "side": 30}"#, Class::Coherent),
            (r#"{"dinov2_config": {}}"#, Class::Coherent),
            (r#"{"model_type": "clip", "text_config": {}, "vision_config": {}}"#, Class::Clip),
            (r#"{"text_config": {}, "vision_config": {}}"#, Class::Clip),
        ] {
            assert_eq!(of(json), Ok(class), "{json}");
        }
        for (json, says) in [
            (r#"{"_class_name": "Annotator", "blip_config": {}}"#, "is of `Annotator`"),
            (r#"{"model_type": "blip", "text_config": {}, "vision_config": {}}"#, "is of `blip`"),
            ("{}", "the keys of none"),
            ("[]", "is no JSON object"),
        ] {
            let reason = of(json).unwrap_err();
            assert!(reason.contains(says), "{reason}");
        }
    }
}
