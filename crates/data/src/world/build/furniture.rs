//! Objects from the CC0 library of the furniture package: a zip with a catalogue of properties.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use super::{Credit, read_source};
use crate::picture_io::rgba_from_bytes;
use crate::{DataError, Result, Rgba8};

/// The catalogue's own statement, which the library must carry.
const LICENCE: &str = "Public domain";
/// No icon is larger.
const MAX_BYTES: u64 = 16 << 20;

/// The opened library.
pub(super) struct Furniture {
    path: PathBuf,
    archive: zip::ZipArchive<Cursor<Vec<u8>>>,
    /// Catalogue entries by the stem of their icon.
    entries: HashMap<String, Entry>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    name: String,
    creator: String,
    icon: String,
}

impl Furniture {
    pub(super) fn open(from: &Path) -> Result<Self> {
        let path = from.join("sweethome3d-furniture/usr/share/sweethome3d/furniture/BlendSwap-CC-0.sh3f");
        let mut archive = zip::ZipArchive::new(Cursor::new(read_source(&path)?))
            .map_err(|error| DataError::source(&path, error))?;
        let catalogue = member(&mut archive, &path, "PluginFurnitureCatalog.properties")?;
        let catalogue = String::from_utf8_lossy(&catalogue);
        if !catalogue.lines().any(|line| line.strip_prefix("license=") == Some(LICENCE)) {
            return Err(DataError::source(
                &path,
                format!("its catalogue does not state `license={LICENCE}`"),
            ));
        }
        let entries = parse(&catalogue);
        Ok(Self { path, archive, entries })
    }

    /// The icon with the given file stem.
    pub(super) fn object(&mut self, stem: &str) -> Result<(Rgba8, Credit)> {
        let entry = self
            .entries
            .get(stem)
            .ok_or_else(|| DataError::source(&self.path, format!("it has no icon {stem}")))?;
        let bytes = member(&mut self.archive, &self.path, entry.icon.trim_start_matches('/'))?;
        let credit = Credit { title: entry.name.clone(), creator: entry.creator.clone() };
        Ok((rgba_from_bytes(&bytes, stem)?, credit))
    }
}

fn member(archive: &mut zip::ZipArchive<Cursor<Vec<u8>>>, path: &Path, name: &str) -> Result<Vec<u8>> {
    let file = archive.by_name(name).map_err(|error| DataError::source(path, format!("{name}: {error}")))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(DataError::reading(path))?;
    Ok(bytes)
}

/// Lines such as `name#12=Oak chair`, gathered by number.
fn parse(catalogue: &str) -> HashMap<String, Entry> {
    let mut by_number: HashMap<&str, Entry> = HashMap::new();
    for line in catalogue.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        let Some((field, number)) = key.split_once('#') else { continue };
        let entry = by_number.entry(number).or_default();
        match field {
            "name" => value.trim().clone_into(&mut entry.name),
            "creator" => value.trim().clone_into(&mut entry.creator),
            "icon" => value.trim().clone_into(&mut entry.icon),
            _ => {}
        }
    }
    let stem = |icon: &str| icon.rsplit('/').next().unwrap_or(icon).trim_end_matches(".png").to_owned();
    let with_icon = by_number.into_values().filter(|entry| !entry.icon.is_empty());
    with_icon.map(|entry| (stem(&entry.icon), entry)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_read() {
        let text = "# comment=1\nname=Library\nname#1=Oak chair\nicon#1=/x/oakChair.png\ncreator#1=Ann\nicon#2=/x/b.png\n";
        let entries = parse(text);
        let chair = Entry { name: "Oak chair".into(), creator: "Ann".into(), icon: "/x/oakChair.png".into() };
        assert_eq!(entries["oakChair"], chair);
        assert_eq!(entries.len(), 2);
    }
}
