//! Samples as files: pictures a person can look at, and a folder that `FolderDataset` reads.

use std::path::Path;

use image::ImageFormat;
use serde::Serialize;

use super::{Sample, SampleSpec, World};
use crate::folder::METADATA;
use crate::mask::{MaskKind, Rect};
use crate::picture_io::{dynamic_from_mask, dynamic_from_rgb, encode, write};
use crate::{ColorWord, DataError, Result};

/// One line of `metadata.jsonl`.
#[derive(Serialize)]
struct Line<'a> {
    file_name: String,
    text: &'a str,
    mask: String,
    input: String,
    object: Option<&'a str>,
    color: Option<ColorWord>,
    object_box: Option<Rect>,
    photo: &'a str,
    mask_kind: MaskKind,
}

/// Writes samples `0..count` of `spec` under `out`: `00000/{input,mask,truth}.png` and so on, and a
/// `metadata.jsonl` whose `file_name` is the truth, so that the folder serves as training data too.
///
/// # Errors
/// [`DataError::Size`] for a bad side, [`DataError::Io`] where a file cannot be written.
pub fn write_samples(out: &Path, world: &World, spec: &SampleSpec, count: u64) -> Result<()> {
    let mut lines = String::new();
    for index in 0..count {
        let name = format!("{index:05}");
        let folder = out.join(&name);
        std::fs::create_dir_all(&folder).map_err(DataError::writing(&folder))?;
        let sample = world.sample(spec, index)?;
        let line = serde_json::to_string(&describe(&name, &sample)).map_err(|error| DataError::Io {
            action: "write",
            path: out.join(METADATA),
            source: error.into(),
        })?;
        lines.push_str(&line);
        lines.push('\n');
        let Sample { input, edit_mask, truth, .. } = sample;
        for (file, picture) in [
            ("input.png", dynamic_from_rgb(input)),
            ("mask.png", dynamic_from_mask(edit_mask)),
            ("truth.png", dynamic_from_rgb(truth)),
        ] {
            write(&folder.join(file), &encode(&picture, ImageFormat::Png, file)?)?;
        }
    }
    write(&out.join(METADATA), lines.as_bytes())
}

fn describe<'a>(name: &str, sample: &'a Sample) -> Line<'a> {
    let object = sample.object.as_ref();
    Line {
        file_name: format!("{name}/truth.png"),
        text: &sample.caption,
        mask: format!("{name}/mask.png"),
        input: format!("{name}/input.png"),
        object: object.map(|object| object.name.as_str()),
        color: object.and_then(|object| object.color),
        object_box: object.map(|object| object.rect),
        photo: &sample.photo,
        mask_kind: sample.mask_kind,
    }
}
