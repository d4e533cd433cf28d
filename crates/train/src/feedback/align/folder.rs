//! A folder of pictures with captions, as CLIP sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::slice;
use std::sync::atomic::AtomicBool;
use std::time::UNIX_EPOCH;

use burn::tensor::{Device, Tensor};
use byteedit_data::captions;
use byteedit_data::folder::{Described, METADATA};
use byteedit_data::preference::{SkipBad, Skipped};
use byteedit_data::{DataError, FolderDataset};
use byteedit_reward::ClipPair;
use rayon::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::ALIGN;
use super::config::{FolderAlignConfig, FolderAlignReport};
use super::exchange::{Caption, Looked, chosen, cosine};
use super::kept::{Features, KeptSights, Sight, Sights};
use crate::files::hex;
use crate::progress::Progress;
use crate::reward::seen::{Seen, preprocessed};
use crate::training::Stop;
use crate::{Result, TrainError};

/// Most pictures that go through CLIP at once, and captions.
const BATCH: usize = 16;
/// One picture in so many ends a batch, by its name: so those behind a line that was added or left out are the same as before.
const BOUNDARY: u8 = 12;
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
    /// What tells it from all others, such as a hash of its files: what another one has seen is not used.
    pub clip_hash: &'a str,
    /// Where it is.
    pub device: &'a Device,
    /// Where and how it computes, as far as that changes what it sees: what was seen otherwise is not used.
    pub arithmetic: &'a str,
    /// Lines of either file that may be bad; they are left out, and told.
    pub skip_bad: usize,
}

/// Writes `align.jsonl` into a folder of pictures: those that fit their captions badly, with a better one, and hard negatives.
/// The features of all pictures and of all better captions are in memory, 3 kB for each with ViT-L/14, and its time grows with
/// the product of the number of corrected pictures and that of all.
///
/// What CLIP makes of the pictures is kept in the folder, below [`ALIGN_KEPT`](super::ALIGN_KEPT), batch by batch: the same call
/// goes on after the last that it has seen, whenever it was stopped, to the same file. Batches with a picture or a caption that
/// has changed are looked at again.
///
/// Returns `None` if it was asked to stop.
///
/// # Errors
/// A number out of range, files with more bad lines than may be left out, pictures that cannot be read among them, a folder in
/// which no badly matched picture has a better caption or another process does the same, a file that cannot be written.
pub fn align_folder(
    config: &FolderAlignConfig,
    inputs: &FolderAlignInputs<'_>,
    progress: &mut dyn Progress,
    stop: &AtomicBool,
) -> Result<Option<FolderAlignReport>> {
    config.validate()?;
    let (skip, stop) = (SkipBad { limit: inputs.skip_bad }, Stop(stop));
    let (mut skipped, mut skipped_better) = (Skipped::new(skip), Skipped::new(skip));
    let data = FolderDataset::open_skipping(inputs.folder, &mut skipped)?;
    let names: BTreeSet<&str> = data.described().map(|it| it.file_name).collect();
    let better = captions::read_better(inputs.better_captions, &names, &mut skipped_better)?;
    let captioned = captioned(&data, &better);
    let Some(looked) = looked(inputs, &captioned, &mut skipped, progress, stop)? else { return Ok(None) };
    for bad in skipped.errors().iter().chain(skipped_better.errors()) {
        progress.on_warning(&format!("skipped {bad}"));
    }
    warn_of_long_captions(inputs.clip, &looked, progress);
    let Some((records, report)) = chosen(config, &looked, stop) else { return Ok(None) };
    if report.n_corrected == 0 {
        let FolderAlignReport { n_pictures, n_mismatched, cut, .. } = report;
        let value = format!("0 of {n_pictures}, {n_mismatched} of which have a CLIPScore up to {cut:.3}");
        let limit = "1 or more: name better captions for more of these, or raise max_score or lowest_share";
        return Err(TrainError::config("the number of pictures with a better caption", value, limit));
    }
    captions::write(&inputs.folder.join(ALIGN), &records)?;
    warn_of_style(config, &report, progress);
    Ok(Some(report))
}

/// A picture with the caption that it has, and another one, if there is one.
#[derive(Clone, Copy, Debug)]
struct Captioned<'a> {
    picture: Described<'a>,
    other: Option<&'a str>,
}

impl<'a> Captioned<'a> {
    /// With what CLIP makes of it.
    fn looked_at(self, sight: Sight) -> Looked<'a> {
        let Self { picture, other } = self;
        Looked {
            image: picture.file_name,
            given: picture.text,
            given_score: sight.given_score,
            better: other.zip(sight.other).map(|(text, Features(features))| Caption { text, features }),
            features: sight.features.0,
        }
    }
}

/// Every picture that has a caption.
fn captioned<'a>(data: &'a FolderDataset, better: &'a BTreeMap<String, String>) -> Vec<Captioned<'a>> {
    let described = data.described().filter(|it| !it.text.trim().is_empty());
    let both = |picture: Described<'a>| {
        let other = better.get(picture.file_name).map(String::as_str);
        Captioned { picture, other: other.filter(|text| *text != picture.text) }
    };
    described.map(both).collect()
}

/// Looks at every picture and reads its captions, unless that was done before; `None` if it is asked to stop.
fn looked<'a>(
    inputs: &FolderAlignInputs<'_>,
    captioned: &[Captioned<'a>],
    skipped: &mut Skipped,
    progress: &mut dyn Progress,
    stop: Stop<'_>,
) -> Result<Option<Vec<Looked<'a>>>> {
    let mut kept = KeptSights::open(inputs)?;
    let description = inputs.folder.join(METADATA);
    let (mut looked, mut n_done) = (Vec::with_capacity(captioned.len()), 0);
    for batch in batches(captioned) {
        progress.on_prepare("looking at pictures and captions", n_done, captioned.len());
        if stop.is_asked() {
            return Ok(None);
        }
        n_done += batch.len();
        let key = key(inputs.folder, batch);
        let sights = match kept.take(&key) {
            Some(sights) => sights,
            None => added(inputs, batch, key, &mut kept)?,
        };
        for (it, sight) in batch.iter().zip(sights) {
            match sight {
                Ok(sight) => looked.push(it.looked_at(sight)),
                Err(reason) => skipped.pass_over(&description, it.picture.line, reason)?,
            }
        }
    }
    progress.on_prepare("looking at pictures and captions", n_done, captioned.len());
    Ok(Some(looked))
}

/// What goes through CLIP together.
fn batches<'b, 'a>(captioned: &'b [Captioned<'a>]) -> impl Iterator<Item = &'b [Captioned<'a>]> {
    let ends = |it: &Captioned<'_>| Sha256::digest(it.picture.file_name)[0].is_multiple_of(BOUNDARY);
    captioned.chunk_by(move |it, _| !ends(it)).flat_map(|between| between.chunks(BATCH))
}

/// A hash of all that a batch depends on besides CLIP.
fn key(folder: &Path, batch: &[Captioned<'_>]) -> String {
    let one = |Captioned { picture, other }: &Captioned<'_>| {
        let about = fs::metadata(folder.join(picture.file_name)).ok();
        let n_bytes = about.as_ref().map(fs::Metadata::len);
        let changed = about.and_then(|about| about.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        let changed = changed.map(|time| time.as_nanos().to_string());
        json!([picture.file_name, n_bytes, changed, picture.text, other])
    };
    let facts: Value = batch.iter().map(one).collect();
    hex(&Sha256::digest(facts.to_string()))
}

/// What CLIP makes of a batch that it has not seen, added to what is kept.
fn added(
    inputs: &FolderAlignInputs<'_>,
    batch: &[Captioned<'_>],
    key: String,
    kept: &mut KeptSights,
) -> Result<Sights> {
    let folder = inputs.folder;
    let opened: Vec<_> = batch.par_iter().map(|it| Seen::open(folder, it.picture.file_name, None)).collect();
    let sights = sights(inputs, batch, &opened)?;
    // What the system refuses now it may give later.
    let is_refused = |opened: &Result<Seen>| matches!(opened, Err(TrainError::Data(DataError::Io { .. })));
    if !opened.iter().any(is_refused) {
        kept.add(key, &sights)?;
    }
    Ok(sights)
}

/// What CLIP makes of the pictures that could be opened and of their captions, and why the others could not.
fn sights(
    inputs: &FolderAlignInputs<'_>,
    batch: &[Captioned<'_>],
    opened: &[Result<Seen>],
) -> Result<Sights> {
    let FolderAlignInputs { clip, device, .. } = *inputs;
    let (readable, pictures): (Vec<&Captioned<'_>>, Vec<&Seen>) =
        batch.iter().zip(opened).filter_map(|(it, opened)| Some((it, opened.as_ref().ok()?))).unzip();
    let features = picture_features(&pictures, clip, device)?;
    let given = text_features(readable.iter().map(|it| it.picture.text), clip, device);
    let mut of_others = text_features(readable.iter().filter_map(|it| it.other), clip, device).into_iter();
    let sights = readable.iter().zip(features).zip(given).map(|((it, features), given)| Sight {
        given_score: cosine(&features, &given),
        other: it.other.and_then(|_| of_others.next()).map(Features),
        features: Features(features),
    });
    let mut sights = sights.map(Ok);
    let one = |opened: &Result<Seen>| match opened {
        Ok(_) => sights.next(),
        Err(error) => Some(Err(error.to_string())),
    };
    Ok(opened.iter().filter_map(one).collect())
}

fn picture_features(pictures: &[&Seen], clip: &ClipPair, device: &Device) -> Result<Vec<Vec<f32>>> {
    if pictures.is_empty() {
        return Ok(Vec::new());
    }
    Ok(rows(clip.picture_features(seen_by(clip, pictures, device)?)))
}

/// Pictures of any sizes as CLIP takes them, one after the other: at their own size they need most of the memory.
///
/// # Shapes
/// - returns `[batch, 3, image_size, image_size]`
fn seen_by(clip: &ClipPair, pictures: &[&Seen], device: &Device) -> Result<Tensor<4>> {
    let one = |picture: &Seen| {
        preprocessed(slice::from_ref(picture), device, |shown| Ok(clip.preprocess(shown.pixels())))
    };
    Ok(Tensor::cat(pictures.iter().copied().map(one).collect::<Result<Vec<_>>>()?, 0))
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
