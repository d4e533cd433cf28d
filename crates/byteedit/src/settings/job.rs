//! One edit as it was asked for: a picture, a task, options, a target.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::bail;
use byteedit_diffusion::SamplerKind;
use byteedit_edit::model::Defaults;
use byteedit_edit::{Prompt, Settings, Sides, TaskKind};
use byteedit_image::{OutpaintPlan, Padding};
use serde_json::{Value, json};

use crate::args::{MaskModeArg, MaskSource};
use crate::files;

/// One edit as it was asked for, before any file is opened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    /// The picture's file.
    pub(crate) picture: PathBuf,
    /// What to do.
    pub(crate) task: JobTask,
    /// How to paint.
    pub(crate) options: Options,
    /// Where the result goes.
    pub(crate) target: Target,
}

/// What to do with a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobTask {
    /// Paint what the prompt says under the mask.
    Edit(MaskChoice, Prompt),
    /// Remove what is under the mask.
    Erase(MaskChoice),
    /// Continue the picture.
    Outpaint(Sides, Option<Prompt>),
}

/// Where to repaint: the union of some masks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MaskChoice {
    /// At least one.
    pub(crate) sources: Vec<MaskSource>,
    /// How mask files are read.
    pub(crate) mode: MaskModeArg,
}

/// How to paint. What is `None` is left to the model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// Seed of the first picture.
    pub(crate) seed: u64,
    /// Number of pictures.
    pub(crate) count: usize,
    /// Denoising steps.
    pub(crate) n_steps: Option<usize>,
    /// Guidance scale.
    pub(crate) guidance_scale: Option<f64>,
    /// Temperature of the denoise loop.
    pub(crate) temperature: Option<f64>,
    /// Update rule.
    pub(crate) sampler: Option<SamplerKind>,
    /// How much may change, 0 to 1.
    pub(crate) strength: f64,
    /// What to steer away from.
    pub(crate) negative_prompt: Option<Prompt>,
    /// Growth of the mask in pixels.
    pub(crate) mask_grow: u32,
    /// Feather in pixels.
    pub(crate) feather: u32,
    /// Context in pixels.
    pub(crate) padding: Option<usize>,
}

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The file; with several pictures, numbers are put before its extension.
    pub(crate) path: PathBuf,
    /// Whether it may replace a file.
    pub(crate) force: bool,
}

impl Options {
    /// All of it as JSON: what a record of finished work is bound to.
    pub(crate) fn to_json(&self) -> Value {
        let Self {
            seed,
            count,
            n_steps,
            guidance_scale,
            temperature,
            sampler,
            strength,
            negative_prompt,
            mask_grow,
            feather,
            padding,
        } = self;
        json!({
            "seed": seed, "count": count, "steps": n_steps, "guidance": guidance_scale,
            "temperature": temperature,
            "sampler": sampler.map(SamplerKind::name), "strength": strength,
            "negative_prompt": negative_prompt.as_ref().map(Prompt::as_str),
            "mask_grow": mask_grow, "feather": feather, "padding": padding,
        })
    }

    /// The library's settings for a task of a model.
    pub(crate) fn settings(&self, task: TaskKind, defaults: &Defaults) -> Settings {
        let Self {
            seed,
            count,
            n_steps,
            guidance_scale,
            temperature,
            sampler,
            strength,
            negative_prompt,
            mask_grow,
            feather,
            padding,
        } = self.clone();
        let mut settings = Settings::new(task, defaults);
        (settings.seed, settings.count) = (seed, count);
        let sampling = &mut settings.sampling;
        sampling.n_steps = n_steps.unwrap_or(sampling.n_steps);
        sampling.guidance_scale = guidance_scale.unwrap_or(sampling.guidance_scale);
        sampling.temperature = temperature.unwrap_or(sampling.temperature);
        sampling.sampler = sampler.unwrap_or(sampling.sampler);
        sampling.strength = strength;
        sampling.negative_prompt = negative_prompt;
        let framing = &mut settings.framing;
        (framing.mask_grow, framing.feather) = (mask_grow, feather);
        framing.padding = padding.map_or(framing.padding, Padding::Pixels);
        settings
    }
}

impl Job {
    /// The whole job as JSON, with paths from `folder`: what a record of finished work is bound to.
    pub(crate) fn to_json(&self, folder: &Path) -> Value {
        let Self { picture, task, options, target } = self;
        let task = match task {
            JobTask::Edit(mask, prompt) => json!({ "edit": prompt.as_str(), "mask": mask.to_json(folder) }),
            JobTask::Erase(mask) => json!({ "erase": mask.to_json(folder) }),
            JobTask::Outpaint(sides, prompt) => {
                let OutpaintPlan { left, right, top, bottom } = *sides.plan();
                json!({ "outpaint": [left, right, top, bottom], "prompt": prompt.as_ref().map(Prompt::as_str) })
            }
        };
        json!({
            "picture": files::name_within(picture, folder), "task": task, "options": options.to_json(),
            "out": files::name_within(&target.path, folder),
        })
    }

    /// The files that the job reads.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Path> {
        let masks = match &self.task {
            JobTask::Edit(mask, _) | JobTask::Erase(mask) => mask.sources.as_slice(),
            JobTask::Outpaint(..) => &[],
        };
        let files = masks.iter().filter_map(|source| match source {
            MaskSource::File(path) => Some(path.as_path()),
            MaskSource::Box(_) => None,
        });
        std::iter::once(self.picture.as_path()).chain(files)
    }
}

impl MaskChoice {
    fn to_json(&self, folder: &Path) -> Value {
        let describe = |source: &MaskSource| match source {
            MaskSource::File(path) => json!(files::name_within(path, folder)),
            MaskSource::Box(rect) => json!([rect.x, rect.y, rect.width, rect.height]),
        };
        json!({ "of": self.sources.iter().map(describe).collect::<Vec<_>>(), "mode": self.mode })
    }
}

impl JobTask {
    /// Which of the three it is.
    pub(crate) const fn kind(&self) -> TaskKind {
        match self {
            Self::Edit(..) => TaskKind::Edit,
            Self::Erase(_) => TaskKind::Erase,
            Self::Outpaint(..) => TaskKind::Outpaint,
        }
    }
}

impl Target {
    /// One path for each of `count` pictures: the name itself for one, else with -1, -2 and so on.
    pub(crate) fn paths(&self, count: usize) -> Vec<PathBuf> {
        if count == 1 {
            return vec![self.path.clone()];
        }
        let numbered = |number| {
            let mut end = OsString::from(format!("-{number}."));
            end.push(self.path.extension().unwrap_or_default());
            with_end(&self.path, end)
        };
        (1..=count).map(numbered).collect()
    }

    /// Checks before the work that every path can be written, and that none is the picture itself.
    ///
    /// # Errors
    /// The first path that cannot be written.
    pub(crate) fn check(&self, count: usize, picture: &Path) -> anyhow::Result<()> {
        files::format_of(&self.path)?;
        for path in self.paths(count) {
            if files::is_same(&path, picture) {
                bail!("{} is the picture itself; name another file with --out", path.display());
            }
            files::check_writable(&path, self.force)?;
        }
        Ok(())
    }
}

/// `photo-edit.png` beside `photo.jpg`.
pub(crate) fn default_output(picture: &Path, task: TaskKind) -> PathBuf {
    with_end(picture, format!("-{}.png", task.name()).into())
}

/// The path with `end` in place of its extension. A name need not be Unicode, so it is never made text of.
fn with_end(path: &Path, end: OsString) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(end);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn names_that_are_not_unicode_stay_as_they_are() {
        use std::os::unix::ffi::OsStrExt;
        let path = |name: &[u8]| PathBuf::from(std::ffi::OsStr::from_bytes(name));
        let target = Target { path: path(b"in/a\xff.b.jpg"), force: false };
        assert_eq!(target.paths(2), [path(b"in/a\xff.b-1.jpg"), path(b"in/a\xff.b-2.jpg")]);
        assert_eq!(default_output(&target.path, TaskKind::Erase), path(b"in/a\xff.b-erase.png"));
    }

    #[test]
    fn the_picture_is_never_its_own_result() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("a.png");
        std::fs::write(&picture, "").unwrap();
        let target = Target {
            path: folder.path().join("../").join(folder.path().file_name().unwrap()).join("a.png"),
            force: true,
        };
        assert!(target.check(1, &picture).unwrap_err().to_string().contains("the picture itself"));
    }
}
