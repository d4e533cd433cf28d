//! `run`: a manifest's lines as jobs.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use byteedit_edit::{MAX_COUNT, Prompt, Sides, TaskKind};
use serde::Deserialize;

use super::job::{Job, JobTask, MaskChoice, Options, Target, default_output};
use crate::args::{LoraChoice, MaskModeArg, MaskSource, RunArgs};
use crate::files;

/// What `run` needs.
pub(crate) struct ManifestSettings {
    /// The manifest's file.
    pub(crate) manifest: PathBuf,
    /// What stands in for keys that a line leaves out.
    pub(crate) fallback: Fallback,
    /// `mini` or a folder.
    pub(crate) model: String,
    /// What is added to it.
    pub(crate) loras: Vec<LoraChoice>,
    /// Backend by name.
    pub(crate) device: Option<String>,
    /// Whether each line's result is told as JSON.
    pub(crate) json: bool,
}

/// What the command line says for all lines.
#[derive(Clone, Debug)]
pub(crate) struct Fallback {
    /// How to paint.
    pub(crate) options: Options,
    /// How mask files are read.
    pub(crate) mask_mode: MaskModeArg,
    /// Whether pictures may be replaced.
    pub(crate) force: bool,
}

impl ManifestSettings {
    /// # Errors
    /// The first argument that cannot be used.
    pub(crate) fn resolve(args: RunArgs) -> anyhow::Result<Self> {
        let RunArgs { manifest, mask_mode, paint, force, json } = args;
        let (model, device) = (paint.model.model.clone(), paint.model.device.clone());
        let loras = paint.lora.clone();
        let fallback = Fallback { options: Options::resolve(paint)?, mask_mode, force };
        Ok(Self { manifest, fallback, model, loras, device, json })
    }

    /// The folder that paths of the manifest count from; empty for the current one.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest.parent().unwrap_or(Path::new(""))
    }

    /// The jobs with their line numbers, from 1; a line that is no job is an error in its place. Blank
    /// lines are skipped.
    ///
    /// # Errors
    /// A manifest that cannot be read or has no line.
    pub(crate) fn jobs(&self) -> anyhow::Result<Vec<(usize, anyhow::Result<Job>)>> {
        let text = files::read_text(&self.manifest)?;
        let folder = self.folder();
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let jobs: Vec<_> =
            lines.map(|(index, line)| (index + 1, job(line, folder, &self.fallback))).collect();
        if jobs.is_empty() {
            bail!("{} has no line; `byteedit run --help` shows some", self.manifest.display());
        }
        Ok(jobs)
    }
}

/// One line of a manifest, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    task: TaskKey,
    picture: PathBuf,
    mask: Option<Masks>,
    prompt: Option<String>,
    left: Option<i64>,
    right: Option<i64>,
    top: Option<i64>,
    bottom: Option<i64>,
    out: Option<PathBuf>,
    seed: Option<u64>,
    steps: Option<usize>,
    guidance: Option<f64>,
    temperature: Option<f64>,
    sampler: Option<String>,
    strength: Option<f64>,
    count: Option<usize>,
    negative_prompt: Option<String>,
    mask_mode: Option<MaskModeArg>,
    mask_grow: Option<u32>,
    feather: Option<u32>,
    padding: Option<usize>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TaskKey {
    Edit,
    Erase,
    Outpaint,
}

/// One mask or several.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a mask file, a box as [x, y, width, height], or a list of these")]
enum Masks {
    One(MaskSource),
    Many(Vec<MaskSource>),
}

fn job(text: &str, folder: &Path, fallback: &Fallback) -> anyhow::Result<Job> {
    let line: Line = serde_json::from_str(text).context("it is no job")?;
    let picture = folder.join(&line.picture);
    let options = options(&line, &fallback.options)?;
    let out = line.out.as_ref().map(|out| folder.join(out));
    let task = task(line, folder, fallback.mask_mode)?;
    let path = out.unwrap_or_else(|| default_output(&picture, task.kind()));
    Ok(Job { picture, task, options, target: Target { path, force: fallback.force } })
}

fn options(line: &Line, fallback: &Options) -> anyhow::Result<Options> {
    let count = line.count.unwrap_or(fallback.count);
    if !(1..=MAX_COUNT).contains(&count) {
        bail!("`count` is {count}, but it must be from 1 to {MAX_COUNT}");
    }
    let negative_prompt = line.negative_prompt.as_deref().map(Prompt::new).transpose()?;
    Ok(Options {
        seed: line.seed.unwrap_or(fallback.seed),
        count,
        n_steps: line.steps.or(fallback.n_steps),
        guidance_scale: line.guidance.or(fallback.guidance_scale),
        temperature: line.temperature.or(fallback.temperature),
        sampler: line.sampler.as_deref().map(str::parse).transpose()?.or(fallback.sampler),
        strength: line.strength.unwrap_or(fallback.strength),
        negative_prompt: negative_prompt.or_else(|| fallback.negative_prompt.clone()),
        mask_grow: line.mask_grow.unwrap_or(fallback.mask_grow),
        feather: line.feather.unwrap_or(fallback.feather),
        padding: line.padding.or(fallback.padding),
    })
}

fn task(line: Line, folder: &Path, mask_mode: MaskModeArg) -> anyhow::Result<JobTask> {
    let kind = match line.task {
        TaskKey::Edit => TaskKind::Edit,
        TaskKey::Erase => TaskKind::Erase,
        TaskKey::Outpaint => TaskKind::Outpaint,
    };
    let sides = [line.left, line.right, line.top, line.bottom];
    // A key that has no effect is a mistake in the manifest, not something to pass over.
    for (key, is_given, is_used) in [
        ("left, right, top, bottom", sides.iter().any(Option::is_some), kind == TaskKind::Outpaint),
        ("mask", line.mask.is_some(), kind != TaskKind::Outpaint),
        ("mask_mode", line.mask_mode.is_some(), kind != TaskKind::Outpaint),
        ("prompt", line.prompt.is_some(), kind != TaskKind::Erase),
    ] {
        if is_given && !is_used {
            bail!("`{key}` has no meaning for the task {}; leave it out", kind.name());
        }
    }
    let mode = line.mask_mode.unwrap_or(mask_mode);
    let mask = || -> anyhow::Result<MaskChoice> {
        let sources = match line.mask {
            Some(Masks::One(source)) => vec![source],
            Some(Masks::Many(sources)) if !sources.is_empty() => sources,
            _ => bail!("`mask` is missing: a file, a box as [x, y, width, height], or a list of these"),
        };
        let sources = sources.into_iter().map(|source| source.within(folder)).collect();
        Ok(MaskChoice { sources, mode })
    };
    let prompt = line.prompt.as_deref().map(Prompt::new).transpose()?;
    Ok(match kind {
        TaskKind::Edit => JobTask::Edit(mask()?, prompt.context("`prompt` is missing: say what to paint")?),
        TaskKind::Erase => JobTask::Erase(mask()?),
        TaskKind::Outpaint => {
            let [left, right, top, bottom] = sides.map(Option::unwrap_or_default);
            JobTask::Outpaint(Sides::new(left, right, top, bottom)?, prompt)
        }
    })
}

#[cfg(test)]
mod tests {
    use byteedit_image::Rect;
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Verb};

    fn fallback() -> Fallback {
        let cli =
            Cli::try_parse_from(["byteedit", "run", "jobs.jsonl", "--steps", "7", "--seed", "5"]).unwrap();
        let Verb::Run(args) = cli.verb else { panic!("another verb") };
        ManifestSettings::resolve(args).unwrap().fallback
    }

    fn parse(line: &str) -> anyhow::Result<Job> {
        job(line, Path::new("jobs"), &fallback())
    }

    #[test]
    fn a_line_is_a_job_with_paths_from_the_manifests_folder() {
        let job = parse(
            r#"{"task": "edit", "picture": "a.jpg", "mask": ["m.png", [1, 2, 3, 4]], "prompt": "a cat", "seed": 9}"#,
        )
        .unwrap();
        assert_eq!(job.picture, Path::new("jobs/a.jpg"));
        assert_eq!(job.target.path, Path::new("jobs/a-edit.png"));
        assert_eq!((job.options.seed, job.options.n_steps), (9, Some(7)));
        let JobTask::Edit(mask, prompt) = job.task else { panic!("another task") };
        assert_eq!(prompt.as_str(), "a cat");
        let sources = [MaskSource::File("jobs/m.png".into()), MaskSource::Box(Rect::new(1, 2, 3, 4))];
        assert_eq!(mask.sources, sources);
    }

    #[test]
    fn one_mask_needs_no_list_and_sides_default_to_0() {
        let erase = parse(r#"{"task": "erase", "picture": "a.jpg", "mask": [1, 2, 3, 4]}"#).unwrap();
        let JobTask::Erase(mask) = erase.task else { panic!("another task") };
        assert_eq!(mask.sources, [MaskSource::Box(Rect::new(1, 2, 3, 4))]);
        let wider = parse(r#"{"task": "outpaint", "picture": "a.jpg", "left": 3}"#).unwrap();
        assert_eq!(wider.task, JobTask::Outpaint(Sides::new(3, 0, 0, 0).unwrap(), None));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        for (line, says) in [
            ("nonsense", "expected"),
            (r#"{"task": "edit", "picture": "a", "masks": "m"}"#, "unknown field `masks`"),
            (r#"{"task": "paint", "picture": "a"}"#, "unknown variant `paint`"),
            (r#"{"task": "edit", "mask": "m"}"#, "missing field `picture`"),
            (r#"{"task": "edit", "picture": "a", "prompt": "x"}"#, "`mask` is missing"),
            (r#"{"task": "erase", "picture": "a", "mask": []}"#, "`mask` is missing"),
            (r#"{"task": "edit", "picture": "a", "mask": "m"}"#, "`prompt` is missing"),
            (r#"{"task": "edit", "picture": "a", "mask": "m", "prompt": " "}"#, "blank"),
            (r#"{"task": "erase", "picture": "a", "mask": "m", "prompt": "x"}"#, "`prompt` has no meaning"),
            (r#"{"task": "outpaint", "picture": "a", "left": 1, "mask": "m"}"#, "`mask` has no meaning"),
            (r#"{"task": "edit", "picture": "a", "mask": "m", "prompt": "x", "top": 1}"#, "has no meaning"),
            (r#"{"task": "outpaint", "picture": "a", "left": -1}"#, "left is -1"),
            (r#"{"task": "outpaint", "picture": "a"}"#, "0 on all sides"),
            (r#"{"task": "erase", "picture": "a", "mask": "m", "count": 65}"#, "from 1 to 64"),
            (r#"{"task": "erase", "picture": "a", "mask": "m", "sampler": "plms"}"#, "`plms`"),
            (r#"{"task": "erase", "picture": "a", "mask": [1, 2, 3]}"#, "a box as"),
        ] {
            let message = crate::exit::one_line(&parse(line).unwrap_err());
            assert!(message.contains(says), "{line}: {message}");
        }
    }
}
