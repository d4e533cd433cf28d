//! The network as a reward.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use byteedit_models::store::load_component;

use super::CoherentNetwork;
use crate::error::{Result, RewardError};
use crate::region::Region;
use crate::reward::{Reward, Shown};

/// How much of a picture looks as if nothing had been painted: the mean logit of its pixels. As a loss it is taken
/// pixel by pixel (Ren et al. 2024, Eq. 7): [`crate::losses::reward_loss`] of [`CoherentReward::pixel_logits`].
#[derive(Debug, Clone)]
pub struct CoherentReward {
    network: CoherentNetwork,
    region: Region,
}

impl CoherentReward {
    /// Reads `config.json` and the weights. `region` says which pixels make the score.
    ///
    /// # Errors
    /// Missing, broken or unfitting files.
    pub fn load(folder: &Path, region: Region, device: &Device) -> Result<Self> {
        Ok(Self::new(load_component(folder, device)?, region))
    }

    /// The reward of a loaded network.
    pub fn new(network: CoherentNetwork, region: Region) -> Self {
        Self { network, region }
    }

    /// Logits of "real" for every pixel.
    ///
    /// # Shapes
    /// - returns `[batch, 1, height, width]`
    pub fn pixel_logits(&self, shown: &Shown) -> Tensor<4> {
        self.network.pixel_logits(shown.pixels())
    }
}

impl Reward for CoherentReward {
    fn name(&self) -> &'static str {
        "coherent"
    }

    fn sees_prompt(&self) -> bool {
        false
    }

    fn sees_mask(&self) -> bool {
        self.region == Region::Mask
    }

    fn n_parameters(&self) -> usize {
        self.network.num_params()
    }

    fn pixel_scores(&self, shown: &Shown) -> Option<Tensor<4>> {
        Some(self.pixel_logits(shown))
    }

    fn score(&self, shown: &Shown) -> Result<Tensor<1>> {
        if self.region == Region::Mask {
            check_masks(shown.edit_mask())?;
        }
        Ok(self.region.mean(self.pixel_logits(shown), shown.edit_mask()))
    }
}

/// Refuses masks under which there is nothing.
fn check_masks(edit_mask: &Tensor<4>) -> Result<()> {
    let [batch, _, height, width] = edit_mask.dims();
    let largest = edit_mask.clone().reshape([batch, height * width]).max_dim(1).into_data();
    let empty = largest.iter::<f64>().position(|value| value <= 0.0);
    empty.map_or(Ok(()), |item| Err(RewardError::EmptyMask { item }))
}
