//! Where a picture looks real to a reward that sees pixels, and where generated.

use std::path::Path;

use anyhow::bail;
use byteedit_image::{Encoding, UnitImage, encode};
use byteedit_reward::{Reward, Shown};

use super::asked::Asked;
use crate::files;

/// What looks real.
const REAL: [f32; 3] = [0.0, 0.25, 1.0];
/// What looks generated.
const GENERATED: [f32; 3] = [1.0, 0.0, 0.0];
/// What looks as much like the one as like the other.
const UNDECIDED: f32 = 1.0;

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

/// The picture in grey, with half of each pixel's colour over it.
fn heat_map(picture: &UnitImage, logits: &[f32]) -> anyhow::Result<UnitImage> {
    let pixels = picture.luma().into_iter().zip(logits);
    let values = pixels.flat_map(|(grey, &logit)| color(logit).map(|value| f32::midpoint(grey, value)));
    Ok(UnitImage::new(picture.size(), values.collect())?)
}

/// The colour of a logit of "real": from the one end over white to the other.
fn color(logit: f32) -> [f32; 3] {
    let p_real = 1.0 / (1.0 + (-logit).exp());
    let (end, share) =
        if p_real > 0.5 { (REAL, 2.0 * p_real - 1.0) } else { (GENERATED, 1.0 - 2.0 * p_real) };
    end.map(|value| share * value + (1.0 - share) * UNDECIDED)
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;

    use super::*;

    #[test]
    fn what_looks_real_is_blue_and_what_looks_generated_red() {
        let black = UnitImage::filled(Size::new(3, 1), [0.0; 3]);
        let map = heat_map(&black, &[1000.0, 0.0, -1000.0]).unwrap();
        assert_eq!(map.data(), [0.0, 0.125, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0]);
        assert!(heat_map(&black, &[0.0]).is_err());
    }
}
