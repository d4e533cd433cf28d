//! What is to be scored: pictures, folders of them, and the candidates of preference records.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use byteedit_data::preference::{PreferenceRecord, Reader, SkipBad};
use byteedit_image::Format;

use crate::args::{MaskModeArg, MaskSource};
use crate::files;
use crate::printer::Printer;
use crate::settings::MaskChoice;

/// One picture, and what was asked for in it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) path: PathBuf,
    /// Empty where nothing was asked for.
    pub(super) prompt: String,
    /// What was repainted; all of it where there is none.
    pub(super) mask: Option<MaskChoice>,
    /// Of a record: its task, and the candidate's number, counted from 0.
    pub(super) candidate: Option<(String, usize)>,
}

/// Everything that was named, in its order. Prompt and mask are those of pictures; records have their own.
///
/// # Errors
/// A folder without a picture, a file without a record or with too many bad lines, and a prompt or a mask for records.
pub(super) fn all(
    names: &[PathBuf],
    prompt: Option<&str>,
    mask: Option<&MaskChoice>,
    skip: SkipBad,
    printer: &Printer,
) -> anyhow::Result<Vec<Asked>> {
    let picture = |path: PathBuf| Asked {
        path,
        prompt: prompt.unwrap_or_default().to_owned(),
        mask: mask.cloned(),
        candidate: None,
    };
    let mut all = Vec::new();
    for name in names {
        if name.is_dir() {
            all.extend(pictures_in(name)?.into_iter().map(picture));
        } else if !is_records(name) {
            all.push(picture(name.clone()));
        } else if prompt.is_some() || mask.is_some() {
            bail!("{} has prompts and masks of its own; leave --prompt and --mask out", name.display());
        } else {
            all.extend(candidates_of(name, skip, printer)?);
        }
    }
    Ok(all)
}

fn is_records(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("jsonl"))
}

/// The pictures of a folder, by name.
fn pictures_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = || format!("the folder {} cannot be read", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let extension = path.extension().map(|extension| extension.to_string_lossy());
        let is_picture = extension.is_some_and(|extension| Format::from_extension(&extension).is_some());
        if is_picture && path.is_file() {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("{} holds no picture; name a folder with png, webp or jpg files in it", folder.display());
    }
    found.sort();
    Ok(found)
}

/// The candidates of every record. Lines that were passed over are listed.
fn candidates_of(file: &Path, skip: SkipBad, printer: &Printer) -> anyhow::Result<Vec<Asked>> {
    let folder = files::folder_of(file);
    let mut reader = Reader::open(file, skip)?;
    let mut found = Vec::new();
    for numbered in reader.by_ref() {
        let PreferenceRecord { task_id, source, prompt, candidates, .. } = numbered?.record;
        let mask = source.map(|source| MaskChoice {
            sources: vec![MaskSource::File(folder.join(source.mask))],
            mode: MaskModeArg::White,
        });
        found.extend(candidates.into_iter().enumerate().map(|(number, candidate)| Asked {
            path: folder.join(candidate.path),
            prompt: prompt.clone(),
            mask: mask.clone(),
            candidate: Some((task_id.clone(), number)),
        }));
    }
    for bad in reader.skipped() {
        printer.warn(format_args!("skipped {bad}"));
    }
    if found.is_empty() {
        bail!("{} holds no record; name a file with one on each line", file.display());
    }
    Ok(found)
}
