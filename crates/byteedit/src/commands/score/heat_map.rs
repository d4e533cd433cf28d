//! Where a picture looks real to a reward that sees pixels, and where generated.

use std::path::Path;

use anyhow::bail;
use byteedit_eval::reward::heat_map;
use byteedit_image::{Encoding, UnitImage, encode};
use byteedit_reward::{Reward, Shown};

use super::asked::Asked;
use crate::files;

/// Checks, before any work is done, that there is one picture and that its map can be written.
///
/// # Errors
/// The first of these that does not hold.
pub(super) fn check(path: &Path, force: bool, asked: &[Asked]) -> anyhow::Result<()> {
    files::format_of(path)?;
    let [one] = asked else {
        bail!("--heat-map shows one picture, and {} are named; name one", asked.len());
    };
    if files::is_same(path, &one.path) {
        bail!("{} is the picture itself; name another file with --heat-map", path.display());
    }
    files::check_target(path, force, "--heat-map")
}

/// Writes the map of a picture.
///
/// # Errors
/// A reward that sees pictures as a whole, or a file that cannot be written after all.
pub(super) fn write(
    path: &Path,
    reward: &dyn Reward,
    name: &str,
    picture: &UnitImage,
    shown: &Shown,
) -> anyhow::Result<()> {
    let Some(logits) = reward.pixel_scores(shown) else {
        bail!(
            "the reward {name} sees a picture as a whole and has no heat map; choose coherent, or leave --heat-map out"
        );
    };
    let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
    let map = heat_map(picture, &logits)?.to_picture()?;
    files::write(path, &encode(&map, &Encoding::new(files::format_of(path)?))?)
}
