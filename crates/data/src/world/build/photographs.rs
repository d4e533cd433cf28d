//! The photographs: read from the resources, admitted by their notices, and scaled.

use std::collections::HashMap;
use std::path::Path;

use image::imageops::FilterType;

use super::super::photos::{DEMO, MIN_SHORT_SIDE, is_used, photo_name};
use super::notices::{Notice, parse};
use super::{qt_resource, read_source};
use crate::picture_io::{dynamic_from_rgb, jpeg, rgb_from_bytes, write};
use crate::{DataError, Result, Rgb8};

/// Resources that hold photographs.
const RESOURCES: [&str; 6] = [
    "categorization",
    "erase",
    "explore_farm_animals",
    "explore_monuments",
    "explore_world_animals",
    "explore_world_music",
];
/// Short side of a photograph in the pack, in pixels.
const PACK_SIDE: u32 = 256;
const PACK_QUALITY: u8 = 88;
/// Short side of a demo photograph, in pixels, and the most bytes its JPEG may take.
const DEMO_SIDE: u32 = 576;
const DEMO_BYTES: usize = 120_000;

/// A photograph that may be used.
pub(super) struct Photograph {
    /// Unique among the photographs, such as `monuments-tajMahal`.
    pub(super) id: String,
    /// Its name in the split, such as `tajMahal`.
    pub(super) name: String,
    pub(super) picture: Rgb8,
    pub(super) notice: Notice,
}

/// All photographs that are CC0 or public domain, large enough, wanted, and seen only once.
pub(super) fn collect(from: &Path) -> Result<Vec<Photograph>> {
    let mut found = Vec::new();
    for resource in RESOURCES {
        let path = from.join(format!("gcompris-qt-data/usr/share/gcompris-qt/rcc/{resource}.rcc"));
        let files =
            qt_resource::files(&read_source(&path)?).map_err(|reason| DataError::source(&path, reason))?;
        let files: HashMap<_, _> = files.into_iter().collect();
        for (readme, text) in files.iter().filter(|(path, _)| path.ends_with("/README")) {
            let folder = readme.trim_end_matches("/README");
            for notice in parse(&String::from_utf8_lossy(text)).into_iter().filter(Notice::is_accepted) {
                for file in &notice.files {
                    // A notice may outlive its file; what is not there needs no licence.
                    if let Some(bytes) = files.get(&format!("{folder}/{file}")) {
                        found.extend(photograph(folder, file, bytes, &notice)?);
                    }
                }
            }
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    let found = without_doubles(found);
    if found.is_empty() {
        return Err(DataError::source(from, "no photograph was found under gcompris-qt-data"));
    }
    Ok(found)
}

fn photograph(folder: &str, file: &str, bytes: &[u8], notice: &Notice) -> Result<Option<Photograph>> {
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".webp");
    let folder = folder.rsplit('/').next().unwrap_or(folder);
    let name = photo_name(folder, stem);
    if !is_used(&name) {
        return Ok(None);
    }
    let picture = rgb_from_bytes(bytes, file)?;
    if picture.width.min(picture.height) < MIN_SHORT_SIDE as usize {
        return Ok(None);
    }
    Ok(Some(Photograph { id: format!("{folder}-{name}"), name, picture, notice: notice.clone() }))
}

/// Of the photographs with one source, only the largest.
fn without_doubles(photographs: Vec<Photograph>) -> Vec<Photograph> {
    let area = |photograph: &Photograph| photograph.picture.width * photograph.picture.height;
    let mut largest: HashMap<String, usize> = HashMap::new();
    for photograph in &photographs {
        if let Some(source) = &photograph.notice.source {
            let most = largest.entry(source.clone()).or_default();
            *most = area(photograph).max(*most);
        }
    }
    let is_largest = |photograph: &Photograph| {
        photograph.notice.source.as_ref().is_none_or(|source| largest[source] == area(photograph))
    };
    photographs.into_iter().filter(is_largest).collect()
}

/// The photograph as the pack holds it.
pub(super) fn thumbnail(photograph: &Photograph) -> Result<Vec<u8>> {
    jpeg(&scaled(&photograph.picture, PACK_SIDE), PACK_QUALITY, &photograph.id)
}

/// Writes the demo's photographs into `folder` and returns how many there are.
pub(super) fn write_demo(photographs: &[Photograph], folder: &Path) -> Result<usize> {
    let wanted = photographs.iter().filter(|photograph| DEMO.contains(&photograph.name.as_str()));
    let mut count = 0;
    for photograph in wanted {
        let picture = scaled(&photograph.picture, DEMO_SIDE);
        let bytes = fit(&picture, &photograph.id)?;
        write(&folder.join(format!("{}.jpg", photograph.name)), &bytes)?;
        count += 1;
    }
    Ok(count)
}

/// The best JPEG that fits into [`DEMO_BYTES`]; at quality 40 the size is taken as it comes.
fn fit(picture: &Rgb8, name: &str) -> Result<Vec<u8>> {
    for quality in (45..=90).rev().step_by(5) {
        let bytes = jpeg(picture, quality, name)?;
        if bytes.len() <= DEMO_BYTES {
            return Ok(bytes);
        }
    }
    jpeg(picture, 40, name)
}

/// The picture with a short side of at most `side`.
fn scaled(picture: &Rgb8, side: u32) -> Rgb8 {
    let (width, height) = (picture.width as u32, picture.height as u32);
    let short = width.min(height);
    if short <= side {
        return picture.clone();
    }
    let scale = |length: u32| (f64::from(length) * f64::from(side) / f64::from(short)).round() as u32;
    let resized =
        dynamic_from_rgb(picture.clone()).resize_exact(scale(width), scale(height), FilterType::Lanczos3);
    Rgb8 {
        width: resized.width() as usize,
        height: resized.height() as usize,
        data: resized.into_rgb8().into_raw(),
    }
}
