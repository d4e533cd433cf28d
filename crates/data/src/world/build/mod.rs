//! Building the pack from the packages that `scripts/fetch-world-sources.sh` fetches.
//!
//! | folder under the sources | package | what is taken | licence |
//! |---|---|---|---|
//! | `fluent-emoji-3d` | npm `@lobehub/fluent-emoji-3d` | objects | MIT |
//! | `unicode-emoji-json` | npm `unicode-emoji-json` | the objects' official names, for the credits | MIT |
//! | `sweethome3d-furniture` | Debian `sweethome3d-furniture` | objects of `BlendSwap-CC-0.sh3f` alone | CC0 |
//! | `gcompris-qt-data` | Debian `gcompris-qt-data` | photographs that their folder's README states to be CC0 or public domain | CC0, public domain |

mod credits;
mod fluent;
mod furniture;
mod notices;
mod objects;
mod photographs;
mod qt_resource;

use std::collections::HashMap;
use std::path::Path;

use super::Split;
use super::concepts::{CONCEPTS, Source};
use super::pack::{ConceptEntry, Index, Pack, PhotoEntry, RenderingEntry, VERSION};
use crate::picture_io::write;
use crate::{DataError, Result, Rgba8};
use credits::Credits;
use fluent::Fluent;
use furniture::Furniture;
use photographs::Photograph;

/// What a build made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildReport {
    /// Size of the pack in bytes.
    pub pack_bytes: usize,
    /// Number of concepts.
    pub n_concepts: usize,
    /// Number of renderings, held-out ones included.
    pub n_renderings: usize,
    /// Number of photographs of train, validation and test.
    pub n_photos: [usize; 3],
    /// Number of demo photographs written.
    pub n_demo_photos: usize,
}

/// Where a rendering comes from and who made it.
struct Credit {
    /// What the source calls it.
    title: String,
    /// Its creator, as the source states it.
    creator: String,
}

/// Reads the sources under `from` and writes `world/world.pack`, `world/CREDITS.md` and the demo's
/// `photos/*.jpg` under `out`.
///
/// # Errors
/// [`DataError::Source`] for a source that is missing, not as expected, or not of an accepted
/// licence; [`DataError::Io`] where files cannot be read or written.
pub fn build(from: &Path, out: &Path) -> Result<BuildReport> {
    let (fluent, mut furniture) = (Fluent::open(from)?, Furniture::open(from)?);
    let photographs = photographs::collect(from)?;
    let mut pack = Pack {
        index: Index { version: VERSION, concepts: Vec::new(), photos: Vec::new() },
        files: HashMap::new(),
    };
    let mut credits = Credits::default();
    add_objects(&mut pack, &mut credits, &fluent, &mut furniture)?;
    add_photographs(&mut pack, &mut credits, &photographs)?;

    let (world, photos) = (out.join("world"), out.join("photos"));
    for folder in [&world, &photos] {
        std::fs::create_dir_all(folder).map_err(DataError::writing(folder))?;
    }
    let n_demo_photos = photographs::write_demo(&photographs, &photos)?;
    let bytes = pack.to_bytes()?;
    write(&world.join("world.pack"), &bytes)?;
    write(&world.join("CREDITS.md"), credits.to_markdown().as_bytes())?;

    let count = |split| pack.index.photos.iter().filter(|photo| photo.split == split).count();
    Ok(BuildReport {
        pack_bytes: bytes.len(),
        n_concepts: pack.index.concepts.len(),
        n_renderings: pack.index.concepts.iter().map(|concept| concept.renderings.len()).sum(),
        n_photos: [Split::Train, Split::Validation, Split::Test].map(count),
        n_demo_photos,
    })
}

/// Reads a file of a source package; one that is not there wants the package fetched.
fn read_source(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| DataError::source(path, error))
}

fn add_objects(
    pack: &mut Pack,
    credits: &mut Credits,
    fluent: &Fluent,
    furniture: &mut Furniture,
) -> Result<()> {
    for concept in CONCEPTS {
        let mut renderings = Vec::new();
        for (index, source) in concept.renderings.iter().enumerate() {
            let (picture, stem, credit): (Rgba8, _, Credit) = match source {
                Source::Fluent(points) => {
                    let (picture, credit) = fluent.object(points)?;
                    credits.add_fluent(concept.name, points, &credit);
                    (picture, *points, credit)
                }
                Source::Furniture(stem) => {
                    let (picture, credit) = furniture.object(stem)?;
                    credits.add_furniture(concept.name, &credit);
                    (picture, *stem, credit)
                }
            };
            let file = format!("objects/{}-{stem}.webp", concept.name.replace(' ', "-"));
            pack.files.insert(file.clone(), objects::webp(picture, &credit.title)?);
            let held_out = concept.renderings.len() > 1 && index + 1 == concept.renderings.len();
            renderings.push(RenderingEntry { file, held_out });
        }
        let (name, group) = (concept.name.to_owned(), concept.group.to_owned());
        pack.index.concepts.push(ConceptEntry { name, group, renderings });
    }
    Ok(())
}

fn add_photographs(pack: &mut Pack, credits: &mut Credits, photographs: &[Photograph]) -> Result<()> {
    for photograph in photographs {
        let file = format!("photos/{}.jpg", photograph.id);
        pack.files.insert(file.clone(), photographs::thumbnail(photograph)?);
        let split = super::photos::split_of(&photograph.name);
        credits.add_photograph(photograph, split);
        pack.index.photos.push(PhotoEntry { file, name: photograph.name.clone(), split });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_sources_say_how_to_get_them() {
        let (from, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let message = build(from.path(), out.path()).unwrap_err().to_string();
        assert!(
            message.contains("fluent-emoji-3d") && message.contains("fetch-world-sources.sh"),
            "{message}"
        );
        assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
    }
}
