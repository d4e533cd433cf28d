//! The pack: one tar file that holds the whole world.
//!
//! `tar tf world.pack` lists it. First comes `index.json`, an [`Index`]; then one lossless WebP per
//! rendering (cropped to its alpha, at most 128 px) and one JPEG per photograph (short side at most
//! 256 px). Entries are written in a fixed order without times or owners, so the same sources give
//! the same bytes.

use std::collections::HashMap;
use std::io::Read;

use serde::{Deserialize, Serialize};

use super::Split;
use crate::{DataError, Result};

/// Version of the layout; a reader refuses others.
pub(crate) const VERSION: u32 = 1;
/// Name of the index entry.
const INDEX: &str = "index.json";
/// An entry beyond this is not one of ours.
const MAX_ENTRY_BYTES: u64 = 64 << 20;

/// What the pack holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    pub(crate) version: u32,
    pub(crate) concepts: Vec<ConceptEntry>,
    pub(crate) photos: Vec<PhotoEntry>,
}

/// A word and its renderings.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConceptEntry {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) renderings: Vec<RenderingEntry>,
}

/// One picture of a concept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RenderingEntry {
    pub(crate) file: String,
    /// Never shown in training.
    pub(crate) held_out: bool,
}

/// One photograph.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PhotoEntry {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) split: Split,
}

/// An unpacked pack: its index, and the bytes of each picture by file name.
pub(crate) struct Pack {
    pub(crate) index: Index,
    pub(crate) files: HashMap<String, Vec<u8>>,
}

impl Pack {
    /// Bytes of the tar file, pictures in the order of the index.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        archive.mode(tar::HeaderMode::Deterministic);
        let index = serde_json::to_vec_pretty(&self.index).map_err(DataError::pack)?;
        append(&mut archive, INDEX, &index)?;
        let renderings = self.index.concepts.iter().flat_map(|concept| &concept.renderings);
        let names =
            renderings.map(|entry| &entry.file).chain(self.index.photos.iter().map(|entry| &entry.file));
        for name in names {
            append(&mut archive, name, self.file(name)?)?;
        }
        archive.into_inner().map_err(DataError::pack)
    }

    /// Reads a tar file made by [`Pack::to_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut files = HashMap::new();
        for entry in tar::Archive::new(bytes).entries().map_err(DataError::pack)? {
            let entry = entry.map_err(DataError::pack)?;
            let name = entry.path().map_err(DataError::pack)?.to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.take(MAX_ENTRY_BYTES).read_to_end(&mut content).map_err(DataError::pack)?;
            files.insert(name, content);
        }
        let json = files.remove(INDEX).ok_or_else(|| DataError::pack("it has no index.json"))?;
        let index: Index = serde_json::from_slice(&json).map_err(DataError::pack)?;
        if index.version != VERSION {
            let reason =
                format!("its layout is version {}, this program reads version {VERSION}", index.version);
            return Err(DataError::pack(reason));
        }
        Ok(Self { index, files })
    }

    /// The bytes of one picture.
    pub(crate) fn file(&self, name: &str) -> Result<&[u8]> {
        let bytes = self.files.get(name).ok_or_else(|| DataError::pack(format!("{name} is missing")))?;
        Ok(bytes)
    }
}

fn append(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, bytes).map_err(DataError::pack)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(version: u32) -> Pack {
        let rendering = RenderingEntry { file: "objects/a.webp".to_owned(), held_out: false };
        let concept =
            ConceptEntry { name: "apple".to_owned(), group: "food".to_owned(), renderings: vec![rendering] };
        let photo = PhotoEntry { file: "p.jpg".to_owned(), name: "p".to_owned(), split: Split::Test };
        let files = [("objects/a.webp", vec![1, 2, 3]), ("p.jpg", vec![4; 2000])];
        Pack {
            index: Index { version, concepts: vec![concept], photos: vec![photo] },
            files: files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect(),
        }
    }

    #[test]
    fn a_pack_round_trips_and_is_reproducible() {
        let bytes = pack(VERSION).to_bytes().unwrap();
        assert_eq!(bytes, pack(VERSION).to_bytes().unwrap());
        let back = Pack::from_bytes(&bytes).unwrap();
        assert_eq!(back.files, pack(VERSION).files);
        assert_eq!(back.index.concepts[0].renderings[0].file, "objects/a.webp");
        assert_eq!(back.index.photos[0].split, Split::Test);
    }

    #[test]
    fn damage_is_an_error() {
        let message = |bytes: &[u8]| Pack::from_bytes(bytes).err().unwrap().to_string();
        let good = pack(VERSION).to_bytes().unwrap();
        assert!(message(b"").contains("no index.json"));
        assert!(message(&[7; 1024]).contains("not usable"));
        assert!(message(&good[..good.len() - 1800]).contains("not usable"));
        assert!(message(&pack(99).to_bytes().unwrap()).contains("version 99"));
        assert!(
            Pack::from_bytes(&good)
                .unwrap()
                .file("other")
                .unwrap_err()
                .to_string()
                .contains("other is missing")
        );
    }
}
