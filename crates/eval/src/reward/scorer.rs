//! Whose scores are evaluated, and how it is asked for them.

use std::ops::Range;

use burn::tensor::{Device, Tensor};
use byteedit_image::UnitImage;
use byteedit_models::vae::AutoencoderKL;
use byteedit_reward::{Result, Reward, Shown};

use super::pictures::Pictures;

/// Pictures that go through a network at once.
const BATCH: usize = 32;

/// A reward, and what it needs to be asked.
pub struct Scorer<'a> {
    /// What the report calls it, such as the name of its folder.
    pub name: &'a str,
    /// The reward.
    pub reward: &'a dyn Reward,
    /// An autoencoder that pictures are sent through before their pixels are told apart once more: then what it leaves in
    /// every pixel no longer gives repainted ones away.
    pub vae: Option<&'a AutoencoderKL>,
    /// Where to compute.
    pub device: &'a Device,
}

impl Scorer<'_> {
    /// What it thinks of each candidate under a prompt.
    pub(super) fn scores(&self, pictures: &Pictures, prompt: &str) -> Result<Vec<f64>> {
        let mut scores = Vec::with_capacity(pictures.candidates.len());
        for shown in self.batches(pictures, prompt) {
            let found = self.reward.score(&shown?)?.into_data();
            scores.extend(found.iter::<f64>());
        }
        Ok(scores)
    }

    /// What it thinks of each candidate's pixels, row by row, after an autoencoder if there is one; `None` of rewards that
    /// see pictures as a whole.
    pub(super) fn pixel_scores(
        &self,
        pictures: &Pictures,
        prompt: &str,
        vae: Option<&AutoencoderKL>,
    ) -> Result<Option<Vec<Vec<f32>>>> {
        let mut maps = Vec::with_capacity(pictures.candidates.len());
        for shown in self.batches(pictures, prompt) {
            let shown = match vae {
                Some(vae) => through(vae, &shown?)?,
                None => shown?,
            };
            let Some(scores) = self.reward.pixel_scores(&shown) else { return Ok(None) };
            let [_, _, height, width] = scores.dims();
            let values: Vec<f32> = scores.into_data().iter::<f32>().collect();
            maps.extend(values.chunks_exact(height * width).map(<[f32]>::to_vec));
        }
        Ok(Some(maps))
    }

    fn batches(&self, pictures: &Pictures, prompt: &str) -> impl Iterator<Item = Result<Shown>> {
        ranges_of_one_size(&pictures.candidates).into_iter().map(move |range| {
            let prompts = vec![prompt.to_owned(); range.len()];
            let (candidates, edit_masks) = (&pictures.candidates[range.clone()], &pictures.edit_masks[range]);
            Shown::of_pictures(candidates, edit_masks, prompts, self.device)
        })
    }
}

/// The same pictures encoded, to the posterior's mean, and decoded.
fn through(vae: &AutoencoderKL, shown: &Shown) -> Result<Shown> {
    let signed: Tensor<4> = shown.pixels() * 2.0 - 1.0;
    let decoded = vae.pixels_from_latents(vae.latents_from_pixels(signed));
    let pixels = (decoded * 0.5 + 0.5).clamp(0.0, 1.0);
    Shown::new(pixels, shown.edit_mask().clone(), shown.prompts().to_vec())
}

/// Neighbours of one size, at most [`BATCH`] together.
fn ranges_of_one_size(pictures: &[UnitImage]) -> Vec<Range<usize>> {
    let alike = pictures.chunk_by(|a, b| a.size() == b.size());
    let mut end = 0;
    let range = |batch: &[UnitImage]| {
        let start = end;
        end += batch.len();
        start..end
    };
    alike.flat_map(|alike| alike.chunks(BATCH)).map(range).collect()
}

#[cfg(test)]
mod tests {
    use byteedit_image::Size;

    use super::*;

    #[test]
    fn a_batch_has_one_size_and_a_limit() {
        let pictures = |n: usize, side: usize| vec![UnitImage::filled(Size::new(side, 4), [0.5; 3]); n];
        let all = [pictures(BATCH + 2, 4), pictures(1, 5), pictures(2, 4)].concat();
        assert_eq!(
            ranges_of_one_size(&all),
            [0..BATCH, BATCH..BATCH + 2, BATCH + 2..BATCH + 3, BATCH + 3..BATCH + 5]
        );
        assert!(ranges_of_one_size(&[]).is_empty());
    }
}
