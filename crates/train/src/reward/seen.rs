//! Pictures with the masks they were edited under, as rewards are shown them.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Int, Tensor};
use byteedit_data::preference::{Candidate, PreferenceRecord};
use byteedit_data::{Mask, Rgb8};
use byteedit_reward::Shown;

use crate::pictures::unit_from_rgb8;
use crate::{Result, TrainError};

/// A picture and where it was repainted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(super) picture: Rgb8,
    pub(super) edit_mask: Mask,
}

impl Seen {
    /// Reads a candidate of a record in `folder`; without a source, all of it counts as repainted.
    pub(super) fn read(folder: &Path, record: &PreferenceRecord, candidate: &Candidate) -> Result<Self> {
        Self::open(folder, &candidate.path, record.source.as_ref().map(|source| source.mask.as_str()))
    }

    /// Reads a picture and its mask; without one, all of it counts as repainted.
    pub(crate) fn open(folder: &Path, image: &str, mask: Option<&str>) -> Result<Self> {
        let picture = Rgb8::open(&folder.join(image))?;
        let (width, height) = (picture.width, picture.height);
        let Some(mask) = mask else { return Ok(Self { picture, edit_mask: Mask::full(width, height) }) };
        let edit_mask = Mask::open(&folder.join(mask))?;
        if (edit_mask.width, edit_mask.height) != (width, height) {
            let limit = format!("{width} x {height} px, as {image} is; give it a mask of its own size");
            let value = format!("{} x {} px in {mask}", edit_mask.width, edit_mask.height);
            return Err(TrainError::config("the size of a mask", value, limit));
        }
        Ok(Self { picture, edit_mask })
    }

    /// Left and right exchanged.
    pub(super) fn mirrored(&self) -> Self {
        let Self { picture, edit_mask } = self;
        let width = picture.width;
        let pixels = picture.data.as_chunks::<3>().0;
        let data = pixels.chunks_exact(width).flat_map(|row| row.iter().rev().flatten().copied()).collect();
        let values = edit_mask.values.chunks_exact(width).flat_map(|row| row.iter().rev().copied()).collect();
        Self { picture: Rgb8 { data, ..*picture }, edit_mask: Mask { values, ..*edit_mask } }
    }
}

/// What `network` makes of pictures of any sizes, those of one size at once, in the order in which they were given.
///
/// # Shapes
/// - `network` and the result: `[batch, 3, side, side]`
pub(crate) fn preprocessed(
    pictures: &[Seen],
    device: &Device,
    mut network: impl FnMut(&Shown) -> Result<Tensor<4>>,
) -> Result<Tensor<4>> {
    let mut by_size: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (place, seen) in pictures.iter().enumerate() {
        by_size.entry((seen.picture.width, seen.picture.height)).or_default().push(place);
    }
    let mut parts = Vec::with_capacity(by_size.len());
    let mut order = vec![0_i64; pictures.len()];
    let mut n_before = 0;
    for places in by_size.values() {
        parts.push(network(&shown(places.iter().map(|&place| &pictures[place]), device)?)?);
        for &place in places {
            order[place] = n_before;
            n_before += 1;
        }
    }
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    let order = Tensor::<1, Int>::from_data(order.as_slice(), device);
    Ok(Tensor::cat(parts, 0).select(0, order))
}

/// Pictures of one size, without prompts.
pub(super) fn shown<'a>(pictures: impl Iterator<Item = &'a Seen>, device: &Device) -> Result<Shown> {
    let (mut units, mut masks) = (Vec::new(), Vec::new());
    for Seen { picture, edit_mask } in pictures {
        let unit = unit_from_rgb8(picture)?;
        masks.push(byteedit_image::Mask::new(unit.size(), edit_mask.values.clone())?);
        units.push(unit);
    }
    let prompts = vec![String::new(); units.len()];
    Ok(Shown::of_pictures(&units, &masks, prompts, device)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(width: usize, shade: u8) -> Seen {
        Seen { picture: Rgb8::filled(width, 2, [shade; 3]), edit_mask: Mask::full(width, 2) }
    }

    #[test]
    fn a_mirrored_picture_has_its_mask_with_it() {
        let picture = Rgb8 { width: 2, height: 1, data: vec![1, 2, 3, 4, 5, 6] };
        let edit_mask = Mask { width: 2, height: 1, values: vec![0, 255] };
        let mirrored = Seen { picture, edit_mask }.mirrored();
        assert_eq!(mirrored.picture.data, [4, 5, 6, 1, 2, 3]);
        assert_eq!(mirrored.edit_mask.values, [255, 0]);
    }

    #[test]
    fn pictures_of_several_sizes_keep_their_order() {
        let pictures = [seen(3, 0), seen(2, 51), seen(3, 102), seen(2, 255)];
        let device = Device::default();
        let corner = |shown: &Shown| Ok(shown.pixels().narrow(2, 0, 1).narrow(3, 0, 1));
        let values = preprocessed(&pictures, &device, corner).unwrap().narrow(1, 0, 1);
        let values: Vec<f32> = values.into_data().iter::<f32>().collect();
        let expected = [0.0, 0.2, 0.4, 1.0];
        assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{values:?}");
    }
}
