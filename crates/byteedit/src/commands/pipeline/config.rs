//! The stages as their file has them, checked at the door.

use std::collections::HashSet;
use std::iter::once;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use byteedit_train::feedback::{ALIGN, ALIGN_KEPT, ANNOTATION, Opinion};
use clap::Parser;
use clap::error::ErrorKind;
use serde::Deserialize;

use super::exhibit::{Kind, checked_pattern};
use crate::args::{Cli, DataArgs, DataVerb, Verb};
use crate::files;

/// Longest name of a stage: it names files.
const MAX_NAME: usize = 64;
/// The flags that name what a verb writes.
const TARGETS: [&str; 3] = ["--run", "--out", "-o"];
/// Those that name a file that some verbs write besides.
const MORE_TARGETS: [&str; 2] = ["--heat-map", "--output"];

/// A file of stages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PipelineConfig {
    /// The page's title.
    pub(super) title: String,
    /// What is run, in this order.
    pub(super) stages: Vec<Stage>,
}

/// One command of this program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stage {
    /// What it is called by, on the command line and in `needs`.
    pub(super) name: String,
    /// A sentence for the page.
    pub(super) about: String,
    /// The command without the program's name; once read, with the folders in the place of `{out}` and `{config}`.
    pub(super) args: Vec<String>,
    /// The earlier stages whose results it reads.
    #[serde(default)]
    pub(super) needs: Vec<String>,
    /// Files for the page, as patterns from the output folder.
    #[serde(default)]
    pub(super) show: Vec<String>,
}

impl PipelineConfig {
    /// Reads and checks a file whose stages work in the folder `out`.
    ///
    /// # Errors
    /// A file that is none, and the first stage that could not be run, with the remedy.
    pub(super) fn read(path: &Path, out: &Path) -> anyhow::Result<Self> {
        let named = || path.display().to_string();
        let mut config: Self = serde_json::from_str(&files::read_text(path)?).with_context(named)?;
        let [out, folder] = [text_of(out)?, text_of(files::folder_of(path))?];
        for argument in config.stages.iter_mut().flat_map(|stage| &mut stage.args) {
            *argument = argument.replace("{out}", out).replace("{config}", folder);
        }
        config.validate().with_context(named)?;
        Ok(config)
    }

    fn validate(&self) -> anyhow::Result<()> {
        if self.stages.is_empty() {
            bail!(
                "`stages` is empty, but there must be at least one; `byteedit pipeline --help` says what it has"
            );
        }
        let mut earlier = HashSet::new();
        for stage in &self.stages {
            let name = stage.name.as_str();
            check_name(name)?;
            stage.validate(&earlier).with_context(|| format!("stage `{name}`"))?;
            if !earlier.insert(name) {
                bail!("there are two stages `{name}`; give each a `name` of its own");
            }
        }
        Ok(())
    }
}

impl Stage {
    fn validate(&self, earlier: &HashSet<&str>) -> anyhow::Result<()> {
        if let Some(need) = self.needs.iter().find(|need| !earlier.contains(need.as_str())) {
            bail!("`needs` names `{need}`, which is no stage before it; name earlier stages, or move it up");
        }
        for pattern in &self.show {
            checked_pattern(pattern)?;
            if Kind::of(pattern).is_none() {
                bail!("`show` has `{pattern}`, which cannot be shown; end it in {}", Kind::NAMES);
            }
        }
        self.check_args()
    }

    /// A mistake in the last stage is better told before the first has run for hours.
    fn check_args(&self) -> anyhow::Result<()> {
        match self.parsed() {
            Ok(Cli { verb: Verb::Pipeline(_), .. }) => {
                bail!("`args` begin with `pipeline`, but no pipeline runs another; list its stages here")
            }
            Ok(_) => Ok(()),
            Err(error) if is_help(error.kind()) => {
                bail!(
                    "`args` are `{}`, which does no work; name a verb with what it needs",
                    self.args.join(" ")
                )
            }
            Err(error) => {
                let text = error.to_string();
                let what = text.split("\n\nUsage").next().unwrap_or(&text).trim_start_matches("error: ");
                bail!("`args` are no command of this program: {what}; `byteedit help` shows what there is")
            }
        }
    }

    fn parsed(&self) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(once("byteedit").chain(self.args.iter().map(String::as_str)))
    }

    /// What these flags name, apart or behind a `=`.
    fn named_by(&self, flags: &'static [&'static str]) -> impl Iterator<Item = &Path> {
        let apart = self.args.windows(2).map(|pair| (pair[0].as_str(), pair[1].as_str()));
        let joined = self.args.iter().filter_map(|argument| argument.split_once('='));
        apart.chain(joined).filter(move |(flag, _)| flags.contains(flag)).map(|(_, value)| Path::new(value))
    }

    /// The file or the folder that `--run`, `--out` or `-o` names, if it lies within `out`.
    pub(super) fn folder(&self, out: &Path) -> Option<&Path> {
        self.named_by(&TARGETS).next().filter(|target| target.starts_with(out) && *target != out)
    }

    /// All that it may write by its arguments, which is no reason to do it again. To hash again what it has read, once it has
    /// ended, would need no such list, but would hide what somebody else changed while it ran.
    pub(super) fn written(&self) -> Vec<PathBuf> {
        let named = self.named_by(&TARGETS).chain(self.named_by(&MORE_TARGETS));
        let mut written: Vec<_> = named.map(Path::to_owned).collect();
        // Two verbs add to a folder that they read from, and neither reads what the other adds.
        let folder = match self.parsed().map(|cli| cli.verb) {
            Ok(Verb::Data(DataArgs { verb: DataVerb::Annotate(args) })) => args.collection,
            Ok(Verb::Data(DataArgs { verb: DataVerb::Align(args) })) => args.folder,
            _ => return written,
        };
        written.extend(Opinion::ALL.map(|opinion| folder.join(format!("{}.jsonl", opinion.name()))));
        written.extend([ANNOTATION, ALIGN, ALIGN_KEPT].map(|name| folder.join(name)));
        written
    }
}

/// Names are parts of file names on every system, and flags begin with a dash.
fn check_name(name: &str) -> anyhow::Result<()> {
    let is_safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let is_name = (1..=MAX_NAME).contains(&name.len()) && !name.starts_with('-') && name.chars().all(is_safe);
    if !is_name {
        bail!(
            "a stage's `name` is `{name}`, but it names files: choose 1 to {MAX_NAME} of a to z, 0 to 9, _ and -, \
             the first no -"
        );
    }
    Ok(())
}

/// What `clap` answers with a text in the place of arguments.
fn is_help(kind: ErrorKind) -> bool {
    use ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    matches!(kind, DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand | DisplayVersion)
}

fn text_of(folder: &Path) -> anyhow::Result<&str> {
    let shown = folder.display();
    folder
        .to_str()
        .with_context(|| format!("the folder {shown} is not Unicode, and arguments are; choose another"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use byteedit_edit::Defaults;
    use byteedit_train::feedback::CandidatesConfig;
    use byteedit_train::pefl::PeflRunConfig;
    use byteedit_train::reward::coherent::CoherentRunConfig;
    use byteedit_train::reward::ranking::RankingRunConfig;
    use serde_json::{Value, json};

    use super::*;
    use crate::args::{TrainRewardVerb, TrainVerb};
    use crate::exit::one_line;
    use crate::settings::{BaseSettings, FeedbackSettings, RewardSettings, overlaid};

    fn read(value: &Value) -> Result<PipelineConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipeline.json");
        fs::write(&path, value.to_string()).unwrap();
        PipelineConfig::read(&path, Path::new("out")).map_err(|error| one_line(&error))
    }

    fn stage(name: &str) -> Value {
        json!({"name": name, "about": "Names.", "args": ["world", "concepts"]})
    }

    fn with(key: &str, value: Value) -> Value {
        let mut second = stage("b");
        second[key] = value;
        json!({"title": "Two", "stages": [stage("a"), second]})
    }

    #[test]
    fn folders_are_put_into_arguments() {
        let args = json!(["world", "sample", "--out", "{out}/samples", "--world", "{config}/world.pack"]);
        let config = read(&with("args", args)).unwrap();
        let stage = &config.stages[1];
        assert_eq!(stage.args[3], "out/samples");
        assert!(stage.args[5].ends_with("/world.pack") && !stage.args[5].contains('{'), "{}", stage.args[5]);
        assert_eq!(stage.folder(Path::new("out")), Some(Path::new("out/samples")));
        assert_eq!(stage.folder(Path::new("elsewhere")), None);
        let joined = read(&with("args", json!(["world", "sample", "--out={out}/more"]))).unwrap();
        assert_eq!(joined.stages[1].folder(Path::new("out")), Some(Path::new("out/more")));
    }

    #[test]
    fn what_could_not_be_run_is_refused_before_anything_is() {
        for (config, says) in [
            (json!({"title": "None", "stages": []}), "at least one"),
            (json!({"title": "?", "stages": [stage("a"), stage("a")]}), "two stages `a`"),
            (json!({"title": "?", "steps": []}), "unknown field `steps`"),
            (with("name", json!("../b")), "`../b`, but it names files"),
            (with("name", json!("-b")), "the first no -"),
            (with("name", json!("")), "1 to 64"),
            (with("needs", json!(["c"])), "`needs` names `c`"),
            (with("needs", json!(["b"])), "`needs` names `b`"),
            (with("need", json!(["a"])), "unknown field `need`"),
            (with("args", json!(["pipeline", "x.json"])), "no pipeline runs another"),
            (with("args", json!(["--quiet", "pipeline", "x.json"])), "no pipeline runs another"),
            (with("args", json!([])), "does no work"),
            (with("args", json!(["world", "--help"])), "does no work"),
            (with("args", json!(["world", "concept"])), "stage `b`: `args` are no command"),
            (with("args", json!(["world", "sample", "--out", "x", "--count", "0"])), "0"),
            (with("show", json!(["a/*.exe"])), "end it in png"),
            (with("show", json!(["../a.png"])), "`../a.png`"),
            (with("show", json!(["/a.png"])), "`/a.png`"),
            (with("show", json!(["a/***.png"])), "`a/***.png`"),
        ] {
            let message = read(&config).unwrap_err();
            assert!(message.contains(says), "{says} in {message}");
        }
    }

    /// What a stage's own configuration says is known to its verb. The other verbs say so when they are run.
    fn check_settings(stage: &Stage) {
        let cli = Cli::try_parse_from(once("byteedit").chain(stage.args.iter().map(String::as_str))).unwrap();
        match cli.verb {
            Verb::Train(train) => match train.verb {
                TrainVerb::Base(args) => drop(BaseSettings::resolve(args).unwrap()),
                TrainVerb::Pefl(args) => {
                    let settings = FeedbackSettings::resolve(args.feedback, "pefl", |preset| preset).unwrap();
                    settings.run.config.validate().unwrap();
                }
                TrainVerb::Accelerate(args) => {
                    let preset = PeflRunConfig::accelerating;
                    let settings = FeedbackSettings::resolve(args.feedback, "accelerate", preset).unwrap();
                    settings.run.config.validate().unwrap();
                }
                TrainVerb::Reward(reward) => match reward.verb {
                    TrainRewardVerb::Aesthetic(args) => {
                        let preset = RankingRunConfig::aesthetic();
                        drop(RewardSettings::resolve(args.ranking.run, "aesthetic", preset).unwrap());
                    }
                    TrainRewardVerb::Alignment(args) => {
                        let preset = RankingRunConfig::alignment();
                        drop(RewardSettings::resolve(args.ranking.run, "alignment", preset).unwrap());
                    }
                    TrainRewardVerb::Coherent(args) => {
                        let preset = CoherentRunConfig::mini();
                        let settings = RewardSettings::resolve(args.run, "coherent", preset).unwrap();
                        settings.config.validate().unwrap();
                    }
                },
                _ => {}
            },
            Verb::Data(data) => {
                if let DataVerb::Candidates(args) = data.verb {
                    let preset = CandidatesConfig::mini(&Defaults::default());
                    overlaid(preset, args.config.as_deref(), &args.set).unwrap().validate().unwrap();
                }
            }
            _ => {}
        }
    }

    #[test]
    fn the_pipelines_of_this_repository_can_be_run() {
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
        for name in ["tiny", "mini"] {
            let folder = configs.join(name);
            let config = PipelineConfig::read(&folder.join("pipeline.json"), Path::new("out")).unwrap();
            for stage in &config.stages {
                let named = stage.args.iter().map(Path::new).filter(|path| path.starts_with(&folder));
                for path in named {
                    assert!(path.is_file(), "{name}, {}: there is no {}", stage.name, path.display());
                }
                check_settings(stage);
            }
        }
    }
}
