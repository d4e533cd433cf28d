//! What every reward takes and gives.

use burn::tensor::{Device, Tensor, TensorData};
use byteedit_image::{Mask, UnitImage};

use crate::error::{Result, RewardError};

/// Edited pictures as a reward sees them.
#[derive(Debug, Clone)]
pub struct Shown {
    pixels: Tensor<4>,
    edit_mask: Tensor<4>,
    prompts: Vec<String>,
}

impl Shown {
    /// Pictures, where they were edited, and what was asked for.
    ///
    /// # Shapes
    /// - `pixels`: `[batch, 3, height, width]`, from 0 to 1, of any size
    /// - `edit_mask`: `[batch, 1, height, width]`, 1 = repainted, 0 = kept
    /// - `prompts`: `batch` texts, empty where nothing was asked for
    ///
    /// # Errors
    /// [`RewardError::Shape`] and [`RewardError::Prompts`] for pictures, masks and prompts that do not fit each other.
    pub fn new(pixels: Tensor<4>, edit_mask: Tensor<4>, prompts: Vec<String>) -> Result<Self> {
        let found = pixels.dims();
        let [batch, channels, height, width] = found;
        if channels != 3 || found.contains(&0) {
            let wanted = "[batch, 3, height, width], none of them 0".to_owned();
            return Err(RewardError::Shape { what: "a batch of pictures", found, wanted });
        }
        if edit_mask.dims() != [batch, 1, height, width] {
            let wanted = format!("[{batch}, 1, {height}, {width}], as the pictures are");
            return Err(RewardError::Shape { what: "a batch of masks", found: edit_mask.dims(), wanted });
        }
        if prompts.len() != batch {
            return Err(RewardError::Prompts { n_prompts: prompts.len(), n_pictures: batch });
        }
        Ok(Self { pixels, edit_mask, prompts })
    }

    /// The same of pictures of one size as they lie in memory.
    ///
    /// # Errors
    /// [`RewardError::Sizes`] for pictures or masks of several sizes, and those of [`Shown::new`].
    pub fn of_pictures(
        pictures: &[UnitImage],
        edit_masks: &[Mask],
        prompts: Vec<String>,
        device: &Device,
    ) -> Result<Self> {
        let size = pictures.first().map_or(byteedit_image::Size::new(0, 0), UnitImage::size);
        let sizes = pictures.iter().map(UnitImage::size).chain(edit_masks.iter().map(Mask::size));
        for other in sizes {
            if other != size {
                return Err(RewardError::Sizes { size, other });
            }
        }
        let (width, height) = (size.width, size.height);
        let channels = |picture: &UnitImage| {
            let data = picture.data();
            (0..3).flat_map(|channel| data.iter().skip(channel).step_by(3).copied()).collect::<Vec<f32>>()
        };
        let pixels: Vec<f32> = pictures.iter().flat_map(channels).collect();
        let masks = edit_masks.iter().flat_map(Mask::repaints).map(|inside| f32::from(u8::from(inside)));
        let masks: Vec<f32> = masks.collect();
        Self::new(
            Tensor::from_data(TensorData::new(pixels, [pictures.len(), 3, height, width]), device),
            Tensor::from_data(TensorData::new(masks, [edit_masks.len(), 1, height, width]), device),
            prompts,
        )
    }

    /// `[batch, 3, height, width]`, from 0 to 1.
    pub fn pixels(&self) -> Tensor<4> {
        self.pixels.clone()
    }

    /// `[batch, 1, height, width]`, 1 = repainted.
    pub fn edit_mask(&self) -> &Tensor<4> {
        &self.edit_mask
    }

    /// One text for each picture.
    pub fn prompts(&self) -> &[String] {
        &self.prompts
    }
}

/// A number for each picture, higher for better ones, with a gradient in its pixels.
pub trait Reward {
    /// What reports call it.
    fn name(&self) -> &'static str;

    /// Whether the prompt changes the score.
    fn sees_prompt(&self) -> bool;

    /// Whether the mask changes the score.
    fn sees_mask(&self) -> bool;

    /// Numbers of its networks; 0 where there is none.
    fn n_parameters(&self) -> usize;

    /// The scores, on a tape if the pixels are.
    ///
    /// # Shapes
    /// - returns `[batch]`
    ///
    /// # Errors
    /// [`RewardError::EmptyMask`] from rewards that judge what is under a mask.
    fn score(&self, shown: &Shown) -> Result<Tensor<1>>;

    /// What a difference of two scores is multiplied by to be the logarithm of odds, as in its training.
    fn log_odds_scale(&self) -> f64 {
        1.0
    }

    /// How many tokens of a prompt it reads, if this one has more.
    fn cuts_after(&self, prompt: &str) -> Option<usize> {
        let _ = prompt;
        None
    }

    /// What it thinks of every pixel, higher for better ones; `None` of rewards that see a picture as a whole.
    ///
    /// # Shapes
    /// - returns `[batch, 1, height, width]`
    fn pixel_scores(&self, shown: &Shown) -> Option<Tensor<4>> {
        let _ = shown;
        None
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn zeros(shape: [usize; 4]) -> Tensor<4> {
        Tensor::zeros(shape, &Device::flex())
    }

    #[track_caller]
    fn refusal(pixels: [usize; 4], edit_mask: [usize; 4], n_prompts: usize) -> String {
        Shown::new(zeros(pixels), zeros(edit_mask), vec![String::new(); n_prompts]).unwrap_err().to_string()
    }

    #[test]
    fn pictures_masks_and_prompts_must_fit_each_other() {
        assert!(Shown::new(zeros([2, 3, 4, 5]), zeros([2, 1, 4, 5]), vec![String::new(); 2]).is_ok());
        assert!(refusal([2, 4, 4, 5], [2, 1, 4, 5], 2).contains("pictures of shape [2, 4, 4, 5]"));
        assert!(refusal([2, 3, 0, 5], [2, 1, 0, 5], 2).contains("none of them 0"));
        assert!(refusal([2, 3, 4, 5], [2, 1, 5, 4], 2).contains("must be [2, 1, 4, 5]"));
        assert!(refusal([2, 3, 4, 5], [2, 1, 4, 5], 1).contains("1 prompts for 2 pictures"));
    }

    #[test]
    fn pictures_are_taken_channel_by_channel() {
        let size = byteedit_image::Size::new(2, 1);
        let picture = UnitImage::new(size, vec![0.0, 0.1, 0.2, 0.5, 0.6, 0.7]).unwrap();
        let mask = Mask::new(size, vec![0, 255]).unwrap();
        let of = |masks: &[Mask]| {
            Shown::of_pictures(std::slice::from_ref(&picture), masks, vec![String::new()], &Device::flex())
        };
        let shown = of(&[mask]).unwrap();
        let expected = [[[[0.0_f32, 0.5]], [[0.1, 0.6]], [[0.2, 0.7]]]];
        shown.pixels().into_data().assert_eq(&TensorData::from(expected), true);
        shown.edit_mask().clone().into_data().assert_eq(&TensorData::from([[[[0.0_f32, 1.0]]]]), true);
        let message = of(&[Mask::filled(byteedit_image::Size::new(2, 2), 255)]).unwrap_err().to_string();
        assert!(message.contains("2 x 2") && message.contains("2 x 1"), "{message}");
    }
}
