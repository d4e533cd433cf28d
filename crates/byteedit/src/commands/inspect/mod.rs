//! `byteedit inspect`: what a model or a weight file consists of, from its headers alone.

mod place;
mod report;
mod weights;

use std::path::{Path, PathBuf};

use anyhow::bail;

use self::place::Place;
use self::report::ModelReport;
use self::weights::Weights;
use crate::args::InspectArgs;
use crate::exit::ExitStatus;
use crate::model::{BUILT_IN, check_built_in};
use crate::printer::Printer;

/// Describes `mini`, a model folder or one weight file.
///
/// # Errors
/// Something else, or files that are broken.
pub(super) fn inspect(args: InspectArgs, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let InspectArgs { target, json } = args;
    let path = Path::new(&target);
    if path.is_file() {
        let weights = Weights::of_file(path)?;
        printer.answer(json, &weights, weights.lines())?;
        return Ok(ExitStatus::Done);
    }
    let report = ModelReport::of(&place(&target)?)?;
    printer.answer(json, &report, report.lines())?;
    Ok(ExitStatus::Done)
}

fn place(target: &str) -> anyhow::Result<Place> {
    if target == BUILT_IN {
        check_built_in()?;
        return Ok(Place::BuiltIn);
    }
    let folder = PathBuf::from(target);
    if !folder.is_dir() {
        bail!("there is no file or folder {target}; name a model folder, a .safetensors file or mini");
    }
    Ok(Place::Folder(folder))
}
