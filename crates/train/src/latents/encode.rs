//! From samples to what the U-Net sees of them.

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_data::{Mask, Rgb8, Split};
use byteedit_edit::Hole;
use byteedit_edit::hole::write_places;
use byteedit_image::{Rect, Size, fill};
use byteedit_models::tokenizer::ClipTokenizer;
use byteedit_models::vae::AutoencoderKL;
use half::f16;
use rayon::prelude::*;

use crate::pictures::pixels_from_pictures;
use crate::source::{Pair, PairConfig};
use crate::{Result, Source};

/// Sizes that all samples of a run share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Channels of the latents.
    pub(crate) channels: usize,
    /// Height and width of the latents.
    pub(crate) side: usize,
    /// Token ids of a caption, begin, end and padding included.
    pub(crate) n_tokens: usize,
}

impl Geometry {
    /// Elements of one latent.
    pub(crate) fn latent_len(&self) -> usize {
        self.channels * self.side * self.side
    }
}

/// One training pair as the U-Net sees it, on the host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CachedSample {
    /// Scaled latents of the truth, `[channels, side, side]`.
    pub(crate) latents: Vec<f16>,
    /// Scaled latents of the truth with the hole as the run's [`Hole`] has it, same shape.
    pub(crate) masked_latents: Vec<f16>,
    /// 1 = repaint, `[side, side]`.
    pub(crate) edit_mask: Vec<u8>,
    /// The caption, `[n_tokens]`.
    pub(crate) ids: Vec<u32>,
    /// Whether the caption says anything, so that it can be dropped.
    pub(crate) has_caption: bool,
}

/// Draws samples of one split and encodes them.
pub(crate) struct Encoder<'a> {
    pub(crate) source: &'a Source,
    pub(crate) pairs: &'a PairConfig,
    /// What the U-Net is shown in the hole.
    pub(crate) hole: Hole,
    /// Of the training pairs.
    pub(crate) seed: u64,
    pub(crate) vae: AutoencoderKL,
    pub(crate) tokenizer: ClipTokenizer,
    pub(crate) device: Device,
}

impl Encoder<'_> {
    /// Samples `first .. first + n` of a split and a seed, encoded in one batch.
    pub(crate) fn samples(&self, split: Split, seed: u64, first: u64, n: usize) -> Result<Vec<CachedSample>> {
        let pairs = (first..first + n as u64)
            .into_par_iter()
            .map(|index| self.source.pair(self.pairs, split, seed, index))
            .collect::<Result<Vec<_>>>()?;
        self.encode(&pairs)
    }

    /// Encodes pairs in one batch.
    ///
    /// # Errors
    /// A picture and a mask of different sizes.
    pub(crate) fn encode(&self, pairs: &[Pair]) -> Result<Vec<CachedSample>> {
        let truths: Vec<Rgb8> = pairs.iter().map(|pair| pair.truth.clone()).collect();
        let pixels = pixels_from_pictures(&truths, &self.device);
        let shown = self.shown(pairs, pixels.clone())?;
        let latents = self.vae.latents_from_pixels(pixels);
        let masked_latents = floats(self.vae.latents_from_pixels(shown));
        let latents = floats(latents);
        let n = latents.len() / pairs.len();
        pairs
            .iter()
            .zip(latents.chunks_exact(n).zip(masked_latents.chunks_exact(n)))
            .map(|(pair, (latents, masked_latents))| {
                let edit_mask = latent_mask(&pair.edit_mask, self.downscale());
                let mut masked_latents = masked_latents.to_vec();
                if self.hole == Hole::Guess {
                    self.tell_places(&mut masked_latents, &edit_mask, &pair.edit_mask)?;
                }
                Ok(CachedSample {
                    latents: halves(latents),
                    masked_latents: halves(&masked_latents),
                    edit_mask,
                    ids: self.tokenizer.encode_padded(&pair.caption),
                    has_caption: !pair.caption.is_empty(),
                })
            })
            .collect()
    }

    /// What the U-Net is to see of pictures, without a trace of what is under their masks.
    ///
    /// # Shapes
    /// - `pixels`, result: `[batch, 3, height, width]` in [-1, 1]
    pub(crate) fn shown(&self, pairs: &[Pair], pixels: Tensor<4>) -> Result<Tensor<4>> {
        Ok(match self.hole {
            Hole::Grey => {
                let masks: Vec<Mask> = pairs.iter().map(|pair| pair.edit_mask.clone()).collect();
                pixels * keep_masks(&masks, &self.device)
            }
            Hole::Guess => filled(pairs, &self.device)?,
        })
    }

    fn tell_places(&self, latents: &mut [f32], latent_mask: &[u8], edit_mask: &Mask) -> Result<()> {
        let Some(hole) = edit_mask.bounding_box() else { return Ok(()) };
        let hole = Rect::new(hole.x, hole.y, hole.width, hole.height);
        let side = self.geometry().side;
        let grid = latent_mask.iter().map(|repaint| 255 * repaint).collect();
        write_places(
            latents,
            &byteedit_image::Mask::new(Size::new(side, side), grid)?,
            hole,
            self.downscale(),
        );
        Ok(())
    }

    /// What every sample of this encoder has in common.
    pub(crate) fn geometry(&self) -> Geometry {
        use byteedit_models::Component;
        let channels = self.vae.config().latent_channels;
        let side = self.pairs.picture_size / self.downscale();
        Geometry { channels, side, n_tokens: self.tokenizer.max_length() }
    }

    fn downscale(&self) -> usize {
        use byteedit_models::Component;
        self.vae.config().downscale()
    }
}

/// 1 where a picture is kept, 0 in the hole, `[batch, 1, height, width]`: the hole becomes 0, the
/// middle grey of [-1, 1].
fn keep_masks(masks: &[Mask], device: &Device) -> Tensor<4> {
    let (width, height) = (masks[0].width, masks[0].height);
    let values: Vec<f32> = masks
        .iter()
        .flat_map(|mask| mask.values.iter().map(|&value| if value >= 128 { 0.0 } else { 1.0 }))
        .collect();
    Tensor::from_data(TensorData::new(values, [masks.len(), 1, height, width]), device)
}

/// The mask at latent size by nearest neighbour, as diffusers and the editor shrink it: the top left
/// pixel of each block decides. A mask so thin that nothing would be left keeps every block that it
/// touches.
fn latent_mask(mask: &Mask, downscale: usize) -> Vec<u8> {
    let blocks = |is_set: &dyn Fn(usize, usize) -> bool| -> Vec<u8> {
        let rows = (0..mask.height).step_by(downscale);
        rows.flat_map(|y| (0..mask.width).step_by(downscale).map(move |x| u8::from(is_set(x, y)))).collect()
    };
    let nearest = blocks(&|x, y| mask.get(x, y));
    if nearest.contains(&1) {
        return nearest;
    }
    let touches = |x, y| (y..y + downscale).any(|y| (x..x + downscale).any(|x| mask.get(x, y)));
    blocks(&touches)
}

/// Pictures with their holes filled smoothly, `[batch, 3, height, width]`.
fn filled(pairs: &[Pair], device: &Device) -> Result<Tensor<4>> {
    let fill = |pair: &Pair| {
        let (truth, edit_mask) = pair.to_canvas()?;
        Ok(fill::harmonic(&truth, &edit_mask)?.to_signed_chw())
    };
    let values: Vec<f32> = pairs.par_iter().map(fill).collect::<Result<Vec<_>>>()?.concat();
    let Rgb8 { width, height, .. } = pairs[0].truth;
    Ok(Tensor::from_data(TensorData::new(values, [pairs.len(), 3, height, width]), device))
}

fn floats(latents: Tensor<4>) -> Vec<f32> {
    latents.into_data().convert::<f32>().try_to_vec().expect("converted to f32 just above")
}

fn halves(latents: &[f32]) -> Vec<f16> {
    latents.iter().map(|&value| f16::from_f32(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latent(x: usize, y: usize, width: usize, height: usize) -> Vec<u8> {
        let inside = |a, start, len| (start..start + len).contains(&a);
        latent_mask(&Mask::from_fn(16, 16, |i, j| inside(i, x, width) && inside(j, y, height)), 8)
    }

    #[test]
    fn the_top_left_pixel_of_a_block_decides() {
        assert_eq!(latent(8, 8, 3, 3), [0, 0, 0, 1]);
        assert_eq!(latent(3, 3, 13, 13), [0, 0, 0, 1]);
        assert_eq!(latent(0, 0, 9, 9), [1, 1, 1, 1]);
    }

    #[test]
    fn a_thin_mask_never_vanishes() {
        assert_eq!(latent(3, 3, 2, 9), [1, 0, 1, 0]);
        assert_eq!(latent(0, 0, 0, 0), [0; 4]);
    }

    #[test]
    fn a_hole_is_grey_and_the_rest_is_kept() {
        let masks = [Mask::from_fn(2, 1, |x, _| x == 0), Mask::empty(2, 1)];
        let keep = keep_masks(&masks, &Device::default());
        assert_eq!(
            (keep.dims(), keep.into_data().as_slice::<f32>().unwrap()),
            ([2, 1, 1, 2], &[0.0, 1.0, 1.0, 1.0][..])
        );
    }
}
