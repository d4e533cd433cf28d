//! `byteedit data import` and `export`: preferences from and to the formats of others.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use byteedit_data::Task;
use byteedit_data::preference::{self, PreferenceRecord, SkipBad, Skipped, annotate, import as formats};
use clap::ValueEnum;
use serde_json::json;

use crate::args::{DataExportArgs, DataImportArgs, ExportArg, ImportArg};
use crate::exit::ExitStatus;
use crate::files;
use crate::printer::Printer;

/// Most names of tasks that a warning lists.
const MAX_LISTED: usize = 10;

/// Makes a file of preferences from another format.
///
/// # Errors
/// A file that is not of its format, more bad entries than may be skipped, flags that the format has no use for, and an
/// output that exists already or cannot be written.
pub(super) fn import(args: DataImportArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let DataImportArgs { format, input, out, images, task, tasks, skip_bad, force, json } = args;
    let named = [ImportArg::ImageReward, ImportArg::Hpdv2Train, ImportArg::Hpdv2Test, ImportArg::Hpdv2Each];
    let images = only_for(images, "--images", format, &named)?.unwrap_or_default();
    let task = only_for(task, "--task", format, &[ImportArg::PrefPaint])?.map_or(Task::Outpaint, Task::from);
    let tasks = only_for(tasks, "--tasks", format, &[ImportArg::LabelStudio, ImportArg::Answers])?;
    check_target(&out, &input, force)?;
    let skipped = &mut Skipped::new(SkipBad { limit: skip_bad });
    let mut missing = Vec::new();
    let records = match format {
        ImportArg::ImageReward => formats::image_reward::read(&input, &images, skipped)?,
        ImportArg::Hpdv2Train => formats::hpdv2::read_train(&input, &images, skipped)?,
        ImportArg::Hpdv2Test => formats::hpdv2::read_test(&input, &images, skipped)?.averaged,
        ImportArg::Hpdv2Each => formats::hpdv2::read_test(&input, &images, skipped)?.each,
        ImportArg::PrefPaint => formats::pref_paint::read(&input, task, skipped)?,
        ImportArg::PickAPic => formats::pick_a_pic::read(&input, files::folder_of(&out), skipped)?,
        ImportArg::Arena => formats::arena::read(&input, skipped)?,
        ImportArg::LabelStudio => {
            formats::label_studio::read_export(&input, &given_out(tasks, format, &out)?, skipped)?
        }
        ImportArg::Answers => {
            let judged = annotate::read_judged(&input, &given_out(tasks, format, &out)?, skipped)?;
            missing = judged.missing;
            judged.records
        }
    };
    skipped.errors().iter().for_each(|error| printer.warn(error));
    if records.is_empty() {
        bail!("{} holds nothing to import", input.display());
    }
    warn_of_missing(&records, &missing, &out, printer);
    preference::write(&out, &records)?;
    printer.note(format_args!("{} records", records.len()));
    let reasons: Vec<_> = skipped.errors().iter().map(ToString::to_string).collect();
    let facts =
        json!({ "output": out, "n_records": records.len(), "skipped": reasons, "not_judged": missing });
    printer.answer(json, &facts, [out.display()])?;
    Ok(ExitStatus::Done)
}

/// Writes a file of preferences in another format.
///
/// # Errors
/// Records that make no sense or that the format cannot hold, flags that it has no use for, and an output that exists
/// already or cannot be written.
pub(super) fn export(args: DataExportArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let DataExportArgs { format, records: source, out, images, address, force, json } = args;
    let named = [ExportArg::ImageReward, ExportArg::Hpdv2Train, ExportArg::Hpdv2Test];
    let images = only_for(images, "--images", format, &named)?.unwrap_or_default();
    let address = only_for(address, "--address", format, &[ExportArg::LabelStudio])?.unwrap_or_default();
    check_target(&out, &source, force)?;
    let records = preference::read(&source)?;
    if records.is_empty() {
        bail!("{} holds nothing to export", source.display());
    }
    let mut n_records = records.len();
    let mut labels = None;
    match format {
        ExportArg::ImageReward => formats::image_reward::write(&out, &records, &images)?,
        ExportArg::Hpdv2Train => formats::hpdv2::write_train(&out, &records, &images)?,
        ExportArg::Hpdv2Test => {
            let (averaged, each) = records.into_iter().partition(|record| record.annotator.is_none());
            formats::hpdv2::write_test(&out, &formats::hpdv2::Test { averaged, each }, &images)?;
        }
        ExportArg::PrefPaint => formats::pref_paint::write(&out, &records)?,
        ExportArg::PickAPic => formats::pick_a_pic::write(&out, &records, files::folder_of(&source))?,
        ExportArg::Arena => formats::arena::write(&out, &records)?,
        ExportArg::LabelStudio => labels = Some(label_studio(&out, &records, &address, force)?),
        ExportArg::Tasks => {
            check_beside(&out, &source)?;
            if records.iter().all(|record| record.judgement.is_some()) {
                bail!("every record of {} is judged, so there is no task to give out", source.display());
            }
            n_records = annotate::write_tasks(&out, &records)?;
        }
    }
    printer.note(format_args!("{n_records} records"));
    if let Some(labels) = &labels {
        printer.note(format_args!("labelling configuration of the project: {}", labels.display()));
    }
    let facts = json!({ "output": out, "n_records": n_records, "labelling_configuration": labels });
    printer.answer(json, &facts, [out.display()])?;
    Ok(ExitStatus::Done)
}

/// Writes tasks for Label Studio and, beside them, the labelling configuration that shows them, whose path is returned.
fn label_studio(
    out: &Path,
    records: &[PreferenceRecord],
    address: &str,
    force: bool,
) -> anyhow::Result<PathBuf> {
    let labels = out.with_extension("xml");
    if labels == out {
        bail!("{} is where the labelling configuration goes; end the name in .json", out.display());
    }
    files::check_writable(&labels, force)?;
    formats::label_studio::write_tasks(out, records, address)?;
    let all_edits = records.iter().all(|record| record.source.is_some());
    files::write(&labels, formats::label_studio::config(all_edits).as_bytes())?;
    Ok(labels)
}

/// The tasks that were given out, in the folder where their answers shall lie.
fn given_out(tasks: Option<PathBuf>, format: ImportArg, out: &Path) -> anyhow::Result<Vec<PreferenceRecord>> {
    let tasks = tasks.with_context(|| {
        format!("{} needs the tasks as they were given out; name their file with --tasks", name(&format))
    })?;
    let records = preference::read(&tasks)?;
    if files::is_same(&tasks, out) {
        bail!("{} is the file of the tasks; name another with --out", out.display());
    }
    check_beside(out, &tasks)?;
    Ok(records)
}

/// Checks what [`files::check_writable`] does, and that no input is replaced.
fn check_target(out: &Path, input: &Path, force: bool) -> anyhow::Result<()> {
    files::check_writable(out, force)?;
    if files::is_same(out, input) {
        bail!("{} is the input; name another file with --out", out.display());
    }
    Ok(())
}

/// Checks that paths which count from the folder of `source` may be written into `out` as they are.
fn check_beside(out: &Path, source: &Path) -> anyhow::Result<()> {
    let [from, to] = [source, out].map(files::folder_of);
    if !files::is_same(from, to) {
        bail!(
            "paths in {} count from its folder, so {} must lie in {} too; choose it with --out",
            source.display(),
            out.display(),
            from.display()
        );
    }
    Ok(())
}

/// Says which picture is not where the first record without it has it, and which tasks nobody judged.
fn warn_of_missing(records: &[PreferenceRecord], tasks: &[String], out: &Path, printer: &Printer) {
    let folder = files::folder_of(out);
    let mut pictures = records.iter().flat_map(PreferenceRecord::files);
    if let Some(absent) = pictures.find(|picture| !folder.join(picture).is_file()) {
        printer.warn(format_args!(
            "there is no file {absent} in {}, from which paths in {} count; `data check` lists what is missing",
            folder.display(),
            out.display()
        ));
    }
    if !tasks.is_empty() {
        let listed = tasks.iter().take(MAX_LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if tasks.len() > MAX_LISTED { ", ..." } else { "" };
        printer.warn(format_args!("{} tasks are not judged: {listed}{more}", tasks.len()));
    }
}

/// `value`, which only `formats` have a use for.
fn only_for<T, F: ValueEnum + PartialEq>(
    value: Option<T>,
    flag: &str,
    format: F,
    formats: &[F],
) -> anyhow::Result<Option<T>> {
    if value.is_some() && !formats.contains(&format) {
        let formats: Vec<_> = formats.iter().map(name).collect();
        bail!("{flag} is not for {}, but for {}; leave it out", name(&format), formats.join(", "));
    }
    Ok(value)
}

/// What the user calls a format.
fn name<F: ValueEnum>(format: &F) -> String {
    format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
