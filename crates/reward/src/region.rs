//! Which pixels count.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The pixels over which a mean is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// All of the picture, as the paper has it.
    #[default]
    All,
    /// What the edit mask says was repainted.
    Mask,
}

impl Region {
    /// The mean of every item, `Σ w x / Σ w` with the mask as `w`; 0 under a mask that is empty.
    ///
    /// # Shapes
    /// - `map`, `edit_mask`: `[batch, 1, height, width]`, the mask 1 where repainted
    /// - returns `[batch]`
    pub fn mean(self, map: Tensor<4>, edit_mask: &Tensor<4>) -> Tensor<1> {
        let [batch, _, height, width] = map.dims();
        let sum = |x: Tensor<4>| x.reshape([batch, height * width]).sum_dim(1).reshape([batch]);
        match self {
            Self::All => sum(map) / (height * width) as f64,
            // Masks are of whole pixels: below 1 their sum is 0, as the sum above it is then.
            Self::Mask => sum(map * edit_mask.clone()) / sum(edit_mask.clone()).clamp_min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn means_are_taken_where_they_should_be() {
        let device = Device::flex();
        let map = Tensor::<4>::from_data([[[[1.0, 2.0], [3.0, 6.0]]], [[[1.0, 1.0], [1.0, 5.0]]]], &device);
        let edit_mask = Tensor::from_data([[[[0.0, 1.0], [0.0, 1.0]]], [[[0.0, 0.0], [0.0, 0.0]]]], &device);
        let values = |region: Region| region.mean(map.clone(), &edit_mask).into_data();
        values(Region::All).assert_eq(&TensorData::from([3.0_f32, 2.0]), true);
        values(Region::Mask).assert_eq(&TensorData::from([4.0_f32, 0.0]), true);
    }
}
