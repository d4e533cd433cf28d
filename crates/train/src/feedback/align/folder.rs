//! A folder of pictures with captions, as CLIP sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::slice;

use burn::tensor::{Device, Tensor};
use byteedit_data::FolderDataset;
use byteedit_data::captions;
use byteedit_data::folder::{Described, METADATA};
use byteedit_data::preference::{SkipBad, Skipped};
use byteedit_reward::ClipPair;
use rayon::prelude::*;

use super::ALIGN;
use super::config::{FolderAlignConfig, FolderAlignReport};
use super::exchange::{Caption, Looked, chosen, cosine};
use crate::progress::Progress;
use crate::reward::seen::{Seen, preprocessed};
use crate::{Result, TrainError};

/// Pictures that go through CLIP at once, and captions.
const BATCH: usize = 16;
/// From this share of pairs on that are told by style alone, the user is warned: a shuffled-image control shows as much.
const MUCH_STYLE: f64 = 0.55;

/// What captions are taken from, and what tells how well they fit.
#[derive(Clone, Copy, Debug)]
pub struct FolderAlignInputs<'a> {
    /// The folder, whose `metadata.jsonl` has the captions that pictures were given. Masks in it do not matter.
    pub folder: &'a Path,
    /// The file of better captions, as [`captions::read_better`] reads it.
    pub better_captions: &'a Path,
    /// CLIP.
    pub clip: &'a ClipPair,
    /// Where it is.
    pub device: &'a Device,
    /// Lines of either file that may be bad; they are left out, and told.
    pub skip_bad: usize,
}

/// Writes `align.jsonl` into a folder of pictures: those that fit their captions badly, with a better one, and hard negatives.
/// The features of all pictures and of all better captions are in memory, 3 kB for each with ViT-L/14, and its time grows with
/// the product of the number of corrected pictures and that of all.
///
/// # Errors
/// A number out of range, files with more bad lines than may be left out, pictures that cannot be read among them, a folder in
/// which no badly matched picture has a better caption, a file that cannot be written.
pub fn align_folder(
    config: &FolderAlignConfig,
    inputs: &FolderAlignInputs<'_>,
    progress: &mut dyn Progress,
) -> Result<FolderAlignReport> {
    config.validate()?;
    let skip = SkipBad { limit: inputs.skip_bad };
    let (mut skipped, mut skipped_better) = (Skipped::new(skip), Skipped::new(skip));
    let data = FolderDataset::open_skipping(inputs.folder, &mut skipped)?;
    let names: BTreeSet<&str> = data.described().map(|it| it.file_name).collect();
    let better = captions::read_better(inputs.better_captions, &names, &mut skipped_better)?;
    let looked = looked(inputs, &data, &better, &mut skipped, progress)?;
    for bad in skipped.errors().iter().chain(skipped_better.errors()) {
        progress.on_warning(&format!("skipped {bad}"));
    }
    warn_of_long_captions(inputs.clip, &looked, progress);
    let (records, report) = chosen(config, &looked);
    if report.n_corrected == 0 {
        let FolderAlignReport { n_pictures, n_mismatched, cut, .. } = report;
        let value = format!("0 of {n_pictures}, {n_mismatched} of which have a CLIPScore up to {cut:.3}");
        let limit = "1 or more: name better captions for more of these, or raise max_score or lowest_share";
        return Err(TrainError::config("the number of pictures with a better caption", value, limit));
    }
    captions::write(&inputs.folder.join(ALIGN), &records)?;
    warn_of_style(config, &report, progress);
    Ok(report)
}

/// Looks at every picture that has a caption, and reads its captions.
fn looked<'a>(
    inputs: &FolderAlignInputs<'_>,
    data: &'a FolderDataset,
    better: &'a BTreeMap<String, String>,
    skipped: &mut Skipped,
    progress: &mut dyn Progress,
) -> Result<Vec<Looked<'a>>> {
    let FolderAlignInputs { folder, clip, device, .. } = *inputs;
    let described: Vec<Described<'a>> = data.described().filter(|it| !it.text.trim().is_empty()).collect();
    let description = folder.join(METADATA);
    let (mut looked, mut n_done) = (Vec::with_capacity(described.len()), 0);
    for some in described.chunks(BATCH) {
        progress.on_prepare("looking at pictures and captions", n_done, described.len());
        n_done += some.len();
        let opened: Vec<_> = some.par_iter().map(|it| Seen::open(folder, it.file_name, None)).collect();
        let (mut readable, mut pictures) = (Vec::new(), Vec::new());
        for (it, opened) in some.iter().zip(opened) {
            match opened {
                Ok(picture) => {
                    readable.push(*it);
                    pictures.push(picture);
                }
                Err(error) => skipped.pass_over(&description, it.line, error.to_string())?,
            }
        }
        if readable.is_empty() {
            continue;
        }
        let pictures = rows(clip.picture_features(seen_by(clip, &pictures, device)?));
        let given = text_features(readable.iter().map(|it| it.text), clip, device);
        let others: Vec<Option<&str>> = readable.iter().map(|it| other_caption(it, better)).collect();
        let mut of_others = text_features(others.iter().copied().flatten(), clip, device).into_iter();
        for (((it, other), features), given) in readable.into_iter().zip(others).zip(pictures).zip(given) {
            looked.push(Looked {
                image: it.file_name,
                given: it.text,
                given_score: cosine(&features, &given),
                better: other.and_then(|text| Some(Caption { text, features: of_others.next()? })),
                features,
            });
        }
    }
    progress.on_prepare("looking at pictures and captions", n_done, described.len());
    Ok(looked)
}

/// The better caption of a picture, if it is another than the given one.
fn other_caption<'a>(it: &Described<'a>, better: &'a BTreeMap<String, String>) -> Option<&'a str> {
    better.get(it.file_name).map(String::as_str).filter(|text| *text != it.text)
}

/// Pictures of any sizes as CLIP takes them, one after the other: at their own size they need most of the memory.
///
/// # Shapes
/// - returns `[batch, 3, image_size, image_size]`
fn seen_by(clip: &ClipPair, pictures: &[Seen], device: &Device) -> Result<Tensor<4>> {
    let one = |picture: &Seen| {
        preprocessed(slice::from_ref(picture), device, |shown| Ok(clip.preprocess(shown.pixels())))
    };
    Ok(Tensor::cat(pictures.iter().map(one).collect::<Result<Vec<_>>>()?, 0))
}

fn text_features<'a>(
    texts: impl Iterator<Item = &'a str>,
    clip: &ClipPair,
    device: &Device,
) -> Vec<Vec<f32>> {
    let texts: Vec<String> = texts.map(str::to_owned).collect();
    if texts.is_empty() { Vec::new() } else { rows(clip.text_features(&texts, device)) }
}

fn rows(features: Tensor<2>) -> Vec<Vec<f32>> {
    let [_, width] = features.dims();
    let values: Vec<f32> = features.into_data().iter::<f32>().collect();
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}

/// Says if who looks at no picture would do well.
fn warn_of_style(config: &FolderAlignConfig, report: &FolderAlignReport, progress: &mut dyn Progress) {
    if config.n_wrong == 0 {
        progress.on_warning(
            "n_wrong is 0: whoever knows the style of better captions tells all pairs without a picture; give 1 or more",
        );
    } else if report.by_style > MUCH_STYLE {
        progress.on_warning(&format!(
            "{:.2} of the pairs can be told by the style of the captions alone, without a picture: there are too few near \
             pictures to exchange captions with, or too few whose captions fit; add such, or raise n_near",
            report.by_style
        ));
    }
}

/// Says if the end of a caption counted for nothing.
fn warn_of_long_captions(clip: &ClipPair, looked: &[Looked<'_>], progress: &mut dyn Progress) {
    let others = looked.iter().filter_map(|it| it.better.as_ref()).map(|better| better.text);
    let mut long = looked
        .iter()
        .map(|it| it.given)
        .chain(others)
        .filter_map(|text| Some((text, clip.cuts_after(text)?)));
    if let Some((text, limit)) = long.next() {
        let n = 1 + long.count();
        progress.on_warning(&format!(
            "{n} captions have more than the {limit} tokens that CLIP reads, such as \"{text}\": their ends count for \
             nothing in how well they fit"
        ));
    }
}
