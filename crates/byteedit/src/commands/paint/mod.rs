//! One edit from file to file: what `edit`, `erase`, `outpaint` and `run` have in common.

mod mask;
mod report;
mod unread;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use byteedit_edit::{EditModel, EditRequest, EditResult, Prompt, Task, Warning, Watch};
use byteedit_image::{Format, Limits, Mask, Picture};

pub(super) use mask::edit_mask;
pub(super) use report::PaintReport;

use crate::args::LoraChoice;
use crate::files;
use crate::interrupt::stop_flag;
use crate::memory;
use crate::model;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::{Job, JobTask, device};

/// A loaded model at work.
pub(super) struct Painter<'a> {
    pub(super) model: EditModel,
    stop: &'static AtomicBool,
    printer: &'a Printer,
}

/// A job whose files were read and whose target can be written.
pub(super) struct Prepared {
    picture: Picture,
    task: Task,
    /// The share of the picture that the mask covers; `None` for outpainting.
    masked: Option<f64>,
    format: Format,
    paths: Vec<PathBuf>,
}

impl Prepared {
    /// Reads the files of a job and checks its target, so that what is wrong is known before a model is
    /// loaded.
    ///
    /// # Errors
    /// The first file that cannot be read or written.
    pub(super) fn new(job: &Job, printer: &Printer) -> anyhow::Result<Self> {
        let picture = files::read_picture(&job.picture)?;
        let (task, masked) = task_of(job, &picture, printer)?;
        job.target.check(job.options.count, &job.picture)?;
        let path = &job.target.path;
        let format = files::format_of(path)?;
        let size = match &task {
            Task::Outpaint { sides, .. } => sides.plan().canvas_size(picture.size(), &Limits::default())?,
            Task::Edit { .. } | Task::Erase { .. } => picture.size(),
        };
        let holds = format.check(&picture).and_then(|()| format.check_size(size));
        holds.with_context(|| path.display().to_string())?;
        if format.is_lossy() {
            let (path, name) = (path.display(), format.name());
            printer.warn(format_args!(
                "{path} is {name}, which re-encodes the whole picture; end the name in png to keep every sample \
                 outside the mask"
            ));
        }
        Ok(Self { picture, task, masked, format, paths: job.target.paths(job.options.count) })
    }
}

fn task_of(job: &Job, picture: &Picture, printer: &Printer) -> anyhow::Result<(Task, Option<f64>)> {
    let covered = |mask: &Mask| {
        let share = mask.area_fraction();
        printer.note(format_args!("the mask covers {:.1} % of {}", 100.0 * share, job.picture.display()));
        Some(share)
    };
    Ok(match &job.task {
        JobTask::Edit(choice, prompt) => {
            let edit_mask = mask::edit_mask(choice, picture.size())?;
            let masked = covered(&edit_mask);
            (Task::Edit { edit_mask, prompt: prompt.clone() }, masked)
        }
        JobTask::Erase(choice) => {
            let edit_mask = mask::edit_mask(choice, picture.size())?;
            let masked = covered(&edit_mask);
            (Task::Erase { edit_mask }, masked)
        }
        JobTask::Outpaint(sides, prompt) => (Task::Outpaint { sides: *sides, prompt: prompt.clone() }, None),
    })
}

impl<'a> Painter<'a> {
    /// Loads `mini` or a model folder, and listens to Ctrl-C from now on.
    ///
    /// # Errors
    /// A model or a device that cannot be used.
    pub(super) fn load(name: &str, device_name: Option<&str>, printer: &'a Printer) -> anyhow::Result<Self> {
        let device = device(device_name)?;
        let painter = Self { model: model::load(name, &device)?, stop: stop_flag(printer)?, printer };
        tracing::debug!(model = name, "ready to paint");
        Ok(painter)
    }

    /// The same with LoRAs in the model's weights.
    ///
    /// # Errors
    /// A file that cannot be read or was made for another model.
    pub(super) fn with_loras(self, loras: &[LoraChoice]) -> anyhow::Result<Self> {
        let Self { mut model, stop, printer } = self;
        for LoraChoice { file, strength } in loras {
            model = model.with_lora(file, *strength)?;
        }
        Ok(Self { model, stop, printer })
    }

    /// Does a job and writes its pictures, each after `before_writing` has been told of its file.
    ///
    /// # Errors
    /// A number that the model refuses, Ctrl-C, what `before_writing` says, or a file that cannot be written
    /// after all.
    pub(super) fn paint(
        &self,
        job: &Job,
        prepared: Prepared,
        before_writing: &mut dyn FnMut(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<PaintReport> {
        let Prepared { picture, task, masked, format, paths } = prepared;
        let settings = job.options.settings(task.kind(), &self.model.info().defaults());
        let request = EditRequest::new(picture, task, settings, Limits::default())?;
        let need = self.model.memory_need(&request)?;
        tracing::debug!(?need, "memory at the peak");
        // Unknown where the system does not tell it: then the edit is tried.
        if let Some(available) = memory::available_bytes() {
            need.check(available)?;
        }
        let result = self.edit(&request, &job.picture.display().to_string())?;
        let notices = self.notices(&request, &result);
        for notice in &notices {
            self.printer.warn(notice);
        }
        for (edited, path) in result.pictures.iter().zip(&paths) {
            let file = edited.encode(format)?;
            before_writing(path)?;
            files::write(path, &file)?;
        }
        Ok(PaintReport::new(self.model.info(), job, masked, &result, &paths)
            .with_need(need)
            .with_warnings(notices))
    }

    /// Runs the library on a request, with progress.
    ///
    /// # Errors
    /// Those of [`EditModel::edit`].
    pub(super) fn edit(&self, request: &EditRequest, what: &str) -> anyhow::Result<EditResult> {
        let mut progress = None;
        let mut on_progress = |report: byteedit_edit::Progress| {
            let progress =
                progress.get_or_insert_with(|| Progress::start(self.printer, what, report.n_total() as u64));
            progress.set(report.n_done() as u64, String::new);
        };
        let mut watch = Watch::silent().reporting(&mut on_progress).cancelled_by(self.stop);
        Ok(self.model.edit(request, &mut watch)?)
    }

    /// What the user should know, in words.
    fn notices(&self, request: &EditRequest, result: &EditResult) -> Vec<String> {
        let mut notices: Vec<_> = result.warnings.iter().map(ToString::to_string).collect();
        if result.warnings.iter().any(|warning| matches!(warning, Warning::PromptTruncated { .. })) {
            let tokenizer = &self.model.parts().tokenizer;
            let negative = request.settings().sampling.negative_prompt.as_ref().map_or("", Prompt::as_str);
            for text in [request.task().prompt(), negative] {
                notices.extend(
                    unread::unread(text, |text| tokenizer.n_truncated(text))
                        .map(|rest| format!("not read: {rest}")),
                );
            }
        }
        notices
    }
}
