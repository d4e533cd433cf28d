//! `byteedit demo`: the bundled photographs edited by the built-in model, to be looked at.

mod plan;
mod sheet;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use byteedit_edit::{EditRequest, EditedPicture};
use byteedit_image::{Effort, Encoding, Format, Limits, Picture, encode};
use serde::Serialize;

use self::plan::DemoEdit;
use self::sheet::{Pair, contact_sheet};
use super::paint::Painter;
use crate::args::DemoArgs;
use crate::exit::ExitStatus;
use crate::files;
use crate::printer::Printer;

/// The pictures at a glance.
const SHEET: &str = "contact-sheet.png";
/// The pictures with what was asked for.
const INDEX: &str = "index.md";

/// One edit, as the index and the JSON tell it.
#[derive(Debug, Serialize)]
struct Shown {
    what: String,
    before: PathBuf,
    after: PathBuf,
}

/// Does every edit of the plan and writes pairs, contact sheet and index.
///
/// # Errors
/// A program without a model, or a folder that cannot be written.
pub(super) fn demo(args: DemoArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let DemoArgs { out, model, json } = args;
    let edits = plan::edits()?;
    files::create_folder(&out)?;
    let painter = Painter::load(&model.model, model.device.as_deref(), printer)?;
    let begin = Instant::now();
    let (mut shown, mut pairs) = (Vec::new(), Vec::new());
    for (index, edit) in edits.iter().enumerate() {
        let before = edit.picture()?;
        let after = paint(edit, &before, &painter)?;
        shown.push(write_pair(edit, index + 1, &after, &out)?);
        pairs.push(Pair::new(edit, &before, &after.picture));
    }
    let sheet = contact_sheet(&pairs)?;
    let encoding = Encoding::new(Format::Png).with_effort(Effort::Small);
    files::write(&out.join(SHEET), &encode(&sheet, &encoding)?)?;
    files::write(&out.join(INDEX), index_markdown(&shown, &painter.model.info().name).as_bytes())?;
    tell(&shown, &out, json, begin.elapsed().as_secs_f64(), printer)?;
    Ok(ExitStatus::Done)
}

fn paint(edit: &DemoEdit, before: &Picture, painter: &Painter<'_>) -> anyhow::Result<EditedPicture> {
    let task = edit.task(before.size())?;
    let settings = edit.settings(task.kind(), &painter.model.info().defaults());
    let request = EditRequest::new(before.clone(), task, settings, Limits::default())?;
    let result = painter.edit(&request, &edit.describe())?;
    result.pictures.into_iter().next().context("an edit of one seed made no picture; this is a bug")
}

/// The photograph as it is bundled, and the edited one.
fn write_pair(edit: &DemoEdit, number: usize, after: &EditedPicture, out: &Path) -> anyhow::Result<Shown> {
    let name = format!("{number:02}-{}-{}", edit.stem(), edit.verb());
    let (before_file, after_file) = (format!("{name}-before.jpg"), format!("{name}-after.png"));
    files::write(&out.join(&before_file), edit.photograph()?)?;
    files::write(&out.join(&after_file), &after.encode(Format::Png)?)?;
    Ok(Shown { what: edit.describe(), before: before_file.into(), after: after_file.into() })
}

fn index_markdown(shown: &[Shown], model: &str) -> String {
    let row = |Shown { what, before, after }: &Shown| {
        format!("| {what} | ![before]({}) | ![after]({}) |\n", before.display(), after.display())
    };
    let rows: Vec<_> = shown.iter().map(row).collect();
    format!(
        "# Edits by the model `{model}`\n\n![all of them]({SHEET})\n\nOutside the mask every sample is that of the \
         photograph. Each result carries its settings in its `parameters` text.\n\n| what | before | after |\n\
         | --- | --- | --- |\n{}",
        rows.concat()
    )
}

fn tell(shown: &[Shown], out: &Path, json: bool, seconds: f64, printer: &Printer) -> anyhow::Result<()> {
    let (sheet, index) = (out.join(SHEET), out.join(INDEX));
    if json {
        return printer.json(&serde_json::json!({
            "contact_sheet": sheet.display().to_string(), "index": index.display().to_string(), "edits": shown,
            "seconds": seconds,
        }));
    }
    printer.note(format_args!("{} edits in {seconds:.0} s; look at the contact sheet first", shown.len()));
    printer.result(sheet.display())?;
    printer.result(index.display())
}
