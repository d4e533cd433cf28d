//! Objects from the Fluent emoji 3D package.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Credit, read_source};
use crate::picture_io::rgba_from_bytes;
use crate::{DataError, Result, Rgba8};

/// The licence that the package must state.
const LICENCE: &str = "MIT";

/// The opened package.
pub(super) struct Fluent {
    assets: PathBuf,
    /// Official names by emoji.
    names: HashMap<String, Name>,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct Manifest {
    license: String,
}

impl Fluent {
    pub(super) fn open(from: &Path) -> Result<Self> {
        let path = from.join("fluent-emoji-3d/package/package.json");
        let manifest: Manifest =
            serde_json::from_slice(&read_source(&path)?).map_err(|error| DataError::source(&path, error))?;
        if manifest.license != LICENCE {
            let reason = format!("its licence is {}, not {LICENCE}", manifest.license);
            return Err(DataError::source(&path, reason));
        }
        let path = from.join("unicode-emoji-json/package/data-by-emoji.json");
        let names =
            serde_json::from_slice(&read_source(&path)?).map_err(|error| DataError::source(&path, error))?;
        Ok(Self { assets: from.join("fluent-emoji-3d/package/assets"), names })
    }

    /// The picture of an emoji, given by its code points.
    pub(super) fn object(&self, points: &str) -> Result<(Rgba8, Credit)> {
        let path = self.assets.join(format!("{points}.webp"));
        let picture = rgba_from_bytes(&read_source(&path)?, points)?;
        let emoji: Option<String> = points
            .split('-')
            .map(|point| u32::from_str_radix(point, 16).ok().and_then(char::from_u32))
            .collect();
        let emoji = emoji.ok_or_else(|| DataError::source(&path, "its name is not made of code points"))?;
        // The name list writes some emoji with, some without the selector of the pictorial form.
        let name = [emoji.clone(), format!("{emoji}\u{fe0f}")].iter().find_map(|key| self.names.get(key));
        let title = name.map_or_else(|| points.to_owned(), |entry| entry.name.clone());
        Ok((picture, Credit { title, creator: "Microsoft".to_owned() }))
    }
}
