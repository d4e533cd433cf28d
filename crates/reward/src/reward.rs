//! What every reward takes and gives.

use burn::tensor::Tensor;

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

    /// The scores, on a tape if the pixels are.
    ///
    /// # Shapes
    /// - returns `[batch]`
    ///
    /// # Errors
    /// [`RewardError::EmptyMask`] from rewards that judge what is under a mask.
    fn score(&self, shown: &Shown) -> Result<Tensor<1>>;
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
}
