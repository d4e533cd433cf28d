//! Where pictures for training and measuring come from.

use std::path::Path;

use anyhow::{Context, bail};
use byteedit_data::{FolderDataset, World};
use byteedit_train::Source;

/// The mini world: the built-in pack, or the one in a file.
///
/// # Errors
/// A file that is missing or no pack.
pub(crate) fn world(pack: Option<&Path>) -> anyhow::Result<World> {
    match pack {
        Some(path) => World::open(path).with_context(|| path.display().to_string()),
        None if byteedit_mini::WORLD.is_empty() => {
            bail!("no world was built into this program; name a pack with --world")
        }
        None => World::from_bytes(byteedit_mini::WORLD).context("the built-in world"),
    }
}

/// The mini world, or a folder of pictures with `metadata.jsonl`.
///
/// # Errors
/// As [`world`], and for a folder without a usable description.
pub(crate) fn source(data: Option<&Path>) -> anyhow::Result<Source> {
    Ok(match data {
        Some(folder) => Source::Folder(FolderDataset::open(folder)?),
        None => Source::World(world(None)?),
    })
}
