//! `edit`, `erase` and `outpaint`: arguments as a job, a model and a way to tell the result.

use std::path::PathBuf;

use byteedit_edit::{Prompt, Sides};

use super::job::{Job, JobTask, MaskChoice, Options, Target, default_output};
use crate::args::{EditArgs, EraseArgs, LoraChoice, OutpaintArgs, OutputArgs, PaintArgs};

/// What a single verb needs: the job, the model, and how to tell the result.
pub(crate) struct PaintSettings {
    /// The edit.
    pub(crate) job: Job,
    /// `mini` or a folder.
    pub(crate) model: String,
    /// What is added to it.
    pub(crate) loras: Vec<LoraChoice>,
    /// Backend by name.
    pub(crate) device: Option<String>,
    /// Whether the result is told as JSON.
    pub(crate) json: bool,
}

/// Either an edit or a question about the model.
pub(crate) enum EditSettings {
    /// Do an edit.
    Paint(Box<PaintSettings>),
    /// List what the model was taught.
    ListConcepts {
        /// `mini` or a folder.
        model: String,
        /// Backend by name.
        device: Option<String>,
        /// Whether the list is told as JSON.
        json: bool,
    },
}

impl EditSettings {
    /// # Errors
    /// The first argument that cannot be used.
    pub(crate) fn resolve(args: EditArgs) -> anyhow::Result<Self> {
        let EditArgs { photo, mask, mask_mode, prompt, list_concepts, paint, output } = args;
        let (Some(photo), Some(prompt), false) = (photo, prompt, list_concepts) else {
            let (model, device) = (paint.model.model, paint.model.device);
            return Ok(Self::ListConcepts { model, device, json: output.json });
        };
        let task = JobTask::Edit(MaskChoice { sources: mask, mode: mask_mode }, Prompt::new(&prompt)?);
        Ok(Self::Paint(Box::new(PaintSettings::resolve(photo, task, paint, output)?)))
    }
}

impl PaintSettings {
    /// # Errors
    /// The first argument that cannot be used.
    pub(crate) fn resolve_erase(args: EraseArgs) -> anyhow::Result<Self> {
        let EraseArgs { photo, mask, mask_mode, paint, output } = args;
        let task = JobTask::Erase(MaskChoice { sources: mask, mode: mask_mode });
        Self::resolve(photo, task, paint, output)
    }

    /// # Errors
    /// The first argument that cannot be used.
    pub(crate) fn resolve_outpaint(args: OutpaintArgs) -> anyhow::Result<Self> {
        let OutpaintArgs { photo, left, right, top, bottom, prompt, paint, output } = args;
        let sides = Sides::new(left.into(), right.into(), top.into(), bottom.into())?;
        let prompt = prompt.map(|prompt| Prompt::new(&prompt)).transpose()?;
        Self::resolve(photo, JobTask::Outpaint(sides, prompt), paint, output)
    }

    fn resolve(
        picture: PathBuf,
        task: JobTask,
        paint: PaintArgs,
        output: OutputArgs,
    ) -> anyhow::Result<Self> {
        let OutputArgs { out, force, json } = output;
        let path = out.unwrap_or_else(|| default_output(&picture, task.kind()));
        let (model, device) = (paint.model.model.clone(), paint.model.device.clone());
        let loras = paint.lora.clone();
        let job = Job { picture, task, options: Options::resolve(paint)?, target: Target { path, force } };
        Ok(Self { job, model, loras, device, json })
    }
}

impl Options {
    /// # Errors
    /// A negative prompt that is no prompt.
    pub(crate) fn resolve(args: PaintArgs) -> anyhow::Result<Self> {
        let PaintArgs {
            model: _,
            lora: _,
            seed,
            steps,
            guidance,
            temperature,
            sampler,
            strength,
            count,
            negative_prompt,
            mask_grow,
            feather,
            padding,
        } = args;
        Ok(Self {
            seed,
            count: count as usize,
            n_steps: steps.map(|steps| steps as usize),
            guidance_scale: guidance,
            temperature,
            sampler,
            strength,
            negative_prompt: negative_prompt.map(|prompt| Prompt::new(&prompt)).transpose()?,
            mask_grow,
            feather,
            padding: padding.map(|padding| padding as usize),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use anyhow::bail;
    use byteedit_diffusion::SamplerKind;
    use byteedit_edit::model::Defaults;
    use byteedit_edit::{Settings, TaskKind};
    use byteedit_image::Padding;
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Verb};

    fn outpaint(more: &[&str]) -> anyhow::Result<PaintSettings> {
        let cli = Cli::try_parse_from(["byteedit", "outpaint", "in/photo.jpg"].iter().chain(more))?;
        let Verb::Outpaint(args) = cli.verb else { bail!("another verb") };
        PaintSettings::resolve_outpaint(args)
    }

    #[test]
    fn results_lie_beside_the_picture_and_are_numbered() {
        let target = outpaint(&["--left", "5"]).unwrap().job.target;
        assert_eq!(target.paths(1), [Path::new("in/photo-outpaint.png")]);
        assert_eq!(target.paths(2), ["in/photo-outpaint-1.png", "in/photo-outpaint-2.png"].map(Path::new));
    }

    #[test]
    fn what_is_not_asked_for_is_the_models_choice() {
        let defaults = Defaults { n_steps: 9, guidance_scale: 3.5, ..Defaults::default() };
        let of = |more: &[&str]| {
            let options = outpaint(&[&["--left", "5"], more].concat()).unwrap().job.options;
            options.settings(TaskKind::Outpaint, &defaults)
        };
        assert_eq!(of(&[]), Settings::new(TaskKind::Outpaint, &defaults));
        let asked =
            of(&["--steps", "4", "--sampler", "euler", "--padding", "7", "--count", "2", "--guidance", "1"]);
        let cool = of(&["--temperature", "0.5"]).sampling.temperature;
        assert!((cool - 0.5).abs() < f64::EPSILON);
        assert_eq!((asked.sampling.n_steps, asked.sampling.sampler), (4, SamplerKind::Euler));
        assert_eq!((asked.framing.padding, asked.count), (Padding::Pixels(7), 2));
        assert!((asked.sampling.guidance_scale - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        for (arguments, says) in [
            (&["--left", "-5"][..], "-5"),
            (&["--left", "5", "--steps", "0"], "1..=1000"),
            (&["--left", "5", "--strength", "1.5"], "within 0 to 1"),
            (&["--left", "5", "--guidance", "-1"], "below 0"),
            (&["--left", "5", "--count", "65"], "1..=64"),
            (&["--left", "5", "--sampler", "plms"], "dpm++2m-karras"),
            (&[], "0 on all sides"),
        ] {
            let message = outpaint(arguments).err().unwrap().to_string();
            assert!(message.contains(says), "{message}");
        }
    }
}
