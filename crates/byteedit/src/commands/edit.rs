//! `byteedit edit`, `erase` and `outpaint`.

use super::concepts::{NamedConcept, print_concepts};
use super::paint::{Painter, Prepared};
use crate::args::{EditArgs, EraseArgs, OutpaintArgs};
use crate::exit::ExitStatus;
use crate::model;
use crate::printer::Printer;
use crate::settings::{EditSettings, PaintSettings, device};

/// Paints what a prompt says, or lists what the model was taught.
///
/// # Errors
/// Anything that the user named and that cannot be used.
pub(super) fn edit(args: EditArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    match EditSettings::resolve(args)? {
        EditSettings::Paint(settings) => paint(*settings, printer),
        EditSettings::ListConcepts { model, device: name, json } => {
            let model = model::load(&model, &device(name.as_deref())?)?;
            list(&model, json, printer)
        }
    }
}

/// Removes what is under the mask.
///
/// # Errors
/// As [`edit`].
pub(super) fn erase(args: EraseArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    paint(PaintSettings::resolve_erase(args)?, printer)
}

/// Continues a picture beyond its sides.
///
/// # Errors
/// As [`edit`].
pub(super) fn outpaint(args: OutpaintArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    paint(PaintSettings::resolve_outpaint(args)?, printer)
}

fn paint(settings: PaintSettings, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let PaintSettings { job, model, loras, device, json } = settings;
    let prepared = Prepared::new(&job, printer)?;
    let painter = Painter::load(&model, device.as_deref(), printer)?.with_loras(&loras)?;
    let report = painter.paint(&job, prepared, &mut |_| Ok(()))?;
    printer.note(report.summary());
    printer.answer(json, &report, report.paths())?;
    Ok(ExitStatus::Done)
}

fn list(model: &byteedit_edit::EditModel, json: bool, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let concepts = model.concepts().iter();
    let concepts: Vec<_> =
        concepts.map(|concept| NamedConcept { name: &concept.name, group: &concept.group }).collect();
    if concepts.is_empty() {
        printer.note("this model does not say what it was taught; any prompt may work");
    }
    print_concepts(&concepts, json, printer)?;
    Ok(ExitStatus::Done)
}
